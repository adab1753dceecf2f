//! Finds a page of lines, in the exact order of their places.
//!
//! The words and the sources of the index tell which lines may fit; where they do not decide, the stored line does. Lines
//! lie in their segment with the newest first, so a search stops as soon as nothing that follows can belong to the page.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemas::logs::{Expr, Filter, Found, Place};
use schemas::query::{Fault, FaultCode, LogsAnswer, LogsRequest};
use tantivy::columnar::{ColumnValues, StrColumn};
use tantivy::query::EnableScoring;
use tantivy::schema::Value as _;
use tantivy::{DocAddress, DocId, DocSet, Searcher, SegmentReader, TERMINATED, TantivyDocument, TantivyError};

use super::layout::{self, Source};
use super::prefilter::Prefilter;
use super::slice::Slice;

/// Bytes of lines in one answer.
const PAGE_BYTES: usize = 6 << 20;
/// How long one search may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// So many lines are looked at between two looks at the clock.
const CLOCK: u32 = 1_024;
/// So many of the oldest lines of a segment are looked at first, where the oldest are wanted.
const WINDOW: DocId = 4_096;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum SearchError {
    #[error("the search took longer than {} s: narrow it by time, fleet or container", DEADLINE.as_secs())]
    TooLong,
    #[error(transparent)]
    Index(#[from] TantivyError),
}

impl From<std::io::Error> for SearchError {
    fn from(error: std::io::Error) -> Self {
        Self::Index(error.into())
    }
}

impl SearchError {
    pub fn fault(&self) -> Fault {
        let code = match self {
            Self::TooLong => FaultCode::BadRequest,
            Self::Index(_) => FaultCode::Stopped,
        };
        Fault { code, message: self.to_string() }
    }
}

/// A page of the lines in these days, which are in order.
pub(super) fn page(
    slices: &[Arc<Slice>],
    request: &LogsRequest,
    expr: &Expr,
    applied: u64,
) -> Result<LogsAnswer, SearchError> {
    let mut page = Page {
        filter: &request.filter,
        expr,
        newest_first: request.newest_first,
        after: request.after,
        wanted: request.limit as usize + 1,
        best: BTreeMap::new(),
        searchers: Vec::new(),
        looked_at: 0,
        begun: Instant::now(),
    };
    let ordered: Vec<&Arc<Slice>> =
        if request.newest_first { slices.iter().rev().collect() } else { slices.iter().collect() };
    for slice in ordered {
        let (first, end) = slice.day.bounds();
        if page.times(first, end - 1).is_empty() {
            continue;
        }
        page.slice(slice)?;
        // No line of another day comes before one of this day.
        if page.best.len() >= page.wanted {
            break;
        }
    }
    page.read(request.limit as usize, applied)
}

struct Page<'a> {
    filter: &'a Filter,
    expr: &'a Expr,
    newest_first: bool,
    after: Option<Place>,
    /// One more than the page has: whether there is more.
    wanted: usize,
    /// The best so far, by their places.
    best: BTreeMap<Place, (usize, DocAddress)>,
    searchers: Vec<(Searcher, tantivy::schema::Field)>,
    looked_at: u32,
    begun: Instant,
}

/// One segment, as it is searched.
struct Segment<'a> {
    reader: &'a SegmentReader,
    address: (usize, u32),
    times: Arc<dyn ColumnValues<i64>>,
    places: Arc<dyn ColumnValues<u64>>,
}

