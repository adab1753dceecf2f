//! What a fleet's head holds: what belongs to the fleet as a whole and to none of its objects.

use std::collections::{BTreeMap, BTreeSet};

use schemas::fleet::{Archived, Drifted, Fleet};
use schemas::images::Versions;
use schemas::names::{FleetId, Name, Oid};
use schemas::operate::{Hold, Operated};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The head, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub deploy: String,
    pub commit: Option<Oid>,
    pub desired_at: u64,
    pub desired_by: Option<String>,
    pub upstream: Option<FleetId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub doomed: BTreeSet<Name>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drift: BTreeMap<Name, Drifted>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub archived: BTreeMap<String, Archived>,
    #[serde(default)]
    pub versions: Versions,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<Name, Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Uuid>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operated: Vec<Operated>,
}

impl Head {
    /// The head of a fleet as it is.
    pub fn of(fleet: &Fleet) -> Self {
        Self {
            deploy: fleet.deploy.clone(),
            commit: fleet.commit.clone(),
            desired_at: fleet.desired_at,
            desired_by: fleet.desired_by.clone(),
            upstream: fleet.upstream.clone(),
            doomed: fleet.doomed.clone(),
            drift: fleet.drift.clone(),
            archived: fleet.archived.clone(),
            versions: fleet.images.versions.clone(),
            holds: fleet.holds.clone(),
            released: fleet.released,
            snapshots: fleet.snapshots.clone(),
            operated: fleet.operated.clone(),
        }
    }

    /// Gives a fleet what it held.
    pub fn give(self, fleet: &mut Fleet) {
        fleet.deploy = self.deploy;
        fleet.commit = self.commit;
        fleet.desired_at = self.desired_at;
        fleet.desired_by = self.desired_by;
        fleet.upstream = self.upstream;
        fleet.doomed = self.doomed;
        fleet.drift = self.drift;
        fleet.archived = self.archived;
        fleet.images.versions = self.versions;
        fleet.holds = self.holds;
        fleet.released = self.released;
        fleet.snapshots = self.snapshots;
        fleet.operated = self.operated;
    }
}
