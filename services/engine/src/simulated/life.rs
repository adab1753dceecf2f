//! The life of a simulated container: made, started, healthy or not, ended, removed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use schemas::descriptors::{Mount, Restart};
use schemas::spec::{Port, Spec};
use schemas::units::Span;

use super::Files;
use super::world::{Entry, World};
use crate::error::EngineError;
use crate::seen::{Container, Health, HealthStatus, Labels, NetworkAttachment, State};
use crate::wake::Action;

/// The exit code of a process that was killed.
pub(super) const KILLED: i64 = 137;

impl World {
    pub(super) fn create(
        &mut self,
        name: &str,
        spec: &Spec,
        labels: &Labels,
        network: &NetworkAttachment,
    ) -> Result<String, EngineError> {
        if let Some(taken) = self.containers.get(name) {
            return Err(EngineError::NameTaken { name: name.to_owned(), by: taken.seen.id.clone() });
        }
        let platform = spec.runtime.platform.as_deref();
        let Some(image) = self.images.find(&spec.image).filter(|it| it.is_for(platform)).cloned() else {
            let message = format!("No such image: {}", spec.image);
            return Err(EngineError::ImageMissing { image: spec.image.clone(), message });
        };
        for volume in spec.volumes.values().filter_map(Mount::as_volume) {
            self.ensure_volume(volume, &Labels::new());
        }
        let mut shown = shown(spec);
        if let Some(other) = spec.network.as_ref().and_then(|it| it.strip_prefix("container:")) {
            // As Docker: by its id from now on.
            shown.network = Some(format!("container:{}", self.entry(other)?.seen.id));
        }
        let (id, created_ns) = (self.id(), self.now());
        let seen = Container {
            id: id.clone(),
            name: name.to_owned(),
            labels: labels.clone(),
            image: image.id,
            state: State::Created,
            exit_code: None,
            out_of_memory: false,
            created_ns,
            started_ns: None,
            finished_ns: None,
            has_healthcheck: spec.health.is_some() || (image.has_healthcheck && !spec.unchecked),
            health: None,
            restarts: 0,
            restart: spec.restart,
            addresses: BTreeMap::new(),
            aliases: if spec.network.is_some() {
                BTreeMap::new()
            } else {
                BTreeMap::from([(network.network.clone(), vec![network.alias.clone()])])
            },
            shown,
        };
        let (lines, files, records) = (Vec::new(), Files::new(), Vec::new());
        let (network, handlers) = (network.clone(), BTreeMap::new());
        let (programs, executed) = (BTreeMap::new(), Vec::new());
        let entry =
            Entry { seen, network, handlers, lines, files, records, programs, executed, signals: Vec::new(), deaf: 0 };
        self.containers.insert(name.to_owned(), entry);
        self.tell(name, Action::Create, created_ns, None);
        Ok(id)
    }

    pub(super) fn update(&mut self, container: &str, spec: &Spec) -> Result<(), EngineError> {
        let at_ns = self.now();
        let live = spec.live();
        let entry = self.entry(container)?;
        let name = entry.seen.name.clone();
        let limits = &mut entry.seen.shown.limits;
        limits.memory = live.limits.memory.or(limits.memory);
        limits.cpus = live.limits.cpus.or(limits.cpus);
        limits.pids = live.limits.pids.or(limits.pids);
        entry.seen.shown.restart = live.restart;
        entry.seen.restart = live.restart;
        self.tell(&name, Action::Update, at_ns, None);
        Ok(())
    }

    pub(super) fn disconnect(&mut self, container: &str, network: &str) -> Result<(), EngineError> {
        if !self.networks.contains_key(network) {
            let what = format!("network `{network}`, or container `{container}`");
            return Err(EngineError::NotFound { what });
        }
        let entry = self.entry(container)?;
        entry.network = NetworkAttachment { network: String::new(), alias: String::new() };
        entry.seen.aliases.remove(network);
        entry.seen.addresses.remove(network);
        Ok(())
    }

    pub(super) fn rename(&mut self, container: &str, name: &str) -> Result<(), EngineError> {
        let at_ns = self.now();
        let before = self.entry(container)?.seen.name.clone();
        if let Some(taken) = self.containers.get(name) {
            return Err(EngineError::NameTaken { name: name.to_owned(), by: taken.seen.id.clone() });
        }
        if let Some(mut entry) = self.containers.remove(&before) {
            entry.seen.name = name.to_owned();
            self.containers.insert(name.to_owned(), entry);
        }
        self.tell(name, Action::Rename, at_ns, None);
        Ok(())
    }

    pub(super) fn start(&mut self, container: &str) -> Result<(), EngineError> {
        let entry = self.entry(container)?;
        if entry.seen.state == State::Running {
            return Ok(());
        }
        if entry.seen.state == State::Paused {
            let message = "cannot start a paused container, try unpause instead".to_owned();
            return Err(EngineError::Refused { what: format!("start container `{container}`"), status: 500, message });
        }
        let (name, network) = (entry.seen.name.clone(), entry.network.network.clone());
        let wanted = entry.seen.shown.ports.clone();
        let own = entry.seen.shown.network.is_none();
        if own && !self.networks.contains_key(&network) {
            let what = format!("the network of container `{name}` (network {network} not found)");
            return Err(EngineError::NotFound { what });
        }
        if let Some(port) = wanted.iter().find(|port| self.is_taken(port)) {
            let address = port.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let port = format!("{address}:{}", port.host);
            let message = format!("Bind for {port} failed: port is already allocated");
            return Err(EngineError::PortTaken { name, port, message });
        }
        self.run(&name)
    }

