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
}

/// A coordinator took over. Its position is the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoordinatorTook {
    /// The process, so that two of them can be told apart.
    pub instance: Uuid,
}

/// A command that no agent could take, given up after the last delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkDead {
    /// The node that it was for.
    pub node: NodeName,
    /// Whose it was.
    pub fleet: FleetId,
    /// Of which rollout.
    pub rollout: Uuid,
    /// Which step.
    pub step: u32,
    /// How often it was delivered.
    pub deliveries: u64,
}
