//! Operators' hands: what somebody did to a container beside every push, and what is left alone for a while.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::{Name, NodeName};
use crate::operate::{Operation, Outcome, SnapshotTime};

/// A container is left alone: no rollout touches it and no drift of it is told until the hold ends. Its event's id is the
/// hold's, its actor is who placed it. Placed on what is held already, it takes the older one's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPlaced {
    /// The descriptor's name.
    pub container: Name,
    /// When it ends by itself; none: only when somebody ends it.
    pub until: Option<Timestamp>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It came with a stop, and goes with a start.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

impl HoldPlaced {
    /// Id of the hold that comes with the stop that was asked for by the event with this id.
    pub fn with_stop(asked: Uuid) -> Uuid {
        follows(asked, "hold")
    }
}

/// A hold is over: the next rollout brings what was left out. Its actor is who ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEnded {
    /// The descriptor's name.
    pub container: Name,
    /// Id of the `hold.placed` that is over.
    pub hold: Uuid,
    /// Its time had come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

impl HoldEnded {
    /// Id of the event that says that the time of this hold had come: whoever notices it first, it is one.
    pub fn by_expiry(hold: Uuid) -> Uuid {
        follows(hold, "expired")
    }

    /// Id of the event that ends a hold on a container because of an operation that was asked for by the event with this id.
    pub fn with_operation(asked: Uuid, container: &Name) -> Uuid {
        follows(asked, &format!("released {container}"))
    }
}

/// Somebody asked for something to be done to a container. Said before it is done, so that nothing is done unsaid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorAsked {
    /// What.
    pub what: Operation,
    /// The descriptor's name; of a volume's, where `what` is about one.
    pub container: Name,
    /// Where it is.
    pub node: NodeName,
    /// Which snapshot of the volume it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotTime>,
    /// The command that is to run in it, as far as it may be told: only the program where a secret may be in the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What came of it. Its cause is the `operator.asked`, its actor who asked. Never what a command wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorActed {
    /// What.
    pub what: Operation,
    /// The descriptor's name; of a volume's, where `what` is about one.
    pub container: Name,
    /// Where it is.
    pub node: NodeName,
    /// Which snapshot of the volume it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotTime>,
    /// The snapshot of the volume that was made, whole; also where what came after it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<SnapshotTime>,
    /// Bytes that were copied, as an archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The command that ran in it, as far as it may be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, or why nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// From when it was asked for to its end.
    pub duration_ms: u64,
}

impl OperatorActed {
    /// Id of the event that says what came of what was asked for by the event with this id: it ends once.
    pub fn after(asked: Uuid) -> Uuid {
        follows(asked, "acted")
    }
}

/// The id of what follows from an event.
fn follows(event: Uuid, how: &str) -> Uuid {
    // A namespace of our own, so that our ids meet nobody else's.
    const FOLLOWING: Uuid = Uuid::from_u128(0x2f86_90cd_7c01_4a52_9a8e_33e4_11b7_6c0d);
    Uuid::new_v5(&FOLLOWING, format!("{event}\n{how}").as_bytes())
}