    /// The process of a container starts.
    fn run(&mut self, name: &str) -> Result<(), EngineError> {
        let (at_ns, address) = (self.now(), self.free_address());
        let entry = self.entry(name)?;
        let own = entry.seen.shown.network.is_none();
        let has_check = entry.seen.has_healthcheck;
        entry.seen.state = State::Running;
        entry.seen.exit_code = None;
        entry.seen.out_of_memory = false;
        entry.seen.started_ns = Some(at_ns);
        entry.seen.health =
            has_check.then_some(Health { status: HealthStatus::Starting, checked_ns: None, failing_streak: 0 });
        if own {
            entry.seen.addresses.insert(entry.network.network.clone(), address);
        }
        self.tell(name, Action::Start, at_ns, None);
        Ok(())
    }

    /// The process of a container ends; `asked` when somebody wanted it to.
    pub(super) fn end(&mut self, container: &str, code: i64, asked: bool) -> Result<(), EngineError> {
        let at_ns = self.now();
        let entry = self.entry(container)?;
        if !matches!(entry.seen.state, State::Running | State::Paused) {
            return Ok(());
        }
        let name = entry.seen.name.clone();
        entry.seen.state = State::Exited;
        entry.seen.exit_code = Some(code);
        entry.seen.finished_ns = Some(at_ns);
        entry.seen.health = None;
        entry.seen.addresses.clear();
        let again = !asked
            && match entry.seen.restart {
                Restart::No => false,
                Restart::OnFailure => code != 0,
                Restart::UnlessStopped | Restart::Always => true,
            };
        self.tell(&name, Action::Die, at_ns, Some(code));
        if again {
            self.run(&name)?;
            self.entry(&name)?.seen.restarts += 1;
        }
        Ok(())
    }

    /// Freezes a container that runs, or lets a frozen one go on.
    pub(super) fn freeze(&mut self, container: &str, freeze: bool) -> Result<(), EngineError> {
        let (from, to, action) = match freeze {
            true => (State::Running, State::Paused, Action::Pause),
            false => (State::Paused, State::Running, Action::Unpause),
        };
        let at_ns = self.now();
        let entry = self.entry(container)?;
        if entry.seen.state == from {
            entry.seen.state = to;
            let name = entry.seen.name.clone();
            self.tell(&name, action, at_ns, None);
        }
        Ok(())
    }

    pub(super) fn run_out_of_memory(&mut self, container: &str) -> Result<(), EngineError> {
        let at_ns = self.now();
        let entry = self.entry(container)?;
        let name = entry.seen.name.clone();
        entry.seen.out_of_memory = true;
        self.tell(&name, Action::Oom, at_ns, None);
        self.end(&name, KILLED, false)
    }

    /// The second half of a stop.
    pub(super) fn stopped(&mut self, container: &str, code: i64) -> Result<(), EngineError> {
        self.end(container, code, true)?;
        let at_ns = self.now();
        self.tell(container, Action::Stop, at_ns, None);
        Ok(())
    }

    pub(super) fn remove(&mut self, container: &str) -> Result<bool, EngineError> {
        let Ok(entry) = self.entry(container) else { return Ok(false) };
        let name = entry.seen.name.clone();
        self.end(&name, KILLED, true)?;
        let at_ns = self.now();
        self.tell(&name, Action::Destroy, at_ns, None);
        self.containers.remove(&name);
        Ok(true)
    }

    pub(super) fn set_health(&mut self, container: &str, status: HealthStatus) -> Result<(), EngineError> {
        let at_ns = self.now();
        let entry = self.entry(container)?;
        let name = entry.seen.name.clone();
        let retries = entry.seen.shown.health.as_ref().map_or(3, |check| u64::from(check.retries));
        let Some(health) = &mut entry.seen.health else {
            let what = format!("a running health check of container `{container}`");
            return Err(EngineError::NotFound { what });
        };
        let changed = health.status != status;
        let failing_streak = if status == HealthStatus::Unhealthy { retries } else { 0 };
        *health = Health { status, checked_ns: Some(at_ns), failing_streak };
        if changed {
            self.tell(&name, Action::Health(status), at_ns, None);
        }
        Ok(())
    }

    fn is_taken(&self, port: &Port) -> bool {
        let running = self.containers.values().filter(|it| matches!(it.seen.state, State::Running | State::Paused));
        running.flat_map(|it| &it.seen.shown.ports).chain(&self.occupied).any(|it| it.clashes_with(port))
    }

    fn free_address(&self) -> IpAddr {
        let used =
            |address: &IpAddr| self.containers.values().any(|it| it.seen.addresses.values().any(|a| a == address));
        let mut addresses = (2..=u16::MAX).map(|host| {
            let [high, low] = host.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(172, 30, high, low))
        });
        addresses.find(|address| !used(address)).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

/// What Docker shows of a spec: signals without their prefix, a grace in whole seconds, ports in order.
fn shown(spec: &Spec) -> Spec {
    let mut shown = spec.clone();
    shown.stop.signal = spec.stop.signal.trim_start_matches("SIG").to_owned();
    shown.stop.grace = Span::seconds(spec.stop.grace.0.div_ceil(1_000));
    shown.ports.sort();
    shown
}
