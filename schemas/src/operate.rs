//! What operators do by hand, in words that the log, the bus and people share: operations and holds.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::strtime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::check::likely_secret;
use crate::names::{Name, NameError, NodeName};

/// Bytes of a command that an event carries at most; of a longer one it names the program.
const COMMAND: usize = 4 << 10;

/// Bytes of a reason at most.
const REASON: usize = 1 << 10;

/// What can be done to a container that is there, or to a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// It is stopped, in its own way and with its own grace, and started again.
    Restart,
    /// It is stopped, and held until it is started.
    Stop,
    /// It is started, and its stop's hold ends.
    Start,
    /// A command runs in it.
    Exec,
    /// A volume, or a snapshot of it, is removed with its data.
    RemoveVolume,
    /// What a volume holds is copied beside it.
    SnapshotVolume,
    /// A volume holds again what one of its snapshots has.
    RestoreVolume,
}

impl Operation {
    /// The word on the wire, which is also the command's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Exec => "exec",
            Self::RemoveVolume => "remove-volume",
            Self::SnapshotVolume => "snapshot-volume",
            Self::RestoreVolume => "restore-volume",
        }
    }

    /// Whether it is done to a volume, and not to a container.
    pub const fn is_of_volume(self) -> bool {
        matches!(self, Self::RemoveVolume | Self::SnapshotVolume | Self::RestoreVolume)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Docker did it; a command ended with 0.
    Done,
    /// It was not done, or not all of it; a command ended with another code.
    Failed,
    /// Whoever did it was not heard of again: it may have been done.
    Unknown,
}

/// An operation, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operated {
    /// Id of its `operator.asked`.
    pub id: Uuid,
    /// What.
    pub what: Operation,
    /// To which container; or to which volume, where `what` is about one.
    pub container: Name,
    /// Where.
    pub node: NodeName,
    /// Which snapshot of the volume it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotTime>,
    /// The command, as far as it may be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Who asked.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub asked: Timestamp,
    /// What came of it; none: it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, or why nobody knows.
    pub error: Option<String>,
    /// How a command ended.
    pub exit_code: Option<i64>,
    /// The snapshot of a volume that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<SnapshotTime>,
    /// Bytes that were copied, as an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// From when it was asked for to its end.
    pub duration_ms: u64,
}

/// When a snapshot was made, to the second: what tells the snapshots of one volume apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotTime(String);

/// How that is written: in UTC.
const SNAPSHOT_TIME: &str = "%Y%m%dT%H%M%SZ";

/// Between the name of a volume in Docker and the time of its snapshot.
const SNAPSHOT: &str = ".snapshot-";

impl SnapshotTime {
    /// Of this moment.
    pub fn of(time: Timestamp) -> Self {
        Self(time.strftime(SNAPSHOT_TIME).to_string())
    }

    /// The snapshot's name in Docker, where its volume is called so.
    pub fn of_volume(&self, volume: &str) -> String {
        format!("{volume}{SNAPSHOT}{self}")
    }

    /// The volume's name and the time, of a snapshot's name in Docker; none: it is no snapshot's.
    pub fn read(name: &str) -> Option<(&str, Self)> {
        let (volume, time) = name.rsplit_once(SNAPSHOT)?;
        Some((volume, time.parse().ok()?))
    }
}

impl FromStr for SnapshotTime {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let expected = "the time of a snapshot, such as 20261204T101500Z: `fleetlog volume ls` shows them";
        match strtime::parse(SNAPSHOT_TIME, text).and_then(|it| it.to_datetime()) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(NameError { seen: text.to_owned(), expected }),
        }
    }
}

impl TryFrom<String> for SnapshotTime {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<SnapshotTime> for String {
    fn from(it: SnapshotTime) -> Self {
        it.0
    }
}

impl fmt::Display for SnapshotTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hold on a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Id of its `hold.placed`.
    pub id: Uuid,
    /// When it ends by itself; none: only when somebody ends it.
    pub until: Option<Timestamp>,
    /// Who placed it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// It came with a stop, and goes with a start.
    pub stopped: bool,
    /// Position of the event that placed it.
    pub since: u64,
}

impl Hold {
    /// In a line.
    pub fn told(&self) -> String {
        let by = &self.by;
        let reason = self.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        match self.until {
            _ if self.stopped => format!("stopped by {by}, held until it is started{reason}"),
            Some(until) => format!("held until {until:.0}, by {by}{reason}"),
            None => format!("held until somebody ends it, by {by}{reason}"),
        }
    }

