//! The half that serves: the newest samples of every node, the platform's own figures, and where containers serve more.

mod answer;
mod families;
mod fleets;
mod log;
mod nodes;
mod platform;
mod process;
mod targets;
mod text;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schemas::query::{ScrapeRequest, TargetsRequest};
use streams::{Bus, Filter, Question, Questions, ReadError, guarded};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::fleets::Fleets;
use self::log::Log;
use self::nodes::Nodes;
use crate::error::ServiceError;
use crate::figures::Figures;

/// How often what is stale is dropped, and what was recorded is sorted.
const TIDY: Duration = Duration::from_secs(5);

/// The service: started, then run until it is told to stop.
pub struct Service {
    shared: Arc<Shared>,
    scrapes: Questions<ScrapeRequest>,
    targets: Questions<TargetsRequest>,
    shutdown: CancellationToken,
}

/// What the loops share. Each lock is held for moments, never while somebody is waited for.
struct Shared {
    bus: Bus,
    figures: Figures,
    head: u64,
    nodes: Mutex<Nodes>,
    fleets: Mutex<Fleets>,
    log: Mutex<Log>,
}

/// Looks at the service while it runs.
#[derive(Clone)]
pub struct Readiness(Arc<Shared>);

impl Service {
    /// Can be asked from now on, and answers once it runs. What happened before is not counted.
    pub async fn start(bus: Bus, figures: Figures, shutdown: CancellationToken) -> Result<Self, ServiceError> {
        let scrapes = questions(&bus).await?;
        let targets = questions(&bus).await?;
        let head = bus.head().await.map_err(|source| ServiceError::Head { source })?;
        let log = Mutex::new(Log::new(head, Instant::now()));
        let shared = Shared { bus, figures, head, nodes: Mutex::default(), fleets: Mutex::default(), log };
        Ok(Self { shared: Arc::new(shared), scrapes, targets, shutdown })
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the service.
    pub fn readiness(&self) -> Readiness {
        Readiness(self.shared.clone())
    }

    /// Serves until it is told to stop or one of its loops fails.
    ///
    /// An event that cannot be read stops the counting but not the answers: readiness says so.
    pub async fn run(self) -> Result<(), ServiceError> {
        let Self { shared, scrapes, targets, shutdown } = self;
        // One of the loops failing ends the others: none of them is of use alone.
        let all = shutdown.child_token();
        let log = guarded(&all, follow(&shared, &all));
        let samples = guarded(&all, hear(&shared, &all));
        let tidy = guarded(&all, tidy(&shared, &all));
        let scrapes = guarded(&all, answer::all(scrapes, &shared, &all));
        let targets = guarded(&all, answer::all(targets, &shared, &all));
        tokio::try_join!(log, samples, tidy, scrapes, targets).map(drop)
    }
}

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        self.0.log().stopped().map(|why| format!("stopped reading the log: {why}"))
    }
}

impl Shared {
    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fleets(&self) -> MutexGuard<'_, Fleets> {
        self.fleets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn questions<Q: Question>(bus: &Bus) -> Result<Questions<Q>, ServiceError> {
    bus.answer().await.map_err(|source| ServiceError::Answer { subject: Q::SUBJECT, source })
}

/// Counts what happens, from the service's start on.
async fn follow(shared: &Shared, all: &CancellationToken) -> Result<(), ServiceError> {
    let mut events = shared.bus.follow(Filter::All, shared.head).named("monitor");
    loop {
        let next = tokio::select! {
            () = all.cancelled() => return Ok(()),
            next = events.next() => next, // cancel-safe, and dropped only for good
        };
        match next {
            Ok(event) => {
                log::count(&event);
                shared.log().take(event.position, Instant::now());
                shared.fleets().take(&event);
                if let Some(id) = log::removed(&event) {
                    shared.nodes().remove(id, Instant::now());
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the monitor stopped reading the log");
                shared.log().stop(&error);
                all.cancelled().await;
                return Ok(());
            }
        }
    }
}

/// Keeps the newest samples of every node.
async fn hear(shared: &Shared, all: &CancellationToken) -> Result<(), ServiceError> {
    let mut samples = shared.bus.samples();
    loop {
        let next = tokio::select! {
            () = all.cancelled() => return Ok(()),
            next = samples.next() => next, // cancel-safe, and dropped only for good
        };
        match next {
            Ok((samples, age)) => shared.nodes().take(samples, age, Instant::now()),
            Err(error) => unreadable(&error),
        }
    }
}

/// A round that cannot be read is a round less, no more: the next one tells.
fn unreadable(error: &ReadError) {
    metrics::counter!("fleetlog_samples_unreadable_total").increment(1);
    tracing::error!(error = error as &dyn std::error::Error, "a round of samples cannot be read");
}

async fn tidy(shared: &Shared, all: &CancellationToken) -> Result<(), ServiceError> {
    let mut ticks = interval(TIDY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = all.cancelled() => return Ok(()),
            _ = ticks.tick() => {
                shared.nodes().tidy(Instant::now());
                shared.figures.tidy();
            }
        }
    }
}
