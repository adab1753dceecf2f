//! Tasker's two halves: the one that decides, and the one that runs containers on this host.

use anyhow::Context as _;
use engine::Engine;
use schemas::names::NodeName;
use streams::{Bus, User};
use uuid::Uuid;

use super::nats::Wires;
use super::services::Services;

/// Runs that are under way at once on this host: each is a container of somebody else's choice.
const RUNS_AT_ONCE: usize = 8;

impl Services {
    /// Starts the half that decides.
    pub(super) async fn start_tasker(&mut self, wires: &Wires) -> anyhow::Result<()> {
        let bus = wires.bus(User::Tasker).await?;
        let tasker = tasker::Coordinator::start(bus, self.stop()).await.context("cannot start `tasker`")?;
        let readiness = tasker.readiness();
        self.look("tasker", move || readiness.ready());
        self.add("tasker", async { Ok(tasker.run().await?) });
        Ok(())
    }

    /// Starts the half that runs.
    pub(super) async fn start_running(
        &mut self,
        agent: &Bus,
        engine: &Engine,
        node: &NodeName,
        installation: Uuid,
    ) -> anyhow::Result<()> {
        let (node, engine) = (node.clone(), engine.clone());
        let config = tasker::AgentConfig { node, installation, engine, runs_at_once: RUNS_AT_ONCE };
        let agent = tasker::Agent::start(config, agent.clone(), self.stop()).await;
        let agent = agent.context("cannot start the tasker's agent")?;
        self.add("tasker's agent", async { Ok(agent.run().await?) });
        Ok(())
    }
}
