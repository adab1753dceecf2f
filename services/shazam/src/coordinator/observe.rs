//! Turns what agents report into events: steps that ended, and changes of state that are news.

use schemas::event::{
    ArchiveRemoved, ContainerArchived, ContainerChange, Data, DeadWork, Level, RolloutStep, Scope, Sighting,
    StepStatus, ThingChange, WorkDead,
};
use schemas::fleet::{Fleet, HealthState, State};
use schemas::names::NodeName;
use schemas::work::{ArchiveReport, Change, ContainerReport, Report, StepReport, ThingReport, observation_id};
use streams::Expected;

use super::Coordinator;
use crate::error::CoordinatorError;

/// Sequence in `OBS` of the report that an event was made from; 0: of none.
pub fn sequence(data: &Data) -> u64 {
    match data {
        Data::RolloutStep(it) => it.obs.unwrap_or_default(),
        Data::ContainerCreated(it)
        | Data::ContainerStarted(it)
        | Data::ContainerUpdated(it)
        | Data::ContainerPaused(it)
        | Data::ContainerUnpaused(it)
        | Data::ContainerHealthy(it)
        | Data::ContainerUnhealthy(it)
        | Data::ContainerStopped(it)
        | Data::ContainerDied(it)
        | Data::ContainerRemoved(it) => it.seen.obs,
        Data::VolumeCreated(it) | Data::VolumeRemoved(it) | Data::NetworkCreated(it) | Data::NetworkRemoved(it) => {
            it.seen.obs
        }
        Data::ContainerArchived(it) => it.seen.obs,
        Data::ArchiveRemoved(it) => it.seen.obs,
        _ => 0,
    }
}

/// Whether a report says something that is not known yet.
fn is_news(fleet: &Fleet, report: &ContainerReport) -> bool {
    let Some(known) = fleet.observed.containers.get(&report.container) else {
        return !matches!(report.change, Change::Removed | Change::Updated | Change::Paused | Change::Unpaused);
    };
    if !known.takes(&report.docker_id, report.at_ns, report.change) {
        return false;
    }
    // A check that passes again after it passed, or fails again, is no edge.
    let same = known.docker_id == report.docker_id && known.state == State::Running;
    match report.change {
        Change::Healthy => !(same && known.health == Some(HealthState::Healthy)),
        Change::Unhealthy => !(same && known.health == Some(HealthState::Unhealthy)),
        Change::Updated => {
            let placed = report.files.as_ref().is_some_and(|it| *it != known.files);
            known.docker_id == report.docker_id && (placed || known.live != report.live)
        }
        Change::Paused => same,
        Change::Unpaused => known.docker_id == report.docker_id && known.state == State::Paused,
        _ => true,
    }
}

/// Whether a report belongs to no step of ours: such a one can wait.
fn is_only_seen(report: &Report) -> bool {
    match report {
        Report::Container(it) => it.cause.is_none(),
        Report::Volume(it) | Report::Network(it) => it.cause.is_none(),
        Report::Archive(it) => it.cause.is_none(),
        Report::Step(_) | Report::Watched(_) | Report::Run(_) => false,
    }
}

impl Coordinator {
    /// Whether the log has no room for what is only seen.
    pub(super) fn is_full(&self) -> bool {
        self.fullness == Level::Critical
    }

    /// Leaves a report where it is, in `OBS`, until the log has room again.
    fn hold_back(&mut self, obs: u64) {
        if self.held.is_none() {
            tracing::warn!(obs, "the log is nearly full: what is only seen waits, for as long as `OBS` keeps it");
            self.held = Some(obs);
        }
    }

    /// The report to go on from, once there is room again after something was held back. What was taken meanwhile comes
    /// once more, and is no news then.
    pub(super) fn released(&mut self) -> Option<u64> {
        if self.is_full() { None } else { self.held.take() }
    }

    /// Takes one report of an agent.
    pub(super) async fn observe(&mut self, obs: u64, node: NodeName, report: Report) -> Result<(), CoordinatorError> {
        if self.is_full() && is_only_seen(&report) {
            self.hold_back(obs);
            return Ok(());
        }
        match report {
            Report::Step(it) => self.step_ended(obs, node, it).await,
            Report::Container(it) => self.container_changed(obs, node, it).await,
            Report::Volume(it) => self.thing_changed(obs, node, it, true).await,
            Report::Network(it) => self.thing_changed(obs, node, it, false).await,
            Report::Archive(it) => self.archive_changed(obs, node, it).await,
            Report::Watched(it) => self.watched(node, it).await,
            // The tasker's.
            Report::Run(_) => Ok(()),
        }
    }

    async fn step_ended(&mut self, obs: u64, node: NodeName, it: StepReport) -> Result<(), CoordinatorError> {
        if let Some(deliveries) = it.gave_up_after.filter(|_| self.is_under_way(&it)) {
            let work = DeadWork::Step { rollout: it.rollout, step: it.step };
            let dead = WorkDead { node, fleet: it.fleet.clone(), work, deliveries };
            let subject = format!("rollouts/{}", it.rollout);
            let draft = self.draft(Scope::Platform, subject, Some(it.rollout), Data::WorkDead(dead));
            if let Ok(position) = self.append(&draft, Expected::Any).await? {
                self.catch_up(position).await?;
            }
        }
        // Should somebody else's event come first, look again whether the step is still under way.
        while self.is_under_way(&it) {
            let status = if it.error.is_none() { StepStatus::Succeeded } else { StepStatus::Failed };
            let data = Data::RolloutStep(RolloutStep {
                rollout: it.rollout,
                step: it.step,
                status,
                error: it.error.clone(),
                duration_ms: Some(it.duration_ms),
                obs: Some(obs),
                image: it.image.clone(),
            });
            if self.append_rollout(&it.fleet, it.rollout, None, data).await? {
                break;
            }
        }
        Ok(())
    }

