//! Lines that containers wrote: how they travel in batches, where an agent stopped, and which of them somebody wants.
//!
//! A batch is one message on `log.<node>`. The lines and the places up to which they were read are stored together or
//! not at all: so whoever reads on from the newest batch loses no line and doubles none.

mod filter;
mod parse;
mod words;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::{FleetId, NodeName};

pub use self::filter::Filter;
pub use self::parse::{Expr, Field, QueryError};
pub use self::words::{MAX_WORD_BYTES, next_word};

/// Lines in one batch at most: an ordinal fits into 16 bits.
pub const MAX_BATCH_LINES: usize = 1 << 16;
/// Bytes of one line; a longer one is cut into several.
pub const MAX_LINE_BYTES: usize = 256 << 10;

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// By nobody: the line says that lines could not be had.
    Gap,
}

impl Stream {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Gap => "gap",
        }
    }
}

impl FromStr for Stream {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "stdout" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            "gap" => Ok(Self::Gap),
            _ => Err(()),
        }
    }
}

/// What one agent read, in one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its message id.
    pub id: Uuid,
    /// By container: where reading it stopped, and the lines before that. Every container that is there, also one that
    /// wrote nothing: so the newest batch tells all of it, however long ago the ones before it were.
    pub parts: Vec<Part>,
}

impl Batch {
    /// How many lines it holds.
    pub fn lines(&self) -> usize {
        self.parts.iter().map(|it| it.lines.len()).sum()
    }
}

/// What was read of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which container.
    pub origin: Origin,
    /// Where reading it stopped.
    pub cursor: Cursor,
    /// The lines before that and after the batch before, in the order in which Docker has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

/// Which container wrote a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The first 16 digits of Docker's id.
    pub id: String,
    /// Of which fleet.
    pub fleet: FleetId,
    /// The container's name in the fleet, or the task's.
    pub container: String,
    /// The run, where it is a task's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// The step of the run, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

/// Where reading one container stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// In its standard output.
    #[serde(rename = "o")]
    pub stdout: Mark,
    /// In its standard error.
    #[serde(rename = "e")]
    pub stderr: Mark,
    /// Whether it had ended, and everything before that was read.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
}

/// A place in what Docker keeps of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark(
    /// Docker's time of the last record that was read, in nanoseconds since 1970; 0: none was.
    pub i64,
    /// How many records of that very time were read.
    pub u32,
);

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Docker's time of it, in nanoseconds since 1970.
    #[serde(rename = "t")]
    pub ns: i64,
    /// Where it was written to.
    #[serde(rename = "s")]
    pub stream: Stream,
    /// Without its end.
    #[serde(rename = "x")]
    pub text: String,
    /// Whether it was too long, and goes on in the next one.
    #[serde(rename = "c", default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Where a line stands in the total order of all lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Its time, in nanoseconds since 1970.
    pub ns: i64,
    /// The sequence of its batch.
    pub position: u64,
    /// The how-manieth line of the batch it is, counted from 0.
    pub ordinal: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.ns, self.position, self.ordinal)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or(());
        let place = Self {
            ns: next()?.parse().map_err(|_| ())?,
            position: next()?.parse().map_err(|_| ())?,
            ordinal: next()?.parse().map_err(|_| ())?,
        };
        if parts.next().is_some() { Err(()) } else { Ok(place) }
    }
}

/// A line with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Where it stands.
    pub place: Place,
    /// Which container wrote it.
    pub origin: Origin,
    /// Where that ran.
    pub node: NodeName,
    /// Where it was written to.
    pub stream: Stream,
    /// The line.
    pub text: String,
    /// Whether it was too long, and goes on in the next one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// The lines of a batch with their places.
pub fn unpack(position: u64, node: &NodeName, batch: Batch) -> impl Iterator<Item = Found> {
    let node = node.clone();
    let lines = batch.parts.into_iter().flat_map(|part| {
        let origin = part.origin;
        part.lines.into_iter().map(move |line| (origin.clone(), line))
    });
    lines.zip(0_u32..).map(move |((origin, line), ordinal)| Found {
        place: Place { ns: line.ns, position, ordinal },
        origin,
        node: node.clone(),
        stream: line.stream,
        text: line.text,
        cut: line.cut,
    })
}
