//! The one table of what is on the wires: streams, plain subjects, users and what each of them may do.
//!
//! Everything else is generated from it: the streams at start, the users in the server's configuration, the subjects in
//! this crate, the table in the README.

mod markdown;
mod rights;
mod table;
mod users;

use std::time::Duration;

use schemas::event::{Scope, Topic};
use schemas::names::{FleetId, NodeName};

pub use self::markdown::markdown;
pub use self::rights::{Rights, rights};
pub use self::table::{PLAIN, STREAMS};
pub use self::users::User;

/// The truth: its sequence is the position.
pub const EVENTS: &str = "EVENTS";
/// Commands to agents.
pub const WORK: &str = "WORK";
/// What agents answer and see.
pub const OBS: &str = "OBS";
/// Git packs.
pub const PACKS: &str = "PACKS";

/// Commands to the taskers' agents.
pub const RUNS: &str = "RUNS";
/// Batches of lines.
pub const LOGS: &str = "LOGS";
/// Batches of samples.
pub const METRICS: &str = "METRICS";
/// Data keys, and what is sealed with them.
pub const KEYS: &str = "KEYS";

/// The JetStream domain of our servers.
pub const DOMAIN: &str = "fleetlog";
/// What the server takes in one message, with its headers.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;
/// Stands in the table's subjects for the node of whoever publishes there.
pub(crate) const NODE: &str = "<node>";
/// Where the incarnation stands in the metadata of `EVENTS`.
pub(crate) const INCARNATION: &str = "fleetlog-incarnation";

/// How long a stream keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// For ever.
    Forever,
    /// By age.
    For(Duration),
    /// Until somebody has done it.
    UntilDone,
}

/// One stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamEntry {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub subjects: &'static [&'static str],
    /// How long.
    pub kept: Kept,
    /// Whether single messages can be deleted (`deny_delete` is set where not).
    pub erasable: bool,
    /// In memory instead of on disk: gone with the server.
    pub memory: bool,
    /// How many bytes at most; none: as many as the disk takes. With a limit the oldest go first, without one the newest
    /// are refused.
    pub max_bytes: Option<u64>,
    /// Whether only the newest message of each subject stays.
    pub newest_only: bool,
    /// Whether several messages may be stored as one.
    pub atomic: bool,
    /// How long the server knows a message id again.
    pub duplicate_window: Duration,
    /// Who appends, and what.
    pub writes: &'static [(User, &'static [&'static str])],
    /// Who reads all of it.
    pub reads: &'static [User],
    /// Who takes, on a node, what waits for this node.
    pub takes: &'static [User],
    /// Who gets, on a node, the last message of this node. Whoever may is limited to it by the subject, so the stream
    /// allows direct gets.
    pub recalls: &'static [User],
    /// Who deletes single messages.
    pub erases: &'static [User],
    /// What it is for.
    pub why: &'static str,
}

/// A subject that is not stored.
#[derive(Debug, Clone, Copy)]
pub struct PlainEntry {
    /// The subject.
    pub subject: &'static str,
    /// Who publishes there: who asks, where it is a question.
    pub says: &'static [User],
    /// Who subscribes to it: who answers, where it is a question.
    pub hears: &'static [User],
    /// Whether it is a question.
    pub answered: bool,
    /// What it is for; of a question, what the answer tells.
    pub why: &'static str,
}

/// A question: `asks` may ask it, `answers` answer it.
const fn question(
    subject: &'static str,
    asks: &'static [User],
    answers: &'static [User],
    why: &'static str,
) -> PlainEntry {
    PlainEntry { subject, says: asks, hears: answers, answered: true, why }
}

/// Something said to whoever listens, which nobody answers.
const fn signal(subject: &'static str, says: &'static [User], hears: &'static [User], why: &'static str) -> PlainEntry {
    PlainEntry { subject, says, hears, answered: false, why }
}

/// Where an event goes.
pub fn event_subject(scope: &Scope, topic: Topic) -> String {
    match scope {
        Scope::Fleet(id) => format!("evt.{}.{}.{}", id.owner, id.name, topic.as_str()),
        Scope::Owner(owner) => format!("sys.{owner}.{}", topic.as_str()),
        Scope::Platform => format!("sys._platform.{}", topic.as_str()),
    }
}

/// All events that are no fleet's.
pub(crate) const SYSTEM: &str = "sys.>";

/// Whether events of this topic are about such a thing.
pub(crate) fn is_place(scope: &Scope, topic: Topic) -> bool {
    match topic {
        Topic::Git | Topic::Rollout | Topic::Container | Topic::Hold | Topic::Run => matches!(scope, Scope::Fleet(_)),
        Topic::Member | Topic::Policy => matches!(scope, Scope::Owner(_)),
        Topic::Profile | Topic::Token | Topic::Level | Topic::Log | Topic::Coordinator | Topic::Work => {
            matches!(scope, Scope::Platform)
        }
    }
}

/// All events of one topic, whoever's they are.
pub(crate) fn topic_filter(topic: Topic) -> String {
    match topic {
        Topic::Git | Topic::Rollout | Topic::Container | Topic::Hold | Topic::Run => {
            format!("evt.*.*.{}", topic.as_str())
        }
        Topic::Member
        | Topic::Policy
        | Topic::Profile
        | Topic::Token
        | Topic::Level
        | Topic::Log
        | Topic::Coordinator
        | Topic::Work => format!("sys.*.{}", topic.as_str()),
    }
}

/// Where a node's commands go.
pub(crate) fn work_subject(node: &NodeName) -> String {
    format!("work.{node}")
}

/// Where a node's reports go.
pub(crate) fn obs_subject(node: &NodeName) -> String {
    format!("obs.{node}")
}

/// Where a node's samples go.
pub(crate) fn metric_subject(node: &NodeName) -> String {
    format!("metric.{node}")
}

/// Where a fleet's packs go.
pub(crate) fn pack_subject(fleet: &FleetId) -> String {
    format!("pack.{}.{}", fleet.owner, fleet.name)
}

/// Where a node's signs of life go.
pub(crate) fn beat_subject(node: &NodeName) -> String {
    format!("beat.{node}")
}
