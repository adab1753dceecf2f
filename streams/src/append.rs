//! Adds one event to the log, or a few that belong together, exactly once, behind the event that the caller knows as the
//! last one on its subject.
//!
//! A publish that got no answer may be stored all the same, and a second one may then be answered by an error that looks
//! like somebody else's doing. So every answer but a plain acknowledgement is resolved by reading, at the leader, the
//! first event on the subject after the expected position: the draft is stored exactly if that event carries its id.

use schemas::event::Draft;
use tokio::time::{Instant, timeout_at};

use crate::bus::Bus;
use crate::catalog::event_subject;
use crate::connection;
use crate::error::AppendError;
use crate::publish::{Message, Outcome};
use crate::wire::{self, Unwritable};

/// The position that the caller has seen last on the draft's own subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// This one; 0: there is none yet.
    At(u64),
    /// Whichever: for observations, whose order the fold sees to.
    Any,
}

impl Bus {
    /// Appends `draft` and answers its position.
    ///
    /// Appending the same draft again, with the same expectation, is harmless and answers the same. Not cancel-safe: a
    /// caller that stops waiting does not know what came of it.
    pub async fn append(&self, draft: &Draft, expected: Expected) -> Result<u64, AppendError> {
        self.append_one_or_all(draft, &[], expected).await
    }

    /// Appends several drafts of one subject: all of them, one right behind the other, or none. Answers the position of
    /// the first one. An atomic batch costs the disk about what thirty plain appends do: for what would be false by half.
    pub async fn append_all(&self, first: &Draft, rest: &[Draft], expected: u64) -> Result<u64, AppendError> {
        self.append_one_or_all(first, rest, Expected::At(expected)).await
    }

    async fn append_one_or_all(&self, first: &Draft, rest: &[Draft], expected: Expected) -> Result<u64, AppendError> {
        let kind = first.data.kind();
        let mut message = encode(first)?;
        // The server checks it once for each subject of a batch, and refuses a second word about it.
        if let Expected::At(position) = expected {
            message.headers.insert("Nats-Expected-Last-Subject-Sequence", position.to_string());
        }
        let rest = rest.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        if let Some(other) = rest.iter().find(|it| it.subject != message.subject) {
            let reason = format!("a batch for `{}` holds an event for `{}`", message.subject, other.subject);
            return Err(AppendError::Rejected { kind, code: 0, reason });
        }
        if !self.is_connected() {
            // What the client is given while it is not connected, it keeps and sends later. So it is given nothing.
            return Err(AppendError::Unavailable);
        }
        let begun = Instant::now();
        let end = Attempts { bus: self, draft: first, kind, expected, message, rest, open: false }.run().await;
        measure(kind, &end, begun);
        end
    }
}

fn encode(draft: &Draft) -> Result<Message, AppendError> {
    let kind = draft.data.kind();
    let (headers, body) = wire::encode_event(draft).map_err(|error| match error {
        Unwritable::TooLarge { bytes, limit } => AppendError::TooLarge { kind, bytes, limit },
        Unwritable::Json(error) => AppendError::Rejected { kind, code: 0, reason: error.to_string() },
    })?;
    Ok(Message { subject: event_subject(&draft.scope, draft.data.topic()), headers, body: body.into() })
}

/// Counts what came of an append, and how long it took.
fn measure(kind: &'static str, end: &Result<u64, AppendError>, begun: Instant) {
    let kind = kind.trim_start_matches("fleetlog.");
    let kind = kind.rsplit_once(".v").map_or(kind, |(kind, _)| kind);
    let outcome = match end {
        Ok(_) => "appended",
        Err(AppendError::Refused { .. }) => "refused",
        Err(AppendError::Unknown { .. }) => "unknown",
        Err(AppendError::Unavailable) => "unavailable",
        Err(AppendError::TooLarge { .. } | AppendError::Rejected { .. }) => "rejected",
    };
    if end.is_ok() {
        metrics::counter!("fleetlog_events_appended_total", "type" => kind).increment(1);
    }
    metrics::histogram!("fleetlog_append_duration_seconds", "outcome" => outcome).record(begun.elapsed());
}

