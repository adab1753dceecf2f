//! Images: tags that lead to another one than when they were resolved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::images::Resolved;
use crate::names::{Name, NodeName};

/// Tags were resolved anew, and lead to other images. Its actor is who asked; the next rollout is planned because of it,
/// and has the id that [`ImageUpdated::leads_to`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUpdated {
    /// By container.
    pub images: BTreeMap<Name, ImageMove>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ImageUpdated {
    /// Id of the rollout that follows from the event with this id: whoever plans it, it is one.
    pub fn leads_to(event: Uuid) -> Uuid {
        // A namespace of our own, so that our ids meet nobody else's.
        const UPDATES: Uuid = Uuid::from_u128(0x1f0b_7c52_9a3e_4d0c_8b61_3f27_d5c4_ae90);
        Uuid::new_v5(&UPDATES, event.as_bytes())
    }
}

/// One container's image, before and from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMove {
    /// What was recorded until now; none: nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Resolved>,
    /// What the tag leads to.
    pub to: Resolved,
}

/// A tag leads to another image than the one that runs, and the descriptor wants that to be told; or, where both are the
/// same, again to the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOutdated {
    /// The descriptor's name.
    pub container: Name,
    /// The reference, such as `demo/tool:1`.
    pub reference: String,
    /// What runs: a digest, or an image's id.
    pub from: String,
    /// What the tag leads to now.
    pub to: String,
}

/// Images that we had fetched, and that neither a container nor a rollback to one of the last versions needs, were looked
/// at: they are gone, or they stay for a reason of their node's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagePruned {
    /// Where.
    pub node: NodeName,
    /// Ids of images that are gone.
    pub removed: Vec<String>,
    /// Ids of images that stay, and why: another hand uses them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, String>,
}