    /// An answer to what has ended already, such as a second one after a redelivery, says nothing new.
    fn is_under_way(&self, it: &StepReport) -> bool {
        let rollout =
            self.fleets.get(&it.fleet).and_then(|fleet| fleet.rollouts.iter().rev().find(|r| r.id == it.rollout));
        rollout.is_some_and(|rollout| {
            let step = rollout.steps.get(it.step as usize);
            !rollout.status.is_over() && step.is_some_and(|step| step.status == StepStatus::Started)
        })
    }

    async fn container_changed(
        &mut self,
        obs: u64,
        node: NodeName,
        it: ContainerReport,
    ) -> Result<(), CoordinatorError> {
        if !self.fleets.get(&it.fleet).is_some_and(|fleet| is_news(fleet, &it)) {
            return Ok(());
        }
        let id = observation_id(&node, &it.docker_id, it.at_ns, change_word(it.change));
        let change = ContainerChange {
            container: it.container.clone(),
            seen: Sighting { node, at_ns: it.at_ns, obs },
            docker_id: it.docker_id,
            image: it.image,
            spec: it.spec,
            commit: it.commit,
            live: it.live,
            files: it.files,
            checked: it.checked,
            exit_code: it.exit_code,
            out_of_memory: it.out_of_memory,
            restarts: it.restarts,
        };
        let data = match it.change {
            Change::Created => Data::ContainerCreated(change),
            Change::Started => Data::ContainerStarted(change),
            Change::Updated => Data::ContainerUpdated(change),
            Change::Paused => Data::ContainerPaused(change),
            Change::Unpaused => Data::ContainerUnpaused(change),
            Change::Healthy => Data::ContainerHealthy(change),
            Change::Unhealthy => Data::ContainerUnhealthy(change),
            Change::Stopped => Data::ContainerStopped(change),
            Change::Died => Data::ContainerDied(change),
            Change::Removed => Data::ContainerRemoved(change),
        };
        let subject = format!("containers/{}", it.container);
        self.append_observation(Scope::Fleet(it.fleet), subject, id, it.cause, data).await
    }

    async fn thing_changed(
        &mut self,
        obs: u64,
        node: NodeName,
        it: ThingReport,
        volume: bool,
    ) -> Result<(), CoordinatorError> {
        let Some(fleet) = self.fleets.get(&it.fleet) else { return Ok(()) };
        let known = if volume { &fleet.observed.volumes } else { &fleet.observed.networks };
        let is_news = match known.get(&it.name) {
            Some(known) => known.at_ns < it.at_ns && known.exists != it.exists,
            None => it.exists,
        };
        if !is_news {
            return Ok(());
        }
        let kind = if volume { "volumes" } else { "networks" };
        let id = observation_id(
            &node,
            &format!("{kind}/{}", it.name),
            it.at_ns,
            if it.exists { "created" } else { "removed" },
        );
        let subject = format!("{kind}/{}", it.name);
        let change = ThingChange { name: it.name, seen: Sighting { node, at_ns: it.at_ns, obs } };
        let data = match (volume, it.exists) {
            (true, true) => Data::VolumeCreated(change),
            (true, false) => Data::VolumeRemoved(change),
            (false, true) => Data::NetworkCreated(change),
            (false, false) => Data::NetworkRemoved(change),
        };
        self.append_observation(Scope::Fleet(it.fleet), subject, id, it.cause, data).await
    }

    async fn archive_changed(&mut self, obs: u64, node: NodeName, it: ArchiveReport) -> Result<(), CoordinatorError> {
        let Some(fleet) = self.fleets.get(&it.fleet) else { return Ok(()) };
        let known = fleet.archived.get(&it.name).is_some_and(|known| known.docker_id == it.docker_id);
        if known == it.end.is_none() {
            return Ok(());
        }
        // A name says until when, so that one container under one name is kept once, and goes once.
        let word = if it.end.is_none() { "archived" } else { "archive removed" };
        let id = observation_id(&node, &format!("{} {}", it.name, it.docker_id), 0, word);
        let seen = Sighting { node, at_ns: it.at_ns, obs };
        let ArchiveReport { fleet, container, name, docker_id, until, end, cause, .. } = it;
        let subject = format!("containers/{container}");
        let data = match end {
            None => Data::ContainerArchived(ContainerArchived { container, name, docker_id, until, seen }),
            Some(why) => Data::ArchiveRemoved(ArchiveRemoved { container, name, docker_id, why, seen }),
        };
        self.append_observation(Scope::Fleet(fleet), subject, id, cause, data).await
    }

    pub(super) async fn append_observation(
        &mut self,
        scope: Scope,
        subject: String,
        id: uuid::Uuid,
        cause: Option<uuid::Uuid>,
        data: Data,
    ) -> Result<(), CoordinatorError> {
        let mut draft = self.draft(scope, subject, cause, data);
        draft.id = id;
        match self.append(&draft, Expected::Any).await? {
            Ok(position) | Err(position) => self.catch_up(position).await,
        }
    }
}

fn change_word(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Started => "started",
        Change::Updated => "updated",
        Change::Paused => "paused",
        Change::Unpaused => "unpaused",
        Change::Healthy => "healthy",
        Change::Unhealthy => "unhealthy",
        Change::Stopped => "stopped",
        Change::Died => "died",
        Change::Removed => "removed",
    }
}
