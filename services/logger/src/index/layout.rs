//! How a line lies in the index: which fields, how they are cut into words, how the files are written.

use schemas::logs::{Found, Origin, Place, Stream, next_word};
use schemas::names::NodeName;
use tantivy::schema::{Field, IndexRecordOption, NumericOptions, STORED, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};
use tantivy::{Index, IndexSettings, IndexSortByField, Order};

/// Bytes of lines that are compressed together. Larger ones save disk, smaller ones make a rare word's lines cheaper.
const BLOCK_BYTES: usize = 32 << 10;
/// Of zstd: beyond it a little less disk costs much more time.
const LEVEL: i32 = 3;
/// Stands between the parts of a source: no name holds it.
const SEPARATOR: char = '\u{1f}';

/// Name of the time's column.
pub(super) const TIME: &str = "time";
/// Name of the column with the batch's sequence and the ordinal in it.
pub(super) const PLACE: &str = "place";
/// Name of the column with everything that many lines share.
pub(super) const SOURCE: &str = "source";
const LINE: &str = "line";
const WORDS: &str = "words";

/// The fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub time: Field,
    pub place: Field,
    pub source: Field,
    pub line: Field,
}

/// The schema and its fields.
pub(super) fn schema() -> (Schema, Fields) {
    // No norms: nothing is ranked. No positions: the stored line decides about phrases.
    let indexed = |tokenizer: &str| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_fieldnorms(false);
        TextOptions::default().set_indexing_options(indexing.set_index_option(IndexRecordOption::Basic))
    };
    let mut builder = Schema::builder();
    let fields = Fields {
        time: builder.add_i64_field(TIME, NumericOptions::default().set_fast()),
        place: builder.add_u64_field(PLACE, NumericOptions::default().set_fast()),
        source: builder.add_text_field(SOURCE, indexed("raw").set_fast("raw")),
        line: builder.add_text_field(LINE, indexed(WORDS) | STORED),
    };
    (builder.build(), fields)
}

/// How the files are written: the newest line first.
pub(super) fn settings() -> IndexSettings {
    IndexSettings {
        sort_by_field: Some(IndexSortByField { field: TIME.to_owned(), order: Order::Desc }),
        docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(LEVEL) }),
        docstore_blocksize: BLOCK_BYTES,
        ..IndexSettings::default()
    }
}

/// Tells an index how lines are cut into words.
pub(super) fn register(index: &Index) {
    index.tokenizers().register(WORDS, TextAnalyzer::from(Words::default()));
}

/// The same, before there is one.
pub(super) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(WORDS, TextAnalyzer::from(Words::default()));
    manager
}

/// Cuts a text into the words that queries know.
#[derive(Debug, Clone, Default)]
struct Words {
    token: Token,
}

struct WordStream<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream { text, at: 0, token: &mut self.token }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((from, to)) = next_word(self.text, self.at, &mut self.token.text) else { return false };
        self.at = to;
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (from, to);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Sequence and ordinal in one number: 16 bits are the ordinal's.
pub(super) const fn pack(position: u64, ordinal: u32) -> u64 {
    position << 16 | (ordinal & 0xffff) as u64
}

/// The place of a line.
pub(super) const fn place(ns: i64, packed: u64) -> Place {
    Place { ns, position: packed >> 16, ordinal: (packed & 0xffff) as u32 }
}

/// Everything that many lines share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub origin: Origin,
    pub node: NodeName,
    pub stream: Stream,
    pub cut: bool,
}

impl Source {
    /// As the index has it.
    pub fn write(origin: &Origin, node: &NodeName, stream: Stream, cut: bool) -> String {
        let run = origin.run.map(|it| it.to_string()).unwrap_or_default();
        let step = origin.step.map(|it| it.to_string()).unwrap_or_default();
        let cut = if cut { "cut" } else { "" };
        let (fleet, container, stream, id) = (origin.fleet.to_string(), &origin.container, stream.as_str(), &origin.id);
        [fleet.as_str(), container, node.as_str(), stream, &run, &step, id, cut].join(&SEPARATOR.to_string())
    }

    /// What [`write`](Self::write) wrote.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR);
        let fleet = parts.next()?.parse().ok()?;
        let container = parts.next()?.to_owned();
        let node = parts.next()?.parse().ok()?;
        let stream = parts.next()?.parse().ok()?;
        let (run, step) = (parts.next()?, parts.next()?);
        let run = if run.is_empty() { None } else { Some(run.parse().ok()?) };
        let step = if step.is_empty() { None } else { Some(step.parse().ok()?) };
        let id = parts.next()?.to_owned();
        let cut = parts.next()? == "cut";
        Some(Self { origin: Origin { id, fleet, container, run, step }, node, stream, cut })
    }

    /// A line of it.
    pub fn found(&self, place: Place, text: String) -> Found {
        let Self { origin, node, stream, cut } = self.clone();
        Found { place, origin, node, stream, text, cut }
    }
}
