//! `req.git.rollback`: what was desired before is desired again. An event says so; the branch stays where it is.
//!
//! Asks the registry for the fleet as it is and as it was; writes `desired.rolled_back`. Nothing comes in that was not
//! accepted before, so neither guards nor the branch's protection stand in the way: what they would say is a warning.

use std::sync::Arc;

use schemas::access::{Action, Resource, allow};
use schemas::check::{Checked, Fault as Doubt};
use schemas::descriptors::{Desired, Guards};
use schemas::event::{Data, DesiredRolledBack, Draft};
use schemas::fleet::{Fleet, RolloutStatus};
use schemas::names::Oid;
use schemas::plan::{Plan, describe, plan};
use schemas::query::{At, FailedRollout, Fault, FaultCode, PastRequest, RollbackAnswer, RollbackRequest};
use schemas::rollback::{REMEMBERED, Withdrawn, last_good_position, stays};
use serde::Deserialize;
use streams::{AskError, with_causes};

use crate::ancestry::{REV_LIST, newest};
use crate::ask::{AT_ONCE, serve};
use crate::candidate;
use crate::context::{Context, InUse};
use crate::guards::{self, Applied};
use crate::losses;
use crate::neighbours::Neighbours;
use crate::options;
use crate::plan::{now, silent};
use crate::record::{draft, unavailable, undo};
use crate::repository::{Rollback, State};

/// Whose doing it is where nobody asked: as that of whatever else the coordinator does by itself.
const PLATFORM: &str = "shazam";

/// What was desired before.
struct Target {
    /// A position at which it was, and whose images are taken up again.
    at: u64,
    /// The position since which it was.
    since: u64,
    commit: Oid,
    desired: Desired,
}

/// What is read of a fleet as it was.
#[derive(Deserialize)]
struct Past {
    commit: Option<Oid>,
    desired_at: u64,
    desired: Desired,
}

/// What the log has of a repository.
struct Known {
    applied: u64,
    deploy: String,
    withdrawn: Withdrawn,
    guards: Guards,
}

/// Answers until the service ends.
pub(crate) async fn answer(context: &Arc<Context>) {
    serve(context, AT_ONCE, |context, question: RollbackRequest| async move { roll_back(&context, question).await })
        .await;
}

async fn roll_back(context: &Arc<Context>, question: RollbackRequest) -> Result<RollbackAnswer, Fault> {
    context.at_head().await.map_err(|error| fault(FaultCode::Behind, with_causes(&error)))?;
    let RollbackRequest { fleet: id, who, .. } = &question;
    let missing = || fault(FaultCode::NotFound, format!("there is no fleet `{id}`"));
    if !allow(who, Action::See, Resource::Fleet(id)) {
        return Err(missing());
    }
    if !allow(who, Action::Push, Resource::Fleet(id)) {
        let (role, owner, needed) = (who.role_with(&id.owner), &id.owner, Action::Push.needed());
        let message = format!("`{}` is `{role}` with `{owner}`: to roll back needs {needed}", who.name);
        return Err(fault(FaultCode::NotAllowed, message));
    }
    let reason = question.reason.as_deref().map(options::reason).transpose();
    let reason = reason.map_err(|why| fault(FaultCode::BadRequest, format!("`reason` {why}")))?;
    let repository = context.enter_known(id).ok_or_else(missing)?;
    let known = {
        let mut state = repository.state.lock().await;
        if let Some(done) = state.rollbacks.get(&question.id) {
            return Ok(again(&question, done));
        }
        context.settle(&repository, &mut state).await.map_err(|error| unavailable(&error))?;
        let deploy = state.deploy.clone().unwrap_or_default();
        let (withdrawn, guards) = (state.withdrawn.clone(), state.accepted.guards.clone());
        Known { applied: state.applied, deploy, withdrawn, guards }
    };
    let told = question.failed.map_or(0, |it| it.position);
    let (position, fleet) = now(context, id, known.applied.max(told)).await?;
    let Some(from) = fleet.commit.clone() else {
        let message = format!("nothing was desired of `{id}` yet: the first push to `{}` says what is", known.deploy);
        return Err(fault(FaultCode::Conflict, message));
    };
    if let Some(failed) = &question.failed {
        is_newest(&fleet, failed)?;
    }
    let target = target(context, &question, &fleet, &known).await?;
    // The world as it is, with the images that ran then.
    let mut then = fleet.clone();
    let other_images = then.take_images_back(target.at, &target.desired, position);
    if target.commit == from && target.desired == fleet.desired && !other_images {
        let message = format!("`{id}` is at {} already: there is nothing to roll back", from.short());
        return Err(fault(FaultCode::Conflict, message));
    }
    let mut plan = plan(&then, &target.desired, &context.config.digest_key)
        .map_err(|error| fault(FaultCode::Conflict, with_causes(&error)))?;
    // A push could name them; this is none.
    plan.ephemeral_volumes.clear();
    let text = text(&fleet, &target, &plan);
    let mut warnings = doubts(context, &question, &repository, (&known.guards, &fleet), &target).await;
    if question.failed.is_none() {
        warnings.extend(losses::warnings(context, &then, &plan, &Checked::default()).await);
    }
    let (withdrawn, reinstated) = moved(context, &repository, &from, &target, &known.withdrawn).await?;
    let event = DesiredRolledBack {
        commit: target.commit.clone(),
        from: from.clone(),
        to: target.at,
        descriptors: fleet.desired.changes_to(&target.desired),
        withdrawn: withdrawn.clone(),
        reinstated,
        reason,
    };
    let (commit, to) = (target.commit, target.at);
    let mut answer =
        RollbackAnswer { position, event: None, commit, from, to, withdrawn, plan: Some(plan), text, warnings };
    if question.only_plan {
        return Ok(answer);
    }
    let appended = undo(context, &repository, |state: &State| {
        if state.rollbacks.contains_key(&question.id) {
            return Ok(Vec::new());
        }
        if state.desired_at != fleet.desired_at {
            let message = "what is desired has just changed: look at the plan again, then try again";
            return Err(fault(FaultCode::Conflict, message));
        }
        let data = Data::DesiredRolledBack(event.clone());
        let actor = question.failed.map_or(who.name.as_str(), |_| PLATFORM);
        let draft = draft(&repository, question.id, "desired".to_owned(), actor, data);
        Ok(vec![Draft { cause: question.failed.map(|it| it.event), ..draft }])
    });
    appended.await?;
    let state = repository.state.lock().await;
    let done = state.rollbacks.get(&question.id);
    let done = done.ok_or_else(|| fault(FaultCode::Unavailable, "what became of it is not known yet, ask again"))?;
    tracing::info!(fleet = %id, position = done.position, to = %done.commit, "rolled back");
    (answer.position, answer.event) = (done.position, Some(question.id));
    Ok(answer)
}

