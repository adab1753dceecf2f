//! The state of the simulated engine: what there is, its clock, and who hears of changes.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::spec::Port;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::Files;
use super::images::Images;
use crate::error::EngineError;
use crate::exec::Executed;
use crate::records::Record;
use crate::seen::{Container, ImageInfo, Labels, NetworkAttachment, State};
use crate::wake::{Action, Kind, Wake};

/// The simulated time starts here where nobody says otherwise, in nanoseconds since 1970, and goes on with the runtime's
/// clock.
pub(super) const EPOCH: i64 = 1_700_000_000_000_000_000;

/// What followers of events get.
#[derive(Debug, Clone)]
pub(super) enum Signal {
    Wake(Wake),
    Gone,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) away: bool,
    pub(super) latency: Duration,
    pub(super) images: Images,
    /// Everything that was ever published, by its name then; the newest last.
    pub(super) registry: Vec<(String, ImageInfo)>,
    pub(super) registry_fault: Option<String>,
    pub(super) occupied: Vec<Port>,
    pub(super) containers: BTreeMap<String, Entry>,
    pub(super) volumes: BTreeMap<String, SimulatedVolume>,
    pub(super) networks: BTreeMap<String, SimulatedNetwork>,
    signals: broadcast::Sender<Signal>,
    /// Something was written, or a container's state changed.
    changes: watch::Sender<()>,
    epoch: i64,
    started: Instant,
    last_ns: i64,
    last_id: u64,
}

/// A container, and what Docker does not show of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seen: Container,
    pub(super) network: NetworkAttachment,
    /// Signal without its prefix → exit code; none: it ignores the signal.
    pub(super) handlers: BTreeMap<String, Option<i64>>,
    pub(super) lines: Vec<String>,
    pub(super) files: Files,
    pub(super) records: Vec<Record>,
    /// What programs do that are run in it; none: such a one never ends.
    pub(super) programs: BTreeMap<String, Option<Executed>>,
    /// The commands that were run in it.
    pub(super) executed: Vec<Vec<String>>,
    /// The signals that its process got.
    pub(super) signals: Vec<String>,
    /// How often those who followed its records were made deaf.
    pub(super) deaf: u32,
}

#[derive(Debug, Default)]
pub(super) struct SimulatedVolume {
    pub(super) labels: Labels,
    pub(super) files: Files,
}

#[derive(Debug)]
pub(super) struct SimulatedNetwork {
    pub(super) id: String,
    pub(super) labels: Labels,
}

impl World {
    pub(super) fn new(signals: broadcast::Sender<Signal>, epoch: i64) -> Self {
        Self {
            away: false,
            latency: Duration::ZERO,
            images: Images::default(),
            registry: Vec::new(),
            registry_fault: None,
            occupied: Vec::new(),
            containers: BTreeMap::new(),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            signals,
            changes: watch::Sender::new(()),
            epoch,
            started: Instant::now(),
            last_ns: epoch,
            last_id: 0,
        }
    }

    /// The container with this name or id.
    pub(super) fn entry(&mut self, container: &str) -> Result<&mut Entry, EngineError> {
        let found = self.containers.values_mut().find(|it| it.seen.name == container || it.seen.id == container);
        found.ok_or_else(|| EngineError::NotFound { what: format!("container `{container}`") })
    }

    /// Where a container's file lies: in a volume that is mounted there, else in the container.
    pub(super) fn files(&mut self, container: &str, path: &str) -> Result<&mut Files, EngineError> {
        let volumes = &self.entry(container)?.seen.shown.volumes;
        let mounted = volumes
            .iter()
            .find(|(at, _)| path.starts_with(at.as_str()))
            .and_then(|(_, mount)| mount.as_volume().cloned());
        match mounted {
            None => Ok(&mut self.entry(container)?.files),
            Some(volume) => Ok(&mut self.volumes.entry(volume).or_default().files),
        }
    }

