//! The half that indexes: follows `LOGS`, makes every line searchable within two seconds, answers `req.logger.search`.
//!
//! Reads `LOGS`; writes nothing but its own folder, which can be made anew from `LOGS` and is where a file of it is gone
//! or not what was written. Owns one index a day. Never talks to Docker.

mod answer;
mod digest;
mod layout;
mod prefilter;
mod replay;
mod search;
mod shelf;
mod slice;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::query::{LogsReplayRequest, LogsRequest};
use streams::{Bus, Question, Questions, ReadError, clock};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::replay::Swap;
use self::shelf::Shelf;
use self::write::Job;
use crate::error::{Error, IndexError};

/// Days that lines are kept.
pub const KEEP_DAYS: u32 = 30;
/// Batches that wait for the writer, each of at most 1 MiB of lines.
const BATCHES: usize = 8;
/// How often the writer hears that time goes by.
const TICK: Duration = Duration::from_millis(200);
/// The first pause after the index failed; doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the index is, and how long it keeps what it has.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its folder.
    pub folder: PathBuf,
    /// Days that lines are kept.
    pub keep_days: u32,
}

/// The index half: started, then run until it is told to stop.
pub struct Service {
    bus: Bus,
    shelf: Arc<Shelf>,
    keep_days: u32,
    state: Arc<Mutex<State>>,
    questions: Questions<LogsRequest>,
    replays: Questions<LogsReplayRequest>,
    shutdown: CancellationToken,
}

/// How it is.
#[derive(Debug, Default)]
struct State {
    /// Sequence of `LOGS` that was the last at the start.
    head: u64,
    /// Why it cannot go on; none: it does.
    failed: Option<String>,
}

/// Looks at the service while it runs.
#[derive(Clone)]
pub struct Readiness {
    shelf: Arc<Shelf>,
    state: Arc<Mutex<State>>,
}

impl Service {
    /// Can be asked from now on, and answers once it runs. Reads where the lines end now: it is ready once it has come
    /// so far.
    pub async fn start(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<Self, Error> {
        let subject = LogsRequest::SUBJECT;
        let questions = bus.answer().await.map_err(|source| Error::Answer { subject, source })?;
        let subject = LogsReplayRequest::SUBJECT;
        let replays = bus.answer().await.map_err(|source| Error::Answer { subject, source })?;
        let head = bus.lines_kept().await.map_err(|source| Error::Head { source })?.last;
        let shelf = Arc::new(Shelf::new(config.folder, bus.incarnation()));
        let state = Arc::new(Mutex::new(State { head, failed: None }));
        Ok(Self { bus, shelf, keep_days: config.keep_days, state, questions, replays, shutdown })
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the service.
    pub fn readiness(&self) -> Readiness {
        Readiness { shelf: self.shelf.clone(), state: self.state.clone() }
    }

    /// Indexes and answers, until it is told to stop.
    pub async fn run(self) -> Result<(), Error> {
        let Self { bus, shelf, keep_days, state, questions, replays, shutdown } = self;
        // One at a time is made, so one at a time is put in place.
        let (swaps, mut swapped) = mpsc::channel(1);
        let all = shutdown.child_token();
        let index = async {
            let end = keep_indexing(&bus, &shelf, keep_days, &state, &mut swapped, &all).await;
            all.cancel();
            end
        };
        let answer = async {
            let end = answer::all(questions, &shelf, &all).await;
            all.cancel();
            end
        };
        let replay = async {
            let end = replay::all(replays, &shelf, &bus, keep_days, swaps, &all).await;
            all.cancel();
            end
        };
        let (index, answer, replay) = tokio::join!(index, answer, replay);
        index.and(answer).and(replay)
    }
}

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &state.failed {
            return Some(format!("stopped: {why}"));
        }
        let applied = *self.shelf.applied().borrow();
        (applied < state.head).then(|| format!("indexing log lines: at batch {applied} of {}", state.head))
    }
}

