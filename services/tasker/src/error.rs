//! What ends a half of Tasker.

use streams::{AppendError, ReadError};

/// Why the coordinator stopped.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// The log cannot be read on.
    #[error("the tasker cannot read on")]
    Read(#[from] ReadError),
    /// Nobody can ask it anything.
    #[error("the tasker cannot answer on `{subject}`")]
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
    /// The log refused an event for good.
    #[error("the tasker cannot append {what}")]
    Append {
        /// Which event.
        what: &'static str,
        /// Why.
        #[source]
        source: AppendError,
    },
    /// Another one took over: this one is a zombie.
    #[error("another tasker took over with epoch {epoch}; only one may run")]
    TakenOver {
        /// Its epoch.
        epoch: u64,
    },
}

/// Why the agent stopped.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The queue of runs cannot be read.
    #[error("the tasker's agent cannot read its queue")]
    Queue(#[source] ReadError),
    /// A task of the agent panicked.
    #[error("a task of the tasker's agent broke off")]
    Broken(#[source] tokio::task::JoinError),
}
