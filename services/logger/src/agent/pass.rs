//! One reading of what a container wrote: as far as Docker tells it, and no longer silent than Docker is.

use std::time::Duration;

use engine::{EngineError, Output, Record};
use schemas::logs::Line;
use streams::clock;
use tokio::time::{Instant, sleep_until};

use super::gap::rotated;
use super::join::PATIENCE_NS;
use super::read::{Closed, News, Reader, Said};

/// Bytes of lines that are handed on at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// And lines.
const CHUNK_LINES: usize = 1_024;
/// How often it is looked whether a line waits too long for its end.
const FLUSH: Duration = Duration::from_secs(1);
/// Docker stops following by itself when a container has ended. Where somebody waits for that end and nothing comes for so
/// long, what there is is read without following.
const GRACE: Duration = Duration::from_millis(500);
/// The pause between two looks whether Docker has what it does not tell doubles up to this.
const LONGEST_QUIET: Duration = Duration::from_secs(60);

/// What one reading came to.
pub(super) struct Pass {
    /// So many lines.
    pub lines: usize,
    /// Docker said that this was all; else we broke off.
    pub ended: bool,
    /// The last record that came.
    pub last: Option<Tail>,
}

/// What tells one record of a container from the next.
pub(super) type Tail = (i64, Output, usize, bool);

impl Reader {
    /// One reading, to the end that Docker tells; or until somebody who waits for that end has waited long enough, or
    /// Docker is found to have what it does not tell.
    pub(super) async fn pass(&mut self, follow: bool) -> Result<Result<Pass, EngineError>, Closed> {
        let since = self.joiner.begin();
        let mut records = match self.engine.records(&self.id, since, follow).await {
            Ok(records) => records,
            Err(error) => return Ok(Err(error)),
        };
        let mut chunk = Chunk::default();
        let mut lines = 0;
        let mut last: Option<Tail> = None;
        // When to look whether more comes; none: from now on counted anew.
        let (mut quiet, mut due) = (self.quiet, None);
        loop {
            let hurry = !self.pending.is_empty();
            let next = tokio::select! {
                // What is there already first: it goes on in one piece.
                biased;
                next = records.next() => next,
                () = std::future::ready(()), if !chunk.lines.is_empty() => {
                    lines += chunk.lines.len();
                    self.say(chunk.take()).await?;
                    continue;
                }
                () = tokio::time::sleep(FLUSH), if self.joiner.waits() && !hurry => {
                    let before = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX) - PATIENCE_NS;
                    self.joiner.flush(before, false, &mut chunk.lines);
                    continue;
                }
                Some(waits) = self.asked.recv(), if follow => {
                    self.pending.push(waits);
                    due = None;
                    continue;
                }
                // Lazy: as long as records come, nobody looks at the clock.
                () = async {
                    let wait = if hurry { GRACE } else { quiet };
                    sleep_until(*due.get_or_insert_with(|| Instant::now() + wait)).await;
                }, if follow => {
                    if hurry || self.is_deaf(last).await {
                        return Ok(Ok(Pass { lines, ended: false, last }));
                    }
                    (quiet, due) = ((quiet * 2).min(LONGEST_QUIET), None);
                    continue;
                }
            };
            match next {
                Ok(Some(record)) => {
                    (last, quiet, due) = (Some(tail(&record)), self.quiet, None);
                    self.take(record, since, &mut chunk);
                }
                Ok(None) => {
                    lines += chunk.lines.len();
                    self.say(chunk.take()).await?;
                    return Ok(Ok(Pass { lines, ended: true, last }));
                }
                Err(error) => {
                    self.say(chunk.take()).await?;
                    return Ok(Err(error));
                }
            }
            if chunk.is_full() {
                lines += chunk.lines.len();
                self.say(chunk.take()).await?;
            }
        }
    }

    /// Whether Docker has nothing behind this record, as far as that is sure: so all before it has come, too.
    pub(super) async fn is_last(&self, last: Option<Tail>) -> bool {
        match (self.engine.last_record(&self.id).await, last) {
            (Ok(None), None) => true,
            // The parts of a line that does not end are alike.
            (Ok(Some(there)), Some(last)) => tail(&there) == last && there.ends_line,
            _ => false,
        }
    }

    /// Whether Docker tells nothing although there is something, as it does now and then where it rotates its files.
    async fn is_deaf(&self, last: Option<Tail>) -> bool {
        let News { ended, gone, .. } = *self.news.borrow();
        if ended || gone {
            return true;
        }
        match self.engine.last_record(&self.id).await {
            Ok(there) => there.as_ref().map(tail) != last,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, container = self.id, "a silent reading cannot be compared with Docker now");
                false
            }
        }
    }

    fn take(&mut self, record: Record, since: i64, chunk: &mut Chunk) {
        chunk.bytes += record.bytes.len();
        let before = chunk.lines.len();
        if let Some(missing) = self.joiner.take(record, since, &mut chunk.lines) {
            chunk.lines.insert(before, rotated(&missing));
        }
    }

    /// Hands lines on, with how far they reach.
    pub(super) async fn say(&self, lines: Vec<Line>) -> Result<(), Closed> {
        let said = Said::Read { origin: self.origin.clone(), cursor: self.joiner.cursor(), lines };
        self.said.send(said).await.map_err(|_| Closed)
    }
}

fn tail(record: &Record) -> Tail {
    (record.at_ns, record.output, record.bytes.len(), record.ends_line)
}

#[derive(Default)]
struct Chunk {
    lines: Vec<Line>,
    bytes: usize,
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.lines.len() >= CHUNK_LINES || (self.bytes >= CHUNK_BYTES && !self.lines.is_empty())
    }

    fn take(&mut self) -> Vec<Line> {
        self.bytes = 0;
        std::mem::take(&mut self.lines)
    }
}
