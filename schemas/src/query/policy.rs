//! What is asked of the profiles about an owner's policy.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::Who;
use crate::descriptors::Guards;
use crate::names::Owner;

/// `req.profiles.policy`: an owner's policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyRequest {
    /// Whose.
    pub owner: Owner,
    /// Wait until the profiles are there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`PolicyRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyAnswer {
    /// Position of the profiles when they answered.
    pub position: u64,
    /// The policy; one that guards nothing where none was ever set.
    pub guards: Guards,
}

/// `req.profiles.set_policy`: give an owner another policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetPolicy {
    /// Who asks.
    pub by: Who,
    /// The event's id.
    pub id: Uuid,
    /// Whose.
    pub owner: Owner,
    /// The policy from now on.
    pub guards: Guards,
}
