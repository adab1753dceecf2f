//! What gets remembered: every event of the log, one type a version, with its place on the wire.
//!
//! An event is a CloudEvent: `ce-type` says which [`Data`] it carries, `ce-subject` which thing it is about, `ce-source`
//! whose it is. Types are never changed once they were written to a log: a new shape is a new version, and the old one
//! is read through an upcaster in [`Data::decode`]. `schemas/golden/` holds one record of every version for ever.

mod container;
mod git;
mod hold;
mod image;
mod profile;
mod pull;
mod rollout;
mod run;
mod system;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::container::{
    ArchiveEnd, ArchiveRemoved, ContainerArchived, ContainerChange, DriftEnded, DriftFound, ObservationGap, Sighting,
    ThingChange,
};
pub use self::git::{
    DesiredReinstated, DesiredRolledBack, GitPushed, GitRefused, GitRepacked, OverrideUsed, PackRef, RefUpdate, Refusal,
};
pub use self::hold::{HoldEnded, HoldPlaced, OperatorActed, OperatorAsked};
pub use self::image::{ImageMove, ImageOutdated, ImagePruned, ImageUpdated};
pub use self::profile::{
    MemberRemoved, MemberSet, PolicySet, ProfileCreated, ProfileErased, TokenCreated, TokenRevoked,
};
pub use self::pull::{FleetForked, PullApproved, PullClosed, PullMerged, PullOpened, PullTip, PullUpdated, Verdict};
pub use self::rollout::{
    RolloutFailed, RolloutPlanned, RolloutResumed, RolloutRetried, RolloutStarted, RolloutStep, RolloutSucceeded,
    RolloutSuperseded, StepStatus,
};
pub use self::run::{RunCancelled, RunFailed, RunQueued, RunStarted, RunStep, RunSucceeded, Trigger};
pub use self::system::{CoordinatorTook, DeadWork, Level, LevelRaised, LogOpened, WorkDead};
use crate::names::{FleetId, Owner};

/// Whose event it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A fleet's: `evt.<owner>.<fleet>.<topic>`.
    Fleet(FleetId),
    /// An owner's: `sys.<owner>.<topic>`.
    Owner(Owner),
    /// The platform's own: `sys._platform.<topic>`.
    Platform,
}

impl Scope {
    /// `ce-source`: the address of whose it is on our own API.
    pub fn source(&self) -> String {
        match self {
            Self::Fleet(id) => format!("/v1/fleets/{id}"),
            Self::Owner(owner) => format!("/v1/owners/{owner}"),
            Self::Platform => "/".to_owned(),
        }
    }

    /// The fleet, where it is a fleet's.
    pub fn fleet(&self) -> Option<&FleetId> {
        match self {
            Self::Fleet(id) => Some(id),
            Self::Owner(_) | Self::Platform => None,
        }
    }
}

/// The last token of an event's subject on the wire: the line that its expected position is counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Pushes.
    Git,
    /// Rollouts.
    Rollout,
    /// What was observed in Docker.
    Container,
    /// What is left alone, and what operators do by hand.
    Hold,
    /// Runs of tasks.
    Run,
    /// Who is what with an owner (owner).
    Member,
    /// What an owner forbids (owner).
    Policy,
    /// Profiles (platform).
    Profile,
    /// Tokens (platform).
    Token,
    /// How full the streams are (platform).
    Level,
    /// The log itself (platform).
    Log,
    /// Who coordinates (platform).
    Coordinator,
    /// Work that nobody could do (platform).
    Work,
}

impl Topic {
    /// The token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Rollout => "rollout",
            Self::Container => "container",
            Self::Hold => "hold",
            Self::Run => "run",
            Self::Member => "member",
            Self::Policy => "policy",
            Self::Profile => "profile",
            Self::Token => "token",
            Self::Level => "level",
            Self::Log => "log",
            Self::Coordinator => "coordinator",
            Self::Work => "work",
        }
    }
}

/// An event before it has a position: what somebody wants to append.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// `ce-id`, also the message id: the same draft is stored at most once.
    pub id: Uuid,
    /// Whose it is.
    pub scope: Scope,
    /// `ce-subject`: the thing, such as `containers/api` or `refs/heads/main`.
    pub subject: String,
    /// `ce-time`.
    pub time: Timestamp,
    /// Who did it: a profile, or a service such as `shazam`.
    pub actor: String,
    /// The event that led to this one.
    pub cause: Option<Uuid>,
    /// What happened.
    pub data: Data,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its sequence in `EVENTS`.
    pub position: u64,
    /// What was appended.
    pub draft: Draft,
}

