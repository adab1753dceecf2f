//! What is asked of the registry about host ports.

use serde::{Deserialize, Serialize};

use crate::names::{FleetId, NodeName};
use crate::neighbours::Held;
use crate::spec::Port;

/// `req.registry.ports`: which of these host ports other fleets publish, whatever the node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PortsRequest {
    /// Who asks: its own ports are in nobody's way.
    pub fleet: FleetId,
    /// Which.
    pub ports: Vec<Port>,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`PortsRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PortsAnswer {
    /// Position of the registry when it answered.
    pub position: u64,
    /// Where the fleet that asks runs, as far as the log knows.
    pub node: Option<NodeName>,
    /// Those that clash with one of the ports that were asked for; at most [`PortsAnswer::MOST`].
    pub held: Vec<Held>,
}

impl PortsAnswer {
    /// Ports in one answer at most.
    pub const MOST: usize = 1_000;
}
