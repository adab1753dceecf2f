//! The platform's own events.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::{FleetId, NodeName};

/// A log begins: the first event of every incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOpened {
    /// Minted when a log is created or restored.
    pub incarnation: Uuid,
    /// The installation that the log belongs to; label of everything that we make in Docker.
    pub installation: Uuid,
    /// The version of fleetlog that opened it.
    pub version: String,
    /// Tells whether somebody holds the installation's master key, and nothing about the key: a keyed digest of a fixed
    /// text. None: the log was opened before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_mark: Option<String>,
}

/// A coordinator took over. Its position is the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorTook {
    /// The process, so that two of them can be told apart.
    pub instance: Uuid,
}

/// How full a stream is has changed its level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRaised {
    /// Which stream.
    pub stream: String,
    /// The level that it is at now.
    pub level: Level,
    /// Bytes that it holds.
    pub bytes: u64,
    /// Bytes that it may hold.
    pub max_bytes: u64,
}

impl std::fmt::Display for LevelRaised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.stream == "EVENTS" { "the log".to_owned() } else { format!("stream `{}`", self.stream) };
        let percent = u128::from(self.bytes) * 100 / u128::from(self.max_bytes.max(1));
        let left = self.max_bytes.saturating_sub(self.bytes) >> 20;
        // On a disk that others filled, a small log may have little room and still be far from full.
        match percent {
            ..85 => write!(f, "there are only {left} MiB left for {what}"),
            _ => write!(f, "{what} is {percent} % full, {left} MiB are left"),
        }
    }
}

/// How full a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Under 85 %.
    Normal,
    /// From 85 %: somebody should make room.
    Warning,
    /// From 95 %: new pushes and observations are refused.
    Critical,
}

/// A command that no agent could take, given up after the last delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkDead {
    /// The node that it was for.
    pub node: NodeName,
    /// Whose it was.
    pub fleet: FleetId,
    /// What it was about.
    #[serde(flatten)]
    pub work: DeadWork,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// What a command was about that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DeadWork {
    /// A step of a rollout.
    Step {
        /// Of which rollout.
        rollout: Uuid,
        /// Which step.
        step: u32,
    },
    /// A run of a task.
    Run {
        /// Which run.
        run: Uuid,
    },
}
