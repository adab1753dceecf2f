//! Stores what the readers say: batches of lines, each with where every container's reading stopped, each right behind
//! the one before. A batch is stored, or tried again as it is, for ever: so nothing is lost and nothing comes twice.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use schemas::logs::{Batch, Cursor, Line, MAX_BATCH_LINES, Origin, Part};
use schemas::names::NodeName;
use streams::{Bus, LinesError, SendError, clock};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::State;
use super::drain::Waits;
use super::read::Said;
use crate::error::AgentError;

/// Bytes of lines from which on a batch is stored at once.
const BATCH_BYTES: usize = 1 << 20;
/// And lines: what one reader says at a time still fits.
const BATCH_LINES: usize = MAX_BATCH_LINES - 8_192;
/// Lines wait no longer than this for others.
const LINGER: Duration = Duration::from_millis(200);
/// The places are said again after so long, so that others' lines never push the last word about them out of the stream.
const KEEP: Duration = Duration::from_secs(600);
/// The first pause after a batch could not be stored; doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who stores.
pub(super) struct Store {
    bus: Bus,
    node: NodeName,
    /// Sequence of our last batch; 0: there is none.
    last: u64,
    /// Every container that is there.
    cursors: BTreeMap<String, (Arc<Origin>, Cursor)>,
    /// What waits to be stored.
    lines: BTreeMap<String, Vec<Line>>,
    count: usize,
    bytes: usize,
    /// Containers to forget once that is stored.
    gone: Vec<String>,
    /// Who waits until everything that was said before is stored.
    waits: Vec<Waits>,
    /// Since when something waits.
    since: Option<Instant>,
    /// When the places were stored last.
    stored: Instant,
}

/// How storing ended.
pub(super) enum End {
    /// It was told to stop, or nobody says anything any more.
    Stopped,
    /// Somebody else stored a batch of this node: what we know of the places is not true any more.
    Overtaken,
}

impl Store {
    /// Goes on behind sequence `last`, with these places.
    pub fn new(bus: Bus, node: NodeName, last: u64, recalled: &BTreeMap<String, (Origin, Cursor)>) -> Self {
        let cursors = recalled.iter().map(|(id, (origin, cursor))| (id.clone(), (Arc::new(origin.clone()), *cursor)));
        Self {
            bus,
            node,
            last,
            cursors: cursors.collect(),
            lines: BTreeMap::new(),
            count: 0,
            bytes: 0,
            gone: Vec::new(),
            waits: Vec::new(),
            since: None,
            stored: Instant::now(),
        }
    }

    /// Stores until it is told to stop.
    pub async fn run(
        mut self,
        mut said: mpsc::Receiver<Said>,
        state: &State,
        shutdown: &CancellationToken,
    ) -> Result<End, AgentError> {
        loop {
            let due =
                self.since.map(|it| it + LINGER).or_else(|| self.cursors.first_key_value().map(|_| self.stored + KEEP));
            // Every arm is cancel-safe.
            let next = tokio::select! {
                () = shutdown.cancelled() => return Ok(End::Stopped),
                next = next(&mut said, due) => next,
            };
            match next {
                Some(Some(it)) => self.take(it, state),
                Some(None) => return Ok(End::Stopped),
                None => {}
            }
            // Where somebody waits, one batch for all that is said by now.
            while !self.waits.is_empty() && !self.is_full() {
                let Ok(it) = said.try_recv() else { break };
                self.take(it, state);
            }
            if self.since.is_none() {
                self.waits.drain(..).for_each(Waits::stored);
            }
            let grows_old = !self.cursors.is_empty() && self.stored.elapsed() >= KEEP;
            let lingered = self.since.is_some_and(|it| it.elapsed() >= LINGER);
            if self.is_full() || grows_old || lingered || !self.waits.is_empty() {
                let end = tokio::select! {
                    // What came of a batch that was under way, the next start reads.
                    () = shutdown.cancelled() => return Ok(End::Stopped),
                    end = self.store(state) => end?,
                };
                if let Some(end) = end {
                    return Ok(end);
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.count >= BATCH_LINES
    }

    fn take(&mut self, said: Said, state: &State) {
        state.moves.fetch_add(1, Ordering::Relaxed);
        match said {
            Said::Read { origin, cursor, lines } => {
                let id = origin.id.clone();
                let known = self.cursors.get(&id).is_some_and(|it| it.1 == cursor);
                if known && lines.is_empty() {
                    return;
                }
                self.count += lines.len();
                self.bytes += lines.iter().map(|it| it.text.len()).sum::<usize>();
                self.cursors.insert(id.clone(), (origin, cursor));
                self.lines.entry(id).or_default().extend(lines);
            }
            Said::Gone { origin } => self.gone.push(origin.id.clone()),
            Said::Awaited(waits) => return self.waits.push(waits),
        }
        self.since.get_or_insert_with(Instant::now);
    }

    /// Stores what waits, however long that takes.
    async fn store(&mut self, state: &State) -> Result<Option<End>, AgentError> {
        let mut waiting = mem::take(&mut self.lines);
        let part = |(id, (origin, cursor)): (&String, &(Arc<Origin>, Cursor))| {
            let lines = waiting.remove(id).unwrap_or_default();
            Part { origin: Origin::clone(origin), cursor: *cursor, lines }
        };
        let mut parts: Vec<Part> = self.cursors.iter().map(part).collect();
        for id in mem::take(&mut self.gone) {
            self.cursors.remove(&id);
            // Its last lines still go with it, but nobody has to look for it again.
            parts.retain(|it| it.origin.id != id || !it.lines.is_empty());
        }
        let batch = Batch { id: clock::new_id(), parts };
        let lines = batch.lines();
        (self.count, self.bytes, self.since, self.stored) = (0, 0, None, Instant::now());
        let mut pause = FIRST_PAUSE;
        loop {
            match self.bus.store_lines(&self.node, &batch, self.last).await {
                Ok(sequence) => {
                    self.last = sequence;
                    state.moves.fetch_add(1, Ordering::Relaxed);
                    state.stuck(None);
                    metrics::counter!("fleetlog_log_lines_collected_total").increment(lines as u64);
                    self.waits.drain(..).for_each(Waits::stored);
                    return Ok(None);
                }
                Err(error @ LinesError::Overtaken { .. }) => {
                    tracing::warn!(node = %self.node, "{error}; reading on from there");
                    return Ok(Some(End::Overtaken));
                }
                Err(error @ LinesError::Send(SendError::TooLarge { .. } | SendError::Encode { .. })) => {
                    return Err(AgentError::Store(error));
                }
                Err(error) => {
                    state.stuck(Some(format!("lines wait to be stored: {error}")));
                    tracing::debug!(error = &error as &dyn std::error::Error, "a batch of lines is not stored yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// What is said next; `None`: it is time to store.
async fn next(said: &mut mpsc::Receiver<Said>, due: Option<Instant>) -> Option<Option<Said>> {
    match due {
        None => Some(said.recv().await),
        Some(due) => timeout_at(due, said.recv()).await.ok(),
    }
}
