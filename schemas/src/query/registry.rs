//! Questions to the registry about the past, about variables, and about itself.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::names::FleetId;

/// A moment of the log, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// After the event at this position.
    Position(u64),
    /// After the last position whose running maximum of time is not later.
    Time(Timestamp),
    /// The last moment at which this commit was the desired one; at least its first seven digits.
    Commit(String),
}

/// Fewest digits that name a commit.
const COMMIT_DIGITS: usize = 7;

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        // Nobody writes a position with a zero in front, but a commit may begin with one.
        if digits && !(text.starts_with('0') && text.len() >= COMMIT_DIGITS) {
            return text.parse().map(Self::Position).map_err(|_| format!("`{text}` is past every position"));
        }
        let hex = text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
        if hex && (COMMIT_DIGITS..=64).contains(&text.len()) {
            return Ok(Self::Commit(text.to_owned()));
        }
        text.parse().map(Self::Time).map_err(|_| {
            format!(
                "`{text}` is neither a position (`17`), nor a time (RFC 3339, `2026-01-31T12:00:00Z`), nor a commit \
                 (at least {COMMIT_DIGITS} digits of its id)"
            )
        })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(it) => write!(f, "{it}"),
            Self::Time(it) => write!(f, "{it}"),
            Self::Commit(it) => f.write_str(it),
        }
    }
}

impl Serialize for At {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `req.registry.past`: one fleet as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PastRequest {
    /// Which.
    pub fleet: FleetId,
    /// When.
    pub at: At,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`PastRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PastAnswer {
    /// The position that `at` meant.
    pub position: u64,
    /// The fleet there, as JSON of the shape [`FleetState`](super::FleetState): who asked hands it on as it is.
    pub state: Box<RawValue>,
}

/// `req.registry.variables`: everything about a fleet that has a value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VariablesRequest {
    /// Whose.
    pub fleet: FleetId,
    /// When; none: now.
    #[serde(default)]
    pub at: Option<At>,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`VariablesRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariablesAnswer {
    /// The position that it shows.
    pub position: u64,
    /// By path, such as `variables.app.region` or `containers.api.state`.
    pub variables: BTreeMap<String, Variable>,
}

/// A value, since when it is so, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// The value.
    pub value: Value,
    /// Position of the event that made it so.
    pub since: u64,
    /// The time of that event.
    pub time: Timestamp,
    /// The commit that was desired then.
    pub commit: Option<String>,
    /// Who appended that event: a profile or a service.
    pub by: String,
}

/// `req.registry.history`: one variable, through time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryRequest {
    /// Whose.
    pub fleet: FleetId,
    /// Which, such as `variables.app.region`.
    pub path: String,
    /// Up to when; none: now.
    #[serde(default)]
    pub at: Option<At>,
    /// Only ranges that begin before this position.
    #[serde(default)]
    pub before: Option<u64>,
    /// At most so many ranges.
    pub limit: u32,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`HistoryRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryAnswer {
    /// The position that it shows.
    pub position: u64,
    /// What the variable was, the newest first.
    pub ranges: Vec<Range>,
    /// Whether there are older ones.
    pub more: bool,
}

/// What a variable was for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The value; null: there was none.
    pub value: Value,
    /// Position of the event that made it so.
    pub from: u64,
    /// Position of the event that ended it; none: it is so still.
    pub to: Option<u64>,
    /// The time of `from`.
    pub time: Timestamp,
    /// The commit that was desired at `from`.
    pub commit: Option<String>,
    /// Who appended the event at `from`.
    pub by: String,
}

/// `req.registry.replay`: make the projection anew from the log, and compare it with the one that grew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// Only compare; else the new one takes the place of the old one.
    pub verify: bool,
}

/// What came of making a projection anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// Which projection.
    pub projection: String,
    /// The version of its shape: digests of different shapes cannot be compared.
    pub shape: u32,
    /// The log's incarnation.
    pub incarnation: Uuid,
    /// The position at which both were compared.
    pub position: u64,
    /// Digest of the one that grew; none: there was none that could be read.
    pub grown: Option<String>,
    /// Digest of the one that was made anew.
    pub rebuilt: String,
    /// Whether both digests are equal.
    pub equal: bool,
    /// Whether the new one took the place of the old one.
    pub swapped: bool,
    /// Events that were read.
    pub events: u64,
    /// How long reading and writing them took.
    pub seconds: f64,
    /// Events a second.
    pub events_per_second: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_position_a_time_or_a_commit() {
        assert_eq!("17".parse(), Ok(At::Position(17)));
        assert_eq!("1234567".parse(), Ok(At::Position(1_234_567)));
        assert_eq!("0123456".parse(), Ok(At::Commit("0123456".to_owned())));
        assert_eq!("abcdef0".parse(), Ok(At::Commit("abcdef0".to_owned())));
        assert_eq!("2026-01-31T12:00:00+01:00".parse(), Ok(At::Time("2026-01-31T11:00:00Z".parse().unwrap())));
        for bad in ["", "abcdef", "ABCDEF01", "yesterday", "-1", "2026-13-01T00:00:00Z", "99999999999999999999999"] {
            let error = bad.parse::<At>().unwrap_err();
            assert!(error.contains(bad), "{error}");
        }
    }
}
