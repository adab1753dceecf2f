//! What the Git service needs to know, and the limits it keeps.

use std::path::PathBuf;
use std::time::Duration;

use schemas::spec::DigestKey;

use crate::fault::FaultPoint;

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

/// The limits, each with its unit. Those that an operator can set have a name in [`crate::key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Pushes under way at once; further ones wait [`Limits::turn`], and are told so.
    pub pushes: usize,
    /// Fetches and clones under way at once; further ones wait [`Limits::turn`].
    pub fetches: usize,
    /// How long a request waits for its turn before it is told to come back.
    pub turn: Duration,
    /// Bytes of one push's pack.
    pub pack_bytes: u64,
    /// Objects of one push's pack.
    pub pack_objects: u32,
    /// Bytes that all objects of one push's pack unpack to.
    pub unpacked_bytes: u64,
    /// Bytes of one file.
    pub blob_bytes: u64,
    /// Bytes of one object that Git has to hold as a whole: a commit, a folder, a tag, and each end of a difference.
    pub held_bytes: u64,
    /// Bytes of one path in the tree of a branch.
    pub path_bytes: usize,
    /// Files in the tree of a branch.
    pub tree_files: u64,
    /// Refs of one push.
    pub refs: usize,
    /// How long a client may send less than 1 KiB/s in the middle of a request, or take nothing of an answer.
    pub slow: Duration,
    /// Packs of one repository before the smaller ones of them become one.
    pub repack: usize,
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
            turn: Duration::from_secs(60),
            pack_bytes: 2 << 30,
            pack_objects: 500_000,
            unpacked_bytes: 8 << 30,
            blob_bytes: 512 << 20,
            held_bytes: 64 << 20,
            path_bytes: 1_024,
            tree_files: 100_000,
            refs: 1_000,
            slow: Duration::from_secs(60),
            repack: 50,
            head: Duration::from_secs(5),
            ask: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            drain: Duration::from_secs(10),
            orphan: Duration::from_secs(3_600),
        }
    }
}
