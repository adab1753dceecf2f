//! One day's lines: an index of its own, which goes as a whole when it is old.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemas::logs::Place;
use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, UserOperation};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError};

use super::layout::{self, Fields};
use crate::error::IndexError;

/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;
/// Bytes that a writer buffers before it makes a segment of them.
const ARENA_BYTES: usize = 96 << 20;
/// Threads that cut lines into words and write segments. The rest of the way to the index keeps about one processor busy.
const THREADS: usize = 2;
/// Lines that are handed to a thread at once: one by one, handing over would cost as much as some of the work.
const CHUNK: usize = 512;
/// Bytes that a line takes beside its texts, until it is indexed.
const FIXED_BYTES: usize = 32;
/// Blocks of stored lines that a segment keeps uncompressed.
const CACHED_BLOCKS: usize = 8;
/// Segments of like size that are made into one.
const MERGE_AT: usize = 8;

/// A day in UTC, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Day(pub i32);

impl Day {
    /// The day of a time.
    pub fn of(ns: i64) -> Self {
        // The range of nanoseconds is 213,503 days.
        Self(i32::try_from(ns.div_euclid(DAY_NS)).unwrap_or_default())
    }

    /// Its first nanosecond, and that of the next.
    pub fn bounds(self) -> (i64, i64) {
        let start = i64::from(self.0).saturating_mul(DAY_NS);
        (start, start.saturating_add(DAY_NS))
    }

    /// The name of its folder; none where it is another's.
    pub fn parse(name: &str) -> Option<Self> {
        name.strip_prefix("day-")?.parse().ok().map(Self)
    }

    /// The name of its folder.
    pub fn folder(self) -> String {
        format!("day-{}", self.0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(i64::from(self.0) * 86_400) {
            Ok(time) => write!(f, "{}", time.strftime("%Y-%m-%d")),
            Err(_) => write!(f, "day {}", self.0),
        }
    }
}

/// What a commit says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    /// Sequence of the last batch whose lines of this day are in it.
    position: u64,
}

/// One day, as it can be searched.
pub(super) struct Slice {
    pub day: Day,
    pub path: PathBuf,
    pub fields: Fields,
    pub reader: IndexReader,
    index: Index,
    /// Sequence of the last batch whose lines of this day were in it when it was opened.
    position: u64,
}

impl Slice {
    /// Opens the day's index, or makes it. What cannot be opened is damaged.
    pub fn open(folder: &Path, day: Day) -> Result<Self, IndexError> {
        let path = folder.join(day.folder());
        std::fs::create_dir_all(&path).map_err(|source| IndexError::Io { what: "make", path: path.clone(), source })?;
        let failed = |what| move |source: TantivyError| IndexError::Day { day: day.to_string(), what, source };
        let directory = MmapDirectory::open(&path).map_err(|it| failed("open")(it.into()))?;
        let (schema, fields) = layout::schema();
        let index = if Index::exists(&directory).map_err(|it| failed("open")(it.into()))? {
            let index = Index::open(directory).map_err(failed("open"))?;
            layout::register(&index);
            index
        } else {
            let builder = Index::builder().schema(schema).settings(layout::settings());
            builder.tokenizers(layout::tokenizers()).open_or_create(directory).map_err(failed("make"))?
        };
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader = reader.doc_store_cache_num_blocks(CACHED_BLOCKS).try_into().map_err(failed("open"))?;
        let metas = index.load_metas().map_err(failed("open"))?;
        let payload = metas.payload.and_then(|it| serde_json::from_str::<Payload>(&it).ok());
        if payload.is_none() && metas.segments.iter().any(|it| it.num_docs() > 0) {
            // Lines of which nobody knows where they end cannot be gone on with.
            return Err(IndexError::Damaged { day: day.to_string(), files: 1 });
        }
        let position = payload.map_or(0, |it| it.position);
        Ok(Self { day, path, fields, reader, index, position })
    }

    /// Whether its files are still there.
    pub fn is_there(&self) -> bool {
        self.path.join("meta.json").exists()
    }

