//! Keeps memory and database at the log's end: one transaction for what is waiting, so that an idle system commits event
//! by event and a burst in bulk.

use std::sync::Arc;
use std::time::Duration;

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
/// How long a database that does not take a transaction now is left alone.
const AGAIN: Duration = Duration::from_secs(1);

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
        self.live.build_is_at(0, until);
        let built = Built::new(&path, self.bus.incarnation()).await?;
        let live = self.live.clone();
        let built = built.advance(&self.bus, until, move |position| live.build_is_at(position, until)).await?;
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
                    Some(batch) => self.take(batch, all).await?,
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

    /// Takes events into the memory and into the database. One that does not take them now is asked again until it does,
    /// or until the end: they come again from the log then.
    async fn take(&mut self, batch: Vec<Event>, all: &CancellationToken) -> Result<(), Error> {
        let (live, writer) = (self.live.clone(), self.writer.take());
        let first = spawn_blocking(move || {
            let (rows, position) = live.apply(&batch);
            (put(&live, writer, &rows, position), rows, position)
        });
        let (mut end, rows, position) = first.await.map_err(|source| Error::Broke { source })?;
        let rows = Arc::new(rows);
        while let Put::Later { writer, error } = end {
            if self.live.hinder(Some(with_causes(&error))) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the registry's database cannot be written now; trying again every second"
                );
            }
            tokio::select! {
                () = all.cancelled() => return Ok(()),
                () = tokio::time::sleep(AGAIN) => {}
            }
            let (live, rows) = (self.live.clone(), rows.clone());
            let next = spawn_blocking(move || put(&live, Some(writer), &rows, position));
            end = next.await.map_err(|source| Error::Broke { source })?;
        }
        if self.live.hinder(None) {
            tracing::info!(position, "the registry's database can be written again");
        }
        if let Put::Done(writer) = end {
            self.writer = writer;
        }
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

/// What came of writing.
enum Put {
    /// It is written, or there is no database any more that could be.
    Done(Option<Writer>),
    /// Another try may go well.
    Later { writer: Writer, error: StoreError },
}

/// Writes rows, where there is a database. One that is lost is given up: all of it is in the log.
fn put(live: &Live, writer: Option<Writer>, rows: &[Row], position: u64) -> Put {
    // Without a store somebody who read it has given it up already.
    let (Some(mut writer), Some(store)) = (writer, live.store()) else { return Put::Done(None) };
    match writer.write(rows, position) {
        Ok(()) => {
            live.written(position);
            Put::Done(Some(writer))
        }
        Err(error) if error.is_loss() => {
            live.give_up(&store, &error);
            Put::Done(None)
        }
        Err(error) => Put::Later { writer, error },
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
