//! Pull requests and forks. What they change in a repository goes with `git.pushed`; these say what it was for.

use serde::{Deserialize, Serialize};

use super::PackRef;
use crate::names::{FleetId, Key, Oid};

/// Somebody asks to take a branch into another one, of the same fleet or of a fork.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullOpened {
    /// Its number in the fleet, from 1.
    pub number: u64,
    /// What it is for, in a line.
    pub title: String,
    /// The fleet of the branch that is to be taken in.
    pub from: FleetId,
    /// That branch.
    pub branch: String,
    /// The branch that takes it in.
    pub into: String,
    /// How it stood then.
    pub tip: PullTip,
}

/// Where both sides of a pull request stand, and what was found there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullTip {
    /// The commit that is to be taken in.
    pub head: Oid,
    /// The commit of the branch that takes it in.
    pub base: Oid,
    /// Who pushed `head` there, as far as the log tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_by: Option<String>,
    /// The objects that came from a fork; none where the fleet has them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<PackRef>,
    /// What was found.
    pub verdict: Verdict,
}

/// What a check and a plan of a merge found. Carries no content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Files that both sides changed in ways that do not go together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// The codes of the faults, each once, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// The mark of the plan; none where there is none: nothing is applied, or something above stands in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// One of both sides has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullUpdated {
    /// Which.
    pub number: u64,
    /// How it stands now.
    pub tip: PullTip,
}

/// Somebody looked at it and found it good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullApproved {
    /// Which.
    pub number: u64,
    /// The commit that was looked at.
    pub head: Oid,
    /// The mark of the plan that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// It was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullMerged {
    /// Which.
    pub number: u64,
    /// What the branch that took it in leads to since.
    pub commit: Oid,
    /// The mark of the plan that it was merged with; none where nothing was applied, and where it was merged by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// It will not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullClosed {
    /// Which.
    pub number: u64,
}

/// A fleet began as a copy of another one. Nothing is applied before its own first push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetForked {
    /// Which one.
    pub upstream: FleetId,
    /// The commit of the other's deploy branch that it began with.
    pub commit: Oid,
    /// The parameters that were given values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Key>,
}