/// Whether a rollout that has failed is still what became of the newest push.
fn is_newest(fleet: &Fleet, failed: &FailedRollout) -> Result<(), Fault> {
    let newest = fleet.rollouts.last().filter(|it| it.id == failed.rollout && it.desired == fleet.desired_at);
    match newest.filter(|it| it.status == RolloutStatus::Failed && it.retried.is_none()) {
        Some(_) => Ok(()),
        None => Err(fault(FaultCode::Conflict, "something newer has left the rollout that failed behind")),
    }
}

/// Where to, as it was asked for.
async fn target(context: &Context, question: &RollbackRequest, fleet: &Fleet, known: &Known) -> Result<Target, Fault> {
    let id = &question.fleet;
    let at = match &question.to {
        Some(at) => at.clone(),
        None => {
            let good = last_good_position(fleet, &known.withdrawn).ok_or_else(|| {
                let message = format!(
                    "no earlier rollout of `{id}` that succeeded is among its newest, but of what was withdrawn: say where to, a \
                     commit or a position"
                );
                fault(FaultCode::Conflict, message)
            })?;
            At::Position(good)
        }
    };
    let past = PastRequest { fleet: id.clone(), at: at.clone(), min_position: fleet.position };
    let past = context.bus.ask(&past, context.config.limits.ask).await.map_err(|error| match error {
        AskError::Fault(fault) => fault,
        error => silent(&error),
    })?;
    let position = past.position;
    let Past { commit, desired_at, desired } = serde_json::from_str(past.state.get())
        .map_err(|error| fault(FaultCode::Behind, format!("what was desired then cannot be read: {error}")))?;
    let commit = commit.ok_or_else(|| {
        let message = format!(
            "nothing was desired of `{id}` at position {position} yet: the first push to `{}` came later",
            known.deploy
        );
        fault(FaultCode::NotFound, message)
    })?;
    Ok(Target { at: position, since: desired_at, commit, desired })
}

/// The plan for people, and what does not go back.
fn text(fleet: &Fleet, target: &Target, plan: &Plan) -> String {
    let mut lines = vec![format!("back to {}, as it was since position {}", target.commit.short(), target.since)];
    lines.push(describe(plan));
    lines.extend(stays(fleet, &target.desired));
    lines.join("\n")
}

/// What a push of the same would be refused for, or warned of; nothing where that cannot be told.
async fn doubts(
    context: &Arc<Context>,
    question: &RollbackRequest,
    repository: &InUse,
    (guards, fleet): (&Guards, &Fleet),
    target: &Target,
) -> Vec<Doubt> {
    let (store, commit) = (repository.path.join("objects"), target.commit.clone());
    let look = move || candidate::inspect(&candidate::open(None, &store)?, &commit);
    let Ok(Ok(Ok(checked))) = tokio::task::spawn_blocking(look).await else { return Vec::new() };
    let mut doubts = guards::hit(context, &question.fleet, Some((guards, &fleet.desired)), &checked, Applied::Now);
    let trees = std::iter::once(&checked);
    match Neighbours::ask(context, &question.fleet, trees, fleet.position).await {
        Ok(neighbours) => doubts.extend(neighbours.clashes(&checked, Some(&question.who))),
        Err(error) => {
            tracing::warn!(fleet = %question.fleet, error = with_causes(&error), "who is in the way is not told");
        }
    }
    doubts
}

/// The commits that go, and those that come again.
async fn moved(
    context: &Context,
    repository: &InUse,
    from: &Oid,
    target: &Target,
    withdrawn: &Withdrawn,
) -> Result<(Vec<Oid>, Vec<Oid>), Fault> {
    let list = || context.launcher.git(&repository.path, [REV_LIST]);
    let broken = |error| unavailable(&error);
    let range = (from, Some(&target.commit));
    let gone = newest(&context.launcher, list(), range, REMEMBERED, |_| true).await.map_err(broken)?;
    if withdrawn.is_empty() {
        return Ok((gone, Vec::new()));
    }
    let wanted = |commit: &Oid| withdrawn.contains(commit);
    let back = newest(&context.launcher, list(), (&target.commit, None), REMEMBERED, wanted).await;
    Ok((gone, back.map_err(broken)?))
}

/// It was asked for before, and is done.
fn again(question: &RollbackRequest, done: &Rollback) -> RollbackAnswer {
    let Rollback { position, commit, to, from } = done.clone();
    RollbackAnswer {
        position,
        event: Some(question.id),
        commit,
        from,
        to,
        withdrawn: Vec::new(),
        plan: None,
        text: String::new(),
        warnings: Vec::new(),
    }
}

fn fault(code: FaultCode, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into() }
}
