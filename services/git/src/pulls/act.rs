//! Approves, merges and closes.

use std::sync::Arc;

use schemas::access::{Action, Resource, Who, allow};
use schemas::check::report;
use schemas::event::{Data, Draft, GitPushed, PackRef, PullApproved, PullClosed, PullMerged, RefUpdate};
use schemas::names::{FleetId, Oid};
use schemas::pulls::{Pull, PullStatus};
use schemas::query::{Fault, FaultCode, PullNow};
use uuid::Uuid;

use super::judge::{Judged, Way, judge};
use super::sides::{Sides, may_push, visible};
use super::{fault, find, needed};
use crate::context::{Context, InUse};
use crate::record::{draft, record, unavailable};
use crate::repository::State;
use crate::workbench::Workbench;

/// What is asked for, and by whom.
pub(super) struct Act<'a> {
    pub(super) context: &'a Arc<Context>,
    pub(super) who: &'a Who,
    pub(super) fleet: &'a FleetId,
    /// Of the event: asked for again, it is done once.
    pub(super) id: Uuid,
    pub(super) number: u64,
}

impl Act<'_> {
    /// Somebody has looked at it and finds it good: exactly this commit with exactly this plan.
    pub(super) async fn approve(&self, seen: Option<String>) -> Result<PullNow, Fault> {
        let Self { context, who, fleet, number, .. } = *self;
        may_push(who, fleet, "to approve")?;
        let (sides, pull) = self.open_one().await?;
        if pull.author == who.name.as_str() {
            let message = "your own pull request: somebody else has to approve it".to_owned();
            return Err(fault(FaultCode::NotAllowed, message));
        }
        let bench = sides.workbench(context).map_err(|error| unavailable(&error))?;
        let judged = judge(context, &bench, &sides, Some(who)).await?;
        stands(&judged)?;
        as_seen(seen.as_deref(), &judged)?;
        let (head, plan) = (sides.head.clone(), judged.now.plan.clone());
        record(context, &sides.target, |state| {
            unmoved(state, number, &sides)?;
            let approved = PullApproved { number, head: head.clone(), plan: plan.clone() };
            Ok(vec![self.event(&sides.target, Data::PullApproved(approved))])
        })
        .await?;
        Ok(judged.now)
    }

    /// Takes it in: one `git.pushed`, and with it `pull.merged`.
    pub(super) async fn merge(&self, seen: Option<String>) -> Result<(), Fault> {
        let Self { context, who, fleet, number, .. } = *self;
        may_push(who, fleet, "to merge")?;
        if self.is_done().await? {
            return Ok(());
        }
        let (sides, pull) = self.open_one().await?;
        let bench = sides.workbench(context).map_err(|error| unavailable(&error))?;
        let judged = judge(context, &bench, &sides, Some(who)).await?;
        stands(&judged)?;
        passes(&judged)?;
        as_seen(seen.as_deref(), &judged)?;
        approved(&*sides.target.state.lock().await, &pull, &judged)?;
        let (commit, pack) = self.commit(&bench, &sides, &pull, &judged.way).await?;
        let pushed = Uuid::new_v5(&self.id, b"git.pushed");
        record(context, &sides.target, |state| {
            unmoved(state, number, &sides)?;
            approved(state, find(state, number)?, &judged)?;
            let mut event = self.event(&sides.target, pushed_by(&sides, &judged, &commit, pack.as_ref()));
            (event.id, event.subject) = (pushed, format!("refs/heads/{}", sides.into));
            let mut merged = self.event(
                &sides.target,
                Data::PullMerged(PullMerged { number, commit: commit.clone(), plan: judged.now.plan.clone() }),
            );
            merged.cause = Some(pushed);
            Ok(vec![event, merged])
        })
        .await
        .map(drop)
    }

    /// It will not be taken in.
    pub(super) async fn close(&self) -> Result<(), Fault> {
        let Self { context, who, fleet, number, .. } = *self;
        if self.is_done().await? {
            return Ok(());
        }
        let target = visible(context, who, fleet)?;
        record(context, &target, |state| {
            let pull = find(state, number)?;
            if pull.author != who.name.as_str() && !allow(who, Action::Push, Resource::Fleet(fleet)) {
                may_push(who, fleet, "to close somebody else's pull request")?;
            }
            waits(pull)?;
            Ok(vec![self.event(&target, Data::PullClosed(PullClosed { number }))])
        })
        .await
        .map(drop)
    }

    /// Whether this very call has ended it before.
    async fn is_done(&self) -> Result<bool, Fault> {
        let target = visible(self.context, self.who, self.fleet)?;
        let ended = find(&*target.state.lock().await, self.number)?.ended;
        Ok(ended == Some(self.id))
    }

    /// Both sides as they are now, and the pull request, which waits.
    async fn open_one(&self) -> Result<(Sides, Pull), Fault> {
        let target = visible(self.context, self.who, self.fleet)?;
        let pull = find(&*target.state.lock().await, self.number)?.clone();
        waits(&pull)?;
        let sides = Sides::look(self.context, target, &pull.from, &pull.into, Some(&pull.tip.head)).await?;
        if sides.head != pull.tip.head {
            return Err(moved());
        }
        Ok((sides, pull))
    }

    /// What the branch will lead to, with the pack of what had to be made for it.
    async fn commit(
        &self,
        bench: &Workbench<'_>,
        sides: &Sides,
        pull: &Pull,
        way: &Way,
    ) -> Result<(Oid, Option<PackRef>), Fault> {
        let Way::Merge { tree } = way else { return Ok((sides.head.clone(), None)) };
        let message = format!(
            "Merge pull request {}: {}\n\nTakes `{}` into `{}`.\n",
            pull.number, pull.title, pull.from, pull.into
        );
        let made = bench.commit(tree, &[&sides.base, &sides.head], self.who.name.as_str(), &message).await;
        let commit = made.map_err(|error| unavailable(&error))?;
        let fleet = &sides.target.fleet;
        let stored = bench.store(&self.context.bus, fleet, [&commit], [&sides.base, &sides.head]).await;
        Ok((commit, Some(stored.map_err(|error| unavailable(&error))?)))
    }

    fn event(&self, target: &InUse, data: Data) -> Draft {
        let subject = format!("pulls/{}", self.number);
        draft(target, self.id, subject, self.who.name.as_str(), data)
    }
}

