//! The one table of what is on the wires: streams, plain subjects, users and what each of them may do.
//!
//! Everything else is generated from it: the streams at start, the users in the server's configuration, the subjects in
//! this crate, the table in the README.

mod table;
mod users;

use std::fmt::Write as _;
use std::time::Duration;

use schemas::event::{Scope, Topic};
use schemas::names::{FleetId, NodeName};

pub use self::table::{PLAIN, STREAMS};
pub(crate) use self::users::{PLATFORM, PROVISION};
pub use self::users::{User, users};

/// The truth: its sequence is the position.
pub const EVENTS: &str = "EVENTS";
/// Commands to agents.
pub const WORK: &str = "WORK";
/// What agents answer and see.
pub const OBS: &str = "OBS";
/// Git packs.
pub const PACKS: &str = "PACKS";

/// The JetStream domain of our servers.
pub const DOMAIN: &str = "fleetlog";
/// What the server takes in one message, with its headers.
pub const MAX_PAYLOAD_BYTES: usize = 8 << 20;
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

/// One stream. All are on disk, without limits of bytes or messages for now, and refuse rather than drop.
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
    /// Whether several messages may be stored as one.
    pub atomic: bool,
    /// How long the server knows a message id again.
    pub duplicate_window: Duration,
    /// What it is for.
    pub why: &'static str,
}

/// A subject that is not stored.
#[derive(Debug, Clone, Copy)]
pub struct PlainEntry {
    /// The subject.
    pub subject: &'static str,
    /// What it is for.
    pub why: &'static str,
}

/// Where an event goes.
pub fn event_subject(scope: &Scope, topic: Topic) -> String {
    match scope {
        Scope::Fleet(id) => format!("evt.{}.{}.{}", id.owner, id.name, topic.as_str()),
        Scope::Platform => format!("sys._platform.{}", topic.as_str()),
    }
}

/// All events of one topic, whoever's they are.
pub(crate) fn topic_filter(topic: Topic) -> String {
    match topic {
        Topic::Git | Topic::Rollout | Topic::Container => format!("evt.*.*.{}", topic.as_str()),
        Topic::Log | Topic::Coordinator | Topic::Work => format!("sys.*.{}", topic.as_str()),
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

/// Where a fleet's packs go.
pub(crate) fn pack_subject(fleet: &FleetId) -> String {
    format!("pack.{}.{}", fleet.owner, fleet.name)
}

/// Where a node's signs of life go.
pub(crate) fn beat_subject(node: &NodeName) -> String {
    format!("beat.{node}")
}

/// The catalog as the README shows it, between `<!-- catalog -->` and `<!-- /catalog -->`.
pub fn markdown() -> String {
    let mut text = String::from("| stream or subject | takes | kept | what for |\n|---|---|---|---|\n");
    // Writing to a `String` cannot fail.
    for stream in STREAMS {
        let subjects = stream.subjects.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ");
        let kept = match stream.kept {
            Kept::Forever => "for ever".to_owned(),
            Kept::For(age) => format!("{} h", age.as_secs() / 3600),
            Kept::UntilDone => "until done".to_owned(),
        };
        let erasable = if stream.erasable { ", erasable" } else { "" };
        let _ = writeln!(text, "| `{}` | {subjects} | {kept}{erasable} | {} |", stream.name, stream.why);
    }
    for plain in PLAIN {
        let _ = writeln!(text, "| `{}` | – | not stored | {} |", plain.subject, plain.why);
    }
    text.push_str("\n| user | may publish to | may subscribe to |\n|---|---|---|\n");
    for user in users() {
        let list = |it: &[String]| it.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "| `{}` | {} | {} |", user.name, list(&user.publish), list(&user.subscribe));
    }
    text
}
