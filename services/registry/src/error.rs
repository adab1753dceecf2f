//! Why the registry cannot go on.

use streams::ReadError;

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
    /// The questions ended although nobody asked for it.
    #[error("the questions on `{subject}` ended: is the connection to NATS closed?")]
    Closed {
        /// The subject of the question.
        subject: &'static str,
    },
}
