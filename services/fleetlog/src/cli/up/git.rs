//! The flags of the Git service's limits.

use clap::Args;
use git::key;

/// What the Git service takes at most.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits of Git")]
pub struct GitFlags {
    /// Bytes of one push's pack [FLEETLOG_GIT_PACK_BYTES, else 2GiB]
    #[arg(long, value_name = "SIZE")]
    pub git_pack_bytes: Option<String>,
    /// Objects of one push's pack [FLEETLOG_GIT_PACK_OBJECTS, else 500000]
    #[arg(long, value_name = "N")]
    pub git_pack_objects: Option<String>,
    /// Bytes that one push's pack unpacks to [FLEETLOG_GIT_UNPACKED_BYTES, else 8GiB]
    #[arg(long, value_name = "SIZE")]
    pub git_unpacked_bytes: Option<String>,
    /// Bytes of one file in a push [FLEETLOG_GIT_BLOB_BYTES, else 512MiB]
    #[arg(long, value_name = "SIZE")]
    pub git_blob_bytes: Option<String>,
    /// Bytes of one object that Git holds as a whole: a commit, a folder, each end of a difference [FLEETLOG_GIT_HELD_BYTES, else 64MiB]
    #[arg(long, value_name = "SIZE")]
    pub git_held_bytes: Option<String>,
    /// Bytes of one path in a fleet [FLEETLOG_GIT_PATH_BYTES, else 1024]
    #[arg(long, value_name = "N")]
    pub git_path_bytes: Option<String>,
    /// Files in a fleet [FLEETLOG_GIT_TREE_FILES, else 100000]
    #[arg(long, value_name = "N")]
    pub git_tree_files: Option<String>,
    /// Refs that one push moves [FLEETLOG_GIT_REFS, else 1000]
    #[arg(long, value_name = "N")]
    pub git_refs: Option<String>,
    /// Pushes at once; further ones wait and are told so [FLEETLOG_GIT_PUSHES, else 8]
    #[arg(long, value_name = "N")]
    pub git_pushes: Option<String>,
    /// How long a push or a fetch waits for its turn [FLEETLOG_GIT_TURN, else 60s]
    #[arg(long, value_name = "SPAN")]
    pub git_turn: Option<String>,
    /// How long a client may send less than 1 KiB/s [FLEETLOG_GIT_SLOW, else 60s]
    #[arg(long, value_name = "SPAN")]
    pub git_slow: Option<String>,
    /// Packs of a repository before the smaller of them become one [FLEETLOG_GIT_REPACK, else 50]
    #[arg(long, value_name = "N")]
    pub git_repack: Option<String>,
}

impl GitFlags {
    /// The flags that were given, by their setting's key.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            (key::PACK_BYTES, &self.git_pack_bytes),
            (key::PACK_OBJECTS, &self.git_pack_objects),
            (key::UNPACKED_BYTES, &self.git_unpacked_bytes),
            (key::BLOB_BYTES, &self.git_blob_bytes),
            (key::HELD_BYTES, &self.git_held_bytes),
            (key::PATH_BYTES, &self.git_path_bytes),
            (key::TREE_FILES, &self.git_tree_files),
            (key::REFS, &self.git_refs),
            (key::PUSHES, &self.git_pushes),
            (key::TURN, &self.git_turn),
            (key::SLOW, &self.git_slow),
            (key::REPACK, &self.git_repack),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)))
    }
}