    /// Reads every file and compares it with what was written. Slow: as fast as the disk.
    pub fn verify(&self) -> Result<(), IndexError> {
        let checked = self.index.validate_checksum();
        let damaged =
            checked.map_err(|source| IndexError::Day { day: self.day.to_string(), what: "be read", source })?;
        match damaged.len() {
            0 => Ok(()),
            files => Err(IndexError::Damaged { day: self.day.to_string(), files }),
        }
    }
}

/// One day, as it is written.
pub(super) struct Open {
    pub slice: Arc<Slice>,
    writer: IndexWriter,
    /// Lines that no thread has yet.
    chunk: Vec<UserOperation>,
    /// Sequence of the last batch whose lines of this day are committed.
    pub position: u64,
    pub dirty: bool,
}

impl Open {
    /// Takes the right to write.
    pub fn new(slice: Arc<Slice>) -> Result<Self, IndexError> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(THREADS)
            .memory_budget_per_thread(ARENA_BYTES)
            .num_merge_threads(1)
            .build();
        let failed = |source| IndexError::Day { day: slice.day.to_string(), what: "open for writing", source };
        let writer = slice.index.writer_with_options(options).map_err(failed)?;
        let mut policy = LogMergePolicy::default();
        policy.set_min_num_segments(MERGE_AT);
        writer.set_merge_policy(Box::new(policy));
        // Another writer may have been here since the slice was opened.
        let metas = slice.index.load_metas().map_err(failed)?;
        let payload = metas.payload.and_then(|it| serde_json::from_str::<Payload>(&it).ok());
        let position = payload.map_or(slice.position, |it| it.position);
        Ok(Self { slice, writer, chunk: Vec::new(), position, dirty: false })
    }

    /// Adds a line. What was added waits for the threads until it is committed: how much that may be is the caller's.
    pub fn add(&mut self, source: &str, place: Place, text: &str) -> Result<(), IndexError> {
        let fields = self.slice.fields;
        let mut document = TantivyDocument::with_capacity(source.len() + text.len() + FIXED_BYTES);
        document.add_i64(fields.time, place.ns);
        document.add_u64(fields.place, layout::pack(place.position, place.ordinal));
        document.add_text(fields.source, source);
        document.add_text(fields.line, text);
        self.chunk.push(UserOperation::Add(document));
        self.dirty = true;
        if self.chunk.len() >= CHUNK { self.hand_over() } else { Ok(()) }
    }

    /// Gives the threads what they have not got yet.
    fn hand_over(&mut self) -> Result<(), IndexError> {
        let lines = std::mem::take(&mut self.chunk);
        self.writer.run(lines).map_err(|source| self.failed("take lines", source))?;
        Ok(())
    }

    /// Makes everything durable that was added, together with the sequence of the last batch.
    pub fn commit(&mut self, position: u64) -> Result<(), IndexError> {
        self.hand_over()?;
        let payload = serde_json::to_string(&Payload { position }).unwrap_or_default();
        let mut commit = self.writer.prepare_commit().map_err(|source| failed(&self.slice, "commit", source))?;
        commit.set_payload(&payload);
        commit.commit().map_err(|source| failed(&self.slice, "commit", source))?;
        self.slice.reader.reload().map_err(|source| failed(&self.slice, "be read again", source))?;
        (self.position, self.dirty) = (position, false);
        Ok(())
    }

    /// Waits for what is under way in the background, and gives the right to write back.
    pub fn close(self) {
        let day = self.slice.day;
        if let Err(error) = self.writer.wait_merging_threads() {
            tracing::warn!(%day, %error, "segments were not made into one; they will be with the next writing");
        }
    }

    fn failed(&self, what: &'static str, source: TantivyError) -> IndexError {
        failed(&self.slice, what, source)
    }
}

fn failed(slice: &Slice, what: &'static str, source: TantivyError) -> IndexError {
    IndexError::Day { day: slice.day.to_string(), what, source }
}
