//! Reads one container for as long as it is there: follows it while it runs, drains it when it has ended, reads on when
//! it is started again, and says so where it is gone with lines unread.

use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, EngineError, Record, State};
use schemas::logs::{Cursor, Line, Origin, Stream};
use streams::clock;
use tokio::sync::{mpsc, watch};

use super::join::{Joiner, Missing, PATIENCE_NS};

/// Bytes of lines that are handed on at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// And lines.
const CHUNK_LINES: usize = 1_024;
/// Between two tries where Docker stops telling of a container that runs.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it is looked whether a line waits too long for its end.
const FLUSH: Duration = Duration::from_secs(1);

/// What a reader says.
#[derive(Debug)]
pub(super) enum Said {
    /// It is there, and read up to here.
    Read { origin: Arc<Origin>, cursor: Cursor, lines: Vec<Line> },
    /// It is gone: nobody reads it any more.
    Gone { origin: Arc<Origin> },
}

/// What is known of a container from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Raised with everything that happens to it.
    pub count: u64,
    /// How often it was started, as far as we saw.
    pub starts: u64,
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
    /// In chunks of at most 64 KiB or one line.
    pub said: mpsc::Sender<Said>,
    /// Whether Docker has handed out all lines since the last start, and said that this was the end.
    pub to_its_end: bool,
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
                (self.joiner.drained, self.to_its_end) = (false, false);
            }
            match self.read().await? {
                End::Gone => break,
                End::More => {
                    // Not too fast, where Docker says nothing but the end.
                    tokio::select! {
                        _ = self.news.changed() => {}
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                    continue;
                }
                End::Drained | End::Away if seen.gone => break,
                End::Drained | End::Away => {}
            }
            if self.news.changed().await.is_err() {
                return Err(Closed);
            }
        }
        let mut lines = Vec::new();
        self.joiner.flush(i64::MAX, true, &mut lines);
        let started = self.news.borrow().starts > 0;
        if !self.joiner.drained && started {
            lines.push(self.lost());
        }
        self.joiner.drained = true;
        self.say(lines).await?;
        self.said.send(Said::Gone { origin: self.origin.clone() }).await.map_err(|_| Closed)
    }

    /// Reads from where the last reading stopped to the end that there is now.
    async fn read(&mut self) -> Result<End, Closed> {
        let before = self.joiner.cursor();
        match self.pass(true).await? {
            Ok(_) => self.to_its_end = true,
            Err(error) => {
                let end = end_of(&error);
                // Removed between its end and our next look: nothing came after what was read.
                self.joiner.drained |= end.is_gone() && self.to_its_end && self.joiner.cursor() == before;
                return Ok(end);
            }
        }
        match self.engine.inspect(&self.id).await {
            // It was read to its end, and removed right after that.
            Ok(None) => {
                self.joiner.drained = true;
                return Ok(End::Gone);
            }
            Ok(Some(seen)) if matches!(seen.state, State::Created) => return Ok(End::Drained),
            Ok(Some(seen)) if matches!(seen.state, State::Exited | State::Dead | State::Removing) => {}
            Ok(Some(_)) => return Ok(End::More),
            Err(error) => return Ok(end_of(&error)),
        }
        // Docker may stop following before the last lines are written: read what there is once more.
        loop {
            let before = self.joiner.cursor();
            match self.pass(false).await? {
                Ok(0) => break,
                // After a clock was set back the same records come once more; never again and again.
                Ok(_) if self.joiner.cursor() == before => break,
                Ok(_) => {}
                Err(error) if end_of(&error).is_gone() => break,
                Err(error) => return Ok(end_of(&error)),
            }
        }
        let mut lines = Vec::new();
        self.joiner.flush(i64::MAX, true, &mut lines);
        self.joiner.drained = true;
        self.say(lines).await?;
        Ok(End::Drained)
    }

    /// One reading; how many lines it brought.
    async fn pass(&mut self, follow: bool) -> Result<Result<usize, EngineError>, Closed> {
        let since = self.joiner.begin();
        let mut records = match self.engine.records(&self.id, since, follow).await {
            Ok(records) => records,
            Err(error) => return Ok(Err(error)),
        };
        let mut chunk = Chunk::default();
        let mut brought = 0;
        loop {
            let next = tokio::select! {
                // What is there already first: it goes on in one piece.
                biased;
                next = records.next() => next,
                () = std::future::ready(()), if !chunk.lines.is_empty() => {
                    brought += chunk.lines.len();
                    self.say(chunk.take()).await?;
                    continue;
                }
                () = tokio::time::sleep(FLUSH), if self.joiner.waits() => {
                    let before = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX) - PATIENCE_NS;
                    self.joiner.flush(before, false, &mut chunk.lines);
                    continue;
                }
            };
            match next {
                Ok(Some(record)) => self.take(record, since, &mut chunk),
                Ok(None) => {
                    brought += chunk.lines.len();
                    self.say(chunk.take()).await?;
                    return Ok(Ok(brought));
                }
                Err(error) => {
                    self.say(chunk.take()).await?;
                    return Ok(Err(error));
                }
            }
            if chunk.is_full() {
                brought += chunk.lines.len();
                self.say(chunk.take()).await?;
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
    async fn say(&self, lines: Vec<Line>) -> Result<(), Closed> {
        let said = Said::Read { origin: self.origin.clone(), cursor: self.joiner.cursor(), lines };
        self.said.send(said).await.map_err(|_| Closed)
    }

    fn lost(&self) -> Line {
        lost(&self.origin, self.joiner.cursor())
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

fn end_of(error: &EngineError) -> End {
    match error {
        EngineError::NotFound { .. } => End::Gone,
        // Docker says so while it removes a container.
        EngineError::Refused { message, .. } if message.contains("marked for removal") => End::Gone,
        error => {
            tracing::debug!(error = error as &dyn std::error::Error, "reading a container's lines stopped");
            if error.is_away() { End::Away } else { End::More }
        }
    }
}

/// Says that lines of a container that is gone could not be had.
pub(super) fn lost(origin: &Origin, cursor: Cursor) -> Line {
    let read_ns = cursor.stdout.0.max(cursor.stderr.0);
    let since = match jiff::Timestamp::from_nanosecond(i128::from(read_ns)) {
        Ok(time) if read_ns > 0 => format!("after {time}"),
        _ => "from its start on".to_owned(),
    };
    let what = if origin.run.is_some() { "task container" } else { "container" };
    let text = format!(
        "gap: {what} `{}` ({}) was removed before its last lines could be read: lines {since} may be missing",
        origin.container, origin.id
    );
    let now_ns = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX);
    Line { ns: now_ns, stream: Stream::Gap, text, cut: false }
}

/// Says that Docker has thrown lines away before they were read.
fn rotated(missing: &Missing) -> Line {
    let time = |ns: i64| jiff::Timestamp::from_nanosecond(i128::from(ns)).map(|it| it.to_string()).unwrap_or_default();
    let text = format!(
        "gap: Docker no longer had the lines after {}: its log was rotated or cut before they could be read",
        time(missing.after_ns)
    );
    Line { ns: missing.before_ns, stream: Stream::Gap, text, cut: false }
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
