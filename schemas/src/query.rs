//! What services ask each other on `req.<service>.<verb>`.

mod files;
mod git;
mod images;
mod logs;
mod losses;
mod monitor;
mod neighbours;
mod operate;
mod policy;
mod profiles;
mod pulls;
mod registry;
mod rollback;
mod rollouts;
mod runs;
mod state;

use serde::{Deserialize, Serialize};

pub use self::files::{FilesAnswer, FilesRequest};
pub use self::git::{Candidate, PlanAnswer, PlanRequest, Planned};
pub use self::images::{
    AskedImage, ImagesAnswer, ImagesRequest, Looked, NowImage, PruneAnswer, PruneRequest, UpdateAnswer, UpdateImages,
};
pub use self::logs::{DrainAnswer, DrainRequest, LogsAnswer, LogsReplayRequest, LogsRequest};
pub use self::losses::{LossesAnswer, LossesRequest};
pub use self::monitor::{Family, ScrapeAnswer, ScrapeRequest, ScrapeTarget, Series, TargetsAnswer, TargetsRequest};
pub use self::neighbours::{NeighboursAnswer, NeighboursRequest};
pub use self::operate::{
    ActAnswer, ActOnNode, HoldAnswer, HoldAsk, HoldRequest, LONGEST_EXEC, Operate, OperateAnswer, SAID, Said,
};
pub use self::policy::{PolicyAnswer, PolicyRequest, SetPolicy};
pub use self::profiles::{
    CreateProfile, CreateToken, Done, EraseProfile, Expiry, Mail, MemberLine, MembersAnswer, MembersRequest,
    NotAnAddress, ProfileLine, ProfileMade, ProfilesAnswer, ProfilesRequest, RevokeToken, SetMail, SetMember,
    TokenLine, TokenMade, TokensAnswer, TokensRequest,
};
pub use self::pulls::{ForkAnswer, ForkRequest, PullAnswer, PullAsk, PullNow, PullRequest, PullsAnswer, PullsRequest};
pub use self::registry::{
    At, HistoryAnswer, HistoryRequest, PastAnswer, PastRequest, Range, ReplayAnswer, ReplayRequest, Variable,
    VariablesAnswer, VariablesRequest,
};
pub use self::rollback::{FailedRollout, RollbackAnswer, RollbackRequest};
pub use self::rollouts::{RetryAnswer, RetryRollout};
pub use self::runs::{
    CancelRun, RunAnswer, RunRequest, RunsAnswer, RunsRequest, StartRun, TaskLine, TasksAnswer, TasksRequest,
};
pub use self::state::{ContainerState, FleetState, ImageState, ObservedState};

use crate::fleet::Fleet;
use crate::names::{FleetId, NodeName, Owner};

/// `req.registry.fleet`: one fleet, at `min_position` or later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetRequest {
    /// Which.
    pub fleet: FleetId,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`FleetRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetAnswer {
    /// Position of the registry when it answered.
    pub position: u64,
    /// None: there is no such fleet.
    pub fleet: Option<Fleet>,
}

/// `req.registry.fleets`: a page of all fleets, in the order of their names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetsRequest {
    /// Only of these owners; none: of all.
    #[serde(default)]
    pub owners: Option<Vec<Owner>>,
    /// Only those after this one.
    #[serde(default)]
    pub after: Option<FleetId>,
    /// At most so many.
    pub limit: u32,
    /// Wait until the registry is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`FleetsRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetsAnswer {
    /// Position of the registry when it answered.
    pub position: u64,
    /// The page.
    pub fleets: Vec<FleetLine>,
    /// Whether there are more.
    pub more: bool,
}

/// One fleet in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetLine {
    /// Its name.
    pub fleet: FleetId,
    /// What it is for.
    pub description: Option<String>,
    /// The commit that is desired.
    pub commit: Option<String>,
    /// How many containers should be.
    pub containers: u32,
    /// How many of them run, and are not unhealthy.
    pub running: u32,
    /// Status of the newest rollout.
    pub rollout: Option<String>,
}

/// `req.shazam.nodes`: every node that was heard of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NodesRequest {}

/// The answer to [`NodesRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodesAnswer {
    /// In the order of their names.
    pub nodes: Vec<NodeLine>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    /// Its name.
    pub node: NodeName,
    /// None: it is there and its Docker answers.
    pub away: Option<String>,
}

/// What a service answers where it cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind, for programs.
    pub code: FaultCode,
    /// What, for people.
    pub message: String,
}

/// What kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The projection did not reach the wanted position in time.
    Behind,
    /// The request cannot be read.
    BadRequest,
    /// The service stopped on an event that it cannot read.
    Stopped,
    /// There is no such thing, or was none then.
    NotFound,
    /// Who asks may not do this.
    NotAllowed,
    /// It contradicts what is there already.
    Conflict,
    /// It cannot be done now; another try may go well.
    Unavailable,
    /// The log has no room for it until somebody makes some.
    Full,
}
