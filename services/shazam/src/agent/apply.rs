//! Makes one container what it should be, whatever it is now. Doing it again does nothing.

use std::time::Instant;

use engine::{Container, EngineError, NetworkAttachment, State};
use schemas::descriptors::{Condition, OnUnhealthy};
use schemas::images::Resolved;
use schemas::names::{FleetId, Name};
use schemas::plan::Action;
use schemas::spec::{self, Port, Spec, resource_name};
use schemas::work::{Command, Target};

use super::error::StepError;
use super::files::{self, Contents, Placings};
use super::host::{COMMIT, Host, IN_THE_NETWORK_OF, ON_UNHEALTHY, SPEC, Slot, container_name};
use super::image::Chosen;
use super::look::Why;
use super::ready::Of;

impl Host {
    /// Does what a command says; answers which image the container has, where that is news.
    pub async fn apply(
        self: &std::sync::Arc<Self>,
        command: &Command,
        slot: &Slot,
    ) -> Result<Option<Resolved>, StepError> {
        match (&command.target, command.action) {
            (Some(target), _) => return self.ensure(command, target, slot).await,
            (None, Action::Destroy) => self.destroy(command).await?,
            (None, _) => self.remove(command, slot).await?,
        }
        Ok(None)
    }

    async fn ensure(
        self: &std::sync::Arc<Self>,
        command: &Command,
        target: &Target,
        slot: &Slot,
    ) -> Result<Option<Resolved>, StepError> {
        let name = container_name(&command.fleet, &command.container);
        for need in &target.needs {
            let needed = container_name(&command.fleet, &need.container);
            match self.ready(&needed, &need.readiness, need.condition, Of::Needed).await {
                Ok(_) => {}
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => {
                    return Err(StepError::Need { needed: need.container.to_string(), why: error.to_string() });
                }
            }
        }
        for (volume, docker) in &target.volumes {
            self.have_volume(&command.fleet, volume, docker).await?;
        }
        let is_probed = matches!(target.readiness.probe, schemas::spec::Probe::Http { .. });
        let was_probed = std::mem::replace(&mut slot.told().probed, is_probed);
        let pulled = match self.have_container(command, target, &name, slot).await {
            // The one that is there goes on as it was.
            Err(error) if command.action == Action::Replace => {
                slot.told().probed = was_probed;
                return Err(error);
            }
            end => end?,
        };
        // From here on somebody asks for its path, also where this step fails.
        self.keep_probing(&command.fleet, &command.container, &name, &target.readiness, slot);
        let seen = self.ready(&name, &target.readiness, Condition::Healthy, Of::Step(command)).await?;
        self.tell_ready(command, target, &seen, slot).await;
        Ok(self.resolved(target, &seen, pulled).await?)
    }

