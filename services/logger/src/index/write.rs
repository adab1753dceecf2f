//! The one writer: takes batches in the order of their sequence, puts each line into its day, commits now and then.
//!
//! Blocking, on a thread of its own. A line is in its day exactly once: a day skips what its own commit says it has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use schemas::logs::{Batch, Place, Stream};
use schemas::names::NodeName;
use tokio::sync::mpsc::Receiver;

use super::layout::Source;
use super::shelf::Shelf;
use super::slice::{Day, Open};
use crate::error::IndexError;

/// Lines wait no longer than this to be found.
const COMMIT_AFTER: Duration = Duration::from_millis(800);
/// But where many batches wait for the writer, all lines are found sooner if each commit holds more of them.
const COMMIT_BEHIND: Duration = Duration::from_secs(4);
/// So many waiting batches are many.
const BEHIND: usize = 4;
/// Nor are there more lines than this in one: a bound for what a commit has to do.
const COMMIT_LINES: usize = 200_000;
/// Nor more bytes of lines: they may all wait in memory for the threads that index them.
const COMMIT_BYTES: usize = 128 << 20;
/// A day to which nothing was added for so long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// How often it is looked whether the files are still there, and what is too old.
const LOOK: Duration = Duration::from_secs(2);

/// What the writer is told.
pub(super) enum Job {
    /// A batch, the next one.
    Batch { position: u64, node: NodeName, batch: Box<Batch> },
    /// A batch that cannot be read.
    Skip { position: u64 },
    /// Some time went by.
    Tick { now_ns: i64 },
}

/// Writes until the channel is closed, and commits what is left.
pub(super) fn run(shelf: &Shelf, mut jobs: Receiver<Job>, keep_days: u32) -> Result<(), IndexError> {
    let mut writer = Writer {
        shelf,
        open: BTreeMap::new(),
        position: *shelf.applied().borrow(),
        since: None,
        waiting: 0,
        waiting_bytes: 0,
        oldest: None,
        keep_days,
        behind: false,
        looked: Instant::now(),
    };
    while let Some(job) = jobs.blocking_recv() {
        writer.behind = jobs.len() >= BEHIND;
        match job {
            Job::Batch { position, node, batch } => writer.batch(position, &node, &batch)?,
            Job::Skip { position } => writer.skip(position),
            Job::Tick { now_ns } => writer.tick(now_ns)?,
        }
    }
    writer.commit()?;
    writer.open.into_values().for_each(|(open, _)| open.close());
    Ok(())
}

struct Writer<'a> {
    shelf: &'a Shelf,
    /// The days that are written to, and since when nothing was added.
    open: BTreeMap<Day, (Open, Instant)>,
    /// Sequence of the last batch.
    position: u64,
    /// Since when something waits to be committed, how many lines, and how many bytes of them.
    since: Option<Instant>,
    waiting: usize,
    waiting_bytes: usize,
    /// The first day that is kept; not known before the first tick.
    oldest: Option<Day>,
    keep_days: u32,
    /// Whether many batches wait.
    behind: bool,
    looked: Instant,
}

