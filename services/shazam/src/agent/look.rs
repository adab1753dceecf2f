//! Says what changed about a container since it was last looked at. Everything comes from one inspection: Docker's events
//! are only wake-ups, so the same change has the same time and id however often it is seen.

use std::sync::atomic::Ordering;

use engine::{Container, EngineError, HealthStatus, State};
use schemas::names::{FleetId, Name};
use schemas::work::{Change, ContainerReport, Report, observation_id};
use tokio::time::Instant;
use uuid::Uuid;

use super::host::{Host, ON_UNHEALTHY, SPEC, Slot, commit_of, container_name, fleet_of};

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A step did something to it.
    Step(Uuid),
    /// A step asked it to end.
    Asked(Uuid),
    /// It was unhealthy, and is started again for that.
    Mended,
    /// Somebody else, or itself.
    Seen,
}

impl Why {
    fn cause(self) -> Option<Uuid> {
        match self {
            Self::Step(cause) | Self::Asked(cause) => Some(cause),
            Self::Mended | Self::Seen => None,
        }
    }
}

/// Every change of state that one inspection shows, oldest first.
///
/// Docker takes the times of one run from different clocks: a process that dies at once can end before it started, by
/// some milliseconds. Where the times contradict Docker's word for the state, the word counts.
fn edges(seen: &Container, asked: bool) -> Vec<(i64, Change)> {
    let ended = if asked { Change::Stopped } else { Change::Died };
    let mut edges = vec![(seen.created_ns, Change::Created)];
    let mut finished = seen.finished_ns;
    let mut started = seen.started_ns.map(|at| at.max(seen.created_ns));
    match (seen.state, started, finished) {
        (State::Exited | State::Dead | State::Restarting, Some(start), Some(end)) => {
            finished = Some(end.max(start + 1));
        }
        // The end is that of the run before.
        (State::Running | State::Paused, Some(start), Some(end)) => started = Some(start.max(end + 1)),
        _ => {}
    }
    if let Some(started) = started {
        edges.push((started, Change::Started));
    }
    if let Some(finished) = finished {
        edges.push((finished, ended));
    }
    if let (State::Running, Some(health), Some(started)) = (seen.state, seen.health, started) {
        let at = health.checked_ns.unwrap_or(started).max(started);
        match health.status {
            HealthStatus::Healthy => edges.push((at, Change::Healthy)),
            HealthStatus::Unhealthy => edges.push((at, Change::Unhealthy)),
            HealthStatus::Starting => {}
        }
    }
    edges.sort_unstable();
    edges
}

fn is_end(change: Change) -> bool {
    matches!(change, Change::Stopped | Change::Died)
}

impl Host {
    /// Looks at a container of ours, unless a step is at it: that one looks for itself.
    pub(super) async fn look_at(&self, name: &str) -> Result<(), EngineError> {
        let slot = self.slot(name);
        let Ok(_busy) = slot.busy.try_lock() else { return Ok(()) };
        slot.missed.store(false, Ordering::Release);
        let Some(seen) = self.engine.inspect(name).await? else {
            // The log takes nothing back that it was told to be gone: perhaps the one that ran is about to have its name again.
            if !self.is_beside(name).await? {
                self.tell_gone(&slot, name).await;
            }
            return Ok(());
        };
        // Under another name than its own it is not what it was, whatever its labels say.
        if self.is_ours(&seen.labels)
            && let Some((fleet, container)) = fleet_of(&seen.labels)
            && container_name(&fleet, &container) == name
        {
            self.tell(&slot, &fleet, &container, &seen, Why::Seen).await;
            if seen.health.is_some_and(|it| it.status == HealthStatus::Unhealthy) {
                self.mend(&slot, &fleet, &container, &seen).await?;
            }
        }
        Ok(())
    }

    /// A container of which something was told is not there any more by its name, and nobody saw how. Who calls holds its
    /// slot.
    pub(super) async fn tell_gone(&self, slot: &Slot, name: &str) {
        let docker_id = slot.told().docker_id.clone();
        let mut tokens = name.splitn(3, '.');
        let (owner, fleet, container) = (tokens.next(), tokens.next(), tokens.next());
        let (Some(owner), Some(fleet), Some(container)) = (owner, fleet, container) else { return };
        if let (false, Ok(fleet), Ok(container)) =
            (docker_id.is_empty(), format!("{owner}/{fleet}").parse(), container.parse())
        {
            self.tell_removed(slot, &fleet, &container, &docker_id, None, Why::Seen).await;
        }
    }

