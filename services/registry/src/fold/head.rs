//! What a fleet's head holds: what is desired since when, and what is known of the fleet beside its objects.

use std::collections::{BTreeMap, BTreeSet};

use schemas::fleet::{Archived, Drifted, Fleet};
use schemas::names::{FleetId, Name, Oid};
use serde::{Deserialize, Serialize};

/// A fleet's head, as the database has it. Its fields are what [`Fleet`] calls them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub deploy: String,
    pub commit: Option<Oid>,
    pub desired_at: u64,
    pub desired_by: Option<String>,
    pub upstream: Option<FleetId>,
    pub doomed: BTreeSet<Name>,
    pub drift: BTreeMap<Name, Drifted>,
    pub archived: BTreeMap<String, Archived>,
}

impl Head {
    /// Of a fleet as it is.
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
        }
    }

    /// Gives a fleet what it had.
    pub fn restore(self, fleet: &mut Fleet) {
        let Self { deploy, commit, desired_at, desired_by, upstream, doomed, drift, archived } = self;
        (fleet.deploy, fleet.commit, fleet.desired_at, fleet.desired_by) = (deploy, commit, desired_at, desired_by);
        (fleet.upstream, fleet.doomed, fleet.drift, fleet.archived) = (upstream, doomed, drift, archived);
    }
}
