//! The half that collects: reads what containers with our installation's label write, from the exact place where the
//! reading stopped, and appends it to `log.<node>`.
//!
//! Reads Docker, and once at a start the last batch of its own node; writes `log.<node>`. Never touches a container. What
//! Docker no longer has when it is asked for it is a line of its own that says so.

mod join;
mod read;
mod store;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::Engine;
use schemas::names::NodeName;
use streams::Bus;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::store::{End, Store};
use self::watch::Watch;
use crate::error::AgentError;

/// Chunks of at most 64 KiB (or of one line, at most 256 KiB) that wait to be stored.
const CHUNKS: usize = 64;
/// Between two tries to read where the last agent stopped.
const AGAIN: Duration = Duration::from_millis(500);

/// What the collecting half has to know.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// What its host is called.
    pub node: NodeName,
    /// Whose containers are ours: the value of the label `fleetlog.installation`.
    pub installation: Uuid,
    /// Its Docker.
    pub engine: Engine,
}

/// The collecting half: run until it is told to stop.
pub struct Agent {
    config: AgentConfig,
    bus: Bus,
    state: Arc<State>,
    shutdown: CancellationToken,
}

/// How it is.
#[derive(Debug, Default)]
struct State {
    stuck: Mutex<Option<String>>,
}

impl State {
    fn stuck(&self, why: Option<String>) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// Looks at the agent while it runs.
#[derive(Clone)]
pub struct AgentReadiness(Arc<State>);

impl AgentReadiness {
    /// `None`: ready. Else why not, for people. Without its Docker it waits, and is ready for that.
    pub fn ready(&self) -> Option<String> {
        self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Agent {
    /// Made, not yet running.
    pub fn new(config: AgentConfig, bus: Bus, shutdown: CancellationToken) -> Self {
        Self { config, bus, state: Arc::default(), shutdown }
    }

    /// Tells how it is, also while [`run`](Self::run) has the agent.
    pub fn readiness(&self) -> AgentReadiness {
        AgentReadiness(self.state.clone())
    }

    /// Collects until it is told to stop. What was read but not stored by then is read again by the next agent.
    pub async fn run(self) -> Result<(), AgentError> {
        let Self { config, bus, state, shutdown } = self;
        loop {
            let (last, recalled) = match bus.last_lines(&config.node).await {
                Ok(None) => (0, BTreeMap::new()),
                Ok(Some((last, batch))) => {
                    let parts = batch.parts.into_iter().map(|it| (it.origin.id.clone(), (it.origin, it.cursor)));
                    (last, parts.collect())
                }
                Err(error @ streams::ReadError::Decode { .. }) => return Err(AgentError::Recall(error)),
                Err(error) => {
                    state.stuck(Some(format!("it is not known where reading lines stopped: {error}")));
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(()),
                        () = tokio::time::sleep(AGAIN) => continue,
                    }
                }
            };
            state.stuck(None);
            let (sender, said) = mpsc::channel(CHUNKS);
            let store = Store::new(bus.clone(), config.node.clone(), last, &recalled);
            let session = shutdown.child_token();
            let watch = Watch {
                engine: config.engine.clone(),
                installation: config.installation,
                recalled,
                said: sender,
                shutdown: session.clone(),
                readers: JoinSet::new(),
                known: BTreeMap::new(),
            };
            let mut tasks = JoinSet::new();
            tasks.spawn(watch.run());
            let end = store.run(said, &state, &session).await;
            session.cancel();
            while let Some(end) = tasks.join_next().await {
                end.map_err(AgentError::Broken)?;
            }
            match end? {
                End::Overtaken => {}
                End::Stopped if shutdown.is_cancelled() => return Ok(()),
                // The watch broke off; it says why itself.
                End::Stopped => {}
            }
        }
    }
}
