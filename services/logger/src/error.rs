//! What can go wrong while lines are collected and indexed.

use std::path::PathBuf;

use streams::{LinesError, ReadError};

/// Why the index half ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bus does not answer questions.
    #[error("cannot answer questions on `{subject}`")]
    Answer {
        /// Their subject.
        subject: &'static str,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// Questions come no more.
    #[error(transparent)]
    Closed(#[from] streams::Closed),
    /// It is not known how far the lines reach.
    #[error("cannot tell how far the lines reach")]
    Head {
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A task of ours broke off.
    #[error("a part of the logger broke off")]
    Broken(#[source] tokio::task::JoinError),
}

/// Why a folder of the index is of no use.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file system says no.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What we wanted.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The index of one day says no.
    #[error("the index of {day} failed to {what}")]
    Day {
        /// Which day.
        day: String,
        /// What we wanted.
        what: &'static str,
        /// Why.
        #[source]
        source: tantivy::TantivyError,
    },
    /// A file of a day is not what was written.
    #[error("the index of {day} is damaged: {files} of its files are not what was written")]
    Damaged {
        /// Which day.
        day: String,
        /// How many files.
        files: usize,
    },
    /// The files of a day are gone.
    #[error("the index of {day} is gone from `{}`", path.display())]
    Gone {
        /// Which day.
        day: String,
        /// Where it was.
        path: PathBuf,
    },
}

/// Why the half that collects ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The bus does not let it answer those who remove containers.
    #[error("cannot hear who removes containers")]
    Answer(#[source] ReadError),
    /// Questions come no more.
    #[error(transparent)]
    Closed(#[from] streams::Closed),
    /// What was stored last cannot be read.
    #[error("cannot read where the last agent of this node stopped")]
    Recall(#[source] ReadError),
    /// Lines cannot be stored, and will never be.
    #[error("cannot store lines")]
    Store(#[source] LinesError),
}
