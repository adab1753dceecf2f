//! Why the Git service does not start, why it stopped, and why a repository cannot be brought to the log's state.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use schemas::names::FleetId;
use streams::{PackError, ReadError};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A program that it needs is not there, or too old.
    #[error("cannot use `{program}`: {seen}; {expected}")]
    Program {
        /// Which program.
        program: &'static str,
        /// What was seen.
        seen: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Its folder cannot be prepared.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log cannot be asked where it ends.
    #[error("cannot read the event log")]
    Log(#[source] ReadError),
    /// The thread that starts Git cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// Why a file or folder of ours cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} `{}`", path.display())]
pub struct FolderError {
    /// What was tried.
    pub what: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Why the service ended other than asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An event cannot be read: refs no longer follow the log.
    #[error("the refs stopped following the log after position {after}")]
    Stopped {
        /// Position of the last event that was taken.
        after: u64,
        /// Why.
        #[source]
        source: Arc<ReadError>,
    },
}

/// Why a repository is not at the log's state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    /// A pack that the log names cannot be loaded.
    #[error("cannot load a pack of `{fleet}`")]
    Pack {
        /// Whose.
        fleet: FleetId,
        /// Why.
        #[source]
        source: PackError,
    },
    /// A child fails.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The disk fails.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log does not answer.
    #[error("cannot read what was pushed in between to `{fleet}`")]
    Read {
        /// Whose.
        fleet: FleetId,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The log does not answer in time.
    #[error("`{fleet}` did not reach position {position} in time")]
    Late {
        /// Whose.
        fleet: FleetId,
        /// What was waited for.
        position: u64,
    },
}

/// Why a child did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// It cannot be started, or talked to.
    #[error("cannot talk to `git {command}`")]
    Io {
        /// Which command.
        command: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says no.
    #[error("`git {command}` failed: {stderr}")]
    Failed {
        /// Which command.
        command: &'static str,
        /// What it said, shortened.
        stderr: String,
    },
}
