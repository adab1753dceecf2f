//! What is known of the rollout that a pusher waits for, and the line that each event adds to it. Decides from events
//! alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemas::event::{Data, Event, RolloutPlanned, RolloutStep, StepStatus};
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::names::{FleetId, Name, NodeName, Oid};
use schemas::outcome::duration;
use schemas::plan::{Step, difference};
use uuid::Uuid;

/// What is known of the rollout.
pub(super) struct Watch {
    fleet: FleetId,
    /// Position of the push.
    desired: u64,
    rollout: Option<Uuid>,
    pub(super) node: Option<NodeName>,
    /// The plan as the pusher saw it last.
    steps: Vec<Step>,
    /// Steps under way, by index, and since when.
    running: BTreeMap<u32, Timestamp>,
    /// Steps that failed, and when they had begun.
    failed: BTreeMap<u32, Timestamp>,
    /// What is said only once the rollout, which has no steps, has succeeded.
    held: Vec<String>,
    /// Containers on hold that something would have been done to.
    left_alone: Vec<Name>,
    /// The event that undoes the push, which has failed, and the commit that it leads back to, once that is planned.
    undoing: Option<(Uuid, Option<Oid>)>,
}

/// What one event says.
pub(super) enum News {
    /// Nothing about this push.
    Nothing,
    /// Something, with lines to show.
    Lines(Vec<String>),
    /// The end, with its last lines.
    End(Vec<String>),
    /// The end, and what can be done about it is to be told: where the log was then, and the event that said so, where that
    /// was seen.
    Failed(u64, Option<Uuid>),
}

impl Watch {
    /// `printed` is the plan that the pusher saw, and `left_alone` what it says is on hold.
    pub(super) fn new(fleet: FleetId, desired: u64, printed: Vec<Step>, left_alone: Vec<Name>) -> Self {
        Self {
            fleet,
            desired,
            rollout: None,
            node: None,
            steps: printed,
            running: BTreeMap::new(),
            failed: BTreeMap::new(),
            held: Vec::new(),
            left_alone,
            undoing: None,
        }
    }

    /// The push has failed, and `event` may undo it: from now on that one's rollout is meant.
    pub(super) fn undo(&mut self, event: Uuid) {
        let (fleet, desired) = (self.fleet.clone(), self.desired);
        *self = Self { undoing: Some((event, None)), ..Self::new(fleet, desired, Vec::new(), Vec::new()) };
    }

    /// Whether it is being undone.
    pub(super) const fn is_undoing(&self) -> bool {
        self.undoing.is_some()
    }

    /// The plan of what undoes the push; none: the event is another one.
    pub(super) fn undone_by(&mut self, event: &Event) -> Option<Vec<String>> {
        let (wanted, to) = self.undoing.as_mut()?;
        let Data::RolloutPlanned(it) = &event.data else { return None };
        if event.scope.fleet() != Some(&self.fleet) || event.cause != Some(*wanted) {
            return None;
        }
        let mut lines = vec![format!("rolled back to {}, as `on_failure` of fleet.json says", it.commit.short())];
        *to = Some(it.commit.clone());
        self.desired = it.desired;
        self.steps.clone_from(&it.steps);
        lines.extend(self.planned(event.id, it));
        Some(lines)
    }

    pub(super) fn take(&mut self, event: &Event) -> News {
        if event.scope.fleet() != Some(&self.fleet) {
            return News::Nothing;
        }
        let mine = |rollout: &Uuid| self.rollout.as_ref() == Some(rollout);
        match &event.data {
            Data::RolloutPlanned(it) if it.desired == self.desired => News::Lines(self.planned(event.id, it)),
            Data::RolloutPlanned(it) if it.desired > self.desired && self.rollout.is_none() => {
                News::End(vec![superseded(it.desired)])
            }
            Data::RolloutStarted(it) if mine(&it.rollout) => News::Lines(Vec::new()),
            Data::RolloutResumed(it) if mine(&it.rollout) => News::Lines(vec!["rollout resumed".to_owned()]),
            Data::RolloutStep(it) if mine(&it.rollout) => News::Lines(self.step(event.time, it)),
            Data::RolloutSucceeded(it) if mine(&it.rollout) => {
                let mut lines = std::mem::take(&mut self.held);
                lines.push(self.succeeded(&format!(" in {}", duration(it.duration_ms))));
                News::End(lines)
            }
            Data::RolloutFailed(it) if mine(&it.rollout) => News::Failed(event.position, Some(event.id)),
            Data::RolloutSuperseded(it) if mine(&it.rollout) => News::End(vec![superseded(it.by)]),
            _ => News::Nothing,
        }
    }

