//! What one event adds to the database: rows, made by the fold and written by the store.

use uuid::Uuid;

/// What an object of a fleet is. The numbers are in the database: a change is a new shape version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The deploy branch and the commit that is desired. One a fleet.
    Head = 0,
    /// A ref.
    Ref = 1,
    /// A descriptor.
    File = 2,
    /// An observed container.
    Container = 3,
    /// An observed volume.
    Volume = 4,
    /// An observed network.
    Network = 5,
    /// What came of a task's last run.
    Task = 6,
    /// The images that a container had.
    Image = 7,
}

impl Kind {
    /// Reads the number of the database.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Head, Self::Ref, Self::File, Self::Container, Self::Volume, Self::Network, Self::Task, Self::Image]
            .into_iter()
            .find(|it| *it as u8 == number)
    }
}

/// One row to write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Row {
    /// An event: its time in nanoseconds since 1970, how far the newest time before it is ahead of it, who appended it.
    Event { position: u64, time: i64, ahead: i64, actor: i64 },
    /// Somebody who appends, for the first time.
    Actor { id: i64, name: String },
    /// A fleet, for the first time.
    Fleet { id: i64, name: String, first: u64 },
    /// Where a fleet's subjects end.
    Lines { fleet: i64, position: u64, git: u64, rollout: u64, run: u64, hold: u64 },
    /// The desired commit moved.
    Push { fleet: i64, position: u64, commit: String },
    /// An object, for the first time.
    Object { id: i64, fleet: i64, kind: Kind, name: String, first: u64 },
    /// A text that many versions share.
    Shared { id: i64, value: String },
    /// What an object is from here on; no value: it is gone. `since`: for each of its facts, where it became so.
    Version { object: i64, position: u64, value: Option<String>, since: Option<String>, shared: Option<i64> },
    /// A rollout, as it was planned.
    Rollout { fleet: i64, planned_at: u64, id: Uuid, plan: String },
    /// How a rollout (`step` is -1) or one of its steps stands from here on.
    Change { rollout: u64, step: i64, position: u64, value: String },
    /// A run begins.
    Run { fleet: i64, queued: u64, id: Uuid, task: String },
    /// A run ends.
    RunEnd { fleet: i64, queued: u64, ended: u64 },
}
