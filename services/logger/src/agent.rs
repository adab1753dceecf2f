//! The half that collects: reads what containers with our installation's label write, from the exact place where the
//! reading stopped, and appends it to `log.<node>`.
//!
//! Reads Docker, and once at a start the last batch of its own node; writes `log.<node>`, and answers
//! `req.logger.drain.<node>` to those who remove containers. Never touches a container. What Docker no longer has when it
//! is asked for it is a line of its own that says so.

mod drain;
mod gap;
mod join;
mod pass;
mod read;
mod store;
mod watch;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::Engine;
use schemas::names::NodeName;
use schemas::query::DrainRequest;
use streams::{AtEnd, Bus, Questions, guarded};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::drain::Ask;
use self::store::{End, Store};
use self::watch::Watch;
use crate::error::AgentError;

/// Chunks of at most 64 KiB (or of one line, at most 256 KiB) that wait to be stored.
const CHUNKS: usize = 64;
/// Removals on their way to the watch.
const ASKS: usize = 64;
/// A reading that is silent for so long is compared with what Docker has, then less and less often.
const QUIET: Duration = Duration::from_secs(10);
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
    drains: Questions<DrainRequest>,
    quiet: Duration,
    state: Arc<State>,
    shutdown: CancellationToken,
}

/// How it is.
#[derive(Debug, Default)]
struct State {
    stuck: Mutex<Option<String>>,
    /// Grows with everything that is read or stored.
    moves: AtomicU64,
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
    /// Hears from now on who removes containers: so it has to be started before those who do, and run.
    pub async fn start(config: AgentConfig, bus: Bus, shutdown: CancellationToken) -> Result<Self, AgentError> {
        let drains = bus.drains(&config.node).await.map_err(AgentError::Answer)?;
        Ok(Self { config, bus, drains, quiet: QUIET, state: Arc::default(), shutdown })
    }

    /// Compares a silent reading with what Docker has after this time instead of 10 s.
    #[must_use]
    pub fn with_quiet(mut self, quiet: Duration) -> Self {
        self.quiet = quiet;
        self
    }

    /// Tells how it is, also while [`run`](Self::run) has the agent.
    pub fn readiness(&self) -> AgentReadiness {
        AgentReadiness(self.state.clone())
    }

    /// Collects until it is told to stop. What was read but not stored by then is read again by the next agent.
    pub async fn run(self) -> Result<(), AgentError> {
        let Self { config, bus, drains, quiet, state, shutdown } = self;
        let all = shutdown.child_token();
        let (asks, asked) = mpsc::channel(ASKS);
        let moving = Arc::clone(&state);
        let answer = move |request| {
            let moving = Arc::clone(&moving);
            drain::answer(request, asks.clone(), move || moving.moves.load(Ordering::Relaxed))
        };
        let (collected, answered) = tokio::join!(
            guarded(&all, collect(&config, &bus, &state, quiet, asked, &all)),
            guarded(&all, drains.serve(drain::AT_ONCE, AtEnd::Drop, &all, answer)),
        );
        collected?;
        Ok(answered?)
    }
}

/// Reads and stores, again from where the last batch stopped where another agent came in between.
async fn collect(
    config: &AgentConfig,
    bus: &Bus,
    state: &State,
    quiet: Duration,
    mut asks: mpsc::Receiver<Ask>,
    shutdown: &CancellationToken,
) -> Result<(), AgentError> {
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
            asks,
            quiet,
            shutdown: session.clone(),
            readers: JoinSet::new(),
            known: BTreeMap::new(),
        };
        let storing = async {
            let end = store.run(said, state, &session).await;
            session.cancel();
            end
        };
        let (end, left) = tokio::join!(storing, watch.run());
        asks = left;
        match end? {
            End::Overtaken => {}
            End::Stopped if shutdown.is_cancelled() => return Ok(()),
            // The watch broke off; it says why itself.
            End::Stopped => {}
        }
    }
}
