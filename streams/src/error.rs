//! What can go wrong on the wires, and what that says about what happened.
//!
//! The kinds keep apart what a caller has to treat differently: *definite* (nothing was stored, nothing ever will be) and
//! *unknown* (it may be stored now or later).

use std::error::Error;
use std::time::Duration;

use schemas::query::Fault;
use uuid::Uuid;

use crate::wire::Unreadable;

/// A cause that only people read.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server does not answer, or not us.
    #[error("cannot connect to the NATS server at `{url}`; is it running, and are the credentials right?")]
    Connect {
        /// The server.
        url: String,
        /// What the client says.
        #[source]
        source: Cause,
    },
    /// The log is not there.
    #[error("the server at `{url}` does not tell about stream `{stream}`; it is made when the platform starts")]
    NoLog {
        /// The server.
        url: String,
        /// The stream.
        stream: &'static str,
        /// What the server says.
        #[source]
        source: Cause,
    },
    /// The log was made by something else.
    #[error("stream `{stream}` at `{url}` carries no incarnation (metadata `{key}`, seen {seen:?}, expected a UUID)")]
    NoIncarnation {
        /// The server.
        url: String,
        /// The stream.
        stream: &'static str,
        /// The metadata's key.
        key: &'static str,
        /// What it holds.
        seen: Option<String>,
    },
}

/// Why an event was not appended, as far as that is known.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Definite: somebody else's event came first, ours is not stored and never will be.
    #[error("somebody else was first: position {last} is on the same subject, after the one that was expected")]
    Refused {
        /// Position of the first event after the expected one; where the expected position is not on the subject at
        /// all, the last one that is.
        last: u64,
    },
    /// Not known: it may be stored now, or later, or never. The log will show.
    #[error("outcome unknown, event {id}")]
    Unknown {
        /// The event's id.
        id: Uuid,
    },
    /// Definite: there is no connection to the log, nothing was sent.
    #[error("the event log does not answer: nothing changed, try again")]
    Unavailable,
    /// Definite: it does not fit.
    #[error("event `{kind}` has {bytes} bytes on the wire, at most {limit} fit")]
    TooLarge {
        /// The event's type.
        kind: &'static str,
        /// Its size with its headers, compressed where that applies.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
    /// Definite: the log refuses it for another reason, such as a full disk.
    #[error("the event log refuses event `{kind}`: {reason}")]
    Rejected {
        /// The event's type.
        kind: &'static str,
        /// JetStream's error code.
        code: u64,
        /// What the server says.
        reason: String,
    },
}

/// Why a command, report or answer was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Definite: there is no connection, nothing was sent.
    #[error("the message bus does not answer: `{subject}` was not sent")]
    Unavailable {
        /// Where it was to go.
        subject: String,
    },
    /// Not known: it may have arrived. Sending the same again is harmless.
    #[error("no answer in time to what was sent to `{subject}`: outcome unknown")]
    Unknown {
        /// Where it went.
        subject: String,
    },
    /// Definite: it does not fit.
    #[error("what is to go to `{subject}` has {bytes} bytes, at most {limit} fit")]
    TooLarge {
        /// Where it was to go.
        subject: String,
        /// Its size.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
    /// Definite: the server refuses it.
    #[error("the server refuses what was sent to `{subject}`: {reason}")]
    Rejected {
        /// Where it was to go.
        subject: String,
        /// JetStream's error code.
        code: u64,
        /// What the server says.
        reason: String,
    },
    /// It is not JSON.
    #[error("what is to go to `{subject}` cannot be written as JSON")]
    Encode {
        /// Where it was to go.
        subject: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A message of a stream does not say what it should. Never skipped in `EVENTS`.
    #[error("cannot read position {position} of `{stream}`")]
    Decode {
        /// The stream.
        stream: &'static str,
        /// Its sequence there.
        position: u64,
        /// Why.
        #[source]
        source: Unreadable,
    },
    /// The log has a hole.
    #[error("`{stream}` has a hole: after position {after} comes {seen}; restore it from a copy")]
    Gap {
        /// The stream.
        stream: &'static str,
        /// The last position before it.
        after: u64,
        /// The first one behind it.
        seen: u64,
    },
    /// The server refuses or does not answer.
    #[error("cannot read `{what}` from the message bus")]
    Api {
        /// The stream or subject.
        what: String,
        /// What the client says.
        #[source]
        source: Cause,
    },
}

/// Why a pack was not stored, loaded or erased.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The pack cannot be read, or written, on our side.
    #[error("cannot {what} pack {id}")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// Which pack.
        id: Uuid,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A chunk was not stored.
    #[error("cannot store chunk {chunk} of pack {id}")]
    Store {
        /// Which pack.
        id: Uuid,
        /// Which chunk, counted from 0.
        chunk: u32,
        /// Why.
        #[source]
        source: SendError,
    },
    /// `PACKS` cannot be read.
    #[error("cannot read pack {id}")]
    Read {
        /// Which pack.
        id: Uuid,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A chunk is not there.
    #[error("chunk {chunk} of pack {id} is not in `PACKS`: {chunks} chunks were stored in sequences {first} to {last}")]
    Missing {
        /// Which pack.
        id: Uuid,
        /// The first chunk that is not there.
        chunk: u32,
        /// How many there should be.
        chunks: u32,
        /// Where the first one should be.
        first: u64,
        /// Where the last one should be.
        last: u64,
    },
    /// What was loaded is not what was stored.
    #[error("pack {id} is damaged: {what} is {seen}, expected {expected}")]
    Damaged {
        /// Which pack.
        id: Uuid,
        /// `length` or `SHA-256`.
        what: &'static str,
        /// What was loaded.
        seen: String,
        /// What was stored.
        expected: String,
    },
    /// Looking for unreferenced packs failed.
    #[error("cannot sweep `PACKS`")]
    Sweep {
        /// Why.
        #[source]
        source: ReadError,
    },
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The other side cannot answer, and says why.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// No answer before the deadline.
    #[error("no answer on `{subject}` within {within:?}")]
    Timeout {
        /// The question's subject.
        subject: &'static str,
        /// The deadline.
        within: Duration,
    },
    /// Nobody answers such questions now.
    #[error("nobody answers on `{subject}`: is that service running?")]
    NobodyThere {
        /// The question's subject.
        subject: &'static str,
    },
    /// The question does not fit.
    #[error("the question on `{subject}` has {bytes} bytes, at most {limit} fit")]
    TooLarge {
        /// The question's subject.
        subject: &'static str,
        /// Its size.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
    /// The answer cannot be read.
    #[error("cannot read the answer on `{subject}`")]
    Unreadable {
        /// The question's subject.
        subject: &'static str,
        /// Why.
        #[source]
        source: Unreadable,
    },
    /// The client fails.
    #[error("cannot ask on `{subject}`")]
    Client {
        /// The question's subject.
        subject: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
}

/// An error with its causes, in one line: for where it ends in a text.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(": ");
        text.push_str(&it.to_string());
        cause = it.source();
    }
    text
}
