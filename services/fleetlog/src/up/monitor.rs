//! Monitor's two halves: the one that measures this host, and the one that serves figures.

use std::time::Duration;

use anyhow::Context as _;
use engine::Engine;
use schemas::names::NodeName;
use streams::{Bus, User};
use uuid::Uuid;

use super::nats::Wires;
use super::services::Services;

/// The time between two rounds of measuring.
const EVERY: Duration = Duration::from_secs(5);

impl Services {
    /// Starts the half that serves. What the other services count is recorded from here on.
    pub(super) async fn start_monitor(&mut self, wires: &Wires) -> anyhow::Result<()> {
        let figures = monitor::Figures::install()?;
        let bus = wires.bus(User::Monitor).await?;
        let monitor = monitor::Service::start(bus, figures, self.stop()).await.context("cannot start `monitor`")?;
        let readiness = monitor.readiness();
        self.look("monitor", move || readiness.ready());
        self.add("monitor", async { Ok(monitor.run().await?) });
        Ok(())
    }

    /// Starts the half that measures.
    pub(super) fn start_measuring(&mut self, agent: &Bus, engine: &Engine, node: &NodeName, installation: Uuid) {
        let (node, engine) = (node.clone(), engine.clone());
        let config = monitor::AgentConfig { node, installation, engine, every: EVERY, root: "/".into() };
        let measuring = monitor::Agent::new(config, agent.clone(), self.stop());
        self.add("measuring", async { Ok(measuring.run().await?) });
    }
}
