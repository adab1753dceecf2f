//! Reads a stream in order, without gaps, for ever, across restarts of the server.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use schemas::event::{Event, Scope, Topic};

use crate::bus::Bus;
use crate::catalog::{EVENTS, SYSTEM, event_subject, topic_filter};
use crate::clock;
use crate::error::ReadError;
use crate::progress::Progress;
use crate::pull::{Pull, place};
use crate::read;

/// Messages that a reader has asked for; about two thirds more at most wait at any time.
const BATCH: usize = 500;

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// Those on one subject.
    Subject(Scope, Topic),
    /// Those of one topic, whoever's they are.
    Topic(Topic),
    /// The platform's and the owners' own: no fleet's.
    System,
}

/// Reads events as they come.
pub struct Follow {
    tail: Tail,
    progress: Option<Progress>,
}

impl Bus {
    /// Events after position `after`, in order, without gaps, for ever, across reconnects.
    pub fn follow(&self, filter: Filter, after: u64) -> Follow {
        let filter = match filter {
            // No filter at all: one that matches everything is several times slower.
            Filter::All => None,
            Filter::Subject(scope, topic) => Some(event_subject(&scope, topic)),
            Filter::Topic(topic) => Some(topic_filter(topic)),
            Filter::System => Some(SYSTEM.to_owned()),
        };
        Follow { tail: Tail::new(self.clone(), EVENTS, filter, after), progress: None }
    }
}

impl Follow {
    /// The same, known under a name to who measures how far it is behind: it is done with an event once it asks for the
    /// next one. Only for readers of all events: the others do not come to every position.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        let progress = Progress::new(name, EVENTS, self.tail.after);
        Self { progress: Some(progress), ..self }
    }

    /// The next event. What passes is retried inside. An event that cannot be read is never skipped: the next call
    /// answers the same error. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event, ReadError> {
        if let Some(progress) = &self.progress {
            progress.reach(self.tail.after);
        }
        let (position, message) = self.tail.next().await?;
        read::event(position, &message).inspect_err(|_| self.tail.back_to(position - 1))
    }
}

/// Reads messages of a stream as they come.
pub(crate) struct Tail {
    pull: Pull,
    stream: &'static str,
    filter: Option<String>,
    /// The last sequence that was handed out.
    after: u64,
    /// Sequence behind a hole that was seen once; seen again, it is real.
    hole: Option<u64>,
}

impl Tail {
    pub(crate) fn new(bus: Bus, stream: &'static str, filter: Option<String>, after: u64) -> Self {
        Self { pull: Pull::new(bus, stream, BATCH), stream, filter, after, hole: None }
    }

    /// The next message and its sequence. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<(u64, Message), ReadError> {
        loop {
            let (filter, after) = (&self.filter, self.after);
            let pulled = self.pull.next(|| reader(filter.as_deref(), after)).await;
            let place = place(&pulled.message, self.stream)?;
            let sequence = place.stream_sequence;
            if place.consumer_sequence != pulled.nth || sequence <= self.after {
                // Something was lost, or delivered twice, on the way to us.
                tracing::warn!(stream = self.stream, sequence, "messages were lost on the way; reading them again");
                self.pull.restart();
                continue;
            }
            if self.is_hole(sequence) {
                if self.hole.replace(sequence) == Some(sequence) {
                    self.back_to(self.after);
                    return Err(ReadError::Gap { stream: self.stream, after: self.after, seen: sequence });
                }
                self.pull.restart();
                continue;
            }
            self.hole = None;
            self.after = sequence;
            return Ok((sequence, pulled.message));
        }
    }

    /// Only the log has every sequence, and only without a filter do we see them all.
    fn is_hole(&self, sequence: u64) -> bool {
        self.stream == EVENTS && self.filter.is_none() && sequence != self.after + 1
    }

    /// Goes on after `after`.
    fn back_to(&mut self, after: u64) {
        self.after = after;
        self.pull.restart();
    }
}

/// A consumer that only reads. Named, because only then are its permissions checked; gone soon after we are.
fn reader(filter: Option<&str>, after: u64) -> pull::Config {
    pull::Config {
        name: Some(format!("follow-{}", clock::new_id().simple())),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
        ack_policy: AckPolicy::None,
        filter_subject: filter.unwrap_or_default().to_owned(),
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: Duration::from_secs(30),
        ..pull::Config::default()
    }
}
