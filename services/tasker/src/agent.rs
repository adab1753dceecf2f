//! The half that acts: makes the containers of runs on its host, one step after the other, and tells what came of them.
//!
//! Reads `runs.<node>`, asks `req.tasker.run`, writes `obs.<node>`. Never writes an event, never touches what lacks our
//! installation's label, never runs a step twice: what a run has done is read from its containers, which stay until the
//! log says how the run ended.

mod clean;
mod explain;
mod host;
mod output;
mod run;
mod step;
mod work;

use std::sync::Arc;

use engine::Engine;
use schemas::names::NodeName;
use schemas::runs::RunCommand;
use streams::{Bus, WorkQueue};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::host::Host;
use crate::error::AgentError;

/// What an agent has to know.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// What its host is called.
    pub node: NodeName,
    /// Whose containers are ours: the value of the label `fleetlog.installation`.
    pub installation: Uuid,
    /// Its Docker.
    pub engine: Engine,
    /// So many runs are under way at once; more wait for their turn.
    pub runs_at_once: usize,
}

/// The agent: started, then run until it is told to stop.
pub struct Agent {
    host: Arc<Host>,
    queue: WorkQueue<RunCommand>,
}

impl Agent {
    /// Opens its queue of runs.
    pub async fn start(config: AgentConfig, bus: Bus, shutdown: CancellationToken) -> Result<Self, AgentError> {
        let queue = bus.take_runs(&config.node, work::IN_FLIGHT).await.map_err(AgentError::Queue)?;
        let head = bus.head().await.map_err(AgentError::Queue)?;
        Ok(Self { host: Arc::new(Host::new(config, bus, head, shutdown.child_token())), queue })
    }

    /// Works until it is told to stop. Steps that are under way then go on; the next agent of this node adopts them.
    pub async fn run(self) -> Result<(), AgentError> {
        let Self { host, queue } = self;
        let end = work::run(&host, queue).await;
        host.shutdown.cancel();
        end
    }
}
