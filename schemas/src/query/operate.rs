//! What is asked about operators' hands: of the coordinator, and by it of a node's agent.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::names::{FleetId, Name};
use crate::operate::{Hold, Operated, Operation, Outcome, SnapshotTime};
use crate::units::Span;

/// Bytes that are kept of each of the two outputs of a command; the first ones.
pub const SAID: usize = 256 << 10;

/// How long a command runs at most before nobody waits for it any more.
pub const LONGEST_EXEC: Span = Span::seconds(600);

/// `req.shazam.operate`: do something to a container that is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operate {
    /// Whose container, or volume.
    pub fleet: FleetId,
    /// Which.
    pub container: Name,
    /// What.
    pub what: Operation,
    /// Which snapshot of the volume.
    #[serde(default)]
    pub snapshot: Option<SnapshotTime>,
    /// The command to run in it.
    #[serde(default)]
    pub command: Vec<String>,
    /// How long the command may run; at most [`LONGEST_EXEC`].
    #[serde(default)]
    pub within: Option<Span>,
    /// Why, for the log.
    #[serde(default)]
    pub reason: Option<String>,
    /// Id of the event `operator.asked`: asked for again, it is the same operation.
    pub id: Uuid,
    /// Who asks.
    pub actor: String,
}

/// The answer to [`Operate`], once it has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperateAnswer {
    /// Position of the coordinator when it answered.
    pub position: u64,
    /// Id of the event `operator.acted`.
    pub event: Uuid,
    /// What was done, and what came of it.
    pub operated: Operated,
    /// What the command wrote; none: it wrote nothing, or is told for the second time.
    pub said: Option<Said>,
}

/// What a command wrote, as far as it is text. Only ever in an answer, never in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// To standard output.
    pub stdout: String,
    /// To standard error.
    pub stderr: String,
    /// There was more than [`SAID`] bytes of one of them.
    pub cut: bool,
}

/// `req.shazam.act.<node>`: do something to a container of this node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActOnNode {
    /// Whose container.
    pub fleet: FleetId,
    /// Which.
    pub container: Name,
    /// What.
    pub what: Operation,
    /// Which snapshot of the volume.
    #[serde(default)]
    pub snapshot: Option<SnapshotTime>,
    /// The command to run in it.
    pub command: Vec<String>,
    /// How long all of it may take.
    pub within: Span,
    /// Id of the event `operator.asked`: the cause of what follows. Asked for again, it is the same act.
    pub cause: Uuid,
    /// The log that the epoch belongs to.
    pub incarnation: Uuid,
    /// The coordinator's epoch; agents keep the highest and refuse lower ones.
    pub epoch: u64,
}

/// The answer to [`ActOnNode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActAnswer {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed, or why nobody knows.
    pub error: Option<String>,
    /// How the command ended.
    pub exit_code: Option<i64>,
    /// What the command wrote.
    pub said: Option<Said>,
    /// The snapshot of a volume that was made.
    #[serde(default)]
    pub made: Option<SnapshotTime>,
    /// Bytes that were copied, as an archive.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Sequence in `OBS` of the last that the agent told until then: what it did is in what comes up to there.
    #[serde(default)]
    pub told: u64,
}

impl ActAnswer {
    /// Nothing but how it ended.
    pub const fn of(outcome: Outcome, error: Option<String>) -> Self {
        Self { outcome, error, exit_code: None, said: None, made: None, bytes: None, told: 0 }
    }
}

/// `req.shazam.hold`: leave a container alone, or no longer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HoldRequest {
    /// Whose container.
    pub fleet: FleetId,
    /// Which.
    pub container: Name,
    /// What.
    pub ask: HoldAsk,
    /// Id of the event that it leads to: asked for again, it is the same.
    pub id: Uuid,
    /// Who asks.
    pub actor: String,
}

/// What is asked about a hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldAsk {
    /// Place one.
    Place {
        /// For how long; none: until somebody ends it.
        lasts: Option<Span>,
        /// Why, for the log.
        reason: Option<String>,
    },
    /// End the one that there is.
    End,
}

/// The answer to [`HoldRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HoldAnswer {
    /// Position of the event.
    pub position: u64,
    /// The hold that was placed, or that is over.
    pub hold: Hold,
}
