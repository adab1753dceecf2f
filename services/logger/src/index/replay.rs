//! `req.logger.replay`: the index made anew from `LOGS` beside the one that is searched, compared with it, and put in
//! its place. Lines of batches that `LOGS` no longer has cannot be made anew: where there are any, it is only compared.

use std::fs;
use std::sync::Arc;

use schemas::query::{Fault, FaultCode, LogsReplayRequest, ReplayAnswer};
use streams::{Bus, Closed, Question, Questions, clock};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::digest::Digest;
use super::shelf::{FORMAT, Shelf};
use super::write::{self, Job};
use crate::error::{Error, IndexError};

/// Batches that wait for the writer.
const BATCHES: usize = 4;

/// Put this shelf in the place of the one that is searched.
pub(super) struct Swap {
    pub shelf: Shelf,
    pub done: oneshot::Sender<Result<(), IndexError>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("cannot read the index")]
    Read(#[from] tantivy::TantivyError),
    #[error("cannot read the log lines")]
    Lines(#[from] streams::ReadError),
    #[error("the replay broke off")]
    Broken(#[from] tokio::task::JoinError),
    #[error("the logger is stopping")]
    Stopping,
}

/// Answers one after the other, until it is told to stop.
pub(super) async fn all(
    mut questions: Questions<LogsReplayRequest>,
    live: &Arc<Shelf>,
    bus: &Bus,
    keep_days: u32,
    swaps: mpsc::Sender<Swap>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            asked = questions.next() => asked.ok_or(Closed { subject: LogsReplayRequest::SUBJECT })?,
        };
        let answer = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            answer = replay(live, bus, keep_days, asked.question.verify, &swaps) => answer,
        };
        let answer = answer.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "making the index of the log lines anew failed");
            Fault { code: FaultCode::Unavailable, message: super::chain(error) }
        });
        if let Err(error) = asked.reply(answer).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer was not delivered");
        }
    }
}

async fn replay(
    live: &Arc<Shelf>,
    bus: &Bus,
    keep_days: u32,
    verify: bool,
    swaps: &mpsc::Sender<Swap>,
) -> Result<ReplayAnswer, ReplayError> {
    let begun = Instant::now();
    let position = *live.applied().borrow();
    let first = bus.lines_kept().await?.first;
    let beside = Arc::new(live.beside());
    let folder = beside.folder().to_owned();
    let emptied = beside.clone();
    spawn_blocking(move || emptied.open(u64::MAX).and_then(|_| emptied.empty())).await??;

    let (jobs, queue) = mpsc::channel(BATCHES);
    let written = beside.clone();
    let mut writer = spawn_blocking(move || write::run(&written, queue, keep_days));
    tokio::select! {
        end = feed(bus, first, position, jobs) => end?,
        end = &mut writer => {
            end??;
            return Err(ReplayError::Stopping);
        }
    }
    writer.await??;

    let (grown, rebuilt) = (live.clone(), beside.clone());
    let digests = spawn_blocking(move || -> Result<_, tantivy::TantivyError> {
        Ok((Digest::of(&grown, first, position)?, Digest::of(&rebuilt, first, position)?))
    });
    let (grown, rebuilt) = digests.await??;
    let seconds = begun.elapsed().as_secs_f64();
    let equal = grown.text() == rebuilt.text();
    let swapped = !verify && grown.older == 0;
    if swapped {
        let shelf = Arc::into_inner(beside).ok_or(ReplayError::Stopping)?;
        shelf.reached(position)?;
        let (done, wait) = oneshot::channel();
        swaps.send(Swap { shelf, done }).await.map_err(|_| ReplayError::Stopping)?;
        wait.await.map_err(|_| ReplayError::Stopping)??;
    } else if let Err(error) = fs::remove_dir_all(&folder) {
        tracing::warn!(%error, "what was made to compare is left in `{}`", folder.display());
    }
    Ok(ReplayAnswer {
        projection: "logs".to_owned(),
        shape: FORMAT,
        incarnation: bus.incarnation(),
        position,
        grown: Some(grown.text()),
        rebuilt: rebuilt.text(),
        equal,
        swapped,
        events: rebuilt.lines,
        seconds,
        events_per_second: rebuilt.lines as f64 / seconds.max(f64::EPSILON),
    })
}

/// Hands every batch from `first` to `last` to the writer.
async fn feed(bus: &Bus, first: u64, last: u64, jobs: mpsc::Sender<Job>) -> Result<(), ReplayError> {
    let now_ns = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX);
    jobs.send(Job::Tick { now_ns }).await.map_err(|_| ReplayError::Stopping)?;
    let mut lines = bus.lines(first.saturating_sub(1));
    let mut at = first.saturating_sub(1);
    while at < last {
        let job = match lines.next().await {
            Ok((position, node, batch)) => {
                at = position;
                Job::Batch { position, node, batch: Box::new(batch) }
            }
            // Not in the one that grew either.
            Err(streams::ReadError::Decode { position, .. }) => {
                at = position;
                Job::Skip { position }
            }
            Err(error) => return Err(error.into()),
        };
        if at <= last {
            jobs.send(job).await.map_err(|_| ReplayError::Stopping)?;
        }
    }
    Ok(())
}
