//! One attempt to store a message, and what its answer says. Whoever calls decides what to do about it.

use std::time::Duration;

use async_nats::client::Request;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::{HeaderMap, RequestErrorKind};
use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use crate::bus::Bus;
use crate::catalog::MAX_PAYLOAD_BYTES;
use crate::connection;
use crate::error::SendError;
use crate::wire;

/// How long one attempt waits for the server's word: long for any disk; never more than a quarter of the deadline.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Between two attempts that failed at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The server's word for a batch of which it has stored something before, whatever else is wrong with it.
const BATCH_HOLDS_DUPLICATE: u64 = 10_201;

/// A message on its way into a stream.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub subject: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What came of one attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is stored, by this attempt or (`duplicate`) by an earlier one with its message id.
    Stored { sequence: u64, duplicate: bool },
    /// Not stored by this attempt: the last event on its subject is not the expected one, or an earlier attempt stored it.
    WrongLast,
    /// Not stored by this attempt: the server refuses it for another reason.
    Refused { code: u64, reason: String },
    /// Not stored by this attempt: nobody takes such messages now.
    NobodyThere,
    /// Never sent: it does not fit.
    TooLarge { bytes: usize, limit: usize },
    /// No answer, or the connection was lost: it may be stored now, or later.
    Unknown,
}

impl Bus {
    /// What fits into one message, with its headers.
    pub(crate) fn max_payload(&self) -> usize {
        self.client().max_payload().min(MAX_PAYLOAD_BYTES)
    }

    /// Publishes once and waits for the answer.
    pub(crate) async fn attempt(&self, message: &Message, deadline: Instant) -> Outcome {
        let (bytes, limit) = (message.body.len() + wire::header_bytes(&message.headers), self.max_payload());
        if bytes > limit {
            return Outcome::TooLarge { bytes, limit };
        }
        let mut link = self.link().clone();
        link.mark_unchanged();
        let request = Request::new().headers(message.headers.clone()).payload(message.body.clone());
        let wait = ATTEMPT.min(self.deadline / 4).min(deadline.saturating_duration_since(Instant::now()));
        let request = self.client().send_request(message.subject.clone(), request.timeout(Some(wait)));
        let answer = tokio::select! {
            // Once the connection is lost, the answer will not come: look at once instead of waiting.
            () = connection::changed(&mut link) => return Outcome::Unknown,
            answer = request => answer,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => return Outcome::NobodyThere,
            Err(error) => {
                tracing::debug!(subject = message.subject, %error, "no answer to what was published");
                return Outcome::Unknown;
            }
        };
        match serde_json::from_slice::<Response<PublishAck>>(&answer.payload) {
            Ok(Response::Ok(ack)) => Outcome::Stored { sequence: ack.sequence, duplicate: ack.duplicate },
            Ok(Response::Err { error })
                if error.error_code() == ErrorCode::STREAM_WRONG_LAST_SEQUENCE
                    || error.error_code().0 == BATCH_HOLDS_DUPLICATE =>
            {
                Outcome::WrongLast
            }
            Ok(Response::Err { error }) => Outcome::Refused { code: error.error_code().0, reason: error.to_string() },
            Err(error) => {
                tracing::error!(subject = message.subject, %error, "the server's answer cannot be read");
                Outcome::Unknown
            }
        }
    }

    /// Publishes a batch once, under an id of its own, and waits for the answer to its last message. What a broken
    /// attempt left at the server is dropped there: nothing of a batch is stored before its last message is.
    pub(crate) async fn attempt_batch(&self, first: &Message, rest: &[Message], deadline: Instant) -> Outcome {
        let id = crate::clock::new_id().to_string();
        let mut numbered: Vec<Message> = std::iter::once(first).chain(rest).cloned().collect();
        for (number, message) in (1..).zip(&mut numbered) {
            message.headers.insert("Nats-Batch-Id", id.as_str());
            message.headers.insert("Nats-Batch-Sequence", number.to_string());
        }
        let Some(mut last) = numbered.pop() else { return Outcome::Unknown };
        for Message { subject, headers, body } in numbered {
            let (bytes, limit) = (body.len() + wire::header_bytes(&headers), self.max_payload());
            if bytes > limit {
                return Outcome::TooLarge { bytes, limit };
            }
            if let Err(error) = self.client().publish_with_headers(subject, headers, body).await {
                tracing::debug!(%error, "a batch was not sent to its end");
                return Outcome::Unknown;
            }
        }
        last.headers.insert("Nats-Batch-Commit", "1");
        match self.attempt(&last, deadline).await {
            // The server names the place of the last one; they stand side by side.
            Outcome::Stored { sequence, duplicate } => {
                Outcome::Stored { sequence: sequence - rest.len() as u64, duplicate }
            }
            other => other,
        }
    }

    /// Waits for the connection, then a moment: what failed at once would fail at once again.
    pub(crate) async fn before_next_attempt(&self, deadline: Instant) -> bool {
        tokio::time::sleep_until(deadline.min(Instant::now() + PAUSE)).await;
        connection::up_before(self.link(), deadline).await && Instant::now() < deadline
    }

    /// Stores a message that needs no expected position: sent again under its message id until the answer is definite.
    pub(crate) async fn store(&self, mut message: Message, id: &str) -> Result<u64, SendError> {
        message.headers.insert("Nats-Msg-Id", id);
        let deadline = Instant::now() + self.deadline;
        let subject = message.subject.clone();
        // Whether an attempt may have been stored without our knowing.
        let mut open = false;
        if !self.is_connected() {
            return Err(SendError::Unavailable { subject });
        }
        loop {
            match self.attempt(&message, deadline).await {
                // A duplicate is ours, under the sequence that it got then.
                Outcome::Stored { sequence, .. } => return Ok(sequence),
                Outcome::TooLarge { bytes, limit } => return Err(SendError::TooLarge { subject, bytes, limit }),
                Outcome::NobodyThere if !open => return Err(SendError::Unavailable { subject }),
                Outcome::Refused { code, reason } if !open => {
                    return Err(SendError::Rejected { subject, code, reason });
                }
                Outcome::WrongLast if !open => {
                    let reason = "wrong last sequence, although none was expected".to_owned();
                    return Err(SendError::Rejected { subject, code: ErrorCode::STREAM_WRONG_LAST_SEQUENCE.0, reason });
                }
                Outcome::Unknown => open = true,
                Outcome::NobodyThere | Outcome::Refused { .. } | Outcome::WrongLast => {}
            }
            if !self.before_next_attempt(deadline).await {
                return Err(SendError::Unknown { subject });
            }
        }
    }
}

/// The message id of an id.
pub(crate) fn message_id(id: Uuid) -> String {
    id.to_string()
}
