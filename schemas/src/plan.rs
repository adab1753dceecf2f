//! The way from what is observed to what is desired.

use serde::{Deserialize, Serialize};

use crate::names::Name;
use crate::operate::Hold;
use crate::units::Span;

mod decide;
pub mod destroy;
mod diff;
mod files;
mod held;
mod impact;
mod reasons;
mod text;

pub use self::decide::{PlanError, plan, plan_after};
pub use self::diff::difference;
pub use self::text::describe;

/// What has to be done so that the world is as it should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Position of the observed state that it was made from.
    pub observed: u64,
    /// What to do; removals first, then in an order in which nothing comes before what it needs.
    pub steps: Vec<Step>,
    /// Containers that are as they should be.
    pub unchanged: Vec<Name>,
    /// Volumes that will be made with the containers that mount them.
    pub new_volumes: Vec<Name>,
    /// Volumes whose descriptor is gone; they stay, with their data.
    pub kept_volumes: Vec<Name>,
    /// Those of them whose data this push could have destroyed, had it named them.
    #[serde(default)]
    pub ephemeral_volumes: Vec<Name>,
    /// What becomes of the fleet's own network; none: it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// What changes without a step.
    #[serde(default)]
    pub live: Vec<Live>,
    /// Containers that run now and do not for a while, in the order of their steps.
    #[serde(default)]
    pub down: Vec<Down>,
    /// Containers that depend on one of those, directly or not, and are not among them.
    #[serde(default)]
    pub needed_by: Vec<Name>,
    /// How long containers that are removed are kept under another name; none: they are gone at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_removed: Option<Span>,
    /// How many containers there are or will be.
    #[serde(default)]
    pub containers: u32,
    /// Containers that are left alone because somebody said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
}

/// A container that is left alone, and what would be done to it otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which.
    pub container: Name,
    /// Until when, by whom and why.
    pub hold: Hold,
    /// What would be done to it; none: it is as it should be.
    pub action: Option<Action>,
    /// Why that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// What becomes of a fleet's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name in Docker.
    pub name: String,
    /// It is made with the first container, else it goes with the last one.
    pub made: bool,
}

/// A descriptor that is another, and for which nothing in Docker is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Which, such as `containers/api` or `tasks/greet`.
    pub thing: String,
    /// What changes, field by field; empty where it is new or gone.
    pub reasons: Vec<Reason>,
    /// What that means, for people.
    pub note: String,
}

/// A container that runs now and does not for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Which.
    pub container: Name,
    /// How long the same step took the last times, in the middle; none: the fleet remembers none.
    pub about_ms: Option<u64>,
    /// How many times that were.
    pub measured: u32,
    /// How long it may take to stop; none: what runs is not known to be what was pushed last.
    pub grace: Option<Span>,
}

/// One thing to do to one container, or the removal of one volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which container; where it is [`Action::Destroy`], which volume.
    pub container: Name,
    /// What to do to it.
    pub action: Action,
    /// Why, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Steps of the same plan, by index, that have to succeed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<u32>,
}

impl Step {
    /// Whether it makes a container.
    pub(crate) const fn makes(&self) -> bool {
        matches!(self.action, Action::Create | Action::Recreate | Action::Replace)
    }
}

/// What to do to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is not there: make it and start it.
    Create,
    /// It is another than it should be: stop it, remove it, make it anew with its name and volumes.
    Recreate,
    /// The same, and the new one is ready before the old one is stopped: two of them run from the step's start to its end.
    Replace,
    /// Docker can make it what it should be while it runs: limits, restart policy.
    Update,
    /// Files of it are others: put them in place.
    Place,
    /// Files of it are others: put them in place, and send its process the signal for that.
    Reload,
    /// It is as it should be but does not run, or not well, or it has other files: start it again.
    Restart,
    /// It runs and its check has not passed yet: wait for it.
    Wait,
    /// Its descriptor is gone: stop it and remove it, never a volume.
    Remove,
    /// A volume whose descriptor is gone, and whose data a push allowed to be destroyed: remove it.
    Destroy,
}

/// What made a step necessary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The descriptor's field such as `env.REGION`, or what was observed such as `state`.
    pub field: String,
    /// What it was; none: it was not there. Never a rendered value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it is to be; none: it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