    /// Starts an unhealthy container again, where its descriptor says so. Who calls holds its slot.
    pub(super) async fn mend(
        &self,
        slot: &Slot,
        fleet: &FleetId,
        container: &Name,
        seen: &Container,
    ) -> Result<(), EngineError> {
        if seen.state != State::Running || !seen.labels.contains_key(ON_UNHEALTHY) {
            return Ok(());
        }
        if !slot.told().may_mend(Instant::now()) {
            return Ok(());
        }
        tracing::info!(%fleet, %container, "it is unhealthy, and is started again");
        let _turn = self.calls.acquire().await;
        self.engine.stop(&seen.id, None, seen.shown.stop.grace.into()).await?;
        if let Some(stopped) = self.engine.inspect(&seen.id).await? {
            self.tell(slot, fleet, container, &stopped, Why::Mended).await;
        }
        self.engine.start(&seen.id).await?;
        if let Some(started) = self.engine.inspect(&seen.id).await? {
            self.tell(slot, fleet, container, &started, Why::Seen).await;
        }
        Ok(())
    }

    /// Tells what is new about a container. False: told to stop before everything was told.
    pub(super) async fn tell(
        &self,
        slot: &Slot,
        fleet: &FleetId,
        container: &Name,
        seen: &Container,
        why: Why,
    ) -> bool {
        let over = matches!(seen.state, State::Exited | State::Dead);
        for (index, (mut at_ns, change)) in (1..).zip(edges(seen, matches!(why, Why::Asked(_) | Why::Mended))) {
            {
                let mut told = slot.told();
                if told.docker_id != seen.id {
                    told.docker_id.clone_from(&seen.id);
                    let before = told.newest.take().map_or(0, |(at_ns, _)| at_ns);
                    told.floor = told.floor.max(before);
                    told.health = None;
                    told.live = None;
                    told.paused = false;
                }
                // What was made beside another one was that before it was told.
                if at_ns <= told.floor {
                    at_ns = told.floor + index;
                }
                // What has no time of Docker's own was told right after something else, and so perhaps after the end.
                if let Some((newest, _)) = told.newest.filter(|(_, it)| over && is_end(change) && !is_end(*it)) {
                    at_ns = at_ns.max(newest + 1);
                }
                let known_health = matches!(change, Change::Healthy | Change::Unhealthy) && told.health == Some(change);
                if known_health || told.newest.is_some_and(|newest| (at_ns, change) <= newest) {
                    continue;
                }
            }
            if !self.send(slot, fleet, container, seen, (change, at_ns), why).await {
                return false;
            }
            let mut told = slot.told();
            told.newest = Some((at_ns, change));
            told.health = matches!(change, Change::Healthy | Change::Unhealthy).then_some(change);
            told.live = Some(seen.shown.live());
            // A new run, or the end of one.
            told.paused &= matches!(change, Change::Healthy | Change::Unhealthy);
        }
        self.tell_paused(slot, fleet, container, seen, why).await
            && self.tell_live(slot, fleet, container, seen, why).await
    }

    /// Tells that a container is frozen, or goes on. Docker shows no time for that: it comes right after what was told last.
    async fn tell_paused(&self, slot: &Slot, fleet: &FleetId, container: &Name, seen: &Container, why: Why) -> bool {
        let paused = seen.state == State::Paused;
        let at_ns = {
            let mut told = slot.told();
            if told.paused == paused {
                return true;
            }
            if !matches!(seen.state, State::Running | State::Paused) {
                told.paused = false;
                return true;
            }
            told.newest.map_or(seen.created_ns, |(at_ns, _)| at_ns) + 1
        };
        let change = if paused { Change::Paused } else { Change::Unpaused };
        if !self.send(slot, fleet, container, seen, (change, at_ns), why).await {
            return false;
        }
        let mut told = slot.told();
        told.newest = Some((at_ns, change));
        told.paused = paused;
        true
    }

    /// Tells that Docker was told other limits, or that files were put in place. It has no time for that: it comes right
    /// after what was told last.
    async fn tell_live(&self, slot: &Slot, fleet: &FleetId, container: &Name, seen: &Container, why: Why) -> bool {
        let live = seen.shown.live();
        let at_ns = {
            let told = slot.told();
            let placed = told.placed_is_news && told.placed.as_ref().is_some_and(|it| it.docker_id == seen.id);
            if told.live.as_ref() == Some(&live) && !placed {
                return true;
            }
            told.newest.map_or(seen.created_ns, |(at_ns, _)| at_ns) + 1
        };
        if !self.send(slot, fleet, container, seen, (Change::Updated, at_ns), why).await {
            return false;
        }
        let mut told = slot.told();
        told.newest = Some((at_ns, Change::Updated));
        told.live = Some(live);
        told.placed_is_news = false;
        true
    }

