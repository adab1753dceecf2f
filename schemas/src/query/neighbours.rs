//! What is asked of the registry about fleets that share a node.

use serde::{Deserialize, Serialize};

use crate::names::{FleetId, NodeName};
use crate::neighbours::{Held, Part};

/// `req.registry.neighbours`: which of these parts of a node other fleets have, whatever the node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NeighboursRequest {
    /// Who asks: what it has itself is in nobody's way.
    pub fleet: FleetId,
    /// Which.
    pub parts: Vec<Part>,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`NeighboursRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NeighboursAnswer {
    /// Position of the registry when it answered.
    pub position: u64,
    /// Where the fleet that asks runs, as far as the log knows.
    pub node: Option<NodeName>,
    /// Those that are in the way of what was asked for; at most [`NeighboursAnswer::MOST`].
    pub held: Vec<Held>,
}

impl NeighboursAnswer {
    /// Parts in one answer at most.
    pub const MOST: usize = 1_000;
}
