//! What the logger is asked.

use serde::{Deserialize, Serialize};

use crate::logs::{Filter, Found, Place};

/// `req.logger.search`: a page of lines, in the order of their places.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogsRequest {
    /// Which.
    pub filter: Filter,
    /// The newest first, else the oldest.
    pub newest_first: bool,
    /// Only those behind this one, in that order.
    #[serde(default)]
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u32,
}

/// `req.logger.replay`: make the index anew from `LOGS`, and compare it with the one that grew. Answered like the
/// registry's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogsReplayRequest {
    /// Only compare; else the new one takes the place of the old one.
    pub verify: bool,
}

/// `req.logger.drain.<node>`, asked by whoever is about to remove a container that has ended: answered once everything
/// that it wrote is stored, or after a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DrainRequest {
    /// Docker's whole id.
    pub container: String,
}

/// The answer to [`DrainRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainAnswer {
    /// Nobody needs the container any more for what it wrote.
    Stored,
    /// There is more, and it is being read: ask again.
    Reading,
    /// There is more, and nothing moves.
    Stuck,
}

/// The answer to [`LogsRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogsAnswer {
    /// The page.
    pub lines: Vec<Found>,
    /// Whether there may be more.
    pub more: bool,
    /// Sequence of the last batch in `LOGS` whose lines could be among these.
    pub applied: u64,
}
