//! Both sides of a pull request as they are now, and a place to work on them.

use std::path::PathBuf;
use std::sync::Arc;

use schemas::access::{Action, Resource, Who, allow};
use schemas::descriptors::Guards;
use schemas::names::{FleetId, Oid};
use schemas::pulls::Source;
use schemas::query::{Fault, FaultCode};
use schemas::rollback::Withdrawn;
use streams::with_causes;

use super::fault;
use crate::context::{Context, InUse};
use crate::error::GitError;
use crate::record::unavailable;
use crate::repository::State;
use crate::workbench::Workbench;

/// Both sides, held so that neither goes away.
pub(super) struct Sides {
    /// The fleet that takes it in.
    pub(super) target: InUse,
    /// The fork; none: both sides are one fleet's.
    pub(super) fork: Option<InUse>,
    /// The branch that takes it in.
    pub(super) into: String,
    /// Where that stands.
    pub(super) base: Oid,
    /// Where the other one stands.
    pub(super) head: Oid,
    /// Who pushed that.
    pub(super) pushed_by: Option<String>,
    /// Position of the target's newest Git event.
    pub(super) applied: u64,
    /// The target's deploy branch.
    pub(super) deploy: String,
    /// Whether that is `into`.
    pub(super) deploys: bool,
    /// The commit that is desired of the target, since which position, and what was taken back before.
    pub(super) desired: Option<Oid>,
    pub(super) desired_at: u64,
    pub(super) withdrawn: Withdrawn,
    /// The target's guards in force.
    pub(super) guards: Guards,
}

impl Sides {
    /// Looks at both branches. A head that was looked at before stays where its branch is gone.
    pub(super) async fn look(
        context: &Arc<Context>,
        target: InUse,
        from: &Source,
        into: &str,
        known: Option<&Oid>,
    ) -> Result<Self, Fault> {
        let fork = if from.fleet == target.fleet { None } else { Some(repository(context, &from.fleet)?) };
        let tip = |state: &State| {
            let name = format!("refs/heads/{}", from.branch);
            (state.refs.get(&name).cloned(), state.movers.get(&name).cloned())
        };
        let (mut head, mut pushed_by) = (None, None);
        if let Some(fork) = &fork {
            let mut state = fork.state.lock().await;
            settle(context, fork, &mut state).await?;
            (head, pushed_by) = tip(&state);
        }
        let mut state = target.state.lock().await;
        settle(context, &target, &mut state).await?;
        if fork.is_none() {
            (head, pushed_by) = tip(&state);
        }
        let no_branch = |source: &str| fault(FaultCode::NotFound, format!("there is no branch `{source}`"));
        let head = head.or_else(|| known.cloned()).ok_or_else(|| no_branch(&from.to_string()))?;
        let base = state.refs.get(&format!("refs/heads/{into}")).cloned();
        let base = base.ok_or_else(|| no_branch(&format!("{}:{into}", target.fleet)))?;
        let (applied, deploy) = (state.applied, state.deploy.clone().unwrap_or_default());
        let (desired, desired_at, withdrawn) = (state.desired.clone(), state.desired_at, state.withdrawn.clone());
        let guards = state.accepted.guards.clone();
        drop(state);
        let (into, deploys) = (into.to_owned(), deploy == into);
        Ok(Self {
            target,
            fork,
            into,
            base,
            head,
            pushed_by,
            applied,
            deploy,
            deploys,
            desired,
            desired_at,
            withdrawn,
            guards,
        })
    }

    /// A place to work on them.
    pub(super) fn workbench<'a>(&self, context: &'a Context) -> Result<Workbench<'a>, GitError> {
        let others: Vec<PathBuf> = self.fork.iter().map(|it| it.path.clone()).collect();
        let others: Vec<_> = others.iter().map(PathBuf::as_path).collect();
        Workbench::new(&context.launcher, &self.target.path, &others)
    }
}

/// A fleet that the log knows.
pub(super) fn repository(context: &Arc<Context>, fleet: &FleetId) -> Result<InUse, Fault> {
    context.enter_known(fleet).ok_or_else(|| no_fleet(fleet))
}

/// The same, where `who` may see it; else as if there were none.
pub(super) fn visible(context: &Arc<Context>, who: &Who, fleet: &FleetId) -> Result<InUse, Fault> {
    if allow(who, Action::See, Resource::Fleet(fleet)) { repository(context, fleet) } else { Err(no_fleet(fleet)) }
}

fn no_fleet(fleet: &FleetId) -> Fault {
    fault(FaultCode::NotFound, format!("there is no fleet `{fleet}`"))
}

/// Refuses who may not push there.
pub(super) fn may_push(who: &Who, fleet: &FleetId, what: &str) -> Result<(), Fault> {
    if allow(who, Action::Push, Resource::Fleet(fleet)) {
        return Ok(());
    }
    let (name, role, owner) = (&who.name, who.role_with(&fleet.owner), &fleet.owner);
    let needed = Action::Push.needed();
    Err(fault(FaultCode::NotAllowed, format!("`{name}` is `{role}` with `{owner}`: {what} needs {needed}")))
}

async fn settle(context: &Context, repository: &InUse, state: &mut State) -> Result<(), Fault> {
    context.settle(repository, state).await.map_err(|error| {
        tracing::error!(fleet = %repository.fleet, error = with_causes(&error), "a repository cannot be worked on");
        unavailable(&error)
    })
}