    /// Whether its time has come.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// What of a command may be told for ever: all of it, or only its program where something in it looks like a secret.
pub fn told_command(command: &[String]) -> Vec<String> {
    let bytes: usize = command.iter().map(String::len).sum();
    if bytes <= COMMAND && !command.iter().enumerate().any(|(index, word)| is_doubtful(command, index, word)) {
        return command.to_vec();
    }
    let program = command.first().filter(|it| it.len() <= COMMAND && !is_secret(None, it));
    program.into_iter().cloned().collect()
}

/// Why a reason cannot be kept for ever; none: it can.
pub fn refused_reason(reason: &str) -> Option<String> {
    if reason.len() > REASON {
        return Some(format!("the reason has {} bytes, at most {REASON} are kept", reason.len()));
    }
    let looks =
        reason.split_whitespace().find_map(|word| likely_secret("", word)).or_else(|| likely_secret("", reason));
    looks.map(|it| format!("the reason {it}, and it would stay in the log for ever: say it without"))
}

/// Whether a word of a command may hold a secret: by its shape, as `KEY=VALUE`, or behind an option that says so. A
/// script in one word is looked at part by part.
fn is_doubtful(command: &[String], index: usize, word: &str) -> bool {
    let before = index.checked_sub(1).and_then(|before| command.get(before));
    let mut before = before.map(String::as_str);
    if is_secret(before, word) {
        return true;
    }
    before = None;
    let parts = word.split(|c: char| c.is_whitespace() || ";&|".contains(c)).filter(|it| !it.is_empty());
    parts.map(|part| part.trim_matches(['\'', '"'])).any(|part| is_secret(before.replace(part), part))
}

/// Whether a word looks like a secret, alone or by what stands before it or before its `=`.
fn is_secret(before: Option<&str>, word: &str) -> bool {
    let behind = before.filter(|it| it.starts_with('-') && !it.contains('='));
    let own = word.split_once('=').map(|(key, value)| (key, value.trim_matches(['\'', '"'])));
    let keyed = behind.map(|key| (key, word)).into_iter().chain(own);
    likely_secret("", word).is_some() || keyed.into_iter().any(|(key, value)| names_a_secret(key, value))
}

/// Whether the name before a value says that it is a secret: also one in which that is no word of its own, such as
/// `PGPASSWORD`.
fn names_a_secret(key: &str, value: &str) -> bool {
    let key = key.trim_start_matches('-');
    let ends = key.to_ascii_lowercase().ends_with("password") && !value.is_empty();
    ends || likely_secret(key, value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(words: &[&str]) -> usize {
        told_command(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).len()
    }

    #[test]
    fn a_command_is_told_unless_a_secret_may_be_in_it() {
        for words in [
            &["ls", "-l", "/data"][..],
            &["sh", "-c", "date >> /tmp/x; cat /tmp/x"],
            &["psql", "--host=db", "-c", "select 1"],
            &["mysql", "--password-file", "/run/password"],
            &[],
        ] {
            assert_eq!(told(words), words.len(), "{words:?}");
        }
        for words in [
            &["psql", "postgresql://u:hunter22@db/x"][..],
            &["env", "DB_PASSWORD=hunter2", "run"],
            &["mysql", "--password", "hunter2"],
            &["mysql", "--password=hunter2"],
            &["sh", "-c", "PGPASSWORD=hunter2 psql"],
            &["sh", "-c", "date; API_KEY='hunter2' curl x"],
            &["sh", "-c", "mysql --password hunter2 -e 'select 1'"],
        ] {
            assert_eq!(told(words), 1, "{words:?}");
        }
        assert_eq!(told(&["PGPASSWORD=hunter2", "psql"]), 0);
        assert_eq!(told(&["echo", &"x".repeat(5_000)]), 1);
    }

    #[test]
    fn a_snapshot_is_named_by_its_time() {
        let time = SnapshotTime::of("2026-12-04T10:15:00.7Z".parse().unwrap());
        let name = time.of_volume("acme.shop.data");
        assert_eq!(name, "acme.shop.data.snapshot-20261204T101500Z");
        assert_eq!(SnapshotTime::read(&name), Some(("acme.shop.data", time)));
        for other in ["acme.shop.data", "acme.shop.data.snapshot-", "acme.shop.data.snapshot-yesterday"] {
            assert_eq!(SnapshotTime::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_reason_is_short_and_no_secret() {
        assert_eq!(refused_reason("the disk is being replaced"), None);
        assert!(refused_reason(&"x".repeat(2_000)).unwrap().contains("at most 1024"));
        assert!(refused_reason("with ghp_0123456789abcdefghijABCDEFGHIJ012345").unwrap().contains("looks like"));
    }

    #[test]
    fn a_hold_says_until_when_by_whom_and_why() {
        let hold = Hold {
            id: Uuid::nil(),
            until: Some("2026-01-31T12:00:00Z".parse().unwrap()),
            by: "ann".to_owned(),
            reason: Some("the disk".to_owned()),
            stopped: false,
            since: 7,
        };
        assert_eq!(hold.told(), "held until 2026-01-31T12:00:00Z, by ann: the disk");
        assert!(!hold.is_over("2026-01-31T11:59:59Z".parse().unwrap()));
        assert!(hold.is_over("2026-01-31T12:00:00Z".parse().unwrap()));
        let ended = Hold { until: None, reason: None, ..hold };
        assert_eq!(ended.told(), "held until somebody ends it, by ann");
        let stopped = Hold { stopped: true, ..ended };
        assert_eq!(stopped.told(), "stopped by ann, held until it is started");
    }
}
