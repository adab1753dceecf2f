//! What a container wrote, record by record, as Docker keeps it.

use std::fmt;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::error::EngineError;

/// Where a container wrote something to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// Standard output; a terminal's whole output too.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One record: a line, or a part of one. Docker makes several of a line over 16 KiB, all with the time of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it was written to.
    pub output: Output,
    /// Docker's own time of it, in nanoseconds since 1970. Never smaller than that of the record before it, as long as
    /// nobody sets the host's clock back.
    pub at_ns: i64,
    /// What was written, without the line's end.
    pub bytes: Vec<u8>,
    /// Whether the line ends here.
    pub ends_line: bool,
}

/// The records of one container, in the order in which Docker took them: it keeps the order within each of the two
/// streams.
pub struct Records(pub(crate) BoxStream<'static, Result<Record, EngineError>>);

impl Records {
    /// The next one. `None`: the container does not run (any more), and this was all that it wrote; or Docker stopped
    /// telling, as it does now and then: who wants to be sure asks again.
    ///
    /// Cancel-safe: a record that was not returned comes with the next call.
    pub async fn next(&mut self) -> Result<Option<Record>, EngineError> {
        self.0.next().await.transpose()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Records")
    }
}
