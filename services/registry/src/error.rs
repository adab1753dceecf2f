//! Why the registry cannot go on.

use streams::ReadError;
use tokio::task::JoinError;

use crate::store::StoreError;

/// Why the registry cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log does not say where it ends.
    #[error("cannot read where the log ends")]
    Head {
        /// What the bus said.
        #[source]
        source: ReadError,
    },
    /// Nobody can ask it anything.
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
    /// The database cannot be made.
    #[error("the registry has no database")]
    Store {
        /// What the database said.
        #[source]
        source: StoreError,
    },
    /// The log cannot be read.
    #[error("the registry cannot read the log")]
    Read {
        /// What the bus said.
        #[source]
        source: ReadError,
    },
    /// A part of it broke off.
    #[error("a part of the registry broke off")]
    Broke {
        /// How.
        #[source]
        source: JoinError,
    },
}