impl Writer<'_> {
    fn batch(&mut self, position: u64, node: &NodeName, batch: &Batch) -> Result<(), IndexError> {
        let (sources, lines) = in_order(batch, node);
        let count = lines.len();
        let mut too_old = 0_usize;
        for Ordered { ns, ordinal, source, text } in lines {
            let day = Day::of(ns);
            if self.oldest.is_some_and(|oldest| day < oldest) {
                too_old += 1;
                continue;
            }
            let (open, used) = match self.open.entry(day) {
                Entry::Occupied(it) => it.into_mut(),
                Entry::Vacant(it) => it.insert((Open::new(self.shelf.slice(day)?)?, Instant::now())),
            };
            if position <= open.position {
                continue;
            }
            open.add(&sources[source], Place { ns, position, ordinal }, text)?;
            *used = Instant::now();
            self.waiting += 1;
            self.waiting_bytes += text.len();
        }
        if too_old > 0 {
            tracing::info!(lines = too_old, %node, "lines that are older than what is kept were not indexed");
        }
        self.position = position;
        let since = *self.since.get_or_insert_with(Instant::now);
        metrics::counter!("fleetlog_log_lines_indexed_total").increment(count as u64);
        let full = self.waiting >= COMMIT_LINES || self.waiting_bytes >= COMMIT_BYTES;
        if full || since.elapsed() >= self.commit_after() {
            self.commit()?;
        }
        Ok(())
    }

    fn commit_after(&self) -> Duration {
        if self.behind { COMMIT_BEHIND } else { COMMIT_AFTER }
    }

    fn skip(&mut self, position: u64) {
        self.position = position;
        self.since.get_or_insert_with(Instant::now);
    }

    fn tick(&mut self, now_ns: i64) -> Result<(), IndexError> {
        if self.since.is_some_and(|it| it.elapsed() >= self.commit_after()) {
            self.commit()?;
        }
        if self.looked.elapsed() < LOOK && self.oldest.is_some() {
            return Ok(());
        }
        self.looked = Instant::now();
        if let Some(slice) = self.shelf.missing() {
            return Err(IndexError::Gone { day: slice.day.to_string(), path: slice.path.clone() });
        }
        let oldest = Day(Day::of(now_ns).0.saturating_sub(i32::try_from(self.keep_days).unwrap_or(i32::MAX)));
        if self.oldest.is_none_or(|it| it < oldest) {
            self.oldest = Some(oldest);
            self.forget_before(oldest)?;
        }
        let idle: Vec<Day> =
            self.open.iter().filter(|(_, (open, used))| !open.dirty && used.elapsed() > IDLE).map(|it| *it.0).collect();
        for day in idle {
            if let Some((open, _)) = self.open.remove(&day) {
                open.close();
            }
        }
        Ok(())
    }

    /// Throws away the days that are too old, as a whole.
    fn forget_before(&mut self, oldest: Day) -> Result<(), IndexError> {
        let old: Vec<Day> = self.shelf.all().iter().map(|it| it.day).filter(|day| *day < oldest).collect();
        for day in old {
            tracing::info!(%day, "log lines of this day are older than what is kept: removed");
            drop(self.open.remove(&day));
            self.shelf.remove(day)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), IndexError> {
        if self.since.is_none() {
            return Ok(());
        }
        let begun = Instant::now();
        for (open, _) in self.open.values_mut().filter(|(open, _)| open.dirty) {
            open.commit(self.position)?;
        }
        self.shelf.reached(self.position)?;
        metrics::histogram!("fleetlog_log_commit_seconds").record(begun.elapsed().as_secs_f64());
        (self.since, self.waiting, self.waiting_bytes) = (None, 0, 0);
        Ok(())
    }
}

/// A line of a batch.
struct Ordered<'a> {
    ns: i64,
    ordinal: u32,
    /// Which of the batch's sources.
    source: usize,
    text: &'a str,
}

/// The sources of a batch, and its lines by time.
///
/// A batch has its lines container by container. The index turns round what comes in the order of time, and has to sort
/// everything else: every word's list of lines, and the lines themselves.
fn in_order<'a>(batch: &'a Batch, node: &NodeName) -> (Vec<String>, Vec<Ordered<'a>>) {
    let mut sources = Vec::new();
    let mut lines = Vec::with_capacity(batch.lines());
    let mut ordinal = 0;
    for part in &batch.parts {
        // Most lines of a part share their source.
        let mut last: Option<(Stream, bool)> = None;
        for line in &part.lines {
            if last.replace((line.stream, line.cut)) != Some((line.stream, line.cut)) {
                sources.push(Source::write(&part.origin, node, line.stream, line.cut));
            }
            lines.push(Ordered { ns: line.ns, ordinal, source: sources.len() - 1, text: &line.text });
            ordinal += 1;
        }
    }
    lines.sort_by_key(|it| it.ns);
    (sources, lines)
}
