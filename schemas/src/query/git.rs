//! What is asked of Git: `req.git.plan`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::Who;
use crate::check::Fault;
use crate::descriptors::Blob;
use crate::names::{FleetId, Oid};
use crate::plan::Plan;

/// `req.git.plan`: what a commit, or a tree of descriptors, would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// Of which fleet.
    pub fleet: FleetId,
    /// What is planned.
    pub candidate: Candidate,
    /// Beside [`Candidate::Files`]: the files that containers take in, without what they say. Where that matters, as
    /// references are looked up in it, its text is among the files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, Blob>,
    /// Wait until the fleet is known up to here.
    #[serde(default)]
    pub min_position: u64,
    /// Who asks: other fleets are named to who may see them; none: to nobody.
    #[serde(default)]
    pub by: Option<Who>,
}

/// What is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// A commit that was pushed: its id, the first digits of it, or the name of a branch.
    Commit(String),
    /// All descriptors of a tree: path → text.
    Files(BTreeMap<String, String>),
}

/// The answer to [`PlanRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum PlanAnswer {
    /// This would happen.
    Planned(Box<Planned>),
    /// A push of it would be refused for these.
    Faults {
        /// In the order of files and lines.
        faults: Vec<Fault>,
        /// What can be told beside them.
        #[serde(default)]
        warnings: Vec<Fault>,
    },
    /// It cannot be planned.
    Refused {
        /// Why, for people.
        why: String,
    },
    /// There is no such commit, or no such fleet to look for it in.
    Unknown {
        /// What, for people.
        what: String,
    },
}

/// What a candidate would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Position of the state that it was planned against; 0: there is no such fleet yet.
    pub position: u64,
    /// The whole id of the commit, where it was one.
    pub commit: Option<Oid>,
    /// What would be done.
    pub plan: Plan,
    /// The same as a push prints it.
    pub text: String,
    /// What looks like a mistake and is none for certain.
    pub warnings: Vec<Fault>,
    /// What a push to the deploy branch would be refused for all the same: what other fleets publish, and guards.
    #[serde(default)]
    pub refused: Vec<Fault>,
}