    /// What the rollout will do: told anew only as far as it is not what was printed.
    fn planned(&mut self, id: Uuid, planned: &RolloutPlanned) -> Vec<String> {
        self.rollout = Some(id);
        self.node = Some(planned.node.clone());
        self.running.clear();
        let mut lines = difference(&self.steps, &planned.steps);
        self.steps.clone_from(&planned.steps);
        if !lines.is_empty() {
            lines.insert(0, "warning: the world has moved since the plan was printed; what differs now:".to_owned());
        }
        match planned.steps.len() {
            0 => {
                // A plan that fails, or that a newer push overtook, has no steps either.
                self.held = lines;
                return Vec::new();
            }
            1 => lines.push(format!("rollout: 1 step on node {}", planned.node)),
            n => lines.push(format!("rollout: {n} steps on node {}", planned.node)),
        }
        lines
    }

    fn step(&mut self, at: Timestamp, step: &RolloutStep) -> Vec<String> {
        let took = step.duration_ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
        let since = match step.status {
            StepStatus::Waiting => return Vec::new(),
            StepStatus::Started => {
                self.running.insert(step.step, at);
                return Vec::new();
            }
            StepStatus::Held => {
                self.left_alone.extend(self.container(step.step));
                None
            }
            StepStatus::Succeeded | StepStatus::Failed => self.running.remove(&step.step),
        };
        let ended = if step.status == StepStatus::Failed {
            self.failed.insert(step.step, since.unwrap_or(at));
            format!("failed{took}: {}", step.error.as_deref().unwrap_or("no reason given"))
        } else if step.status == StepStatus::Held {
            "left out: its container is on hold".to_owned()
        } else {
            format!("done{took}")
        };
        vec![format!("step {}/{}  {} … {ended}", step.step + 1, self.steps.len(), self.name(step.step))]
    }

    /// Position of what it applies.
    pub(super) const fn desired(&self) -> u64 {
        self.desired
    }

    /// Which one it is, once it is planned.
    pub(super) fn rollout(&self) -> Option<Uuid> {
        self.rollout
    }

    /// When a step that failed had begun.
    pub(super) fn began(&self, step: u32) -> Option<Timestamp> {
        self.failed.get(&step).copied()
    }

    /// The last line of a rollout that did all that it could.
    fn succeeded(&self, took: &str) -> String {
        if let Some((_, Some(to))) = &self.undoing {
            return format!(
                "error: rollout failed; {} runs again, after{}",
                to.short(),
                took.trim_start_matches(" in")
            );
        }
        let names: Vec<&str> = self.left_alone.iter().map(Name::as_str).collect();
        match names.as_slice() {
            [] => format!("success: rollout succeeded{took}"),
            names => format!("success: rollout succeeded{took}, without what is on hold: {}", names.join(", ")),
        }
    }

    fn container(&self, step: u32) -> Option<Name> {
        self.steps.get(usize::try_from(step).ok()?).map(|it| it.container.clone())
    }

    fn name(&self, step: u32) -> String {
        let step = usize::try_from(step).ok().and_then(|index| self.steps.get(index));
        step.map_or_else(|| "?".to_owned(), |it| format!("{} {}", it.action.words().1, it.container))
    }

    /// What is being waited for.
    pub(super) fn still(&self) -> Option<String> {
        let names: Vec<String> = self.running.keys().map(|step| self.name(*step)).collect();
        (!names.is_empty()).then(|| format!("still at: {}", names.join(", ")))
    }

    /// Lines were lost on the way to us: this is how the rollout stands.
    pub(super) fn stands(&mut self, position: u64, rollout: &Rollout) -> News {
        self.rollout = Some(rollout.id);
        self.node = Some(rollout.node.clone());
        self.steps = rollout.steps.iter().map(|it| it.step.clone()).collect();
        let mut lines = vec!["(some lines were left out)".to_owned()];
        let took = rollout.duration_ms.map(|ms| format!(" in {}", duration(ms))).unwrap_or_default();
        match rollout.status {
            RolloutStatus::Planned | RolloutStatus::Running => News::Lines(lines),
            RolloutStatus::Succeeded => {
                lines.push(self.succeeded(&took));
                News::End(lines)
            }
            RolloutStatus::Failed => News::Failed(position, None),
            RolloutStatus::Superseded => {
                lines.push("warning: rollout superseded by a newer push or rollback".to_owned());
                News::End(lines)
            }
        }
    }
}

fn superseded(by: u64) -> String {
    format!("warning: rollout superseded by the newer push or rollback at position {by}")
}