    /// Takes a container that is there as far as it is right, and makes it anew where it is not. True: its image was
    /// fetched for that.
    async fn have_container(
        &self,
        command: &Command,
        target: &Target,
        name: &str,
        slot: &Slot,
    ) -> Result<bool, StepError> {
        if command.action == Action::Create && target.image.is_none() && target.overlap.is_none() {
            // The usual case costs no look: Docker says by itself what is in the way, or missing.
            let contents = self.contents(command, &files::all(target)).await?;
            match self.make(command, target, &Chosen::of_tag(target), name, (&contents, slot)).await {
                Err(StepError::Engine(EngineError::NameTaken { .. } | EngineError::ImageMissing { .. })) => {}
                end => return end.map(|()| false),
            }
        }
        if target.overlap.is_some() || self.is_perhaps_twice(name) {
            self.know(command, slot).await;
            self.settle((&command.fleet, &command.container), slot, Some(command.cause)).await?;
        }
        // What can fail comes before anything is stopped.
        let image = self.have_image(target).await?;
        if let Some(seen) = self.engine.inspect(name).await? {
            if !self.is_ours(&seen.labels) {
                return Err(StepError::Stranger { kind: "container", name: name.to_owned() });
            }
            let known = seen.labels.get(SPEC).is_some_and(|it| [&target.digest, &target.digest_before].contains(&it));
            let live = target.spec.live();
            let placed = slot.placed(&seen.id, target);
            if known
                && image.is_of(&seen)
                && self.is_attached(command, target, &seen).await?
                && seen.shown.live().leads_to(&live)
                && spec::left_behind(&target.files, &placed).next().is_none()
            {
                let stale = files::stale(target, &placed);
                let contents = self.contents(command, &stale).await?;
                if seen.shown.live() != live {
                    let _turn = self.calls.acquire().await;
                    self.engine.update(&seen.id, &target.spec).await?;
                }
                if !stale.is_empty() {
                    let _turn = self.calls.acquire().await;
                    self.put(&seen.id, target, &stale, &contents).await?;
                }
                drop(contents);
                self.have_running(command, target, (&seen, &stale), slot).await?;
                if !stale.is_empty() || !files::is_logged(target, &seen.id) {
                    slot.place(&seen.id, target);
                }
                return Ok(image.pulled);
            }
            let contents = self.contents(command, &files::all(target)).await?;
            let replaced = target.overlap.filter(|_| command.action == Action::Replace);
            if let Some(overlap) = replaced.filter(|_| seen.state == State::Running) {
                self.replace(command, target, &image, &seen, (overlap, contents, slot)).await?;
                return Ok(image.pulled);
            }
            self.take_away(command, &seen, slot).await?;
            self.make(command, target, &image, name, (&contents, slot)).await?;
            return Ok(image.pulled);
        }
        let contents = self.contents(command, &files::all(target)).await?;
        self.make(command, target, &image, name, (&contents, slot)).await?;
        Ok(image.pulled)
    }

    /// Whether a container is in the network that it should be in.
    async fn is_attached(&self, command: &Command, target: &Target, seen: &Container) -> Result<bool, EngineError> {
        let Some(wanted) = &target.spec.network else {
            return Ok(seen.aliases.contains_key(&resource_name(&command.fleet, None)));
        };
        // Docker remembers whose network it joined by its id: made anew, the other one is another.
        let wanted = match wanted.strip_prefix(IN_THE_NETWORK_OF) {
            None => Some(wanted.clone()),
            Some(other) => self.engine.inspect(other).await?.map(|it| format!("{IN_THE_NETWORK_OF}{}", it.id)),
        };
        Ok(seen.shown.network == wanted)
    }

