//! The table itself.

use std::time::Duration;

use super::{EVENTS, Kept, OBS, PACKS, PlainEntry, StreamEntry, WORK};

const TWO_MINUTES: Duration = Duration::from_secs(120);

/// Every stream.
pub const STREAMS: &[StreamEntry] = &[
    StreamEntry {
        name: EVENTS,
        subjects: &["evt.>", "sys.>"],
        kept: Kept::Forever,
        erasable: false,
        atomic: true,
        duplicate_window: TWO_MINUTES,
        why: "the truth: what happened to fleets (`evt.<owner>.<fleet>.<topic>`) and to the platform (`sys._platform.<topic>`); its sequence is the position",
    },
    StreamEntry {
        name: WORK,
        subjects: &["work.*"],
        kept: Kept::UntilDone,
        erasable: false,
        atomic: false,
        duplicate_window: TWO_MINUTES,
        why: "commands to the agent of one node",
    },
    StreamEntry {
        name: OBS,
        subjects: &["obs.*"],
        kept: Kept::For(Duration::from_secs(24 * 3600)),
        erasable: false,
        atomic: false,
        duplicate_window: TWO_MINUTES,
        why: "what the agent of one node answers and sees",
    },
    StreamEntry {
        name: PACKS,
        subjects: &["pack.*.*"],
        kept: Kept::Forever,
        erasable: true,
        atomic: false,
        duplicate_window: TWO_MINUTES,
        why: "each push's Git pack, in chunks of at most 512 KiB",
    },
];

/// Every subject that is not stored.
pub const PLAIN: &[PlainEntry] = &[
    PlainEntry { subject: "beat.*", why: "signs of life of one node's agent" },
    PlainEntry { subject: "req.registry.fleet", why: "ask the registry for one fleet" },
    PlainEntry { subject: "req.registry.fleets", why: "ask the registry for a page of fleets" },
    PlainEntry { subject: "req.shazam.nodes", why: "ask the coordinator for the nodes that it heard of" },
];
