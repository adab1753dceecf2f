//! The fold: how each event changes a fleet. Events that were accepted are facts, so nothing here validates or fails.

use std::time::Duration;

use super::{
    Archived, Drifted, Fleet, HealthState, LASTING, Lines, Observed, ObservedContainer, ObservedTask, ObservedThing,
    Rollout, RolloutStatus, RolloutStepState, RunStatus, State,
};
use crate::descriptors::{Changes, Desired, FleetFile};
use crate::event::{
    ContainerChange, Data, DesiredRolledBack, Event, GitPushed, HoldEnded, HoldPlaced, ImageUpdated, OperatorActed,
    OperatorAsked, PullTip, RolloutPlanned, RolloutStep, RunQueued, StepStatus, ThingChange,
};
use crate::images::{Images, Outdated};
use crate::names::{FleetId, Name, Oid};
use crate::operate::{End, Hold, Operated, Operation, Outcome};
use crate::plan::destroy;
use crate::pulls::Pull;
use crate::spec::{resolve, resource_name};
use crate::work::Change;

/// So many of the newest rollouts are kept; older ones are in the log.
const ROLLOUTS_KEPT: usize = 100;

/// So many of the newest operations are kept, and those that have not ended.
const OPERATED_KEPT: usize = 20;

impl Fleet {
    /// A fleet before its first event.
    pub fn new(id: FleetId) -> Self {
        Self {
            id,
            position: 0,
            lines: Lines::default(),
            refs: Default::default(),
            deploy: FleetFile::default().deploy,
            upstream: None,
            commit: None,
            desired_at: 0,
            desired_by: None,
            desired: Desired::default(),
            doomed: Default::default(),
            observed: Observed::default(),
            drift: Default::default(),
            archived: Default::default(),
            holds: Default::default(),
            released: None,
            operated: Vec::new(),
            snapshots: Default::default(),
            images: Images::default(),
            rollouts: Vec::new(),
            runs_under_way: Default::default(),
        }
    }

