//! Watches Docker: at every connection and by a timer everything is looked at, in between what Docker's events name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use engine::{Action, EngineError, Kind, Wake};
use jiff::Timestamp;
use schemas::fleet::State;
use schemas::names::FleetId;
use schemas::spec;
use schemas::work::{Report, ThingReport, Watched, observation_id};
use streams::clock;
use tokio::time::Instant;

use super::beside::beside;
use super::host::{FLEET, Host, container_name, fleet_of};
use super::look::Why;
use super::recall;
use crate::error::AgentError;

/// Everything is looked at again after so long.
const EVERY: Duration = Duration::from_secs(60);

/// A container that was looked at [`BURST`] times within so long is looked at once in as long.
const FLAPPING: Duration = Duration::from_secs(10);

/// So many looks at one container within [`FLAPPING`] are as usual.
const BURST: u32 = 6;

/// It is told so often that somebody watches. Shorter than what the coordinator takes for a gap, and a start beside it.
const MARK: Duration = Duration::from_secs(5);

/// How long the last word of an agent that is told to stop may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Looks at one container, counted so that a flapping one does not flood the log.
struct Pace {
    since: Instant,
    looks: u32,
}

/// Watches until it is told to stop.
pub async fn run(host: Arc<Host>) -> Result<(), AgentError> {
    let mut watch = Watch {
        host: host.clone(),
        since: None,
        before: "the agent was not running".to_owned(),
        looked: Timestamp::UNIX_EPOCH,
        paces: BTreeMap::new(),
        later: BTreeMap::new(),
        things: BTreeMap::new(),
    };
    loop {
        let end = tokio::select! {
            () = host.shutdown.cancelled() => {
                // Should nobody hear it, the gap begins a few seconds earlier.
                let _ = tokio::time::timeout(LAST_WORD, watch.mark()).await;
                return Ok(());
            }
            end = watch.connected() => end,
        };
        watch.since = None;
        watch.before = format!("Docker's events did not come: {end}");
        tracing::debug!(node = %host.node, error = %end, "watching Docker ended");
        super::beat::ping(&host).await;
        if host.away.borrow().is_some() && !host.back().await {
            return Ok(());
        }
        // Docker answers, but its events do not come: not too fast.
        tokio::select! {
            () = host.shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

struct Watch {
    host: Arc<Host>,
    /// Since when Docker's events come without a break.
    since: Option<Timestamp>,
    /// Why they did not before.
    before: String,
    /// When everything was looked at last.
    looked: Timestamp,
    paces: BTreeMap<String, Pace>,
    /// Containers that flap, and when they are looked at again.
    later: BTreeMap<String, Instant>,
    /// Volumes and networks of ours that are there: kind and name → fleet, and Docker's time of what was told last.
    things: BTreeMap<(Kind, String), (FleetId, i64)>,
}

impl Watch {
    /// Watches one connection; how it ended.
    async fn connected(&mut self) -> EngineError {
        // Events first, then the look: what changes in between wakes us.
        let mut wakes = match self.host.engine.events(&self.host.scope()).await {
            Ok(wakes) => wakes,
            Err(error) => return error,
        };
        // Before what the look finds: that may have happened when nobody watched.
        self.since = Some(clock::now());
        self.mark().await;
        if let Err(error) = self.look_at_everything().await {
            return error;
        }
        let (mut next, mut mark) = (Instant::now() + EVERY, Instant::now() + MARK);
        loop {
            let flapping = self.later.values().min().copied();
            // Every arm is cancel-safe.
            let end = tokio::select! {
                wake = wakes.next() => match wake {
                    Ok(wake) => self.wake(wake).await,
                    Err(error) => Err(error),
                },
                () = tokio::time::sleep_until(next) => {
                    next = Instant::now() + EVERY;
                    self.look_at_everything().await
                }
                () = self.host.until_one_expires(self.looked) => self.look_at_everything().await,
                () = tokio::time::sleep_until(mark) => {
                    mark = Instant::now() + MARK;
                    self.mark().await;
                    Ok(())
                }
                () = tokio::time::sleep_until(flapping.unwrap_or(next)), if flapping.is_some() => self.look_at_late().await,
            };
            if let Err(error) = end {
                return error;
            }
        }
    }

    /// Tells that somebody watches, and since when.
    async fn mark(&self) {
        let Some(since) = self.since else { return };
        let until = clock::now().max(since);
        let at_ns = i64::try_from(until.as_nanosecond()).unwrap_or(i64::MAX);
        let id = observation_id(&self.host.node, "watch", at_ns, "watched");
        let report = Report::Watched(Watched { since, until, before: self.before.clone() });
        self.host.report(&report, id).await;
    }

    async fn wake(&mut self, wake: Wake) -> Result<(), EngineError> {
        if wake.kind != Kind::Container {
            return self.thing(wake).await;
        }
        let Some((fleet, container)) = fleet_of(&wake.labels) else { return Ok(()) };
        let name = container_name(&fleet, &container);
        let slot = self.host.slot(&name);
        if wake.action == Action::Die && wake.name == name {
            slot.told().exit_code = wake.exit_code;
        }
        slot.wake.notify_waiters();
        // A step that is at it tells what it does itself; what else happens to its container is looked at behind it.
        if !matches!(wake.action, Action::Create | Action::Start) {
            slot.missed.store(true, Ordering::Release);
        }
        if wake.action == Action::Destroy {
            self.host.lost_kept(&wake.name, &wake.id).await;
            if let Ok(_busy) = slot.busy.try_lock() {
                self.host.tell_removed(&slot, &fleet, &container, &wake.id, Some(wake.at_ns), Why::Seen).await;
            }
            return Ok(());
        }
        if slot.busy.try_lock().is_err() || self.flaps(&name) {
            return Ok(());
        }
        self.host.look_at(&name).await
    }

    /// Whether a container is looked at too often; then it is looked at later.
    fn flaps(&mut self, name: &str) -> bool {
        let now = Instant::now();
        let pace = self.paces.entry(name.to_owned()).or_insert(Pace { since: now, looks: 0 });
        if now - pace.since > FLAPPING {
            *pace = Pace { since: now, looks: 0 };
        }
        pace.looks += 1;
        if pace.looks <= BURST {
            return false;
        }
        self.later.entry(name.to_owned()).or_insert(pace.since + FLAPPING);
        true
    }

    async fn look_at_late(&mut self) -> Result<(), EngineError> {
        let now = Instant::now();
        let due: Vec<String> = self.later.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.later.remove(&name);
            // It stays slow as long as it flaps: the next window begins used up.
            self.paces.insert(name.clone(), Pace { since: now, looks: BURST });
            self.host.look_at(&name).await?;
        }
        Ok(())
    }

    /// Compares everything that is there with everything that was told, by us or by whoever was here before us.
    async fn look_at_everything(&mut self) -> Result<(), EngineError> {
        let host = self.host.clone();
        let listed = host.engine.list(&host.scope()).await?;
        let there: BTreeSet<String> = listed.iter().map(|it| it.id.clone()).collect();
        self.remember(&there).await;
        host.are_twice(&listed);
        for (fleet, container) in listed.iter().filter_map(beside) {
            host.settle_in_time(fleet, container);
        }
        for it in listed.iter().filter(|it| fleet_of(&it.labels).is_some()) {
            host.look_at(&it.name).await?;
        }
        for (name, docker_id) in host.told() {
            let is_there = listed.iter().any(|it| it.id == docker_id && it.name == name);
            if !docker_id.is_empty() && !is_there {
                host.look_at(&name).await?;
            }
        }
        self.looked = clock::now();
        host.look_at_kept(&listed).await?;
        self.look_at_things().await
    }

    /// Takes over what whoever was here before us has told, so that only news are told and what is gone is noticed.
    async fn remember(&mut self, there: &BTreeSet<String>) {
        let host = self.host.clone();
        let fleets = match recall::fleets(&host).await {
            Ok(fleets) => fleets,
            Err(error) => {
                tracing::warn!(%error, "what was seen on this node before is not known; asked again in a minute");
                return;
            }
        };
        for fleet in fleets {
            host.remember_kept(&fleet);
            for (container, seen) in &fleet.observed.containers {
                if seen.node != host.node {
                    continue;
                }
                let name = container_name(&fleet.id, container);
                let slot = host.slot(&name);
                slot.remember(seen);
                if seen.state == State::Removed {
                    continue;
                }
                let idle = slot.probe.lock().unwrap_or_else(PoisonError::into_inner).is_none();
                let descriptor = fleet.desired.containers.get(container);
                if let Some(descriptor) = descriptor.filter(|_| idle && there.contains(&seen.docker_id)) {
                    let readiness = spec::readiness(descriptor, &fleet.desired);
                    host.keep_probing(&fleet.id, container, &name, &readiness, &slot);
                }
            }
            let volumes = fleet.observed.volumes.iter().map(|(name, it)| (Kind::Volume, name, it));
            let networks = fleet.observed.networks.iter().map(|(name, it)| (Kind::Network, name, it));
            for (kind, name, it) in volumes.chain(networks) {
                if it.exists && it.node == host.node {
                    self.things.entry((kind, name.clone())).or_insert((fleet.id.clone(), it.at_ns));
                }
            }
        }
    }

    async fn look_at_things(&mut self) -> Result<(), EngineError> {
        let scope = self.host.scope();
        let volumes = self.host.engine.volumes(&scope).await?.into_iter().map(|it| (Kind::Volume, it.name));
        let networks = self.host.engine.networks(&scope).await?.into_iter().map(|it| (Kind::Network, it));
        let there: BTreeSet<_> = volumes.chain(networks).collect();
        let known: Vec<_> = self.things.keys().cloned().collect();
        for (kind, name) in known {
            if !there.contains(&(kind, name.clone())) {
                self.lost(kind, &name, None).await;
            }
        }
        for (kind, name) in there {
            if !self.things.contains_key(&(kind, name.clone())) {
                self.found(kind, &name, now_ns()).await?;
            }
        }
        Ok(())
    }

    /// A volume or a network came or went.
    async fn thing(&mut self, wake: Wake) -> Result<(), EngineError> {
        match wake.action {
            Action::Create => self.found(wake.kind, &wake.name, wake.at_ns).await,
            Action::Destroy => {
                self.lost(wake.kind, &wake.name, Some(wake.at_ns)).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Docker's events tell no labels of a volume or a network, so look whether it is ours.
    async fn found(&mut self, kind: Kind, name: &str, at_ns: i64) -> Result<(), EngineError> {
        let labels = match kind {
            Kind::Volume => self.host.engine.volume(name).await?.map(|it| it.labels),
            Kind::Network => self.host.engine.network(name).await?.map(|it| it.labels),
            Kind::Container => None,
        };
        let labels = labels.filter(|labels| self.host.is_ours(labels));
        if let Some(fleet) = labels.and_then(|labels| labels.get(FLEET)?.parse::<FleetId>().ok()) {
            self.things.insert((kind, name.to_owned()), (fleet.clone(), at_ns));
            self.tell_thing(kind, name, &fleet, true, at_ns).await;
        }
        Ok(())
    }

    /// One of ours is gone; where Docker did not tell when, right after what was told last.
    async fn lost(&mut self, kind: Kind, name: &str, at_ns: Option<i64>) {
        let Some((fleet, told_ns)) = self.things.remove(&(kind, name.to_owned())) else { return };
        if kind == Kind::Network {
            *self.host.network(&fleet).write().await = false;
        }
        let at_ns = at_ns.unwrap_or_default().max(told_ns + 1);
        self.tell_thing(kind, name, &fleet, false, at_ns).await;
    }

    async fn tell_thing(&self, kind: Kind, name: &str, fleet: &FleetId, exists: bool, at_ns: i64) {
        let it = ThingReport { fleet: fleet.clone(), name: name.to_owned(), exists, at_ns, cause: None };
        let (report, word) = match kind {
            Kind::Network => (Report::Network(it), "network"),
            _ => (Report::Volume(it), "volume"),
        };
        let id =
            observation_id(&self.host.node, &format!("{word} {name}"), at_ns, if exists { "made" } else { "gone" });
        self.host.report(&report, id).await;
    }
}

/// Where Docker does not tell since when something is there: since it was found.
fn now_ns() -> i64 {
    i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX)
}
