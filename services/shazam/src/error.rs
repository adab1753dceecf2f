//! What ends a half of Shazam.

use streams::{AppendError, ReadError};

/// Why the coordinator stopped.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The log cannot be read on.
    #[error("the coordinator cannot read on")]
    Read(#[source] ReadError),
    /// The log refused an event for good.
    #[error("the coordinator cannot append {what}")]
    Append {
        /// Which event.
        what: String,
        /// Why.
        #[source]
        source: AppendError,
    },
    /// Questions come no more.
    #[error(transparent)]
    Closed(#[from] streams::Closed),
    /// Another coordinator took over: this one is a zombie.
    #[error("another coordinator took over at position {epoch}; only one may run")]
    TakenOver {
        /// Its epoch.
        epoch: u64,
    },
}

impl From<ReadError> for CoordinatorError {
    fn from(source: ReadError) -> Self {
        Self::Read(source)
    }
}

/// Why the agent stopped.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The queue of work cannot be read.
    #[error("the agent cannot read its work")]
    Work(#[source] ReadError),
    /// Questions cannot be heard.
    #[error("the agent cannot hear what it is asked")]
    Questions(#[source] ReadError),
    /// Questions come no more.
    #[error(transparent)]
    Closed(#[from] streams::Closed),
    /// A task of the agent panicked.
    #[error("a task of the agent broke off")]
    Broken(#[source] tokio::task::JoinError),
}