    /// Whether it was made just now.
    pub(super) fn ensure_volume(&mut self, name: &str, labels: &Labels) -> bool {
        if self.volumes.contains_key(name) {
            return false;
        }
        let volume = SimulatedVolume { labels: labels.clone(), files: Files::new() };
        self.volumes.insert(name.to_owned(), volume);
        self.tell_thing(Kind::Volume, Action::Create, name, name);
        true
    }

    /// As Docker, which makes a volume that it does not find.
    pub(super) fn copy_volume(&mut self, from: &str, to: &str) -> Result<u64, EngineError> {
        let files = self.volumes.entry(from.to_owned()).or_default().files.clone();
        let bytes = files.values().map(|it| it.len() as u64).sum();
        self.volumes.entry(to.to_owned()).or_default().files.extend(files);
        Ok(bytes)
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> Result<bool, EngineError> {
        let has = |it: &&Entry| it.seen.shown.volumes.values().any(|it| it.as_volume().is_some_and(|it| it == name));
        if let Some(holder) = self.containers.values().find(has) {
            return Err(EngineError::Refused {
                what: format!("remove volume `{name}`"),
                status: 409,
                message: format!("remove {name}: volume is in use - [{}]", holder.seen.id),
            });
        }
        if self.volumes.remove(name).is_none() {
            return Ok(false);
        }
        self.tell_thing(Kind::Volume, Action::Destroy, name, name);
        Ok(true)
    }

    /// Whether it was made just now.
    pub(super) fn ensure_network(&mut self, name: &str, labels: &Labels) -> bool {
        if self.networks.contains_key(name) {
            return false;
        }
        let id = self.id();
        self.networks.insert(name.to_owned(), SimulatedNetwork { id: id.clone(), labels: labels.clone() });
        self.tell_thing(Kind::Network, Action::Create, &id, name);
        true
    }

    pub(super) fn remove_network(&mut self, name: &str) -> Result<bool, EngineError> {
        if self.containers.values().any(|it| it.network.network == name && it.seen.state == State::Running) {
            return Err(EngineError::Refused {
                what: format!("remove network `{name}`"),
                status: 403,
                message: format!("error while removing network: network {name} has active endpoints"),
            });
        }
        let Some(removed) = self.networks.remove(name) else { return Ok(false) };
        self.tell_thing(Kind::Network, Action::Destroy, &removed.id, name);
        Ok(true)
    }

    /// Tells whoever waits for what a container writes.
    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn follow(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Nobody may be listening; then nobody needs it.
    pub(super) fn send(&self, signal: Signal) {
        let _listeners = self.signals.send(signal).unwrap_or_default();
    }

    pub(super) fn tell(&self, name: &str, action: Action, at_ns: i64, exit_code: Option<i64>) {
        self.changed();
        let found = self.containers.values().find(|it| it.seen.name == name || it.seen.id == name);
        if let Some(Entry { seen, .. }) = found.filter(|_| !self.away) {
            let (id, name, labels) = (seen.id.clone(), seen.name.clone(), seen.labels.clone());
            self.send(Signal::Wake(Wake { kind: Kind::Container, action, id, name, labels, at_ns, exit_code }));
        }
    }

    fn tell_thing(&mut self, kind: Kind, action: Action, id: &str, name: &str) {
        let at_ns = self.now();
        let (id, name, labels) = (id.to_owned(), name.to_owned(), Labels::new());
        self.send(Signal::Wake(Wake { kind, action, id, name, labels, at_ns, exit_code: None }));
    }

    /// The time; no two are the same.
    pub(super) fn now(&mut self) -> i64 {
        let elapsed = i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX - self.epoch);
        self.last_ns = (self.epoch + elapsed).max(self.last_ns + 1);
        self.last_ns
    }

    pub(super) fn id(&mut self) -> String {
        self.last_id += 1;
        format!("{0:016x}{0:048x}", self.last_id)
    }
}
