//! Keeps memory and database at the log's end: one transaction for what is waiting, so that an idle system commits event
//! by event and a burst in bulk.

use std::sync::Arc;

use schemas::event::Event;
use streams::{Bus, Filter, ReadError, with_causes};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::build::{BuildError, Built};
use crate::error::Error;
use crate::live::{From, Live};
use crate::row::Row;
use crate::store::{Folder, Store, StoreError, Writer};

/// Events of one transaction.
const BATCH: usize = 2_000;

/// A database that was made anew, and is to take the place of the one that is read.
pub(crate) struct Swap {
    pub built: Built,
    pub done: oneshot::Sender<Result<u64, BuildError>>,
}

/// The one that writes.
pub(crate) struct Keeper {
    pub live: Arc<Live>,
    pub bus: Bus,
    pub folder: Folder,
    /// None: the database has to be made first.
    pub writer: Option<Writer>,
    /// One at a time.
    pub swaps: mpsc::Receiver<Swap>,
}

impl Keeper {
    /// Follows the log until it is told to stop. An event that cannot be read stops it, but not the answers: they say so.
    pub async fn run(mut self, all: &CancellationToken) -> Result<(), Error> {
        if self.writer.is_none() {
            tokio::select! {
                biased;
                () = all.cancelled() => return Ok(()),
                made = self.make() => match made {
                    Ok(()) => {}
                    Err(BuildError::Read(error)) => return stopped(&self.live, &error, all).await,
                    Err(error) => return Err(error.into()),
                },
            }
        }
        // One batch waits while the one before it is written.
        let (sender, batches) = mpsc::channel(1);
        let follow = self.bus.follow(Filter::All, self.live.position(From::Memory)).named("registry");
        let read = read(follow, sender);
        let write = self.write(batches, all);
        let end = {
            tokio::pin!(read, write);
            tokio::select! {
                biased;
                end = &mut write => return end,
                // Only an event that cannot be read ends it; what came before it is still written.
                Err(error) = &mut read => { write.await?; error }
            }
        };
        stopped(&self.live, &end, all).await
    }

    /// Makes the database from the log, up to where the log ends now.
    async fn make(&mut self) -> Result<(), BuildError> {
        let until = self.bus.head().await?;
        let path = self.folder.next()?;
        let built = Built::new(&path, self.bus.incarnation()).await?;
        let built = built.advance(&self.bus, until, |position| self.live.build_is_at(position, until)).await?;
        self.install(built).await
    }

    /// Makes a database the one that counts.
    async fn install(&mut self, built: Built) -> Result<(), BuildError> {
        let Built { writer, fold } = built;
        let folder = self.folder.clone();
        let settled = spawn_blocking(move || {
            let writer = writer.settle()?;
            folder.make_current(writer.path())?;
            Ok::<_, StoreError>(writer)
        });
        let writer = settled.await.map_err(BuildError::Broke)??;
        self.live.install(fold, Store::new(writer.path().to_owned()));
        self.writer = Some(writer);
        Ok(())
    }

    /// Writes batches as they come, and swaps in between, until the reader has ended.
    async fn write(&mut self, mut batches: mpsc::Receiver<Vec<Event>>, all: &CancellationToken) -> Result<(), Error> {
        loop {
            tokio::select! {
                biased;
                () = all.cancelled() => return Ok(()),
                Some(swap) = self.swaps.recv() => {
                    let Swap { built, done } = swap;
                    let end = self.swap(built).await;
                    if let Err(Err(error)) = done.send(end) {
                        tracing::error!(error = &error as &dyn std::error::Error, "the registry's new database was not put in place");
                    }
                }
                batch = batches.recv() => match batch {
                    Some(batch) => self.take(batch).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Nobody applies anything meanwhile, so both are at the same position.
    async fn swap(&mut self, built: Built) -> Result<u64, BuildError> {
        let position = self.live.position(From::Memory);
        let built = built.advance(&self.bus, position, |_| {}).await?;
        self.install(built).await?;
        Ok(position)
    }

    async fn take(&mut self, batch: Vec<Event>) -> Result<(), Error> {
        let live = self.live.clone();
        let writer = self.writer.take();
        let taken = spawn_blocking(move || {
            let (rows, position) = live.apply(&batch);
            put(&live, writer, &rows, position)
        });
        self.writer = taken.await.map_err(|source| Error::Broke { source })?;
        Ok(())
    }
}

/// Says once why it has stopped, and waits for the end: readiness shows it.
async fn stopped(live: &Live, error: &ReadError, all: &CancellationToken) -> Result<(), Error> {
    tracing::error!(error = error as &dyn std::error::Error, "the registry stopped reading the log");
    live.stop(with_causes(error));
    all.cancelled().await;
    Ok(())
}

/// Writes rows, where there is a database. One that does not take them is given up: all of it is in the log.
fn put(live: &Live, writer: Option<Writer>, rows: &[Row], position: u64) -> Option<Writer> {
    let mut writer = writer?;
    // Somebody who read it has given it up already.
    let store = live.store()?;
    match writer.is_there().and_then(|()| writer.write(rows, position)) {
        Ok(()) => {
            live.written(position);
            Some(writer)
        }
        Err(error) => {
            live.give_up(&store, &error);
            None
        }
    }
}

/// Hands events over in batches: as many as are waiting once the writer can take them.
async fn read(mut follow: streams::Follow, batches: mpsc::Sender<Vec<Event>>) -> Result<(), ReadError> {
    loop {
        let mut batch = vec![follow.next().await?];
        let error = loop {
            tokio::select! {
                biased;
                // Cancel-safe, and so is waiting for a place in the queue.
                next = follow.next(), if batch.len() < BATCH => match next {
                    Ok(event) => batch.push(event),
                    Err(error) => break Some(error),
                },
                _ = batches.reserve() => break None,
            }
        };
        // Closed: the writer has ended, and says why.
        if batches.send(batch).await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Some(error) = error {
            return Err(error);
        }
    }
}
