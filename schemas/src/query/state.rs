//! A fleet's state, as people see it: now and then have the same shape.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::descriptors::Desired;
use crate::fleet::{Archived, Drifted, Fleet, HealthState, ObservedContainer, ObservedTask, State};
use crate::images::{History, Outdated, Resolved};
use crate::names::{FleetId, Name, Oid};
use crate::operate::Hold;

/// What should be and what was seen. The names are the contract's.
#[derive(Debug, Serialize)]
pub struct FleetState<'a> {
    /// The position that it shows.
    pub position: u64,
    /// Whose.
    pub fleet: &'a FleetId,
    /// The commit that is desired; none before the deploy branch's first push.
    pub commit: Option<&'a Oid>,
    /// Position of the push, or the rollback, since which it is desired; 0 before.
    pub desired_at: u64,
    /// The branch that is applied.
    pub deploy: &'a str,
    /// What it began as a copy of.
    pub upstream: Option<&'a FleetId>,
    /// What should be.
    pub desired: &'a Desired,
    /// What was seen.
    pub observed: ObservedState<'a>,
    /// Containers that are not as they should be any more.
    pub drift: &'a BTreeMap<Name, Drifted>,
    /// Containers whose descriptor is gone and which are kept for a while, by their name in Docker.
    pub archived: &'a BTreeMap<String, Archived>,
    /// Containers that are left alone.
    pub holds: &'a BTreeMap<Name, Hold>,
    /// Which image each container's tag led to.
    pub images: BTreeMap<&'a Name, ImageState<'a>>,
}

/// The image that a container's tag led to when it was resolved.
#[derive(Debug, Serialize)]
pub struct ImageState<'a> {
    /// The tag.
    pub reference: &'a str,
    /// The digest in its registry; none: the image is on its node only.
    pub digest: Option<&'a str>,
    /// The image's id; none: no container was made from it yet.
    pub id: Option<&'a str>,
    /// Position of the event that said so.
    pub since: u64,
    /// What the tag leads to by now, where the descriptor wants that to be told.
    pub outdated: Option<&'a Outdated>,
}

impl<'a> ImageState<'a> {
    /// The image of a container that is desired.
    pub fn of(history: &'a History) -> Option<Self> {
        let newest = history.records.last()?;
        let Resolved { reference, digest, id, .. } = newest.image.as_ref()?;
        let (since, outdated) = (newest.since, history.outdated.as_ref());
        Some(Self { reference, digest: digest.as_deref(), id: id.as_deref(), since, outdated })
    }
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct ObservedState<'a> {
    /// Containers that are there, by their descriptor's name.
    pub containers: BTreeMap<&'a Name, ContainerState<'a>>,
    /// What came of each task's last run.
    pub tasks: &'a BTreeMap<Name, ObservedTask>,
}

/// A container that is there.
#[derive(Debug, Serialize)]
pub struct ContainerState<'a> {
    /// Docker's word.
    pub state: State,
    /// Docker's word, or the agent's; none: there is no check.
    pub health: Option<HealthState>,
    /// Where.
    pub node: &'a str,
    /// The image's id.
    pub image: Option<&'a str>,
    /// Docker's id.
    pub docker_id: &'a str,
    /// The commit that it was made for.
    pub commit: Option<&'a str>,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// When it was started last, by its node's clock.
    pub started: Option<Timestamp>,
    /// Runs in a row that ended by themselves soon after they began.
    pub crashes: u64,
    /// Position of the event that said so.
    pub since: u64,
}

impl<'a> FleetState<'a> {
    /// The state of a fleet that was folded up to `position`.
    pub fn of(fleet: &'a Fleet, position: u64) -> Self {
        let there = fleet.observed.containers.iter().filter(|(_, it)| it.state != State::Removed);
        Self {
            position,
            fleet: &fleet.id,
            commit: fleet.commit.as_ref(),
            desired_at: fleet.desired_at,
            deploy: &fleet.deploy,
            upstream: fleet.upstream.as_ref(),
            desired: &fleet.desired,
            observed: ObservedState {
                containers: there.map(|(name, it)| (name, ContainerState::of(it))).collect(),
                tasks: &fleet.observed.tasks,
            },
            drift: &fleet.drift,
            archived: &fleet.archived,
            holds: &fleet.holds,
            images: fleet.images.containers.iter().filter_map(|(name, it)| Some((name, ImageState::of(it)?))).collect(),
        }
    }
}

impl<'a> ContainerState<'a> {
    /// When a run began; 0: nobody saw that.
    pub fn began(started_ns: i64) -> Option<Timestamp> {
        Some(started_ns).filter(|it| *it > 0).and_then(|it| Timestamp::from_nanosecond(it.into()).ok())
    }

    fn of(it: &'a ObservedContainer) -> Self {
        Self {
            state: it.state,
            health: it.health,
            node: it.node.as_str(),
            image: it.image.as_deref(),
            docker_id: &it.docker_id,
            commit: it.commit.as_ref().map(Oid::as_str),
            exit_code: it.exit_code,
            started: ContainerState::began(it.started_ns),
            crashes: it.crashes,
            since: it.since,
        }
    }
}
