//! Questions to the Git service about pull requests and forks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::Who;
use crate::check::Fault;
use crate::names::{FleetId, Oid};
use crate::pulls::{Pull, PullStatus, Source};

/// `req.git.pulls`: a page of a fleet's pull requests, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullsRequest {
    /// Whose.
    pub fleet: FleetId,
    /// Only those that stand so.
    #[serde(default)]
    pub status: Option<PullStatus>,
    /// Only those with a lower number.
    #[serde(default)]
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// The answer to [`PullsRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullsAnswer {
    /// Position of the last event that it shows.
    pub position: u64,
    /// The page.
    pub pulls: Vec<Pull>,
    /// How many approvals a merge into the deploy branch needs.
    pub needed: u32,
    /// Whether there are more.
    pub more: bool,
}

/// `req.git.pull`: one pull request, or something done to one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullRequest {
    /// Whose.
    pub fleet: FleetId,
    /// Who asks.
    pub who: Who,
    /// What for.
    pub ask: PullAsk,
}

/// What is asked about a pull request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullAsk {
    /// To open one.
    Open {
        /// The event's id: asked for again, it is the same pull request.
        id: Uuid,
        /// What is to be taken in.
        from: Source,
        /// Into which branch; the deploy branch where absent.
        into: Option<String>,
        /// What it is for.
        title: String,
    },
    /// To show one, with its check and plan as they are now.
    Show {
        /// Its number.
        number: u64,
    },
    /// To show what it changes, as `git diff` does.
    Diff {
        /// Its number.
        number: u64,
    },
    /// To say that it is good.
    Approve {
        /// The event's id: asked for again, it is done once.
        id: Uuid,
        /// Its number.
        number: u64,
        /// The mark of the plan that was looked at; refused where it is another one now.
        plan: Option<String>,
    },
    /// To take it in.
    Merge {
        /// The event's id: asked for again, it is done once.
        id: Uuid,
        /// Its number.
        number: u64,
        /// The mark of the plan that was looked at; refused where it is another one now.
        plan: Option<String>,
    },
    /// To leave it.
    Close {
        /// The event's id: asked for again, it is done once.
        id: Uuid,
        /// Its number.
        number: u64,
    },
}

/// The answer to [`PullRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullAnswer {
    /// Position of the last event that it shows.
    pub position: u64,
    /// The pull request.
    pub pull: Pull,
    /// What a merge would do now; none where it is not open, or was only just changed.
    pub now: Option<PullNow>,
    /// The difference, where it was asked for.
    pub diff: Option<String>,
    /// How many approvals a merge needs.
    pub needed: u32,
}

/// What a merge would do now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PullNow {
    /// Files that both sides changed in ways that do not go together.
    pub conflicts: Vec<String>,
    /// The faults of the tree that it would lead to.
    pub faults: Vec<Fault>,
    /// What looks like a mistake and is none for certain.
    pub warnings: Vec<Fault>,
    /// What a merge would be refused for although the tree has no fault: what other fleets publish, and guards.
    #[serde(default)]
    pub refused: Vec<Fault>,
    /// The mark of the plan; none: nothing would be applied.
    pub plan: Option<String>,
    /// The plan, as a push prints it.
    pub text: String,
    /// How many approvals count for exactly this.
    pub approved: u32,
}

/// `req.git.fork`: begin a fleet as a copy of another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForkRequest {
    /// The event's id: asked for again, it is the same fork.
    pub id: Uuid,
    /// What is copied.
    pub upstream: FleetId,
    /// What it becomes.
    pub fork: FleetId,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, Value>,
    /// Who asks.
    pub who: Who,
}

/// The answer to [`ForkRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForkAnswer {
    /// Position of the event that made it.
    pub position: u64,
    /// What it is.
    pub fork: FleetId,
    /// What it was copied from.
    pub upstream: FleetId,
    /// Where its deploy branch stands.
    pub commit: Oid,
    /// The deploy branch.
    pub deploy: String,
}
