//! What the coordinator is asked about images, and what it asks the agent of a node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::ImageMove;
use crate::images::Resolved;
use crate::names::{FleetId, Name};

/// `req.shazam.update`: resolve tags anew, and roll out what they lead to now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateImages {
    /// Whose containers.
    pub fleet: FleetId,
    /// Only this one; none: all of them.
    pub container: Option<Name>,
    /// Why, for the log.
    pub reason: Option<String>,
    /// Only say what would change.
    pub only_plan: bool,
    /// Id of the event `image.updated`: asked for again, it is the same update.
    pub id: Uuid,
    /// Who asks.
    pub actor: String,
}

/// The answer to [`UpdateImages`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateAnswer {
    /// Position of the event; where there is none, of the coordinator when it answered.
    pub position: u64,
    /// Id of the event; none: nothing changes, or it is only a plan.
    pub event: Option<Uuid>,
    /// Id of the rollout that follows from it.
    pub rollout: Option<Uuid>,
    /// What changes, by container.
    pub images: BTreeMap<Name, ImageMove>,
    /// How many containers keep what they have.
    pub unchanged: u32,
}

/// `req.shazam.images.<node>`: what references lead to now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImagesRequest {
    /// The references.
    pub images: Vec<AskedImage>,
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AskedImage {
    /// Such as `demo/tool:1`.
    pub reference: String,
    /// The descriptor's `platform`.
    pub platform: Option<String>,
    /// Id of the image that runs; none: nothing does.
    pub id: Option<String>,
}

/// The answer to [`ImagesRequest`], in its order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImagesAnswer {
    /// What each leads to; or why that cannot be told, for people.
    pub images: Vec<Result<Looked, String>>,
}

/// What a reference leads to now, beside what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Where it leads to.
    pub now: NowImage,
    /// Whether that is what runs.
    pub runs: bool,
}

/// What a reference leads to now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NowImage {
    /// To this digest, says its registry.
    Registry(String),
    /// To the image with this id: it is on the node only.
    Node(String),
}

/// `req.shazam.prune.<node>`: remove images that nothing needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PruneRequest {
    /// Their ids.
    pub ids: Vec<String>,
    /// References that tasks begin with at any time: what they lead to stays.
    #[serde(default)]
    pub spare: Vec<String>,
}

/// The answer to [`PruneRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PruneAnswer {
    /// Ids of images that are gone.
    pub removed: Vec<String>,
    /// Ids of images that stay, and why.
    pub kept: BTreeMap<String, String>,
}

impl NowImage {
    /// The digest or the id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Registry(it) | Self::Node(it) => it,
        }
    }

    /// The record of a reference that leads there.
    pub fn resolved(&self, reference: &str, platform: Option<&str>) -> Resolved {
        let (digest, id) = match self {
            Self::Registry(digest) => (Some(digest.clone()), None),
            Self::Node(id) => (None, Some(id.clone())),
        };
        let (reference, platform) = (reference.to_owned(), platform.map(str::to_owned));
        Resolved { reference, platform, digest, id, pulled: false }
    }
}