impl Page<'_> {
    /// Which times of the range are wanted, both ends included.
    fn times(&self, first: i64, last: i64) -> std::ops::RangeInclusive<i64> {
        let mut first = first.max(self.filter.from.unwrap_or(i64::MIN));
        let mut last = last.min(self.filter.to.map_or(i64::MAX, |to| to.saturating_sub(1)));
        match (self.after, self.newest_first) {
            (Some(after), true) => last = last.min(after.ns),
            (Some(after), false) => first = first.max(after.ns),
            (None, _) => {}
        }
        first..=last
    }

    fn slice(&mut self, slice: &Slice) -> Result<(), SearchError> {
        let searcher = slice.reader.searcher();
        let prefilter = Prefilter::of(&searcher, slice.fields, self.filter, self.expr)?;
        let Some(prefilter) = prefilter else { return Ok(()) };
        let number = self.searchers.len();
        let mut segments = Vec::new();
        for (ordinal, reader) in (0_u32..).zip(searcher.segment_readers()) {
            let times = reader.fast_fields().i64(layout::TIME)?.first_or_default_col(0);
            let places = reader.fast_fields().u64(layout::PLACE)?.first_or_default_col(0);
            segments.push(Segment { reader, address: (number, ordinal), times, places });
        }
        // Those that hold the first lines of the page first: the others may be left out.
        segments.retain(|it| it.reader.max_doc() > 0);
        segments.sort_by_key(|it| {
            let (newest, oldest) = (it.times.get_val(0), it.times.get_val(it.reader.max_doc() - 1));
            if self.newest_first { newest.saturating_neg() } else { oldest }
        });
        for segment in &segments {
            self.segment(segment, &searcher, &prefilter)?;
        }
        drop(segments);
        self.searchers.push((searcher, slice.fields.line));
        Ok(())
    }

    fn segment(
        &mut self,
        segment: &Segment<'_>,
        searcher: &Searcher,
        prefilter: &Prefilter,
    ) -> Result<(), SearchError> {
        let end = segment.reader.max_doc();
        let (newest, oldest) = (segment.times.get_val(0), segment.times.get_val(end - 1));
        let wanted = self.times(oldest, newest);
        if wanted.is_empty() {
            return Ok(());
        }
        // The newest come first, so what is wanted is one range.
        let first = partition(0..end, |doc| segment.times.get_val(doc) > *wanted.end());
        let end = partition(first..end, |doc| segment.times.get_val(doc) >= *wanted.start());
        let weight = prefilter.query.weight(EnableScoring::disabled_from_searcher(searcher))?;
        let mut sources = Sources::new(segment.reader)?;
        if self.newest_first {
            let mut scorer = weight.scorer(segment.reader, 1.0)?;
            let mut doc = from(scorer.as_mut(), first);
            while doc < end {
                if self.is_beyond(segment.times.get_val(doc)) {
                    return Ok(());
                }
                self.offer(segment, searcher, prefilter, &mut sources, doc)?;
                doc = scorer.advance();
            }
            return Ok(());
        }
        let (mut upper, mut width) = (end, WINDOW);
        while upper > first {
            let lower = upper.saturating_sub(width).max(first);
            // The oldest of a window is its last, and none behind this window is older.
            if self.is_beyond(segment.times.get_val(upper - 1)) {
                return Ok(());
            }
            let mut scorer = weight.scorer(segment.reader, 1.0)?;
            let mut doc = from(scorer.as_mut(), lower);
            let mut found = Vec::new();
            while doc < upper {
                found.push(doc);
                doc = scorer.advance();
            }
            for doc in found.into_iter().rev() {
                if self.is_beyond(segment.times.get_val(doc)) {
                    return Ok(());
                }
                self.offer(segment, searcher, prefilter, &mut sources, doc)?;
            }
            (upper, width) = (lower, width.saturating_mul(4));
        }
        Ok(())
    }

    /// Whether a line of this time, and every one behind it, comes after the page.
    fn is_beyond(&self, ns: i64) -> bool {
        if self.best.len() < self.wanted {
            return false;
        }
        let worst = if self.newest_first { self.best.first_key_value() } else { self.best.last_key_value() };
        worst.is_some_and(|(place, _)| if self.newest_first { ns < place.ns } else { ns > place.ns })
    }

    /// Takes a line where it belongs to the page so far.
    fn offer(
        &mut self,
        segment: &Segment<'_>,
        searcher: &Searcher,
        prefilter: &Prefilter,
        sources: &mut Sources,
        doc: DocId,
    ) -> Result<(), SearchError> {
        self.looked_at = self.looked_at.wrapping_add(1);
        if self.looked_at.is_multiple_of(CLOCK) && self.begun.elapsed() > DEADLINE {
            return Err(SearchError::TooLong);
        }
        let place = layout::place(segment.times.get_val(doc), segment.places.get_val(doc));
        let behind = |after: Place| if self.newest_first { place < after } else { place > after };
        if !self.after.is_none_or(behind) {
            return Ok(());
        }
        if self.best.len() >= self.wanted {
            let worst = if self.newest_first { self.best.first_key_value() } else { self.best.last_key_value() };
            let better = worst.is_none_or(|it| if self.newest_first { place > *it.0 } else { place < *it.0 });
            if !better {
                return Ok(());
            }
        }
        let address = DocAddress { segment_ord: segment.address.1, doc_id: doc };
        if !prefilter.decides {
            let Some(source) = sources.of(doc)? else { return Ok(()) };
            let found = source.found(place, text(searcher, prefilter.line, address)?);
            if !self.filter.lets(self.expr, &found) {
                return Ok(());
            }
        }
        self.best.insert(place, (segment.address.0, address));
        if self.best.len() > self.wanted {
            if self.newest_first {
                self.best.pop_first()
            } else {
                self.best.pop_last()
            };
        }
        Ok(())
    }

    /// Reads the lines themselves, as many as fit into one answer.
    fn read(self, limit: usize, applied: u64) -> Result<LogsAnswer, SearchError> {
        let mut more = self.best.len() > limit;
        let mut ordered: Vec<_> = self.best.into_iter().collect();
        if self.newest_first {
            ordered.reverse();
        }
        ordered.truncate(limit);
        let mut sources: HashMap<(usize, u32), Sources> = HashMap::new();
        let mut lines: Vec<Found> = Vec::with_capacity(ordered.len());
        let mut bytes = 0;
        for (place, (number, address)) in ordered {
            let (searcher, field) = &self.searchers[number];
            let known = match sources.entry((number, address.segment_ord)) {
                std::collections::hash_map::Entry::Occupied(it) => it.into_mut(),
                std::collections::hash_map::Entry::Vacant(it) => {
                    it.insert(Sources::new(searcher.segment_reader(address.segment_ord))?)
                }
            };
            let Some(source) = known.of(address.doc_id)? else { continue };
            let text = text(searcher, *field, address)?;
            bytes += text.len() + 200;
            if bytes > PAGE_BYTES && !lines.is_empty() {
                more = true;
                break;
            }
            lines.push(source.found(place, text));
        }
        Ok(LogsAnswer { lines, more, applied })
    }
}

