//! The half that acts: makes its host's containers match what it is told, and tells what it sees.
//!
//! Reads `work.<node>`, Docker's events, and the registry once at each connection to Docker (what was seen here before);
//! writes `obs.<node>` and `beat.<node>`; answers `req.shazam.act.<node>`, `req.shazam.images.<node>`,
//! `req.shazam.prune.<node>` and `req.shazam.losses.<node>`; asks `req.git.files` for what the files say that containers
//! take in. Never writes an event, never touches what lacks our installation's label, never removes a volume.

mod act;
mod answer;
mod apply;
mod archive;
mod beat;
mod beside;
mod destroy;
mod error;
mod files;
mod host;
mod image;
mod look;
mod probe;
mod ready;
mod recall;
mod volume;
mod watch;
mod work;

use std::sync::Arc;

use engine::Engine;
use schemas::names::NodeName;
use schemas::query::ActOnNode;
use streams::{Bus, Questions, WorkQueue};
use tokio::task::JoinSet;
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
    /// So many changes of containers are asked of Docker at once.
    pub calls_in_flight: usize,
}

/// The agent: started, then run until it is told to stop.
pub struct Agent {
    host: Arc<Host>,
    work: WorkQueue,
    acts: Questions<ActOnNode>,
    shutdown: CancellationToken,
}

/// Looks at the agent while it runs.
#[derive(Clone)]
pub struct Readiness(Arc<Host>);

impl Readiness {
    /// `None`: ready. Else why not, for people. Without its Docker an agent waits and is ready for that.
    pub fn ready(&self) -> Option<String> {
        None
    }

    /// Why its Docker cannot be reached; none: it can.
    pub fn away(&self) -> Option<String> {
        self.0.away.borrow().clone()
    }
}

impl Agent {
    /// Opens its queue of work and its ear for operators, and looks whether its Docker answers.
    pub async fn start(config: AgentConfig, bus: Bus, shutdown: CancellationToken) -> Result<Self, AgentError> {
        let work = bus.take_work(&config.node, work::IN_FLIGHT).await.map_err(AgentError::Work)?;
        let acts = bus.acts(&config.node).await.map_err(AgentError::Work)?;
        let head = bus.head().await.map_err(AgentError::Work)?;
        let host = Arc::new(Host::new(config, bus, head, shutdown.child_token()));
        beat::ping(&host).await;
        Ok(Self { host, work, acts, shutdown })
    }

    /// Tells how it is, also while [`run`](Self::run) has the agent.
    pub fn readiness(&self) -> Readiness {
        Readiness(self.host.clone())
    }

    /// Works until it is told to stop. What was under way then is sent again to the next agent of this node.
    pub async fn run(self) -> Result<(), AgentError> {
        let Self { host, work, acts, shutdown } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(beat::run(host.clone()));
        tasks.spawn(answer::images(host.clone()));
        tasks.spawn(answer::prune(host.clone()));
        tasks.spawn(answer::losses(host.clone()));
        tasks.spawn(watch::run(host.clone()));
        tasks.spawn(work::run(host.clone(), work));
        tasks.spawn(act::run(host.clone(), acts));
        // The first to end, for whatever reason, ends them all.
        let first = tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            Some(end) = tasks.join_next() => end.map_err(AgentError::Broken).flatten(),
        };
        host.shutdown.cancel();
        let mut end = first;
        while let Some(next) = tasks.join_next().await {
            end = end.and(next.map_err(AgentError::Broken).flatten());
        }
        host.probes.close();
        host.probes.wait().await;
        end
    }
}
