//! A limit that a push is over: what was seen, what fits, which setting says so, and what else can be done.

/// The settings of the limits, as the platform's flags, variables and file name them.
pub mod key {
    /// Bytes of a pack.
    pub const PACK_BYTES: &str = "git_pack_bytes";
    /// Objects of a pack.
    pub const PACK_OBJECTS: &str = "git_pack_objects";
    /// Bytes that a pack unpacks to.
    pub const UNPACKED_BYTES: &str = "git_unpacked_bytes";
    /// Bytes of a file.
    pub const BLOB_BYTES: &str = "git_blob_bytes";
    /// Bytes of an object that Git has to hold as a whole.
    pub const HELD_BYTES: &str = "git_held_bytes";
    /// Bytes of a path.
    pub const PATH_BYTES: &str = "git_path_bytes";
    /// Files of a tree.
    pub const TREE_FILES: &str = "git_tree_files";
    /// Refs of a push.
    pub const REFS: &str = "git_refs";
    /// Pushes at once.
    pub const PUSHES: &str = "git_pushes";
    /// How long a request waits for its turn.
    pub const TURN: &str = "git_turn";
    /// How long a client may be slow.
    pub const SLOW: &str = "git_slow";
    /// Packs of a repository before they become one.
    pub const REPACK: &str = "git_repack";
}

/// A push is over a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; `{key}` allows {limit}: {remedy}, or let the operator raise `{key}`")]
pub(crate) struct Over {
    /// For the log.
    pub(crate) code: &'static str,
    /// What was seen.
    pub(crate) what: String,
    /// What fits.
    pub(crate) limit: String,
    /// The setting.
    pub(crate) key: &'static str,
    /// What the pusher can do.
    pub(crate) remedy: &'static str,
}