    /// Takes one event. Events of other fleets and events that it has taken already change nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.scope.fleet() != Some(&self.id) || event.position <= self.position {
            return;
        }
        self.position = event.position;
        match &event.data {
            Data::GitPushed(it) => self.pushed(event, it),
            Data::GitRefused(_)
            | Data::GitRepacked(_)
            | Data::OverrideUsed(_)
            | Data::DesiredReinstated(_)
            | Data::PullApproved(_)
            | Data::PullMerged(_)
            | Data::PullClosed(_) => {
                self.lines.git = event.position;
            }
            Data::DesiredRolledBack(it) => self.rolled_back(event, it),
            Data::PullOpened(it) => self.pull(event, it.number, &it.tip),
            Data::PullUpdated(it) => self.pull(event, it.number, &it.tip),
            Data::FleetForked(it) => {
                self.lines.git = event.position;
                self.upstream = Some(it.upstream.clone());
            }
            Data::RolloutPlanned(it) => self.planned(event, it),
            Data::RolloutRetried(it) => self.rollout(event, it.rollout, |r| r.retried = Some(event.id)),
            Data::RolloutStarted(it) => self.rollout(event, it.rollout, |r| r.status = RolloutStatus::Running),
            Data::RolloutResumed(it) => self.rollout(event, it.rollout, |r| r.epoch = it.epoch),
            Data::RolloutStep(it) => self.stepped(event, it),
            Data::RolloutSucceeded(it) => self.rollout(event, it.rollout, |r| {
                r.status = RolloutStatus::Succeeded;
                r.duration_ms = Some(it.duration_ms);
            }),
            Data::RolloutFailed(it) => self.rollout(event, it.rollout, |r| {
                r.status = RolloutStatus::Failed;
                r.error = Some(it.error.clone());
                r.duration_ms = Some(it.duration_ms);
            }),
            Data::RolloutSuperseded(it) => self.rollout(event, it.rollout, |r| r.status = RolloutStatus::Superseded),
            Data::ContainerCreated(it) => self.observed.container(event, it, Change::Created),
            Data::ContainerStarted(it) => self.observed.container(event, it, Change::Started),
            Data::ContainerUpdated(it) => self.observed.container(event, it, Change::Updated),
            Data::ContainerPaused(it) => self.observed.container(event, it, Change::Paused),
            Data::ContainerUnpaused(it) => self.observed.container(event, it, Change::Unpaused),
            Data::ContainerHealthy(it) => self.observed.container(event, it, Change::Healthy),
            Data::ContainerUnhealthy(it) => self.observed.container(event, it, Change::Unhealthy),
            Data::ContainerStopped(it) => self.observed.container(event, it, Change::Stopped),
            Data::ContainerDied(it) => self.observed.container(event, it, Change::Died),
            Data::ContainerRemoved(it) => self.observed.container(event, it, Change::Removed),
            Data::ImageUpdated(it) => self.updated(event, it),
            Data::ImageOutdated(it) => {
                if let Some(history) = self.images.containers.get_mut(&it.container) {
                    let outdated = Outdated { to: it.to.clone(), since: event.position };
                    history.outdated = Some(outdated).filter(|_| it.to != it.from);
                }
            }
            Data::ImagePruned(it) => {
                let gone = |id: &String| it.removed.contains(id) || it.kept.contains_key(id);
                self.images.versions.spent.retain(|id, node| *node != it.node || !gone(id));
            }
            Data::DriftFound(it) => {
                let (action, reasons) = (it.action, it.reasons.clone());
                let drifted = Drifted { action, reasons, found: event.id, since: event.position };
                self.drift.insert(it.container.clone(), drifted);
            }
            Data::DriftEnded(it) => drop(self.drift.remove(&it.container)),
            Data::ContainerArchived(it) => {
                let archived = Archived {
                    container: it.container.clone(),
                    docker_id: it.docker_id.clone(),
                    node: it.seen.node.clone(),
                    until: it.until,
                    since: event.position,
                };
                self.archived.insert(it.name.clone(), archived);
            }
            Data::ArchiveRemoved(it) => drop(self.archived.remove(&it.name)),
            Data::VolumeCreated(it) => thing(&mut self.observed.volumes, it, true),
            Data::VolumeRemoved(it) => {
                thing(&mut self.observed.volumes, it, false);
                self.snapshots.remove(&it.name);
                let (id, volumes) = (&self.id, &self.observed.volumes);
                let is_there = |name: &Name| volumes.get(&resource_name(id, Some(name))).is_none_or(|it| it.exists);
                self.doomed.retain(is_there);
            }
            Data::NetworkCreated(it) => thing(&mut self.observed.networks, it, true),
            Data::NetworkRemoved(it) => thing(&mut self.observed.networks, it, false),
            Data::HoldPlaced(it) => self.held(event, it),
            Data::HoldEnded(it) => self.released(event, it),
            Data::OperatorAsked(it) => self.asked(event, it),
            Data::OperatorActed(it) => self.acted(event, it),
            Data::RunQueued(it) => self.queued(event, it),
            Data::RunStarted(_) | Data::RunStep(_) => self.lines.run = event.position,
            Data::RunSucceeded(it) => self.ran(event, it.run, RunStatus::Succeeded, |task| {
                task.exit_code = Some(0);
                task.outputs.clone_from(&it.outputs);
            }),
            Data::RunFailed(it) => self.ran(event, it.run, RunStatus::Failed, |task| task.exit_code = it.exit_code),
            Data::RunCancelled(it) => self.ran(event, it.run, RunStatus::Cancelled, |_| {}),
            Data::ObservationGap(_)
            | Data::ProfileCreated(_)
            | Data::ProfileErased(_)
            | Data::TokenCreated(_)
            | Data::TokenRevoked(_)
            | Data::MemberSet(_)
            | Data::MemberRemoved(_)
            | Data::PolicySet(_)
            | Data::LevelRaised(_)
            | Data::LogOpened(_)
            | Data::CoordinatorTook(_)
            | Data::WorkDead(_) => {}
        }
    }

    fn pushed(&mut self, event: &Event, pushed: &GitPushed) {
        self.lines.git = event.position;
        for update in &pushed.refs {
            match &update.new {
                Some(new) => drop(self.refs.insert(update.name.clone(), new.clone())),
                None => drop(self.refs.remove(&update.name)),
            }
        }
        self.deploy.clone_from(&pushed.deploy);
        if let Some(commit) = &pushed.commit {
            self.doomed.extend(destroy::allowed(&self.desired, &pushed.descriptors, &pushed.allow_destroy));
            self.desires(event, commit, &pushed.descriptors, None);
        }
    }

    /// Tags lead to other images from now on: a version of its own, of the same descriptors.
    fn updated(&mut self, event: &Event, it: &ImageUpdated) {
        self.lines.rollout = event.position;
        for (container, image) in &it.images {
            self.images.moved(container, &image.to, event.position);
        }
        self.begins(event);
        self.images.versions.updated_at = event.position;
        self.images.versions.updating = Some(event.id);
    }

    /// A version begins.
    fn begins(&mut self, event: &Event) {
        let node = self.rollouts.last().map(|it| it.node.clone());
        self.images.begin(event.position, node.as_ref());
    }

    /// Takes the images that ran at position `to` up again, for what `desired` says. True: those are others than now.
    pub fn take_images_back(&mut self, to: u64, desired: &Desired, position: u64) -> bool {
        let references = desired.containers.iter().filter_map(|(name, it)| {
            let reference = resolve(&it.image, desired).ok()?;
            Some((name, reference, it.runtime.platform.as_deref()))
        });
        self.images.back(to, position, references)
    }

    /// What was desired before is desired again; the refs stay.
    fn rolled_back(&mut self, event: &Event, it: &DesiredRolledBack) {
        self.lines.git = event.position;
        self.desires(event, &it.commit, &it.descriptors, Some(it.to));
    }

    /// Something else is desired from now on; `back_to` is the position whose images come back with it.
    fn desires(&mut self, event: &Event, commit: &Oid, changes: &Changes, back_to: Option<u64>) {
        self.commit = Some(commit.clone());
        self.desired_at = event.position;
        self.desired_by = Some(event.actor.clone());
        let before: Vec<Name> = self.desired.containers.keys().cloned().collect();
        self.desired.apply(changes);
        for name in before.iter().filter(|name| !self.desired.containers.contains_key(*name)) {
            self.images.taken_out(name, event.position);
        }
        // Before this version begins: with that, what only the oldest one needed is forgotten.
        if let Some(to) = back_to {
            let desired = std::mem::take(&mut self.desired);
            self.take_images_back(to, &desired, event.position);
            self.desired = desired;
        }
        self.begins(event);
        self.images.versions.updated_at = 0;
        self.doomed.retain(|name| !self.desired.volumes.contains_key(name));
    }

    /// A pull request's head is a ref of its own: what it brings stays, whatever becomes of the branch.
    fn pull(&mut self, event: &Event, number: u64, tip: &PullTip) {
        self.lines.git = event.position;
        self.refs.insert(Pull::ref_name(number), tip.head.clone());
    }

    fn planned(&mut self, event: &Event, planned: &RolloutPlanned) {
        self.lines.rollout = event.position;
        self.released = None;
        self.images.versions.updating = None;
        let steps = planned.steps.iter().map(|step| RolloutStepState {
            step: step.clone(),
            status: StepStatus::Waiting,
            sent: None,
            error: None,
            duration_ms: None,
        });
        self.rollouts.push(Rollout {
            id: event.id,
            status: RolloutStatus::Planned,
            commit: planned.commit.clone(),
            desired: planned.desired,
            planned_at: event.position,
            planned: event.time,
            epoch: planned.epoch,
            node: planned.node.clone(),
            steps: steps.collect(),
            error: None,
            duration_ms: None,
            retries: planned.retries,
            retried: None,
            heals: planned.heals,
        });
        if self.rollouts.len() > ROLLOUTS_KEPT {
            self.rollouts.remove(0);
        }
    }

    fn held(&mut self, event: &Event, it: &HoldPlaced) {
        self.lines.hold = event.position;
        let hold = Hold {
            id: event.id,
            until: it.until,
            by: event.actor.clone(),
            reason: it.reason.clone(),
            stopped: it.stopped,
            since: event.position,
        };
        self.holds.insert(it.container.clone(), hold);
    }

    /// One that another took the place of has no end of its own to tell.
    fn released(&mut self, event: &Event, it: &HoldEnded) {
        self.lines.hold = event.position;
        if self.holds.get(&it.container).is_some_and(|hold| hold.id == it.hold) {
            self.holds.remove(&it.container);
            self.released = Some(event.id);
        }
    }

    fn asked(&mut self, event: &Event, it: &OperatorAsked) {
        self.lines.hold = event.position;
        self.operated.push(Operated {
            id: event.id,
            what: it.what,
            container: it.container.clone(),
            node: it.node.clone(),
            snapshot: it.snapshot.clone(),
            command: it.command.clone(),
            by: event.actor.clone(),
            reason: it.reason.clone(),
            asked: event.time,
            end: None,
        });
        let oldest = self.operated.iter().position(|it| it.end.is_some());
        if let Some(oldest) = oldest.filter(|_| self.operated.len() > OPERATED_KEPT) {
            self.operated.remove(oldest);
        }
    }

    fn acted(&mut self, event: &Event, it: &OperatorActed) {
        self.lines.hold = event.position;
        if let Some(operated) = self.operated.iter_mut().rev().find(|it| Some(it.id) == event.cause) {
            let (outcome, exit_code, bytes, duration_ms) = (it.outcome, it.exit_code, it.bytes, it.duration_ms);
            let (error, made) = (it.error.clone(), it.made.clone());
            operated.end = Some(End { outcome, error, exit_code, made, bytes, duration_ms });
        }
        if let Some(made) = &it.made {
            let name = made.of_volume(&resource_name(&self.id, Some(&it.container)));
            self.snapshots.insert(name, event.position);
        }
        // What had the volume was taken away, and comes back.
        if it.what == Operation::RestoreVolume && it.outcome == Outcome::Done {
            self.released = Some(event.id);
        }
    }

    fn queued(&mut self, event: &Event, queued: &RunQueued) {
        self.lines.run = event.position;
        self.runs_under_way.insert(event.id, queued.task.clone());
    }

    /// A run has ended: it is the task's last one. Outputs stay those of the last run that succeeded.
    fn ran(&mut self, event: &Event, run: uuid::Uuid, status: RunStatus, change: impl FnOnce(&mut ObservedTask)) {
        self.lines.run = event.position;
        let Some(name) = self.runs_under_way.remove(&run) else { return };
        let before = self.observed.tasks.remove(&name);
        let outputs = before.map(|it| it.outputs).unwrap_or_default();
        let mut task = ObservedTask { run, status, exit_code: None, outputs, since: event.position };
        change(&mut task);
        self.observed.tasks.insert(name, task);
    }

    fn stepped(&mut self, event: &Event, it: &RolloutStep) {
        self.rollout(event, it.rollout, |rollout| step(rollout, event, it));
        let rollout = self.rollouts.iter().rev().find(|rollout| rollout.id == it.rollout);
        let of = rollout.and_then(|rollout| rollout.steps.get(it.step as usize));
        if let (Some(of), Some(image)) = (of, &it.image) {
            self.images.ran(&of.step.container, image, event.position);
        }
    }

    fn rollout(&mut self, event: &Event, id: uuid::Uuid, change: impl FnOnce(&mut Rollout)) {
        self.lines.rollout = event.position;
        if let Some(rollout) = self.rollouts.iter_mut().rev().find(|rollout| rollout.id == id) {
            change(rollout);
        }
    }
}