/// Indexes for ever: whatever fails is opened anew, and what is damaged is made anew.
async fn keep_indexing(
    bus: &Bus,
    shelf: &Arc<Shelf>,
    keep_days: u32,
    state: &Mutex<State>,
    swaps: &mut mpsc::Receiver<Swap>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let end = index(bus, shelf, keep_days, state, swaps, shutdown).await;
        let why = match end {
            Ok(None) => return Ok(()),
            Ok(Some(swap)) => {
                put_in_place(shelf, swap).await?;
                continue;
            }
            Err(Failed::Broken(error)) => return Err(Error::Broken(error)),
            Err(Failed::Index(error)) => chain(&error),
            Err(Failed::Read(error)) => chain(&error),
        };
        tracing::warn!("indexing log lines stopped: {why}; opening the index anew");
        if begun.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        } else if pause > FIRST_PAUSE {
            state.lock().unwrap_or_else(PoisonError::into_inner).failed = Some(why);
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why indexing stopped.
enum Failed {
    Index(IndexError),
    Read(ReadError),
    Broken(tokio::task::JoinError),
}

/// Opens the index and follows `LOGS` from where it stands, until it is told to stop or another index takes its place.
async fn index(
    bus: &Bus,
    shelf: &Arc<Shelf>,
    keep_days: u32,
    state: &Mutex<State>,
    swaps: &mut mpsc::Receiver<Swap>,
    shutdown: &CancellationToken,
) -> Result<Option<Swap>, Failed> {
    let kept = bus.lines_kept().await.map_err(Failed::Read)?;
    let opened = shelf.clone();
    let opened = tokio::task::spawn_blocking(move || opened.open(kept.last)).await.map_err(Failed::Broken)?;
    let position = opened.map_err(Failed::Index)?;
    if kept.first > position + 1 && kept.last > position {
        let lost = kept.first - position - 1;
        tracing::warn!(batches = lost, "`LOGS` no longer has batches of log lines that the index does not have either");
    }
    // What has gone by without any batch left is reached.
    if kept.last < kept.first && position < kept.last {
        shelf.reached(kept.last).map_err(Failed::Index)?;
    }
    state.lock().unwrap_or_else(PoisonError::into_inner).failed = None;
    let (jobs, queue) = mpsc::channel(BATCHES);
    let written = shelf.clone();
    let mut writer = tokio::task::spawn_blocking(move || write::run(&written, queue, keep_days));
    let fed = tokio::select! {
        end = feed(bus, position, jobs, shutdown) => end.map(|()| None),
        end = &mut writer => return end.map_err(Failed::Broken)?.map_err(Failed::Index).map(|()| None),
        Some(swap) = swaps.recv() => Ok(Some(swap)),
    };
    let written = writer.await.map_err(Failed::Broken)?.map_err(Failed::Index);
    written.and(fed)
}

/// Puts another index in the place of the one that nobody writes to now.
async fn put_in_place(shelf: &Arc<Shelf>, swap: Swap) -> Result<(), Error> {
    let Swap { shelf: other, done } = swap;
    let shelf = shelf.clone();
    let end = tokio::task::spawn_blocking(move || shelf.replace(&other)).await.map_err(Error::Broken)?;
    // Who asked may have gone; the index is opened anew in any case.
    let _told = done.send(end);
    Ok(())
}

/// Hands every batch to the writer, and the time. Ends when it is told to, or nobody takes them any more.
async fn feed(bus: &Bus, after: u64, jobs: mpsc::Sender<Job>, shutdown: &CancellationToken) -> Result<(), Failed> {
    let mut lines = bus.lines(after);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Every arm is cancel-safe: a batch that was not returned comes with the next call.
        let job = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            _ = tick.tick() => {
                let now_ns = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX);
                Job::Tick { now_ns }
            }
            next = lines.next() => match next {
                Ok((position, node, batch)) => Job::Batch { position, node, batch: Box::new(batch) },
                Err(ref error @ ReadError::Decode { position, .. }) => {
                    // Nothing of ours: an agent would not have written it. Said, and left out, or nothing would go on.
                    tracing::error!(error = error as &dyn std::error::Error, "a batch of log lines cannot be read");
                    Job::Skip { position }
                }
                Err(error) => return Err(Failed::Read(error)),
            },
        };
        if jobs.send(job).await.is_err() {
            // The writer failed; it says why itself.
            return Ok(());
        }
    }
}

/// An error with its causes, for people.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
