//! Lines on `LOGS`: each agent appends batches to its own subject, each right behind the one that it knows as the last.
//! So a batch is stored once or not at all, and of two agents of one node only one goes on.

use std::time::Duration;

use async_nats::HeaderMap;
use schemas::logs::Batch;
use schemas::names::NodeName;
use schemas::query::{DrainAnswer, DrainRequest};
use tokio::time::Instant;

use crate::bus::{Bus, info};
use crate::catalog::LOGS;
use crate::connection;
use crate::error::{AskError, ReadError, SendError};
use crate::follow::Tail;
use crate::publish::{Outcome, message_id};
use crate::read::Which;
use crate::reports::message;
use crate::request::{Question, Questions};
use crate::wire::{self, Unreadable};

/// Where the client says what it stands behind.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// Who is about to remove a container hears after so long whether its last lines are still on their way.
pub const DRAIN_STEP: Duration = Duration::from_secs(10);
/// And waits no longer than this altogether: mostly it takes some milliseconds, but there may be many lines, and little
/// time for the one who reads them.
const DRAIN_WITHIN: Duration = Duration::from_secs(120);

impl Question for DrainRequest {
    type Answer = DrainAnswer;
    const SUBJECT: &'static str = "req.logger.drain.<node>";
}

/// Why lines were not stored, as far as that is known.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// Definite: another batch was stored behind the expected one.
    #[error(
        "another batch of lines of this node came first, in sequence {last}: is a second agent of this name running?"
    )]
    Overtaken {
        /// Sequence of the last batch of this node.
        last: u64,
    },
    /// Like any other message.
    #[error(transparent)]
    Send(SendError),
    /// Nobody says whether a container's last lines are stored.
    #[error(transparent)]
    Ask(AskError),
    /// A container's last lines are not stored.
    #[error("its last lines were not all read within {within:?}")]
    Unread {
        /// How long that was waited for.
        within: Duration,
    },
}

/// How far `LOGS` reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Sequence of the first batch that is still there; one behind `last` where none is.
    pub first: u64,
    /// Sequence of the last batch.
    pub last: u64,
}

impl Bus {
    /// Stores a batch right behind sequence `expected` of this node's; 0: it has none. Answers its sequence. Storing the
    /// same batch again, with the same expectation, is harmless and answers the same.
    ///
    /// Not cancel-safe: a caller that stops waiting does not know what came of it.
    pub async fn store_lines(&self, node: &NodeName, batch: &Batch, expected: u64) -> Result<u64, LinesError> {
        let mut message = message(subject(node), batch).map_err(LinesError::Send)?;
        let id = message_id(batch.id);
        message.headers.insert(EXPECTED, expected.to_string());
        message.headers.insert(MESSAGE_ID, id.as_str());
        let subject = message.subject.clone();
        if !self.is_connected() {
            return Err(LinesError::Send(SendError::Unavailable { subject }));
        }
        let deadline = Instant::now() + self.deadline;
        // Whether an attempt may have been stored without our knowing.
        let mut open = false;
        // What the server counts as the last one.
        let mut counted = expected;
        loop {
            let outcome = self.attempt(&message, deadline).await;
            let definite = |error| Err(LinesError::Send(error));
            let known = match outcome {
                Outcome::Stored { sequence, duplicate: false } => return Ok(sequence),
                Outcome::TooLarge { bytes, limit } => return definite(SendError::TooLarge { subject, bytes, limit }),
                Outcome::NobodyThere if !open => return definite(SendError::Unavailable { subject }),
                Outcome::Refused { code, reason } if !open => {
                    return definite(SendError::Rejected { subject, code, reason });
                }
                // Of an earlier attempt.
                Outcome::Stored { sequence, duplicate: true } => Some(sequence),
                Outcome::Unknown => {
                    open = true;
                    None
                }
                Outcome::WrongLast | Outcome::NobodyThere | Outcome::Refused { .. } => None,
            };
            // Anything else may be ours: the last batch of the subject tells.
            connection::up_before(self.link(), deadline).await;
            match self.get(LOGS, Which::Recalled { subject: &subject }).await {
                Ok(Some(last)) if message_id_of(&last.headers) == Some(&id) => return Ok(last.sequence),
                // The stream has let go of all that this node stored, as it does by age and bytes: nothing came between.
                Ok(None) => match known {
                    Some(sequence) => return Ok(sequence),
                    None if counted != 0 => {
                        counted = 0;
                        message.headers.insert(EXPECTED, "0");
                        continue;
                    }
                    None => {}
                },
                Ok(Some(last)) if last.sequence != expected => {
                    return Err(LinesError::Overtaken { last: last.sequence });
                }
                // It is there all the same: what was heard before was about another moment.
                Ok(Some(_)) => {
                    counted = expected;
                    message.headers.insert(EXPECTED, expected.to_string());
                }
                Err(error) => tracing::debug!(%error, "cannot look what came of a batch of lines yet"),
            }
            if !self.before_next_attempt(deadline).await {
                return definite(SendError::Unknown { subject });
            }
        }
    }