fn step(rollout: &mut Rollout, event: &Event, it: &RolloutStep) {
    if let Some(step) = rollout.steps.get_mut(it.step as usize) {
        step.status = it.status;
        step.error.clone_from(&it.error);
        step.duration_ms = it.duration_ms;
        if it.status == StepStatus::Started {
            step.sent = Some(event.id);
        }
    }
}

impl ObservedContainer {
    /// Whether a change counts: it is newer than what is known, and a removal is of this very container.
    pub fn takes(&self, docker_id: &str, at_ns: i64, change: Change) -> bool {
        if docker_id == self.docker_id {
            self.state != State::Removed && (at_ns, change) > self.newest
        } else {
            at_ns > self.newest.0 && change != Change::Removed
        }
    }
}

/// How many runs in a row have ended by themselves soon after they began. Of runs that nobody saw, because they came too
/// fast, Docker's count tells.
fn crashes(known: &ObservedContainer, it: &ContainerChange, change: Change) -> u64 {
    match change {
        Change::Stopped => 0,
        Change::Died => {
            let runs = it.restarts.saturating_sub(known.restarts).max(1);
            let each = Duration::from_nanos(it.seen.at_ns.abs_diff(known.started_ns))
                / u32::try_from(runs).unwrap_or(u32::MAX);
            match each < Duration::from(LASTING) {
                true => known.crashes.saturating_add(runs),
                false => 1,
            }
        }
        _ => known.crashes,
    }
}

