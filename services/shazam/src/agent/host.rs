//! What the agent's tasks share: the engine, the bus, and what is known about each container of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Engine, Labels, Scope};
use schemas::fleet::{ObservedContainer, State};
use schemas::names::{FleetId, Name, NodeName, Oid};
use schemas::spec::{Updatable, resource_name};
use schemas::work::{Change, PlacedIn, Report};
use streams::{Bus, SendError};
use tokio::sync::{Notify, RwLock, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::AgentConfig;
use super::archive::Kept;

/// The label that says whose a thing in Docker is.
pub const INSTALLATION: &str = "fleetlog.installation";
/// The label that says of which fleet.
pub const FLEET: &str = "fleetlog.fleet";
/// The label with the descriptor's name.
pub const NAME: &str = "fleetlog.name";
/// The label with the commit that made a container.
pub const COMMIT: &str = "fleetlog.commit";
/// The label with the keyed digest of a container's rendered keys.
pub const SPEC: &str = "fleetlog.spec";

/// The label of a container that is started again once it is unhealthy.
pub const ON_UNHEALTHY: &str = "fleetlog.on_unhealthy";
/// How Docker says that a container is in another one's network: with that one's name or id behind it.
pub const IN_THE_NETWORK_OF: &str = "container:";

/// So many images are remembered with their digests.
const DIGESTS: usize = 256;

/// What the agent's tasks share.
pub struct Host {
    pub node: NodeName,
    pub installation: Uuid,
    pub engine: Engine,
    pub bus: Bus,
    pub shutdown: CancellationToken,
    /// Changes of containers that are asked of Docker at once.
    pub calls: Semaphore,
    /// Room for files that are on their way into containers, in KiB.
    pub room: Semaphore,
    /// Why Docker cannot be reached; none: it can.
    pub away: watch::Sender<Option<String>>,
    /// The tasks that ask HTTP paths, and what else goes on beside everything.
    pub probes: TaskTracker,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    networks: Mutex<BTreeMap<FleetId, Arc<RwLock<bool>>>>,
    /// Containers that are kept for a while, as they were told, by their name in Docker.
    kept: Mutex<BTreeMap<String, Kept>>,
    /// Containers that may be there twice, by their name in Docker; none: nobody has looked yet.
    twice: Mutex<Option<BTreeSet<String>>>,
    /// Sequence in `OBS` of the newest report.
    pub reported: AtomicU64,
    /// Held while something is done to a volume by hand: one after the other.
    pub volumes: tokio::sync::Mutex<()>,
    /// Another one is kept.
    pub kept_changed: Notify,
    /// Id of an image → its digests, for those that containers were made from lately.
    digests: Mutex<BTreeMap<String, Vec<String>>>,
    fence: Mutex<(Uuid, u64)>,
    /// The highest position of a command that was taken; at first, where the log ended when the agent started.
    newest: AtomicU64,
}

/// One container of this host, by its name in Docker.
#[derive(Default)]
pub struct Slot {
    /// Held while a step is at it: steps for one container go one after the other, and whoever watches leaves it alone.
    pub busy: tokio::sync::Mutex<()>,
    /// Something happened to it.
    pub wake: Notify,
    /// What was told about it.
    told: Mutex<Told>,
    /// Something happened to it that whoever was busy with it may not have seen.
    pub missed: AtomicBool,
    /// The running probe of its HTTP path.
    pub probe: Mutex<Option<CancellationToken>>,
}

/// What was told about a container.
#[derive(Default)]
pub struct Told {
    /// Docker's id of the container that it was told of.
    pub docker_id: String,
    /// The newest change that was told.
    pub newest: Option<(i64, Change)>,
    /// The time of the last that was told of the one before it: whatever is told of this one comes later.
    pub floor: i64,
    /// Its health, where that was told.
    pub health: Option<Change>,
    /// What was told of what Docker can change while it runs.
    pub live: Option<Updatable>,
    /// What this agent has put into it, and whether that is still to be told.
    pub placed: Option<PlacedIn>,
    pub placed_is_news: bool,
    /// When it was started again for being unhealthy, and how often in a row.
    pub mended: Option<(Instant, u32)>,
    /// Whether it was told to be frozen.
    pub paused: bool,
    /// Whether an HTTP path of it is asked for.
    pub probed: bool,
    /// How Docker's event said that it ended: an inspection no longer tells it once Docker started it again.
    pub exit_code: Option<i64>,
}

/// Between two starts of a container that is unhealthy again and again, doubled each time.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(600);

impl Told {
    /// Whether an unhealthy container is started again now, which then counts: each time that follows soon is later.
    pub fn may_mend(&mut self, now: Instant) -> bool {
        // What lasted twice the longest pause was of some use.
        let (since, times) = match self.mended.filter(|(at, _)| now.duration_since(*at) < 2 * LONGEST) {
            Some((at, times)) => (Some(now.duration_since(at)), times),
            None => (None, 0),
        };
        let pause = PAUSE.saturating_mul(1 << times.saturating_sub(1).min(10)).min(LONGEST);
        let may = since.is_none_or(|it| it >= pause);
        if may {
            self.mended = Some((now, times + 1));
        }
        may
    }
}

impl Slot {
    /// Takes over what the log says of the container, unless more is known already.
    pub fn remember(&self, seen: &ObservedContainer) {
        let mut told = self.told();
        if seen.state == State::Removed {
            told.floor = told.floor.max(seen.newest.0);
        } else if told.docker_id.is_empty() {
            // As when it was told: of one that was made beside another one, nothing came before that.
            told.floor = told.floor.max(seen.created_ns - 1);
            told.docker_id.clone_from(&seen.docker_id);
            told.newest = Some(seen.newest);
            told.live.clone_from(&seen.live);
            told.paused = seen.state == schemas::fleet::State::Paused;
            told.health = Some(seen.newest.1).filter(|it| matches!(it, Change::Healthy | Change::Unhealthy));
        }
    }

    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    pub fn new(config: AgentConfig, bus: Bus, head: u64, shutdown: CancellationToken) -> Self {
        Self {
            node: config.node,
            installation: config.installation,
            engine: config.engine,
            bus,
            shutdown,
            calls: Semaphore::new(config.calls_in_flight.max(1)),
            room: Semaphore::new(super::files::ROOM_KIB as usize),
            away: watch::Sender::new(None),
            probes: TaskTracker::new(),
            slots: Mutex::default(),
            networks: Mutex::default(),
            kept: Mutex::default(),
            twice: Mutex::default(),
            reported: AtomicU64::new(0),
            volumes: tokio::sync::Mutex::default(),
            kept_changed: Notify::new(),
            digests: Mutex::default(),
            fence: Mutex::new((Uuid::nil(), 0)),
            newest: AtomicU64::new(head),
        }
    }

    /// What is ours on this host.
    pub fn scope(&self) -> Scope {
        Scope::label(INSTALLATION, self.installation.to_string())
    }

    pub fn is_ours(&self, labels: &Labels) -> bool {
        labels.get(INSTALLATION).is_some_and(|it| *it == self.installation.to_string())
    }

    /// The labels of everything that we make for a fleet.
    pub fn labels(&self, fleet: &FleetId, name: Option<&Name>) -> Labels {
        let mut labels = Labels::new();
        labels.insert(INSTALLATION.to_owned(), self.installation.to_string());
        labels.insert(FLEET.to_owned(), fleet.to_string());
        labels.extend(name.map(|name| (NAME.to_owned(), name.to_string())));
        labels
    }

    pub(super) fn twice(&self) -> MutexGuard<'_, Option<BTreeSet<String>>> {
        self.twice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a container, by its name in Docker.
    pub fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(name.to_owned()).or_default().clone()
    }

    /// Every container that something was told about: its name in Docker, and Docker's id.
    pub fn told(&self) -> Vec<(String, String)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|(name, slot)| (name.clone(), slot.told().docker_id.clone())).collect()
    }

    /// The lock over a fleet's network: read while containers are attached to it, write while it is removed. True inside:
    /// it is known to be there.
    pub fn network(&self, fleet: &FleetId) -> Arc<RwLock<bool>> {
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        networks.entry(fleet.clone()).or_default().clone()
    }

    /// The digests of an image, where they are known.
    pub fn known_digests(&self, id: &str) -> Option<Vec<String>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Remembers the digests of an image. One that has none may get one yet, by a `docker push`.
    pub fn know_digests(&self, id: &str, digests: &[String]) {
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DIGESTS {
            known.clear();
        }
        known.insert(id.to_owned(), digests.to_vec());
    }

    /// Whether a command is of the newest coordinator that was heard of; a newer one fences all before it.
    pub fn admits(&self, incarnation: Uuid, epoch: u64) -> bool {
        let mut fence = self.fence.lock().unwrap_or_else(PoisonError::into_inner);
        if fence.0 != incarnation || epoch > fence.1 {
            *fence = (incarnation, epoch);
        }
        epoch >= fence.1
    }

    /// Whether a command is newer than everything that this agent may have had before. One that is not may be a
    /// left-over: delivered again long after the world has moved on.
    pub fn is_fresh(&self, position: u64) -> bool {
        self.newest.fetch_max(position, Ordering::Relaxed) < position
    }

    /// Reports, and tries again until the answer is definite. False: told to stop before that.
    pub async fn report(&self, report: &Report, id: Uuid) -> bool {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.bus.report(&self.node, report, id).await {
                Ok(sequence) => {
                    self.reported.fetch_max(sequence, Ordering::Relaxed);
                    return true;
                }
                Err(error @ (SendError::Unavailable { .. } | SendError::Unknown { .. })) => {
                    tracing::warn!(%error, "a report was not sent for sure, trying again");
                }
                Err(error) => {
                    tracing::error!(%error, ?report, "a report was refused for good");
                    return true;
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
            }
        }
    }

    /// Waits until Docker can be reached. False: told to stop before that.
    pub async fn back(&self) -> bool {
        let mut away = self.away.subscribe();
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            it = away.wait_for(Option::is_none) => it.is_ok(),
        }
    }
}

/// Whose container it is, by its labels.
pub fn fleet_of(labels: &Labels) -> Option<(FleetId, Name)> {
    Some((labels.get(FLEET)?.parse().ok()?, labels.get(NAME)?.parse().ok()?))
}

/// The commit that made it, by its labels.
pub fn commit_of(labels: &Labels) -> Option<Oid> {
    labels.get(COMMIT)?.parse().ok()
}

/// A container's name in Docker.
pub fn container_name(fleet: &FleetId, name: &Name) -> String {
    resource_name(fleet, Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unhealthy_again_and_again_is_started_ever_more_rarely() {
        let (mut told, begun) = (Told::default(), Instant::now());
        let mut starts = Vec::new();
        for second in 0..4_000 {
            if told.may_mend(begun + Duration::from_secs(second)) {
                starts.push(second);
            }
        }
        assert_eq!(starts, [0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430, 3_030, 3_630]);
        assert!(told.may_mend(begun + Duration::from_secs(3_630 + 1_200)));
        assert!(!told.may_mend(begun + Duration::from_secs(3_630 + 1_201)));
        assert!(told.may_mend(begun + Duration::from_secs(3_630 + 1_210)), "it counts anew");
    }
}
