//! Keeps every fleet as the log says it is, and answers what the other services ask about them.
//!
//! Reads all of `EVENTS`, from zero at each start; writes nothing; answers `req.registry.fleet` and
//! `req.registry.fleets`. Owns the fold in memory, with its position. Never decides, never talks to Docker.

mod answer;
mod error;
mod fleets;

use std::future::Future;

use schemas::query::{FleetRequest, FleetsRequest};
use streams::{Bus, Question, Questions, View};
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
pub use self::fleets::Fleets;

/// The registry: started, then run until it is told to stop.
pub struct Service {
    bus: Bus,
    view: View<Fleets>,
    head: u64,
    one: Questions<FleetRequest>,
    list: Questions<FleetsRequest>,
    shutdown: CancellationToken,
}

/// Looks at the registry while it runs.
#[derive(Clone)]
pub struct Readiness {
    view: View<Fleets>,
    head: u64,
}

impl Service {
    /// Can be asked from now on, and answers once it runs. Reads where the log ends now: the registry is ready once it
    /// has come so far.
    pub async fn start(bus: Bus, shutdown: CancellationToken) -> Result<Self, Error> {
        let one = questions(&bus).await?;
        let list = questions(&bus).await?;
        let head = bus.head().await.map_err(|source| Error::Head { source })?;
        Ok(Self { bus, view: View::new(Fleets::default()), head, one, list, shutdown })
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the service.
    pub fn readiness(&self) -> Readiness {
        Readiness { view: self.view.clone(), head: self.head }
    }

    /// Folds the log and answers questions, until it is told to stop or one of them fails.
    ///
    /// An event that cannot be read stops the fold but not the answers: they say so, and readiness is red.
    pub async fn run(self) -> Result<(), Error> {
        let Self { bus, view, head: _, one, list, shutdown } = self;
        // One of the loops failing ends the others: none of them is of use alone.
        let all = shutdown.child_token();
        let fold = guarded(&all, fold(&view, &bus, &all, &shutdown));
        let one = guarded(&all, answer::all(one, &view, &all));
        let list = guarded(&all, answer::all(list, &view, &all));
        tokio::try_join!(fold, one, list).map(drop)
    }
}

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        if let Some(why) = self.view.stopped() {
            return Some(format!("stopped: {why}"));
        }
        let position = self.view.position();
        (position < self.head).then(|| format!("reading the log: at position {position} of {}", self.head))
    }
}

async fn questions<Q: Question>(bus: &Bus) -> Result<Questions<Q>, Error> {
    bus.answer().await.map_err(|source| Error::Answer { subject: Q::SUBJECT, source })
}

/// Runs one loop, and ends the others when it fails.
async fn guarded(all: &CancellationToken, run: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let end = run.await;
    if end.is_err() {
        all.cancel();
    }
    end
}

/// Folds the log into the view. Where it stops on an event, it says so once and waits for the end: readiness shows it.
async fn fold(
    view: &View<Fleets>,
    bus: &Bus,
    all: &CancellationToken,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let Err(error) = view.run(bus.clone(), all.clone()).await else { return Ok(()) };
    tracing::error!(error = &error as &dyn std::error::Error, "the registry stopped reading the log");
    shutdown.cancelled().await;
    Ok(())
}
