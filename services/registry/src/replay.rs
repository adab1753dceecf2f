//! `req.registry.replay`: the projection made anew from zero beside the one that is read, compared with it at one
//! position, and put in its place. Also what happens by itself where the database cannot be used any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schemas::query::{Fault, FaultCode, ReplayAnswer, ReplayRequest};
use streams::{Asked, Bus, Closed, Question, Questions, with_causes};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::build::{BuildError, Built};
use crate::error::Error;
use crate::keep::Swap;
use crate::live::{From, Live};
use crate::store::{Folder, SHAPE, StoreError};

/// How long a repair that failed waits before it tries again.
const AGAIN: Duration = Duration::from_secs(10);

/// Makes databases anew, one at a time.
#[derive(Clone)]
pub(crate) struct Replayer {
    pub live: Arc<Live>,
    pub bus: Bus,
    pub folder: Folder,
    pub swaps: mpsc::Sender<Swap>,
}

/// Why a replay came to nothing.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the registry is stopping")]
    Stopping,
}

impl std::convert::From<StoreError> for ReplayError {
    fn from(error: StoreError) -> Self {
        Self::Build(error.into())
    }
}

fn broke(error: JoinError) -> ReplayError {
    ReplayError::Build(BuildError::Broke(error))
}

impl Replayer {
    /// Answers until it is told to stop.
    pub async fn run(self, mut questions: Questions<ReplayRequest>, all: &CancellationToken) -> Result<(), Error> {
        let mut under_way = JoinSet::new();
        // The first database is made by the one that writes.
        tokio::select! {
            () = all.cancelled() => return Ok(()),
            () = self.live.has_store() => {}
        }
        loop {
            tokio::select! {
                biased;
                () = all.cancelled() => return Ok(()),
                Some(end) = under_way.join_next() => end.map_err(|source| Error::Broke { source })?,
                // Where one is under way already, its result comes into the place of what is broken.
                () = self.live.broken(), if under_way.is_empty() => {
                    let replayer = self.clone();
                    under_way.spawn(async move { replayer.repair().await });
                }
                asked = questions.next() => {
                    let asked = asked.ok_or(Closed { subject: ReplayRequest::SUBJECT })?;
                    if under_way.is_empty() {
                        let replayer = self.clone();
                        under_way.spawn(async move { replayer.answer(asked).await });
                    } else {
                        let message = "the registry is being made anew already: ask again when that is done".to_owned();
                        reply(asked, Err(Fault { code: FaultCode::BadRequest, message })).await;
                    }
                }
            }
        }
    }

    async fn answer(self, asked: Asked<ReplayRequest>) {
        let verify = asked.question.verify;
        let answer = self.replay(verify).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the registry was not made anew");
            Fault { code: FaultCode::Behind, message: format!("not made anew: {}", with_causes(&error)) }
        });
        reply(asked, answer).await;
    }

    async fn repair(self) {
        while self.live.store().is_none() {
            match self.replay(false).await {
                Ok(it) => {
                    tracing::info!(events = it.events, seconds = it.seconds, "the registry's database is made anew");
                }
                Err(ReplayError::Stopping) => return,
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::error!(error, "the registry's database could not be made anew: tried again in 10 s");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn replay(&self, verify: bool) -> Result<ReplayAnswer, ReplayError> {
        let path = self.folder.next()?;
        let end = self.replay_at(&path, verify).await;
        self.live.build_is_over();
        if verify || end.is_err() {
            let (folder, path) = (self.folder.clone(), path.clone());
            spawn_blocking(move || folder.remove(&path)).await.map_err(broke)??;
        }
        end
    }

    async fn replay_at(&self, path: &std::path::Path, verify: bool) -> Result<ReplayAnswer, ReplayError> {
        let begun = Instant::now();
        let until = self.live.position(From::Memory);
        self.live.build_is_at(0, until);
        let built = Built::new(path, self.bus.incarnation()).await?;
        let live = self.live.clone();
        let built = built.advance(&self.bus, until, move |position| live.build_is_at(position, until)).await?;
        let seconds = begun.elapsed().as_secs_f64();

        let grown = self.digest_of_grown().await?;
        let position = grown.as_ref().map_or(until, |(position, _)| *position);
        let built = built.advance(&self.bus, position, |_| {}).await?;
        let settled = spawn_blocking(move || {
            let Built { mut writer, fold } = built;
            let digest = writer.digest()?;
            Ok::<_, StoreError>((Built { writer, fold }, digest))
        });
        let (built, rebuilt) = settled.await.map_err(broke)??;
        let grown = grown.map(|(_, digest)| digest);
        let equal = grown.as_ref() == Some(&rebuilt);
        if !equal && grown.is_some() {
            tracing::error!(position, ?grown, rebuilt, "the registry that grew is not what its log says");
        }
        if !verify {
            let (done, end) = oneshot::channel();
            self.swaps.send(Swap { built, done }).await.map_err(|_| ReplayError::Stopping)?;
            end.await.map_err(|_| ReplayError::Stopping)??;
        }
        Ok(ReplayAnswer {
            projection: "registry".to_owned(),
            shape: SHAPE,
            incarnation: self.bus.incarnation(),
            position,
            grown,
            rebuilt,
            equal,
            swapped: !verify,
            events: until,
            seconds,
            events_per_second: if seconds > 0.0 { until as f64 / seconds } else { 0.0 },
        })
    }

    /// The digest of the database that is read, and its position; none: it cannot be read.
    async fn digest_of_grown(&self) -> Result<Option<(u64, String)>, ReplayError> {
        let Some(store) = self.live.store() else { return Ok(None) };
        let its = store.clone();
        let read = spawn_blocking(move || its.read(|snapshot| Ok((snapshot.position()?, snapshot.digest()?))));
        match read.await.map_err(broke)? {
            Ok(grown) => Ok(Some(grown)),
            Err(error) if !error.is_loss() => Err(error.into()),
            Err(error) => {
                self.live.give_up(&store, &error);
                Ok(None)
            }
        }
    }
}

async fn reply(asked: Asked<ReplayRequest>, answer: Result<ReplayAnswer, Fault>) {
    if let Err(error) = asked.reply(answer).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not delivered");
    }
}
