//! What ends a half of Monitor, or keeps it from starting.

use streams::ReadError;

/// Why the agent stopped.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A round panicked.
    #[error("a round of measuring broke off")]
    Broken(#[source] tokio::task::JoinError),
}

/// Why the service cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
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
    /// The log does not say where it ends.
    #[error("cannot read where the log ends")]
    Head {
        /// What the bus said.
        #[source]
        source: ReadError,
    },
}

/// Why the platform's own figures cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("cannot record figures: {reason}")]
pub struct FiguresError {
    /// What the recorder said.
    pub reason: String,
}