struct Attempts<'a> {
    bus: &'a Bus,
    draft: &'a Draft,
    kind: &'static str,
    expected: Expected,
    message: Message,
    /// What stands right behind it, in an atomic batch.
    rest: Vec<Message>,
    /// Whether an attempt may have been stored, or may yet be, without our knowing.
    open: bool,
}

impl Attempts<'_> {
    async fn run(mut self) -> Result<u64, AppendError> {
        let deadline = Instant::now() + self.bus.deadline;
        loop {
            let outcome = match self.rest.as_slice() {
                [] => self.bus.attempt(&self.message, deadline).await,
                rest => self.bus.attempt_batch(&self.message, rest, deadline).await,
            };
            // Looking makes sense only with a connection, and never longer than the deadline.
            let resolved = async {
                connection::up_before(self.bus.link(), deadline).await;
                self.resolve(outcome).await
            };
            if let Ok(Some(result)) = timeout_at(deadline, resolved).await {
                return result;
            }
            if !self.bus.before_next_attempt(deadline).await {
                return Err(AppendError::Unknown { id: self.draft.id });
            }
        }
    }

    /// What an outcome means; `None`: not known yet, publish again.
    async fn resolve(&mut self, outcome: Outcome) -> Option<Result<u64, AppendError>> {
        match (outcome, self.expected) {
            (Outcome::Stored { sequence, duplicate: false }, _) => Some(Ok(sequence)),
            // With no expectation, what is stored under our message id is ours.
            (Outcome::Stored { sequence, duplicate: true }, Expected::Any) => Some(Ok(sequence)),
            (Outcome::Stored { sequence, duplicate: true }, Expected::At(position)) => {
                match self.look(position).await {
                    Some(result) => Some(result),
                    // Stored before with another expectation, such as by an earlier run of the caller.
                    None => self.is_ours(sequence).await.then_some(Ok(sequence)),
                }
            }
            (Outcome::WrongLast, Expected::At(position)) => match self.look(position).await {
                Some(result) => Some(result),
                None => self.never(position).await,
            },
            (Outcome::TooLarge { bytes, limit }, _) => {
                Some(Err(AppendError::TooLarge { kind: self.kind, bytes, limit }))
            }
            (Outcome::NobodyThere, _) if !self.open => Some(Err(AppendError::Unavailable)),
            (Outcome::Refused { code, reason }, _) if !self.open => {
                Some(Err(AppendError::Rejected { kind: self.kind, code, reason }))
            }
            (outcome, expected) => {
                self.open |= matches!(outcome, Outcome::Unknown);
                match expected {
                    Expected::At(position) => self.look(position).await,
                    Expected::Any => None,
                }
            }
        }
    }

    /// The first event on our subject after the expected position: ours, somebody else's, or none yet.
    async fn look(&self, position: u64) -> Option<Result<u64, AppendError>> {
        let first = self.bus.first_after(&self.message.subject, position).await;
        match first {
            Ok(Some((sequence, Some(id)))) if id == self.draft.id => Some(Ok(sequence)),
            Ok(Some((sequence, _))) => Some(Err(AppendError::Refused { last: sequence })),
            Ok(None) => None,
            Err(error) => {
                tracing::debug!(%error, "cannot look what came of an append yet");
                None
            }
        }
    }

    /// Refused although nothing came after the expected position: then that position is not on our subject.
    async fn never(&self, position: u64) -> Option<Result<u64, AppendError>> {
        match self.bus.last_sequence_on(&self.message.subject).await {
            Ok(last) if last < position => Some(Err(AppendError::Refused { last })),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "cannot look what came of an append yet");
                None
            }
        }
    }

    async fn is_ours(&self, sequence: u64) -> bool {
        let before = sequence.saturating_sub(1);
        let first = self.bus.first_after(&self.message.subject, before).await;
        matches!(first, Ok(Some((found, Some(id)))) if found == sequence && id == self.draft.id)
    }
}
