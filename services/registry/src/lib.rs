//! Keeps every fleet as the log says it is and as it was, and answers what the other services ask about them.
//!
//! Reads all of `EVENTS`, after the position that its database holds; writes `DIR/registry`, which can be rebuilt at any
//! time; answers `req.registry.*`. Owns the fold in memory and the database of validity ranges. Never decides, never
//! talks to Docker.

mod answer;
mod build;
mod error;
mod facts;
mod fold;
mod keep;
mod line;
mod live;
mod replay;
mod row;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemas::query::{
    FleetRequest, FleetsRequest, HistoryRequest, NeighboursRequest, PastRequest, ReplayRequest, VariablesRequest,
};
use streams::{Bus, Question, Questions, guarded};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
use self::keep::Keeper;
use self::live::Live;
use self::replay::Replayer;
use self::store::{Folder, Store, StoreError, Writer};

/// Databases up to this size are looked at page by page at each start, in bytes; a larger one that is not whole is found
/// out when a page of it is read.
const LOOK_THROUGH: u64 = 64 << 20;

/// The registry: started, then run until it is told to stop.
pub struct Service {
    bus: Bus,
    live: Arc<Live>,
    head: u64,
    folder: Folder,
    writer: Option<Writer>,
    asked: Asked,
    shutdown: CancellationToken,
}

/// Everything that it can be asked.
struct Asked {
    one: Questions<FleetRequest>,
    list: Questions<FleetsRequest>,
    neighbours: Questions<NeighboursRequest>,
    past: Questions<PastRequest>,
    variables: Questions<VariablesRequest>,
    history: Questions<HistoryRequest>,
    replay: Questions<ReplayRequest>,
}

/// Looks at the registry while it runs.
#[derive(Clone)]
pub struct Readiness {
    live: Arc<Live>,
    head: u64,
}

impl Service {
    /// Can be asked from now on, and answers once it runs. Opens the database in `folder`, which is made where it is not
    /// there, and reads where the log ends now: the registry is ready once it has come so far.
    pub async fn start(folder: PathBuf, bus: Bus, shutdown: CancellationToken) -> Result<Self, Error> {
        let asked = Asked {
            one: questions(&bus).await?,
            list: questions(&bus).await?,
            neighbours: questions(&bus).await?,
            past: questions(&bus).await?,
            variables: questions(&bus).await?,
            history: questions(&bus).await?,
            replay: questions(&bus).await?,
        };
        let head = bus.head().await.map_err(|source| Error::Head { source })?;
        let (incarnation, live) = (bus.incarnation(), Arc::new(Live::new()));
        let opened = {
            let live = live.clone();
            spawn_blocking(move || open(&folder, incarnation, head, &live))
        };
        let opened = opened.await.map_err(|source| Error::Broke { source })?;
        let (folder, writer) = opened.map_err(|source| Error::Store { source })?;
        Ok(Self { bus, live, head, folder, writer, asked, shutdown })
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the service.
    pub fn readiness(&self) -> Readiness {
        Readiness { live: self.live.clone(), head: self.head }
    }

    /// Folds the log and answers questions, until it is told to stop or one of them fails.
    ///
    /// An event that cannot be read stops the fold but not the answers: they say so, and readiness is red.
    pub async fn run(self) -> Result<(), Error> {
        let Self { bus, live, head: _, folder, writer, asked, shutdown } = self;
        // One of the loops failing ends the others: none of them is of use alone.
        let all = shutdown.child_token();
        // One database at a time is put in place.
        let (swaps, swapped) = mpsc::channel(1);
        let replayer = Replayer { live: live.clone(), bus: bus.clone(), folder: folder.clone(), swaps };
        let keeper = Keeper { live: live.clone(), bus: bus.clone(), folder, writer, swaps: swapped };
        let keep = guarded(&all, keeper.run(&all));
        let replay = guarded(&all, replayer.run(asked.replay, &all));
        let one = guarded(&all, answer::all(asked.one, &live, &bus, &all));
        let list = guarded(&all, answer::all(asked.list, &live, &bus, &all));
        let neighbours = guarded(&all, answer::all(asked.neighbours, &live, &bus, &all));
        let past = guarded(&all, answer::all(asked.past, &live, &bus, &all));
        let variables = guarded(&all, answer::all(asked.variables, &live, &bus, &all));
        let history = guarded(&all, answer::all(asked.history, &live, &bus, &all));
        tokio::try_join!(keep, replay, one, list, neighbours, past, variables, history).map(drop)
    }
}

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        self.live.ready(self.head)
    }

    /// How far a new database is, and how far it has to go: made because there is none, or beside the one that is read.
    /// `None`: none is being made.
    pub fn rebuilding(&self) -> Option<(u64, u64)> {
        self.live.building()
    }
}

/// Opens the database that counts, where it is of use; says why where it is not.
fn open(
    folder: &Path,
    incarnation: uuid::Uuid,
    head: u64,
    live: &Live,
) -> Result<(Folder, Option<Writer>), StoreError> {
    let folder = Folder::open(folder)?;
    let Some(path) = folder.current()? else {
        tracing::info!("the registry has no database yet: making it from the log");
        return Ok((folder, None));
    };
    let load = || {
        let size = std::fs::metadata(&path);
        let size = size.map_err(|source| StoreError::File { what: "open", path: path.clone(), source })?.len();
        let writer = Writer::open(&path)?;
        let store = Store::new(path.clone());
        let fold = store.read(|snapshot| {
            snapshot.check(incarnation, head)?;
            if size <= LOOK_THROUGH {
                snapshot.is_whole()?;
            }
            snapshot.load()
        })?;
        Ok::<_, StoreError>((writer, store, fold))
    };
    match load() {
        Ok((writer, store, fold)) => {
            tracing::info!(position = fold.position(), head, "the registry goes on where it was");
            live.install(fold, store);
            Ok((folder, Some(writer)))
        }
        // What passes is not made better by another database: whoever starts it is told.
        Err(error) if !error.is_loss() => Err(error),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the registry's database is of no use: making it anew from the log");
            Ok((folder, None))
        }
    }
}

async fn questions<Q: Question>(bus: &Bus) -> Result<Questions<Q>, Error> {
    bus.answer().await.map_err(|source| Error::Answer { subject: Q::SUBJECT, source })
}