fn pushed_by(sides: &Sides, judged: &Judged, commit: &Oid, pack: Option<&PackRef>) -> Data {
    let (old, new) = (Some(sides.base.clone()), Some(commit.clone()));
    Data::GitPushed(GitPushed {
        created: false,
        refs: vec![RefUpdate { name: format!("refs/heads/{}", sides.into), old, new }],
        pack: pack.cloned(),
        deploy: sides.deploy.clone(),
        commit: judged.changes.is_some().then(|| commit.clone()),
        descriptors: judged.changes.clone().unwrap_or_default(),
        reason: None,
        // A merge names nothing that it destroys: ephemeral volumes stay.
        allow_destroy: Vec::new(),
    })
}

/// Nobody has moved anything since it was looked at.
fn unmoved(state: &State, number: u64, sides: &Sides) -> Result<(), Fault> {
    let pull = find(state, number)?;
    waits(pull)?;
    let base = state.refs.get(&format!("refs/heads/{}", sides.into));
    if pull.tip.head != sides.head || base != Some(&sides.base) {
        return Err(moved());
    }
    // Both branches stay where they are when somebody rolls back.
    if sides.deploys && state.desired_at != sides.desired_at {
        let message = "what is desired has just changed, by a rollback: look at it again, then try again";
        return Err(fault(FaultCode::Conflict, message));
    }
    Ok(())
}

fn moved() -> Fault {
    fault(FaultCode::Conflict, "one of both branches has just moved: look at it again, then try again")
}

fn waits(pull: &Pull) -> Result<(), Fault> {
    match pull.status {
        PullStatus::Open => Ok(()),
        other => Err(fault(FaultCode::Conflict, format!("pull request {} is {} already", pull.number, other.as_str()))),
    }
}

/// Refuses what cannot be merged as it is.
fn stands(judged: &Judged) -> Result<(), Fault> {
    let conflict = |message: String| Err(fault(FaultCode::Conflict, message));
    if judged.way == Way::Nothing {
        return conflict(judged.now.text.clone());
    }
    if judged.way == Way::Conflicts {
        let text = &judged.now.text;
        return conflict(format!("it conflicts: {text}; merge the branch into yours, resolve that, and push"));
    }
    if !judged.now.faults.is_empty() {
        return conflict(format!("the merge would have faults:\n{}", report(&judged.now.faults)));
    }
    Ok(())
}

/// Refuses what may be looked at and approved, and not be applied now.
fn passes(judged: &Judged) -> Result<(), Fault> {
    let refused = &judged.now.refused;
    if refused.is_empty() {
        return Ok(());
    }
    Err(fault(FaultCode::Conflict, format!("the merge would have faults:\n{}", report(refused))))
}

/// Refuses where somebody names a plan that would not be the one.
fn as_seen(seen: Option<&str>, judged: &Judged) -> Result<(), Fault> {
    if seen.is_none() || seen == judged.now.plan.as_deref() {
        return Ok(());
    }
    let message = format!("the plan is another one than you looked at; it is now:\n{}", judged.now.text);
    Err(fault(FaultCode::Conflict, message))
}

/// Refuses what has not enough approvals for exactly this commit and plan.
fn approved(state: &State, pull: &Pull, judged: &Judged) -> Result<(), Fault> {
    let (needed, plan) = (needed(state, &pull.into), judged.now.plan.as_deref());
    let counting = pull.approved(plan);
    // Somebody looked at this very commit, and at another plan of it.
    let stale = pull.approvals.iter().any(|it| it.head == pull.tip.head && it.plan.as_deref() != plan);
    if counting >= needed as usize && (counting > 0 || !stale) {
        return Ok(());
    }
    let message = if stale {
        let text = &judged.now.text;
        format!("its plan is no longer the one that was approved: look at it and approve it again; it is now:\n{text}")
    } else {
        format!(
            "it has {counting} of {needed} approvals; its author's and that of who pushed its newest commit do not count"
        )
    };
    Err(fault(FaultCode::Conflict, message))
}
