//! Reads one container for as long as it is there: follows it while it runs, drains it when it has ended, reads on when
//! it is started again, and says so where it is gone with lines unread.

use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, EngineError, State};
use schemas::logs::{Cursor, Line, Origin};
use tokio::sync::{mpsc, watch};

use super::drain::Waits;
use super::gap::lost;
use super::join::Joiner;
use super::pass::Pass;

/// Between two tries where Docker stops telling of a container that runs.
const AGAIN: Duration = Duration::from_millis(200);

/// What a reader says.
#[derive(Debug)]
pub(super) enum Said {
    /// It is there, and read up to here.
    Read { origin: Arc<Origin>, cursor: Cursor, lines: Vec<Line> },
    /// It is gone: nobody reads it any more.
    Gone { origin: Arc<Origin> },
    /// Somebody waits until everything that was said before is stored.
    Awaited(Waits),
}

/// What is known of a container from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Raised with everything that happens to it.
    pub count: u64,
    /// How often it was started, as far as we saw.
    pub starts: u64,
    /// Whether it has ended since.
    pub ended: bool,
    /// Whether it is gone.
    pub gone: bool,
}

/// Reads one container.
pub(super) struct Reader {
    pub engine: Engine,
    /// Docker's whole id.
    pub id: String,
    pub origin: Arc<Origin>,
    pub joiner: Joiner,
    pub news: watch::Receiver<News>,
    /// Who waits for its end, about to remove it.
    pub asked: mpsc::Receiver<Waits>,
    /// Those of them whom the next end answers.
    pub pending: Vec<Waits>,
    /// In chunks of at most 64 KiB or one line.
    pub said: mpsc::Sender<Said>,
    /// After so long without a record it is looked whether Docker has one.
    pub quiet: Duration,
    /// Whether Docker has handed out all lines since the last start, and said that this was the end.
    pub to_its_end: bool,
    /// When its last run ended of which everything is read, in Docker's time.
    pub ended_ns: Option<i64>,
}

/// How a reading ended.
enum End {
    /// It does not run, and this was all.
    Drained,
    /// It runs, or nobody knows: read on.
    More,
    /// Docker is away: whoever watches it tells when it is back.
    Away,
    /// It is not there.
    Gone,
}

impl Reader {
    /// Reads until the container is gone. `Err`: nobody listens any more.
    pub async fn run(mut self) -> Result<(), Closed> {
        self.say(Vec::new()).await?;
        let mut starts = 0;
        loop {
            let seen = *self.news.borrow_and_update();
            if seen.starts > starts {
                starts = seen.starts;
                (self.joiner.drained, self.to_its_end, self.ended_ns) = (false, false, None);
            }
            match self.read().await? {
                End::Gone => break,
                End::More => {
                    self.pending.retain(|it| !it.is_over());
                    // Not too fast, where Docker says nothing but the end.
                    tokio::select! {
                        _ = self.news.changed() => {}
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                    continue;
                }
                End::Drained | End::Away if seen.gone => break,
                End::Drained => self.answer().await?,
                End::Away => {}
            }
            self.wait().await?;
        }
        let mut lines = Vec::new();
        self.joiner.flush(i64::MAX, true, &mut lines);
        let started = self.news.borrow().starts > 0;
        if !self.joiner.drained && started {
            lines.push(lost(&self.origin, self.joiner.cursor()));
        }
        self.joiner.drained = true;
        self.say(lines).await?;
        self.answer().await?;
        self.said.send(Said::Gone { origin: self.origin.clone() }).await.map_err(|_| Closed)
    }

    /// Waits until something happens to the container, or somebody waits for what was not read yet.
    async fn wait(&mut self) -> Result<(), Closed> {
        loop {
            // Both are cancel-safe.
            let waits = tokio::select! {
                changed = self.news.changed() => return changed.map_err(|_| Closed),
                Some(waits) = self.asked.recv() => waits,
            };
            self.pending.push(waits);
            if !self.is_read().await {
                return Ok(());
            }
            self.answer().await?;
        }
    }

    /// Whether everything is read up to an end after which the container was not started again.
    async fn is_read(&self) -> bool {
        let Some(ended_ns) = self.ended_ns.filter(|_| self.joiner.drained) else { return false };
        let seen = self.engine.inspect(&self.id).await;
        matches!(seen, Ok(Some(seen)) if has_ended(seen.state) && seen.finished_ns == Some(ended_ns))
    }

    /// Everything is said: who waits for it is told once it is stored, too.
    async fn answer(&mut self) -> Result<(), Closed> {
        for waits in self.pending.drain(..) {
            self.said.send(Said::Awaited(waits)).await.map_err(|_| Closed)?;
        }
        Ok(())
    }

    /// Reads from where the last reading stopped to the end that there is now.
    async fn read(&mut self) -> Result<End, Closed> {
        let before = self.joiner.cursor();
        let mut last = match self.pass(true).await? {
            Ok(pass) => {
                self.to_its_end |= pass.ended;
                pass.last
            }
            Err(error) => {
                let end = end_of(&error);
                // Removed between its end and our next look: nothing came after what was read.
                self.joiner.drained |= end.is_gone() && self.to_its_end && self.joiner.cursor() == before;
                return Ok(end);
            }
        };
        let ended_ns = match self.engine.inspect(&self.id).await {
            // It was read to its end, and removed right after that.
            Ok(None) => {
                self.joiner.drained = true;
                return Ok(End::Gone);
            }
            Ok(Some(seen)) if matches!(seen.state, State::Created) => return Ok(End::Drained),
            Ok(Some(seen)) if has_ended(seen.state) => seen.finished_ns,
            Ok(Some(_)) => return Ok(End::More),
            Err(error) => return Ok(end_of(&error)),
        };
        // Docker may stop following before the last lines are written: where it has more, read what there is once more.
        while !self.is_last(last).await {
            let before = self.joiner.cursor();
            match self.pass(false).await? {
                Ok(Pass { lines: 0, .. }) => break,
                // After a clock was set back the same records come once more; never again and again.
                Ok(_) if self.joiner.cursor() == before => break,
                Ok(pass) => last = pass.last,
                Err(error) if end_of(&error).is_gone() => break,
                Err(error) => return Ok(end_of(&error)),
            }
        }
        let mut lines = Vec::new();
        self.joiner.flush(i64::MAX, true, &mut lines);
        (self.joiner.drained, self.ended_ns) = (true, ended_ns);
        self.say(lines).await?;
        Ok(End::Drained)
    }
}

/// Nobody listens any more.
#[derive(Debug)]
pub(super) struct Closed;

impl End {
    fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }
}

fn has_ended(state: State) -> bool {
    matches!(state, State::Exited | State::Dead | State::Removing)
}

fn end_of(error: &EngineError) -> End {
    match error {
        EngineError::NotFound { .. } => End::Gone,
        // Docker says so while it removes a container.
        EngineError::Refused { message, .. } if message.contains("marked for removal") => End::Gone,
        // Its log driver keeps nothing that could be read: nobody has to wait for it.
        EngineError::Refused { message, .. } if message.contains("does not support reading") => End::Drained,
        error => {
            tracing::debug!(error = error as &dyn std::error::Error, "reading a container's lines stopped");
            if error.is_away() { End::Away } else { End::More }
        }
    }
}