    /// Waits until everything is stored that a container of `node` wrote: to be asked once it has ended, before it is
    /// removed. Not longer than its lines are on their way, and at most two minutes. False: nobody collects lines there.
    pub async fn lines_drained(&self, node: &NodeName, container: &str) -> Result<bool, LinesError> {
        let begun = Instant::now();
        let request = DrainRequest { container: container.to_owned() };
        loop {
            match self.ask_node(node, &request, 2 * DRAIN_STEP).await {
                Ok(DrainAnswer::Stored) => return Ok(true),
                Ok(DrainAnswer::Reading) if begun.elapsed() < DRAIN_WITHIN => {}
                Ok(_) => return Err(LinesError::Unread { within: begun.elapsed() }),
                Err(AskError::NobodyThere { .. }) => return Ok(false),
                Err(error) => return Err(LinesError::Ask(error)),
            }
        }
    }

    /// Whose containers of `node` are about to be removed, from now on.
    pub async fn drains(&self, node: &NodeName) -> Result<Questions<DrainRequest>, ReadError> {
        self.answer_node(node).await
    }

    /// The last batch of a node and its sequence.
    pub async fn last_lines(&self, node: &NodeName) -> Result<Option<(u64, Batch)>, ReadError> {
        let subject = subject(node);
        let Some(it) = self.get(LOGS, Which::Recalled { subject: &subject }).await? else { return Ok(None) };
        let batch = wire::decode(Some(&it.headers), &it.payload);
        let batch = batch.map_err(|source| ReadError::Decode { stream: LOGS, position: it.sequence, source })?;
        Ok(Some((it.sequence, batch)))
    }

    /// Batches of all nodes after sequence `after`, as far as they are still kept.
    pub fn lines(&self, after: u64) -> Lines {
        Lines { tail: Tail::new(self.clone(), LOGS, None, after) }
    }

    /// How far the lines reach that are kept.
    pub async fn lines_kept(&self) -> Result<Kept, ReadError> {
        let state = self.reading(LOGS, || async {
            let found = info(self.jetstream(), LOGS).await;
            found.map_err(|source| ReadError::Api { what: LOGS.to_owned(), source })
        });
        let state = state.await?.state;
        Ok(Kept { first: state.first_sequence, last: state.last_sequence })
    }
}

/// Reads batches as they come.
pub struct Lines {
    tail: Tail,
}

impl Lines {
    /// The next batch with its sequence in `LOGS` and its node. After one that cannot be read comes the next one.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Result<(u64, NodeName, Batch), ReadError> {
        let (sequence, message) = self.tail.next().await?;
        let decoded = node(&message.subject)
            .and_then(|node| Ok((node, wire::decode(message.headers.as_ref(), &message.payload)?)))
            .map_err(|source| ReadError::Decode { stream: LOGS, position: sequence, source })?;
        Ok((sequence, decoded.0, decoded.1))
    }
}

fn subject(node: &NodeName) -> String {
    format!("log.{node}")
}

fn message_id_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(MESSAGE_ID).map(|it| it.as_str())
}

fn node(subject: &str) -> Result<NodeName, Unreadable> {
    let node = subject.strip_prefix("log.").and_then(|it| it.parse().ok());
    node.ok_or_else(|| Unreadable::Subject { seen: subject.to_owned(), expected: "`log.<node>`" })
}
