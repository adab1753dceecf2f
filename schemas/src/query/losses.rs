//! What Git asks the agent of a node before containers are made anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::losses::Loss;
use crate::names::{FleetId, Name};

/// `req.shazam.losses.<node>`: what these containers have written beside their volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossesRequest {
    /// Whose.
    pub fleet: FleetId,
    /// Which, each with the paths of what was put into it from the fleet's files; at most [`LossesRequest::MOST`] are looked at.
    pub containers: BTreeMap<Name, Vec<String>>,
}

impl LossesRequest {
    /// Containers in one question at most.
    pub const MOST: usize = 200;
}

/// The answer to [`LossesRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossesAnswer {
    /// Of each container that would lose something.
    pub losses: Vec<Loss>,
}