impl std::ops::Deref for Event {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

/// An event as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its sequence in `EVENTS`.
    pub position: u64,
    /// `ce-id`
    pub id: Uuid,
    /// `ce-type`
    #[serde(rename = "type")]
    pub kind: String,
    /// `ce-subject`
    pub subject: String,
    /// `ce-source`
    pub source: String,
    /// `ce-time`, RFC 3339
    pub time: Timestamp,
    /// `fleetlog-actor`
    pub actor: String,
    /// `fleetlog-cause`
    pub cause: Option<Uuid>,
    /// What happened.
    pub data: serde_json::Value,
}

impl From<&Event> for Shown {
    fn from(event: &Event) -> Self {
        Self {
            position: event.position,
            id: event.id,
            kind: event.data.kind().to_owned(),
            subject: event.subject.clone(),
            source: event.scope.source(),
            time: event.time,
            actor: event.actor.clone(),
            cause: event.cause,
            data: event.data.to_value(),
        }
    }
}

/// Why an event cannot be read. A projection stops on it; it is never skipped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A newer fleetlog wrote it.
    #[error("unknown event type `{kind}`: written by a newer fleetlog? start that version")]
    Unknown {
        /// The `ce-type`.
        kind: String,
    },
    /// Its data is not what its type says.
    #[error("event of type `{kind}` does not hold what its type says")]
    Data {
        /// The `ce-type`.
        kind: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! data {
    ($($variant:ident($payload:ty), $kind:literal, $topic:ident;)*) => {
        /// What happened: one variant an event type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Data {
            $(#[doc = $kind] $variant($payload),)*
        }

        impl Data {
            /// Every `ce-type` that this version reads and writes.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// `ce-type`
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            /// The last token of its subject on the wire.
            pub const fn topic(&self) -> Topic {
                match self { $(Self::$variant(_) => Topic::$topic,)* }
            }

            /// The data as JSON.
            pub fn to_value(&self) -> serde_json::Value {
                let value = match self { $(Self::$variant(it) => serde_json::to_value(it),)* };
                // Payloads are plain structs with string keys: serialising them cannot fail.
                value.unwrap_or_default()
            }

            /// Reads the data of an event of type `kind`.
            pub fn decode(kind: &str, json: &[u8]) -> Result<Self, DecodeError> {
                let data = |source| DecodeError::Data { kind: kind.to_owned(), source };
                match kind {
                    $($kind => serde_json::from_slice(json).map(Self::$variant).map_err(data),)*
                    _ => Err(DecodeError::Unknown { kind: kind.to_owned() }),
                }
            }
        }
    };
}

data! {
    GitPushed(GitPushed), "fleetlog.git.pushed.v1", Git;
    GitRefused(GitRefused), "fleetlog.git.refused.v1", Git;
    GitRepacked(GitRepacked), "fleetlog.git.repacked.v1", Git;
    OverrideUsed(OverrideUsed), "fleetlog.override.used.v1", Git;
    DesiredRolledBack(DesiredRolledBack), "fleetlog.desired.rolled_back.v1", Git;
    DesiredReinstated(DesiredReinstated), "fleetlog.desired.reinstated.v1", Git;
    PullOpened(PullOpened), "fleetlog.pull.opened.v1", Git;
    PullUpdated(PullUpdated), "fleetlog.pull.updated.v1", Git;
    PullApproved(PullApproved), "fleetlog.pull.approved.v1", Git;
    PullMerged(PullMerged), "fleetlog.pull.merged.v1", Git;
    PullClosed(PullClosed), "fleetlog.pull.closed.v1", Git;
    FleetForked(FleetForked), "fleetlog.fleet.forked.v1", Git;
    RolloutPlanned(RolloutPlanned), "fleetlog.rollout.planned.v1", Rollout;
    RolloutRetried(RolloutRetried), "fleetlog.rollout.retried.v1", Rollout;
    RolloutStarted(RolloutStarted), "fleetlog.rollout.started.v1", Rollout;
    RolloutResumed(RolloutResumed), "fleetlog.rollout.resumed.v1", Rollout;
    RolloutStep(RolloutStep), "fleetlog.rollout.step.v1", Rollout;
    RolloutSucceeded(RolloutSucceeded), "fleetlog.rollout.succeeded.v1", Rollout;
    RolloutFailed(RolloutFailed), "fleetlog.rollout.failed.v1", Rollout;
    RolloutSuperseded(RolloutSuperseded), "fleetlog.rollout.superseded.v1", Rollout;
    ImageUpdated(ImageUpdated), "fleetlog.image.updated.v1", Rollout;
    ImageOutdated(ImageOutdated), "fleetlog.image.outdated.v1", Container;
    ImagePruned(ImagePruned), "fleetlog.image.pruned.v1", Container;
    ContainerCreated(ContainerChange), "fleetlog.container.created.v1", Container;
    ContainerStarted(ContainerChange), "fleetlog.container.started.v1", Container;
    ContainerUpdated(ContainerChange), "fleetlog.container.updated.v1", Container;
    ContainerPaused(ContainerChange), "fleetlog.container.paused.v1", Container;
    ContainerUnpaused(ContainerChange), "fleetlog.container.unpaused.v1", Container;
    ContainerHealthy(ContainerChange), "fleetlog.container.healthy.v1", Container;
    ContainerUnhealthy(ContainerChange), "fleetlog.container.unhealthy.v1", Container;
    ContainerStopped(ContainerChange), "fleetlog.container.stopped.v1", Container;
    ContainerDied(ContainerChange), "fleetlog.container.died.v1", Container;
    ContainerRemoved(ContainerChange), "fleetlog.container.removed.v1", Container;
    ContainerArchived(ContainerArchived), "fleetlog.container.archived.v1", Container;
    ArchiveRemoved(ArchiveRemoved), "fleetlog.archive.removed.v1", Container;
    VolumeCreated(ThingChange), "fleetlog.volume.created.v1", Container;
    VolumeRemoved(ThingChange), "fleetlog.volume.removed.v1", Container;
    NetworkCreated(ThingChange), "fleetlog.network.created.v1", Container;
    NetworkRemoved(ThingChange), "fleetlog.network.removed.v1", Container;
    DriftFound(DriftFound), "fleetlog.drift.found.v1", Container;
    DriftEnded(DriftEnded), "fleetlog.drift.ended.v1", Container;
    ObservationGap(ObservationGap), "fleetlog.observation.gap.v1", Container;
    HoldPlaced(HoldPlaced), "fleetlog.hold.placed.v1", Hold;
    HoldEnded(HoldEnded), "fleetlog.hold.ended.v1", Hold;
    OperatorAsked(OperatorAsked), "fleetlog.operator.asked.v1", Hold;
    OperatorActed(OperatorActed), "fleetlog.operator.acted.v1", Hold;
    RunQueued(RunQueued), "fleetlog.run.queued.v1", Run;
    RunStarted(RunStarted), "fleetlog.run.started.v1", Run;
    RunStep(RunStep), "fleetlog.run.step.v1", Run;
    RunSucceeded(RunSucceeded), "fleetlog.run.succeeded.v1", Run;
    RunFailed(RunFailed), "fleetlog.run.failed.v1", Run;
    RunCancelled(RunCancelled), "fleetlog.run.cancelled.v1", Run;
    ProfileCreated(ProfileCreated), "fleetlog.profile.created.v1", Profile;
    ProfileErased(ProfileErased), "fleetlog.profile.erased.v1", Profile;
    TokenCreated(TokenCreated), "fleetlog.token.created.v1", Token;
    TokenRevoked(TokenRevoked), "fleetlog.token.revoked.v1", Token;
    MemberSet(MemberSet), "fleetlog.member.set.v1", Member;
    MemberRemoved(MemberRemoved), "fleetlog.member.removed.v1", Member;
    PolicySet(PolicySet), "fleetlog.policy.set.v1", Policy;
    LevelRaised(LevelRaised), "fleetlog.level.raised.v1", Level;
    LogOpened(LogOpened), "fleetlog.log.opened.v1", Log;
    CoordinatorTook(CoordinatorTook), "fleetlog.coordinator.took.v1", Coordinator;
    WorkDead(WorkDead), "fleetlog.work.dead.v1", Work;
}
