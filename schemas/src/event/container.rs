//! What agents saw in Docker.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::descriptors::{Drift, is_default};
use crate::names::{Name, NodeName, Oid};
use crate::plan::{Action, Reason};
use crate::spec::{Placed, Updatable};

/// A container changed its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerChange {
    /// The descriptor's name.
    pub container: Name,
    /// Where and when it was seen.
    #[serde(flatten)]
    pub seen: Sighting,
    /// Docker's id of the container.
    pub docker_id: String,
    /// The image's id, `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The label `fleetlog.spec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// The label `fleetlog.commit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Oid>,
    /// What Docker shows of what can be changed while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Updatable>,
    /// What was put into it since it was told last: path in the container → what. Never what a file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, Placed>>,
    /// Whether a health check watches it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// How it ended (`stopped`, `died`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Whether it was killed for want of memory (`died`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// How often Docker had started it again by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restarts: u64,
}

/// Where and when something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The node that saw it.
    pub node: NodeName,
    /// Docker's own time of the change, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Sequence in `OBS` of the agent's message.
    pub obs: u64,
}

/// An agent was not there to see: what happened in between is known by its result only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationGap {
    /// The node that nobody watched.
    pub node: NodeName,
    /// The last moment that was watched.
    pub from: Timestamp,
    /// The first moment that was watched again.
    pub to: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// A container is not as it should be any more, and no rollout has made it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftFound {
    /// The descriptor's name.
    pub container: Name,
    /// What would make it what it should be.
    pub action: Action,
    /// What differs.
    pub reasons: Vec<Reason>,
    /// Whether that is done.
    pub policy: Drift,
}

/// A container is again as it should be, or nobody looks at it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftEnded {
    /// The descriptor's name.
    pub container: Name,
    /// Id of the `drift.found` that is over.
    pub found: Uuid,
}

/// A container whose descriptor is gone is kept for a while: stopped, and under another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerArchived {
    /// The descriptor's name.
    pub container: Name,
    /// Its name in Docker from now on.
    pub name: String,
    /// Docker's id of the container.
    pub docker_id: String,
    /// Until when.
    pub until: Timestamp,
    /// Where and when it was seen.
    #[serde(flatten)]
    pub seen: Sighting,
}

/// A container that was kept for a while is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRemoved {
    /// The descriptor's name.
    pub container: Name,
    /// Its name in Docker.
    pub name: String,
    /// Docker's id of the container.
    pub docker_id: String,
    /// Why.
    pub why: ArchiveEnd,
    /// Where and when it was seen.
    #[serde(flatten)]
    pub seen: Sighting,
}

/// Why a container that was kept for a while is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveEnd {
    /// Its time was over.
    Expired,
    /// A volume of it was removed, or made anew from a snapshot.
    Volume,
    /// Another hand removed it.
    Seen,
}

/// A volume or a network came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingChange {
    /// Its name in Docker.
    pub name: String,
    /// Where and when it was seen.
    #[serde(flatten)]
    pub seen: Sighting,
}
