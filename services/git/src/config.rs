//! What the Git service needs to know, and the limits it keeps.

use std::path::PathBuf;
use std::time::Duration;

use schemas::spec::DigestKey;

/// What the Git service needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DIR/git`: repositories, hooks and the hooks' socket. A cache: the log and `PACKS` can make it anew.
    pub folder: PathBuf,
    /// Our own executable, which Git calls as its hooks.
    pub program: PathBuf,
    /// The key of the digests that plans compare.
    pub digest_key: DigestKey,
    /// The limits.
    pub limits: Limits,
    /// Where a push waits for ever, so that a test can kill the platform exactly there.
    pub pause_at: Option<FaultPoint>,
}

/// A point inside a push at which a test kills the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// The pack is stored and the refs are locked; nothing has been appended.
    AfterPack,
    /// `git.pushed` is appended; the refs have not moved.
    AfterAppend,
}

impl FaultPoint {
    /// The word in flags and in the log line `fault point … reached`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AfterPack => "after-pack",
            Self::AfterAppend => "after-append",
        }
    }
}

impl std::str::FromStr for FaultPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::AfterPack, Self::AfterAppend]
            .into_iter()
            .find(|point| point.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a fault point: expected `after-pack` or `after-append`"))
    }
}

/// The limits, each with its unit.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Pushes under way at once; further ones wait [`Limits::turn`].
    pub pushes: usize,
    /// Fetches and clones under way at once; further ones wait [`Limits::turn`].
    pub fetches: usize,
    /// How long a request waits for its turn before it is told to come back.
    pub turn: Duration,
    /// Bytes of one push.
    pub push_bytes: u64,
    /// Refs of one push.
    pub refs: usize,
    /// How long a client may send nothing in the middle of a request.
    pub idle: Duration,
    /// How long an advertisement waits until the refs are at the head of the log.
    pub head: Duration,
    /// How long an answer of another service may take.
    pub ask: Duration,
    /// How long a push waits for news of its rollout before it asks whether the node is away.
    pub silence: Duration,
    /// How long pushes under way may take to finish when the service stops.
    pub drain: Duration,
    /// Packs that no event refers to are erased once they are older than this.
    pub orphan: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pushes: 8,
            fetches: 16,
            turn: Duration::from_secs(10),
            push_bytes: 2 << 30,
            refs: 1_000,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(5),
            ask: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            orphan: Duration::from_secs(3_600),
        }
    }
}
