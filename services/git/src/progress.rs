//! `post-receive`: shows the rollout to the pusher until it ends. Whoever does not want to wait just leaves.
//!
//! Reads `rollout.*` as the follower passes them on; writes nothing, and decides nothing: the refs have moved.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::event::{Data, Event, RolloutPlanned, RolloutStep, StepStatus};
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::names::{NodeName, Oid};
use schemas::query::{FleetRequest, NodesRequest};
use streams::{AskError, with_causes};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use uuid::Uuid;

use crate::context::Context;
use crate::desk::Pen;
use crate::push::{Accepted, NOT_ANY_MORE, Push};

/// After so long without a line, a line says what it is waiting for.
const STILL: Duration = Duration::from_secs(5);

/// What is known of the rollout.
#[derive(Default)]
struct Watch {
    rollout: Option<Uuid>,
    node: Option<NodeName>,
    /// Action and name of each step.
    steps: Vec<String>,
    /// Steps under way, by index.
    running: BTreeMap<u32, ()>,
}

/// What one event says.
enum News {
    /// Nothing about this push.
    Nothing,
    /// Something, with lines to show.
    Lines(Vec<String>),
    /// The end, with its last lines.
    End(Vec<String>),
}

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
    let mut watch = Watch::default();
    let silence = context.config.limits.silence;
    let (mut ask_at, mut still_at) = (Instant::now() + silence, Instant::now() + STILL);
    while !pen.is_broken() {
        tokio::select! {
            // Cancel-safe: an event that was not received stays in the channel.
            event = accepted.news.recv() => {
                let news = match event {
                    Ok(event) => watch.take(push, &accepted, commit, &event),
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(_)) => watch.look(context, push, &accepted, commit).await,
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

impl Watch {
    fn take(&mut self, push: &Push, accepted: &Accepted, commit: &Oid, event: &Event) -> News {
        if event.scope.fleet() != Some(&push.repository.fleet) {
            return News::Nothing;
        }
        let mine = |rollout: &Uuid| self.rollout.as_ref() == Some(rollout);
        match &event.data {
            Data::RolloutPlanned(it) if it.desired == accepted.position => News::Lines(self.planned(event.id, it)),
            Data::RolloutPlanned(it) if it.desired > accepted.position && self.rollout.is_none() => {
                News::End(vec![superseded(it.desired)])
            }
            Data::RolloutStarted(it) if mine(&it.rollout) => News::Lines(Vec::new()),
            Data::RolloutResumed(it) if mine(&it.rollout) => News::Lines(vec!["rollout resumed".to_owned()]),
            Data::RolloutStep(it) if mine(&it.rollout) => News::Lines(self.step(it)),
            Data::RolloutSucceeded(it) if mine(&it.rollout) => {
                News::End(vec![format!("success: rollout succeeded in {}", seconds(it.duration_ms))])
            }
            Data::RolloutFailed(it) if mine(&it.rollout) => News::End(failed(commit, &it.error)),
            Data::RolloutSuperseded(it) if mine(&it.rollout) => News::End(vec![superseded(it.by)]),
            _ => News::Nothing,
        }
    }

    fn planned(&mut self, id: Uuid, planned: &RolloutPlanned) -> Vec<String> {
        let again = self.rollout.replace(id).is_some();
        self.node = Some(planned.node.clone());
        self.running.clear();
        self.steps = planned.steps.iter().map(|step| format!("{} {}", step.action.words().1, step.container)).collect();
        match (planned.steps.len(), again) {
            (0, _) => Vec::new(),
            (1, false) => vec![format!("rollout: 1 step on node {}", planned.node)],
            (n, false) => vec![format!("rollout: {n} steps on node {}", planned.node)],
            (n, true) => vec![format!("rollout planned again, as the world has moved: {n} steps")],
        }
    }

    fn step(&mut self, step: &RolloutStep) -> Vec<String> {
        let took = step.duration_ms.map(|ms| format!(" in {}", seconds(ms))).unwrap_or_default();
        let ended = match step.status {
            StepStatus::Waiting => return Vec::new(),
            StepStatus::Started => {
                self.running.insert(step.step, ());
                return Vec::new();
            }
            StepStatus::Succeeded => format!("done{took}"),
            StepStatus::Failed => format!("failed{took}: {}", step.error.as_deref().unwrap_or("no reason given")),
        };
        self.running.remove(&step.step);
        vec![format!("step {}/{}  {} … {ended}", step.step + 1, self.steps.len(), self.name(step.step))]
    }

    fn name(&self, step: u32) -> &str {
        usize::try_from(step).ok().and_then(|index| self.steps.get(index)).map_or("?", String::as_str)
    }

    /// What is being waited for.
    fn still(&self) -> Option<String> {
        let names: Vec<&str> = self.running.keys().map(|step| self.name(*step)).collect();
        (!names.is_empty()).then(|| format!("still at: {}", names.join(", ")))
    }

    /// Lines were lost on the way to us: asks the registry how the rollout stands.
    async fn look(&mut self, context: &Context, push: &Push, accepted: &Accepted, commit: &Oid) -> News {
        let question = FleetRequest { fleet: push.repository.fleet.clone(), min_position: accepted.position };
        let answer = context.bus.ask(&question, context.config.limits.ask).await;
        let fleet = answer.ok().and_then(|answer| answer.fleet);
        let rollout = fleet.and_then(|it| it.rollouts.into_iter().rfind(|it| it.desired == accepted.position));
        let Some(rollout) = rollout else { return News::Nothing };
        self.rollout = Some(rollout.id);
        self.node = Some(rollout.node.clone());
        self.steps =
            rollout.steps.iter().map(|it| format!("{} {}", it.step.action.words().1, it.step.container)).collect();
        let lost = "(some lines were left out)".to_owned();
        match end(&rollout, commit) {
            Some(mut lines) => {
                lines.insert(0, lost);
                News::End(lines)
            }
            None => News::Lines(vec![lost]),
        }
    }
}

fn end(rollout: &Rollout, commit: &Oid) -> Option<Vec<String>> {
    let took = rollout.duration_ms.map(|ms| format!(" in {}", seconds(ms))).unwrap_or_default();
    Some(match rollout.status {
        RolloutStatus::Planned | RolloutStatus::Running => return None,
        RolloutStatus::Succeeded => vec![format!("success: rollout succeeded{took}")],
        RolloutStatus::Failed => failed(commit, rollout.error.as_deref().unwrap_or("no reason given")),
        RolloutStatus::Superseded => vec!["warning: rollout superseded by a newer push".to_owned()],
    })
}

fn failed(commit: &Oid, error: &str) -> Vec<String> {
    vec![
        format!("error: rollout failed: {error}"),
        format!("the commit is accepted and stays; push a fix, or look at it: fleetlog wait {}", commit.short()),
    ]
}

fn superseded(by: u64) -> String {
    format!("warning: rollout superseded by the newer push at position {by}")
}

fn seconds(ms: u64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        _ => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}