impl Observed {
    fn container(&mut self, event: &Event, it: &ContainerChange, change: Change) {
        let known = self.containers.get(&it.container);
        if known.is_some_and(|known| !known.takes(&it.docker_id, it.seen.at_ns, change)) {
            return;
        }
        let same = known.filter(|known| known.docker_id == it.docker_id);
        // Neither a new run nor a new state of its health.
        let goes_on = matches!(change, Change::Updated | Change::Paused | Change::Unpaused);
        if same.is_none() && goes_on {
            return;
        }
        let state = match change {
            Change::Updated => same.map_or(State::Created, |known| known.state),
            Change::Created => State::Created,
            Change::Paused => State::Paused,
            Change::Started | Change::Unpaused | Change::Healthy | Change::Unhealthy => State::Running,
            Change::Stopped | Change::Died => State::Exited,
            Change::Removed => State::Removed,
        };
        let health = match change {
            Change::Started if it.checked => Some(HealthState::Starting),
            Change::Updated | Change::Paused | Change::Unpaused => same.and_then(|known| known.health),
            Change::Healthy => Some(HealthState::Healthy),
            Change::Unhealthy => Some(HealthState::Unhealthy),
            _ => None,
        };
        let at = |which: Change, known: fn(&ObservedContainer) -> i64| match change == which {
            true => it.seen.at_ns,
            false => same.map(known).unwrap_or_default(),
        };
        let container = ObservedContainer {
            state,
            health,
            node: it.seen.node.clone(),
            docker_id: it.docker_id.clone(),
            image: it.image.clone().or_else(|| same.and_then(|known| known.image.clone())),
            spec: it.spec.clone().or_else(|| same.and_then(|known| known.spec.clone())),
            commit: it.commit.clone().or_else(|| same.and_then(|known| known.commit.clone())),
            live: it.live.clone().or_else(|| same.and_then(|known| known.live.clone())),
            files: it.files.clone().or_else(|| same.map(|known| known.files.clone())).unwrap_or_default(),
            exit_code: if goes_on { same.and_then(|known| known.exit_code) } else { it.exit_code },
            created_ns: at(Change::Created, |known| known.created_ns),
            started_ns: at(Change::Started, |known| known.started_ns),
            restarts: it.restarts,
            crashes: same.map_or(0, |known| crashes(known, it, change)),
            newest: (it.seen.at_ns, change),
            since: event.position,
        };
        self.containers.insert(it.container.clone(), container);
    }
}

fn thing(things: &mut std::collections::BTreeMap<String, ObservedThing>, it: &ThingChange, exists: bool) {
    if things.get(&it.name).is_some_and(|known| known.at_ns >= it.seen.at_ns) {
        return;
    }
    let thing = ObservedThing { node: it.seen.node.clone(), exists, at_ns: it.seen.at_ns };
    things.insert(it.name.clone(), thing);
}
