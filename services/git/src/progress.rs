//! `post-receive`: shows the rollout to the pusher until it ends. Whoever does not want to wait just leaves.
//!
//! Reads `rollout.*` as the follower passes them on; writes nothing, and decides nothing: the refs have moved.

mod outcome;
mod watch;

use std::time::Duration;

use schemas::event::RolloutFailed;
use schemas::names::{NodeName, Oid};
use schemas::query::{FleetRequest, NodesRequest};
use streams::{AskError, with_causes};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use self::outcome::Failed;
use self::watch::{News, Watch};
use crate::context::Context;
use crate::desk::Pen;
use crate::push::{Accepted, NOT_ANY_MORE, Push};

/// After so long without a line, a line says what it is waiting for.
const STILL: Duration = Duration::from_secs(5);

/// So long after a rollout has failed it is waited for what undoes it.
const UNDONE: Duration = Duration::from_secs(10);

/// Shows progress, then lets Git end. Always 0: the push is accepted, whatever becomes of its rollout.
pub(crate) async fn post_receive(context: &Context, push: &Push, pen: &mut Pen) -> u8 {
    let Some(mut accepted) = push.take_accepted() else { return 0 };
    let Some(commit) = accepted.commit.take() else { return 0 };
    if accepted.no_wait {
        pen.say(&format!("not waiting; to wait later: fleetlog wait {}", commit.short())).await;
        return 0;
    }
    tokio::select! {
        // Nothing is lost with it: lines that nobody reads.
        () = show(context, push, accepted, &commit, pen) => {}
        () = push.left.cancelled() => {}
        () = push.over.cancelled() => {}
        () = context.shutdown.cancelled() => {}
    }
    if push.over.is_cancelled() {
        pen.say(&format!("{NOT_ANY_MORE}: how the rollout goes is not for you")).await;
    } else if context.shutdown.is_cancelled() {
        pen.say(&format!(
            "fleetlog is stopping; the rollout goes on when it is back: fleetlog wait {}",
            commit.short()
        ))
        .await;
    }
    0
}

async fn show(context: &Context, push: &Push, mut accepted: Accepted, commit: &Oid, pen: &mut Pen) {
    let fleet = &push.repository.fleet;
    let (planned, left_alone) = (std::mem::take(&mut accepted.planned), std::mem::take(&mut accepted.left_alone));
    let mut watch = Watch::new(fleet.clone(), accepted.position, planned, left_alone);
    let silence = context.config.limits.silence;
    let (mut ask_at, mut still_at) = (Instant::now() + silence, Instant::now() + STILL);
    while !pen.is_broken() {
        tokio::select! {
            // Cancel-safe: an event that was not received stays in the channel.
            event = accepted.news.recv() => {
                let news = match event {
                    Ok(event) => watch.take(&event),
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(_)) => look(context, push, &accepted, &mut watch).await,
                };
                match news {
                    News::Nothing => continue,
                    News::Lines(lines) => {
                        ask_at = Instant::now() + silence;
                        if !lines.is_empty() {
                            still_at = Instant::now() + STILL;
                            pen.say(&lines.join("\n")).await;
                        }
                    }
                    News::End(lines) => return pen.say(&lines.join("\n")).await,
                    News::Failed(position, event) => {
                        let failed = Failed { fleet, commit, rollout: watch.rollout(), position };
                        let mut told = outcome::told(context, failed, |step| watch.began(step)).await;
                        let event = event.filter(|_| told.may_be_undone && !watch.is_undoing());
                        let undone = match event {
                            Some(event) => undone(&mut accepted, &mut watch, event).await,
                            None => None,
                        };
                        let Some(lines) = undone else {
                            told.said.extend(told.now_what);
                            return pen.say(&told.said.join("\n")).await;
                        };
                        told.said.push(told.why);
                        told.said.push(told.fix);
                        told.said.extend(lines);
                        pen.say(&told.said.join("\n")).await;
                        (ask_at, still_at) = (Instant::now() + silence, Instant::now() + STILL);
                    }
                }
            }
            () = tokio::time::sleep_until(still_at) => {
                still_at = Instant::now() + STILL;
                if let Some(line) = watch.still() {
                    pen.say(&line).await;
                }
            }
            () = tokio::time::sleep_until(ask_at) => {
                ask_at = Instant::now() + silence;
                let node = match &watch.node {
                    Some(node) => Some(node.clone()),
                    None => bound(context, push, &accepted).await,
                };
                if let Some(why) = away(context, node.as_ref()).await {
                    let wait = format!("{why}; the rollout waits for it; `fleetlog wait {}`", commit.short());
                    return pen.say(&wait).await;
                }
            }
        }
    }
}

/// Waits for what undoes a push that has failed, as the fleet says; not for long: Git itself refuses it where there is
/// nothing to go back to. None: it did not come.
async fn undone(accepted: &mut Accepted, watch: &mut Watch, failed: Uuid) -> Option<Vec<String>> {
    watch.undo(RolloutFailed::leads_to(failed));
    let limit = Instant::now() + UNDONE;
    loop {
        let event = timeout_at(limit, accepted.news.recv()).await.ok()?.ok()?;
        let lines = watch.undone_by(&event);
        if lines.is_some() {
            return lines;
        }
    }
}

/// The node of the agent that the pushed fleet is bound to, where it is: before a rollout names one.
async fn bound(context: &Context, push: &Push, accepted: &Accepted) -> Option<NodeName> {
    let question = FleetRequest { fleet: push.repository.fleet.clone(), min_position: accepted.position };
    // Not a reason to leave: asked again later.
    let answer = context.bus.ask(&question, context.config.limits.ask).await.ok()?;
    answer.fleet?.desired.agent().cloned()
}

/// Why nothing can happen now, if somebody who is needed is away.
async fn away(context: &Context, node: Option<&NodeName>) -> Option<String> {
    match context.bus.ask(&NodesRequest {}, context.config.limits.ask).await {
        Ok(answer) => {
            if let Some(node) = node.filter(|node| !answer.nodes.iter().any(|line| line.node == **node)) {
                return Some(format!("node {node} is away: nobody has heard of it yet"));
            }
            let wanted = answer.nodes.into_iter().filter(|line| node.is_none_or(|node| *node == line.node));
            wanted.filter_map(|line| Some(format!("node {} is away: {}", line.node, line.away?))).next()
        }
        Err(error @ (AskError::NobodyThere { .. } | AskError::Timeout { .. })) => {
            Some(format!("nobody applies rollouts now: {}", with_causes(&error)))
        }
        // Not a reason to leave: asked again later.
        Err(_) => None,
    }
}

/// Lines were lost on the way to us: asks the registry how the rollout stands.
async fn look(context: &Context, push: &Push, accepted: &Accepted, watch: &mut Watch) -> News {
    let question = FleetRequest { fleet: push.repository.fleet.clone(), min_position: accepted.position };
    let Ok(answer) = context.bus.ask(&question, context.config.limits.ask).await else { return News::Nothing };
    let rollout = answer.fleet.and_then(|it| it.rollouts.into_iter().rfind(|it| it.desired == watch.desired()));
    rollout.map_or(News::Nothing, |rollout| watch.stands(answer.position, &rollout))
}