    /// Makes a container, puts its files in place, and starts it: all, or nothing.
    pub(super) async fn make(
        &self,
        command: &Command,
        target: &Target,
        image: &Chosen,
        name: &str,
        (contents, slot): (&Contents<'_>, &Slot),
    ) -> Result<(), StepError> {
        let mut labels = self.labels(&command.fleet, Some(&command.container));
        labels.insert(SPEC.to_owned(), target.digest.clone());
        labels.insert(COMMIT.to_owned(), command.commit.to_string());
        if target.spec.on_unhealthy == OnUnhealthy::Restart {
            labels.insert(ON_UNHEALTHY.to_owned(), "restart".to_owned());
        }

        let _turn = self.calls.acquire().await;
        let spec = Spec { image: image.name.clone(), ..target.spec.clone() };
        let id = self.create(command, &spec, name, &labels).await?;
        if let Err(error) = self.put(&id, target, &files::all(target), contents).await {
            self.engine.remove(&id).await?;
            return Err(error);
        }
        if let Err(error) = self.engine.start(&id).await {
            // Half a container would only be in the way: of the next try, and of whoever looks.
            self.engine.remove(&id).await?;
            return Err(match error {
                EngineError::PortTaken { port, message, .. } => {
                    self.port_taken(&target.spec.ports, port, message).await
                }
                error => error.into(),
            });
        }
        if !target.files.is_empty() {
            slot.place(&id, target);
        }
        Ok(())
    }

    /// Names who holds one of the ports, where that is a container.
    async fn port_taken(&self, ports: &[Port], port: String, message: String) -> StepError {
        let everything = self.engine.list(&engine::Scope::default()).await.unwrap_or_default();
        for listed in everything.iter().filter(|it| it.state == State::Running) {
            let Ok(Some(seen)) = self.engine.inspect(&listed.id).await else { continue };
            let held = ports.iter().find(|port| seen.shown.ports.iter().any(|it| it.clashes_with(port)));
            if let Some(port) = held {
                let holder = format!("container `{}`", seen.name);
                return StepError::PortTaken { port: port.host.to_string(), holder, message };
            }
        }
        let holder = "a process outside Docker".to_owned();
        StepError::PortTaken { port, holder, message }
    }

    /// Stops a container of ours, tells it, and waits until what it wrote is read.
    pub(super) async fn end(&self, command: &Command, seen: &Container, slot: &Slot) -> Result<(), EngineError> {
        self.ask_to_end(seen).await?;
        // Once it is gone, nobody can read what it said last.
        let (told, ()) = tokio::join!(self.tell_stopped(command, seen, slot), self.have_read(seen));
        told
    }

    /// Stops a container of ours and removes it, and tells both.
    async fn take_away(&self, command: &Command, seen: &Container, slot: &Slot) -> Result<(), StepError> {
        self.end(command, seen, slot).await?;
        self.engine.remove(&seen.id).await?;
        let why = Why::Step(command.cause);
        self.tell_removed(slot, &command.fleet, &command.container, &seen.id, None, why).await;
        Ok(())
    }

    async fn create(
        &self,
        command: &Command,
        spec: &Spec,
        name: &str,
        labels: &engine::Labels,
    ) -> Result<String, StepError> {
        let network = self.network(&command.fleet);
        if spec.network.is_some() {
            let nowhere = NetworkAttachment { network: String::new(), alias: String::new() };
            return Ok(self.engine.create(name, spec, labels, &nowhere).await?);
        }
        loop {
            let known = self.have_network(&command.fleet, &network).await?;
            let attachment = NetworkAttachment {
                network: resource_name(&command.fleet, None),
                alias: command.container.to_string(),
            };
            // Held until the container is attached, so that nobody removes the network under it.
            let there = network.read().await;
            match self.engine.create(name, spec, labels, &attachment).await {
                Ok(id) => return Ok(id),
                // Another hand removed the network since it was seen: look again, once.
                Err(EngineError::NotFound { .. }) if known => {
                    drop(there);
                    *network.write().await = false;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A container of the right kind that does not run, or not well, is started again; one with other files where that is
    /// what was decided, else it gets the signals for them.
    async fn have_running(
        &self,
        command: &Command,
        target: &Target,
        (seen, stale): (&Container, &Placings<'_>),
        slot: &Slot,
    ) -> Result<(), StepError> {
        let renewed = !stale.is_empty() && command.action == Action::Restart;
        let unwell = seen.health.is_some_and(|health| health.status == engine::HealthStatus::Unhealthy)
            || slot.told().health == Some(schemas::work::Change::Unhealthy);
        let done = seen.state == State::Exited && seen.exit_code == Some(0) && ends_by_itself(seen);
        let well = seen.state == State::Running && !unwell && !self.is_outlived(command, target, seen).await?;
        if (done || well) && !renewed {
            if well && command.action == Action::Reload {
                self.signal(&seen.id, stale).await?;
            }
            return Ok(());
        }
        let _turn = self.calls.acquire().await;
        if seen.state == State::Paused && !renewed && !self.is_outlived(command, target, seen).await? {
            // It goes on where it was.
            return Ok(self.engine.unpause(&seen.id).await?);
        }
        if matches!(seen.state, State::Running | State::Paused) {
            self.stop(command, seen, slot).await?;
        }
        self.engine.start(&seen.id).await?;
        Ok(())
    }

    /// Whether a container that it needs was made since it was started, and it is to be started again with that one.
    async fn is_outlived(&self, command: &Command, target: &Target, seen: &Container) -> Result<bool, EngineError> {
        for need in target.needs.iter().filter(|it| it.restart_with) {
            let name = container_name(&command.fleet, &need.container);
            let needed = self.engine.inspect(&name).await?;
            // One that was made beside another one counts from when it took over.
            let floor = self.slot(&name).told().floor + 1;
            if needed.is_some_and(|it| seen.started_ns.is_some_and(|started| it.created_ns.max(floor) > started)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn remove(&self, command: &Command, slot: &Slot) -> Result<(), StepError> {
        self.settle((&command.fleet, &command.container), slot, Some(command.cause)).await?;
        let name = container_name(&command.fleet, &command.container);
        // A stranger's container of that name is none of ours: ours is gone already.
        let ours = self.engine.inspect(&name).await?.filter(|seen| self.is_ours(&seen.labels));
        match (ours, command.keep) {
            (Some(seen), Some(keep)) => self.put_aside(command, &seen, keep, slot).await?,
            (Some(seen), None) => self.take_away(command, &seen, slot).await?,
            (None, Some(_)) => self.tell_put_aside(&name, command.cause).await?,
            (None, None) => {}
        }
        self.drop_network(&command.fleet).await
    }

    /// Asks a container to end the way it was made to be asked, and tells how it ended.
    async fn stop(&self, command: &Command, seen: &Container, slot: &Slot) -> Result<(), EngineError> {
        self.ask_to_end(seen).await?;
        self.tell_stopped(command, seen, slot).await
    }

    pub(super) async fn ask_to_end(&self, seen: &Container) -> Result<(), EngineError> {
        match self.engine.stop(&seen.id, None, seen.shown.stop.grace.into()).await {
            Ok(()) | Err(EngineError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits until everything that a container wrote which has ended is in the log; not for long, and not where nobody
    /// collects it.
    pub(super) async fn have_read(&self, seen: &Container) {
        let (begun, container) = (Instant::now(), &seen.name);
        match self.bus.lines_drained(&self.node, &seen.id).await {
            Ok(collected) => {
                tracing::debug!(container, collected, took = ?begun.elapsed(), "its last lines are stored")
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, container, "a container is removed although its last lines may be unread");
            }
        }
    }

    async fn tell_stopped(&self, command: &Command, seen: &Container, slot: &Slot) -> Result<(), EngineError> {
        if let Some(stopped) = self.engine.inspect(&seen.id).await? {
            self.tell(slot, &command.fleet, &command.container, &stopped, Why::Asked(command.cause)).await;
        }
        Ok(())
    }

    async fn have_volume(&self, fleet: &FleetId, name: &Name, docker: &str) -> Result<(), StepError> {
        let volume = self.engine.ensure_volume(docker, &self.labels(fleet, Some(name))).await?;
        if !volume.made && !self.is_ours(&volume.labels) {
            return Err(StepError::Stranger { kind: "volume", name: docker.to_owned() });
        }
        Ok(())
    }

    /// Makes the fleet's network unless it is there. True: it was known to be, without a look.
    async fn have_network(&self, fleet: &FleetId, network: &tokio::sync::RwLock<bool>) -> Result<bool, StepError> {
        if *network.read().await {
            return Ok(true);
        }
        let mut known = network.write().await;
        if !*known {
            let name = resource_name(fleet, None);
            let made = self.engine.ensure_network(&name, &self.labels(fleet, None)).await?;
            if !made.made && !self.is_ours(&made.labels) {
                return Err(StepError::Stranger { kind: "network", name });
            }
            *known = true;
        }
        Ok(false)
    }

    /// The fleet's network goes with its last container.
    async fn drop_network(&self, fleet: &FleetId) -> Result<(), StepError> {
        let name = resource_name(fleet, None);
        let network = self.network(fleet);
        let mut known = network.write().await;
        if let Some(seen) = self.engine.network(&name).await?
            && self.is_ours(&seen.labels)
            && seen.containers == 0
        {
            match self.engine.remove_network(&name).await {
                Ok(_) => *known = false,
                // Engines lose count of what is attached where much goes at once. The container is gone as it should be;
                // an empty network hurts nobody, and goes with the next last container.
                Err(error @ EngineError::Refused { .. }) => {
                    tracing::warn!(%error, network = name, "an empty network stays")
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Whether a container that ended with 0 has done its work.
pub(super) fn ends_by_itself(seen: &Container) -> bool {
    use schemas::descriptors::Restart;
    matches!(seen.restart, Restart::No | Restart::OnFailure)
}
