//! The bulk path: a new database from the log, beside the one that is read.

use std::path::Path;

use schemas::event::Event;
use streams::Bus;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::error::Error;
use crate::fold::Fold;
use crate::row::Row;
use crate::store::{StoreError, Writer};

/// Batches of at most 500 events that wait for the writer.
const WAITING: usize = 8;
/// Rows of one transaction, or a few more.
const ROWS: usize = 60_000;

/// A database that is being made, with the fold that goes with it.
pub(crate) struct Built {
    pub writer: Writer,
    pub fold: Fold,
}

/// Making it failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Read(#[from] streams::ReadError),
    #[error("the writer of the registry's database broke off")]
    Broke(#[source] tokio::task::JoinError),
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Store(source) => Self::Store { source },
            BuildError::Read(source) => Self::Read { source },
            BuildError::Broke(source) => Self::Broke { source },
        }
    }
}

impl Built {
    /// An empty one at `path`.
    pub async fn new(path: &Path, incarnation: Uuid) -> Result<Self, BuildError> {
        let path = path.to_owned();
        let writer = spawn_blocking(move || Writer::create(&path, incarnation)).await.map_err(BuildError::Broke)??;
        Ok(Self { writer, fold: Fold::default() })
    }

    /// Takes all events up to `until`, and none after it; `say` is told how far it is. Reading and writing go on at the
    /// same time.
    pub async fn advance(self, bus: &Bus, until: u64, say: impl Fn(u64) + Send + 'static) -> Result<Self, BuildError> {
        let mut drain = bus.drain(self.fold.position(), until);
        let (sender, batches) = mpsc::channel(WAITING);
        let writing = spawn_blocking(move || self.take(batches, say));
        let read = async {
            while let Some(batch) = drain.next().await? {
                // Closed: the writer says why.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok::<_, BuildError>(())
        };
        let read = read.await;
        drop(sender);
        let built = writing.await.map_err(BuildError::Broke)??;
        read?;
        Ok(built)
    }

    fn take(mut self, mut batches: mpsc::Receiver<Vec<Event>>, say: impl Fn(u64)) -> Result<Self, StoreError> {
        let mut rows: Vec<Row> = Vec::with_capacity(ROWS + ROWS / 8);
        while let Some(batch) = batches.blocking_recv() {
            for event in &batch {
                self.fold.apply(event, &mut rows);
            }
            if rows.len() >= ROWS {
                self.write(&mut rows)?;
            }
            say(self.fold.position());
        }
        self.write(&mut rows)?;
        Ok(self)
    }

    fn write(&mut self, rows: &mut Vec<Row>) -> Result<(), StoreError> {
        self.fold.end_batch(rows);
        // Neighbours in the largest table become neighbours on their way into it; the sort keeps all other rows in order.
        rows.sort_by_key(|row| match row {
            Row::Version { object, position, .. } => (*object, *position),
            _ => (0, 0),
        });
        self.writer.write(rows, self.fold.position())?;
        rows.clear();
        Ok(())
    }
}
