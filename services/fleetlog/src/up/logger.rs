//! Logger's two halves: the one that collects on this host, and the one that indexes.

use std::path::Path;

use anyhow::Context as _;
use engine::Engine;
use schemas::names::NodeName;
use streams::{Bus, User};
use uuid::Uuid;

use super::nats::Wires;
use super::services::Services;

impl Services {
    /// Starts the half that indexes.
    pub(super) async fn start_logger(&mut self, wires: &Wires, data: &Path) -> anyhow::Result<()> {
        let bus = wires.bus(User::Logger).await?;
        let config = logger::Config { folder: data.join("logs"), keep_days: logger::KEEP_DAYS };
        let logger = logger::Service::start(config, bus, self.stop()).await.context("cannot start `logger`")?;
        let readiness = logger.readiness();
        self.look("logger", move || readiness.ready());
        self.add("logger", async { Ok(logger.run().await?) });
        Ok(())
    }

    /// Starts the half that collects. Before those who remove containers: they ask it first.
    pub(super) async fn start_collecting(
        &mut self,
        agent: &Bus,
        engine: &Engine,
        node: &NodeName,
        installation: Uuid,
    ) -> anyhow::Result<()> {
        let config = logger::AgentConfig { node: node.clone(), installation, engine: engine.clone() };
        let collecting = logger::Agent::start(config, agent.clone(), self.stop()).await;
        let collecting = collecting.context("cannot start `collecting`")?;
        let readiness = collecting.readiness();
        self.look("collecting", move || readiness.ready());
        self.add("collecting", async { Ok(collecting.run().await?) });
        Ok(())
    }
}
