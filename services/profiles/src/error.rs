//! Why the profiles cannot go on.

use streams::ReadError;

/// Why the profiles cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log does not say where it ends.
    #[error("cannot read where the log ends")]
    Head(#[source] ReadError),
    /// Nobody can ask anything.
    #[error("cannot answer on `{subject}`")]
    Answer {
        /// The subject of the question.
        subject: &'static str,
        /// What the bus said.
        #[source]
        source: ReadError,
    },
    /// Questions come no more.
    #[error(transparent)]
    Closed(#[from] streams::Closed),
    /// The first profile or its token could not be made.
    #[error("cannot see to the profile `admin` and its token: {reason}")]
    Admin {
        /// Why not.
        reason: String,
    },
    /// Erasures that were begun could not be finished.
    #[error("cannot finish what was to be erased")]
    Erase(#[source] ReadError),
    /// The folder of what is kept beside the log.
    #[error("cannot use `{path}`")]
    Folder {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