/// The first document from `at` on.
fn from(scorer: &mut dyn tantivy::query::Scorer, at: DocId) -> DocId {
    let doc = scorer.doc();
    if doc == TERMINATED || doc >= at { doc } else { scorer.seek(at) }
}

/// The first document of the range for which `before` no longer holds.
fn partition(range: Range<DocId>, before: impl Fn(DocId) -> bool) -> DocId {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// A stored line.
fn text(searcher: &Searcher, field: tantivy::schema::Field, address: DocAddress) -> Result<String, SearchError> {
    let document: TantivyDocument = searcher.doc(address)?;
    Ok(document.get_first(field).and_then(|it| it.as_str()).unwrap_or_default().to_owned())
}

/// The sources of one segment's lines, read once each.
struct Sources {
    column: Option<StrColumn>,
    known: HashMap<u64, Option<Arc<Source>>>,
}

impl Sources {
    fn new(reader: &SegmentReader) -> Result<Self, SearchError> {
        Ok(Self { column: reader.fast_fields().str(layout::SOURCE)?, known: HashMap::new() })
    }

    fn of(&mut self, doc: DocId) -> Result<Option<Arc<Source>>, SearchError> {
        let Some(column) = &self.column else { return Ok(None) };
        let Some(ordinal) = column.ords().first(doc) else { return Ok(None) };
        if let Some(known) = self.known.get(&ordinal) {
            return Ok(known.clone());
        }
        let mut text = String::new();
        column.ord_to_str(ordinal, &mut text)?;
        let source = Source::read(&text).map(Arc::new);
        self.known.insert(ordinal, source.clone());
        Ok(source)
    }
}
