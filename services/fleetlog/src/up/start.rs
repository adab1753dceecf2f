//! Starts the services of a process, in the order in which one needs the other, and puts its router together.

use std::time::Duration;

use anyhow::Context as _;
use axum::{Router, middleware};
use engine::{Docker, Engine};
use profiles::{Doorkeeper, Keys};
use schemas::spec::DigestKey;
use streams::{LevelWatch, Thresholds, User};
use uuid::Uuid;

use super::choice::Choice;
use super::nats::Wires;
use super::platform::Plan;
use super::services::Services;
use super::{door, keys};
use crate::cli::Service;

/// Calls that the agent has under way in Docker: more make dockerd no faster.
const CALLS_IN_FLIGHT: usize = 8;
/// How often it is looked how full the log is.
const LEVELS: Duration = Duration::from_secs(5);

/// What they are started with.
pub struct Ground<'a> {
    /// Which, and how.
    pub plan: &'a Plan,
    /// The data folder.
    pub data: &'a std::path::Path,
    /// The way to the log.
    pub wires: &'a Wires,
    /// Whose log it is.
    pub installation: Uuid,
    /// What is derived from the master key; none where nobody needs it.
    pub master: Option<[u8; keys::BYTES]>,
}

impl Ground<'_> {
    fn choice(&self) -> &Choice {
        &self.plan.choice
    }

    fn master(&self) -> anyhow::Result<&[u8; keys::BYTES]> {
        self.master.as_ref().context("the master key was not read")
    }
}

impl Services {
    /// Starts those that were chosen. Answers the router, behind the door.
    pub async fn start(&mut self, ground: &Ground<'_>) -> anyhow::Result<Router> {
        let (wires, choice) = (ground.wires, ground.choice());
        self.look("nats", wires.lost());
        if choice.is_more_than_agent() {
            self.start_levels(wires);
        }
        if choice.has(Service::Monitor) {
            self.start_monitor(wires).await?;
        }
        if choice.has(Service::Logger) {
            self.start_logger(wires, ground.data).await?;
        }
        let doorkeeper = match choice.has(Service::Profiles) {
            true => Some(self.start_profiles(ground).await?),
            false if choice.has_door() => Some(self.start_gate(ground).await?),
            false => None,
        };
        if choice.has(Service::Registry) {
            self.start_registry(ground).await?;
        }
        if choice.has(Service::Shazam) {
            self.start_coordinator(ground).await?;
        }
        if choice.has(Service::Tasker) {
            self.start_tasker(wires).await?;
        }
        if choice.has(Service::Agent) {
            self.start_agent(ground).await?;
        }
        let git = match choice.has(Service::Git) {
            true => Some(self.start_git(ground).await?),
            false => None,
        };
        let mut router = match choice.has(Service::Api) {
            true => api::router(api::Api::new(wires.bus(User::Api).await?, self.looks()).with_shutdown(self.stop())),
            false => api::bare(self.looks()),
        };
        if let Some(git) = git {
            router = router.nest("/git", git);
        }
        if let Some(doorkeeper) = doorkeeper {
            router = router.layer(middleware::from_fn_with_state(doorkeeper, door::check));
        }
        Ok(router.layer(middleware::from_fn(api::measure)))
    }

    fn start_levels(&mut self, wires: &Wires) {
        let levels = LevelWatch::new(wires.platform.clone(), wires.room.clone(), Thresholds::default());
        let stop = self.stop();
        self.add("levels", async move {
            levels.run(LEVELS, stop).await;
            Ok(())
        });
    }

    async fn start_profiles(&mut self, ground: &Ground<'_>) -> anyhow::Result<Doorkeeper> {
        let bus = ground.wires.bus(User::Profiles).await?;
        let (folder, keys) = (ground.data.join("profiles"), Keys::derive(ground.master()?));
        let config = profiles::Config { folder, keys, admin_token: keys::admin_token(ground.data)? };
        let profiles = profiles::Service::start(config, bus, self.stop()).await.context("cannot start `profiles`")?;
        let (readiness, doorkeeper) = (profiles.readiness(), profiles.doorkeeper());
        self.look("profiles", move || readiness.ready());
        self.add("profiles", async { Ok(profiles.run().await?) });
        Ok(doorkeeper)
    }

    /// Who may come in, where the profiles run elsewhere.
    async fn start_gate(&mut self, ground: &Ground<'_>) -> anyhow::Result<Doorkeeper> {
        let (keys, bus) = (Keys::derive(ground.master()?), ground.wires.platform.clone());
        let gate = profiles::Gate::start(keys, bus, self.stop()).await.context("cannot start `door`")?;
        let (readiness, doorkeeper) = (gate.readiness(), gate.doorkeeper());
        self.look("door", move || readiness.ready());
        self.add("door", async {
            gate.run().await;
            Ok(())
        });
        Ok(doorkeeper)
    }

    async fn start_registry(&mut self, ground: &Ground<'_>) -> anyhow::Result<()> {
        let bus = ground.wires.bus(User::Registry).await?;
        let registry = registry::Service::start(ground.data.join("registry"), bus, self.stop());
        let registry = registry.await.context("cannot start `registry`")?;
        let readiness = registry.readiness();
        self.look("registry", move || readiness.ready());
        self.add("registry", async { Ok(registry.run().await?) });
        Ok(())
    }

    async fn start_coordinator(&mut self, ground: &Ground<'_>) -> anyhow::Result<()> {
        let bus = ground.wires.bus(User::Coordinator).await?;
        let digest_key = DigestKey::derive(ground.master()?);
        let coordinator = shazam::Coordinator::start(bus, digest_key, self.stop());
        let readiness = coordinator.readiness();
        self.look("coordinator", move || readiness.ready());
        self.add("coordinator", async { Ok(coordinator.run().await?) });
        Ok(())
    }

    /// The halves on this Docker host. Who collects starts before those who remove containers: they ask it first.
    async fn start_agent(&mut self, ground: &Ground<'_>) -> anyhow::Result<()> {
        let bus = ground.wires.bus(User::Agent).await?;
        let engine = Engine::from(Docker::connect(ground.plan.docker.as_deref()));
        let (node, installation) = (ground.plan.node.clone(), ground.installation);
        self.start_measuring(&bus, &engine, &node, installation);
        self.start_collecting(&bus, &engine, &node, installation).await?;
        self.start_running(&bus, &engine, &node, installation).await?;
        let config = shazam::AgentConfig { node, installation, engine, calls_in_flight: CALLS_IN_FLIGHT };
        let agent = shazam::Agent::start(config, bus, self.stop()).await.context("cannot start `agent`")?;
        let readiness = agent.readiness();
        self.look("agent", move || readiness.ready());
        self.add("agent", async { Ok(agent.run().await?) });
        Ok(())
    }

    async fn start_git(&mut self, ground: &Ground<'_>) -> anyhow::Result<Router> {
        let bus = ground.wires.bus(User::Git).await?;
        let config = git::Config {
            folder: ground.data.join("git"),
            program: std::env::current_exe().context("cannot tell where our own executable is")?,
            digest_key: DigestKey::derive(ground.master()?),
            limits: ground.plan.git.clone(),
            pause_at: ground.plan.fault_point,
        };
        let git = git::Service::start(config, bus, self.stop()).await.context("cannot start `git`")?;
        let (readiness, router) = (git.readiness(), git.router());
        self.look("git", move || readiness.check().err());
        self.add("git", async { Ok(git.run().await?) });
        Ok(router)
    }
}
