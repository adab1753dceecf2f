//! What lines a shelf holds, in one number: the same for the same lines, however they came in and lie in their files.

use std::hash::{Hash as _, Hasher as _};

use tantivy::schema::Value as _;
use tantivy::{TantivyDocument, TantivyError};

use super::layout;
use super::shelf::Shelf;

/// The lines of some batches.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    /// How many.
    pub lines: u64,
    /// A sum over all of them: the order does not matter.
    sum: u128,
    /// How many are of batches before these.
    pub older: u64,
}

impl Digest {
    /// As people compare it.
    pub fn text(&self) -> String {
        format!("{:032x}-{}", self.sum, self.lines)
    }

    /// Reads every line of a shelf; those of the batches from `first` to `last` count.
    pub fn of(shelf: &Shelf, first: u64, last: u64) -> Result<Self, TantivyError> {
        let mut digest = Self::default();
        let mut source = String::new();
        for slice in shelf.all() {
            let searcher = slice.reader.searcher();
            for reader in searcher.segment_readers() {
                let times = reader.fast_fields().i64(layout::TIME)?.first_or_default_col(0);
                let places = reader.fast_fields().u64(layout::PLACE)?.first_or_default_col(0);
                let Some(sources) = reader.fast_fields().str(layout::SOURCE)? else { continue };
                let store = reader.get_store_reader(2)?;
                // Nothing is ever deleted from a day, so the documents are those from 0 on.
                for (doc, document) in (0_u32..).zip(store.iter::<TantivyDocument>(None)) {
                    let document = document?;
                    let place = layout::place(times.get_val(doc), places.get_val(doc));
                    if place.position < first {
                        digest.older += 1;
                    }
                    if !(first..=last).contains(&place.position) {
                        continue;
                    }
                    source.clear();
                    if let Some(ordinal) = sources.ords().first(doc) {
                        sources.ord_to_str(ordinal, &mut source)?;
                    }
                    let text = document.get_first(slice.fields.line).and_then(|it| it.as_str()).unwrap_or_default();
                    digest.add(&source, place, text);
                }
            }
        }
        Ok(digest)
    }

    fn add(&mut self, source: &str, place: schemas::logs::Place, text: &str) {
        let half = |seed: u8| {
            let mut hasher = std::hash::DefaultHasher::new();
            (seed, source, place, text).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        self.sum = self.sum.wrapping_add(half(0) << 64 | half(1));
        self.lines += 1;
    }
}