    /// Tells an edge of a container's health that only we see. Docker has no time for it, and our clock may be another
    /// one: it comes right after what was told last.
    pub(super) async fn tell_health(
        &self,
        slot: &Slot,
        fleet: &FleetId,
        container: &Name,
        seen: &Container,
        change: Change,
        why: Why,
    ) {
        if !self.tell(slot, fleet, container, seen, Why::Seen).await || slot.told().health == Some(change) {
            return;
        }
        let at_ns = slot.told().newest.map_or(seen.created_ns, |(at_ns, _)| at_ns) + 1;
        if self.send(slot, fleet, container, seen, (change, at_ns), why).await {
            let mut told = slot.told();
            told.newest = Some((at_ns, change));
            told.health = Some(change);
        }
    }

    /// Tells that a container is gone; where Docker did not tell when, right after what was told last.
    pub(super) async fn tell_removed(
        &self,
        slot: &Slot,
        fleet: &FleetId,
        container: &Name,
        docker_id: &str,
        at_ns: Option<i64>,
        why: Why,
    ) {
        let newest = slot.told().newest.map(|(at_ns, _)| at_ns + 1);
        let at_ns = at_ns.or(newest).unwrap_or_default();
        let report = ContainerReport {
            fleet: fleet.clone(),
            container: container.clone(),
            change: Change::Removed,
            at_ns,
            docker_id: docker_id.to_owned(),
            image: None,
            spec: None,
            commit: None,
            live: None,
            files: None,
            checked: false,
            exit_code: None,
            out_of_memory: false,
            restarts: 0,
            cause: why.cause(),
        };
        let id = observation_id(&self.node, docker_id, at_ns, "removed");
        if self.report(&Report::Container(report), id).await {
            let mut told = slot.told();
            if told.docker_id == docker_id {
                told.floor = told.floor.max(at_ns);
                told.docker_id.clear();
                told.newest = None;
                told.health = None;
            }
        }
    }

    async fn send(
        &self,
        slot: &Slot,
        fleet: &FleetId,
        container: &Name,
        seen: &Container,
        (change, at_ns): (Change, i64),
        why: Why,
    ) -> bool {
        let ended = is_end(change);
        let (probed, hint, files) = {
            let told = slot.told();
            // Once, in a report of its own: what an agent tells again that was killed may have been told without.
            let placed = told.placed.as_ref().filter(|it| it.docker_id == seen.id && change == Change::Updated);
            let files = placed.filter(|_| told.placed_is_news).map(|it| it.files.clone());
            (told.probed, told.exit_code, files)
        };
        let report = ContainerReport {
            fleet: fleet.clone(),
            container: container.clone(),
            change,
            at_ns,
            docker_id: seen.id.clone(),
            image: Some(seen.image.clone()),
            spec: seen.labels.get(SPEC).cloned(),
            commit: commit_of(&seen.labels),
            live: Some(seen.shown.live()),
            files,
            checked: seen.has_healthcheck || probed,
            exit_code: seen.exit_code.or(hint).filter(|_| ended),
            out_of_memory: ended && seen.out_of_memory,
            restarts: seen.restarts,
            cause: why.cause(),
        };
        let id = observation_id(&self.node, &seen.id, at_ns, &format!("{change:?}"));
        self.report(&Report::Container(report), id).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemas::descriptors::Restart;
    use schemas::spec::Spec;

    use super::*;

    /// What is told of a container in this state, with times after its creation.
    fn told(state: State, started_ns: i64, finished_ns: Option<i64>) -> Vec<(i64, Change)> {
        let seen = Container {
            id: "1".to_owned(),
            name: "acme.shop.job".to_owned(),
            labels: BTreeMap::new(),
            image: "sha256:1".to_owned(),
            state,
            exit_code: None,
            out_of_memory: false,
            created_ns: 100,
            started_ns: Some(started_ns),
            finished_ns,
            has_healthcheck: false,
            health: None,
            restarts: 0,
            restart: Restart::No,
            addresses: BTreeMap::new(),
            aliases: BTreeMap::new(),
            shown: Spec::default(),
        };
        edges(&seen, false)
    }

    #[test]
    fn what_has_ended_ended_after_its_start_whatever_the_times_say() {
        let (created, started, died) = ((100, Change::Created), (300, Change::Started), Change::Died);
        for state in [State::Exited, State::Dead, State::Restarting] {
            assert_eq!(told(state, 300, Some(298)), [created, started, (301, died)], "{state}");
            assert_eq!(told(state, 300, Some(300)), [created, started, (301, died)], "{state}");
            assert_eq!(told(state, 300, Some(500)), [created, started, (500, died)], "{state}");
        }
    }

    #[test]
    fn what_runs_started_after_its_last_end_and_after_it_was_made() {
        let (created, died) = ((100, Change::Created), Change::Died);
        assert_eq!(told(State::Running, 300, Some(200)), [created, (200, died), (300, Change::Started)]);
        assert_eq!(told(State::Running, 300, Some(302)), [created, (302, died), (303, Change::Started)]);
        assert_eq!(told(State::Running, 99, None), [created, (100, Change::Started)]);
    }
}
