//! What the coordinator is asked about rollouts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fleet::Rollout;
use crate::names::FleetId;

/// `req.shazam.retry`: try a rollout that has failed again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RetryRollout {
    /// Whose rollout.
    pub fleet: FleetId,
    /// Which: the newest one, which has failed, of the newest push.
    pub rollout: Uuid,
    /// Id of the event `rollout.retried`: asked for again, it is the same try.
    pub id: Uuid,
    /// Who asks.
    pub actor: String,
}

/// The answer to [`RetryRollout`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RetryAnswer {
    /// Position of the coordinator when it answered.
    pub position: u64,
    /// The rollout that tries it again.
    pub rollout: Rollout,
}
