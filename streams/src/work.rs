//! The work queue: commands for a node wait in `WORK` until its agent says that they are done.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, AckKind};
use schemas::names::NodeName;
use schemas::work::Command;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::bus::Bus;
use crate::catalog::{WORK, work_subject};
use crate::error::{ReadError, SendError};
use crate::publish::message_id;
use crate::pull::{Pull, place};
use crate::reports::message;
use crate::wire;

/// How long a job may go without a sign of life before somebody else gets it.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// How long an acknowledgement waits for the server's word before it is sent again. A server that was killed and has
/// forgotten the delivery says nothing.
const ANSWER: Duration = Duration::from_secs(1);
/// The delivery from which on a job says that it is the last one. The server itself never gives a command up: that would
/// be silent.
const MAX_DELIVERIES: u64 = 5;

impl Bus {
    /// Queues a command. Its cause is its message id: sent again within two minutes, it is stored once.
    pub async fn send_work(&self, node: &NodeName, command: &Command) -> Result<(), SendError> {
        let message = message(work_subject(node), command)?;
        self.store(message, &message_id(command.cause)).await.map(drop)
    }

    /// The commands for `node`, at most `in_flight` of them at a time without an answer.
    pub async fn take_work(&self, node: &NodeName, in_flight: usize) -> Result<WorkQueue, ReadError> {
        self.take(WORK, work_subject(node), node, in_flight).await
    }

    /// The commands on `subject`, as the durable consumer of `node`'s agent.
    pub(crate) async fn take<T>(
        &self,
        stream: &'static str,
        subject: String,
        node: &NodeName,
        in_flight: usize,
    ) -> Result<WorkQueue<T>, ReadError> {
        let queue = WorkQueue {
            bus: self.clone(),
            stream,
            subject,
            node: node.clone(),
            in_flight,
            pull: Pull::new(self.clone(), stream, in_flight),
            unreadable: AtomicU64::new(0),
            command: PhantomData,
        };
        // Made here already, so that a caller whose node cannot have a queue hears it at once.
        let make = || async {
            let made = self.jetstream().create_consumer_on_stream(queue.config(), stream).await;
            made.map_err(|source| ReadError::Api { what: stream.to_owned(), source: source.into() })
        };
        self.reading(stream, make).await?;
        Ok(queue)
    }
}

/// A node's commands.
pub struct WorkQueue<T = Command> {
    bus: Bus,
    stream: &'static str,
    subject: String,
    node: NodeName,
    in_flight: usize,
    pull: Pull,
    unreadable: AtomicU64,
    command: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> WorkQueue<T> {
    /// The next command. One that cannot be read is taken off the queue, logged and counted. Cancel-safe.
    pub async fn next(&mut self) -> Result<Job<T>, ReadError> {
        loop {
            let config = self.config();
            let message = self.pull.next(|| config.clone()).await.message;
            let place = place(&message, self.stream)?;
            let (sequence, deliveries) = (place.stream_sequence, u64::try_from(place.delivered).unwrap_or(1));
            match wire::decode(message.headers.as_ref(), &message.payload) {
                Ok(command) => {
                    let last_delivery = deliveries >= MAX_DELIVERIES;
                    return Ok(Job { command, deliveries, last_delivery, message, bus: self.bus.clone() });
                }
                Err(error) => {
                    let count = self.unreadable.fetch_add(1, Ordering::Relaxed) + 1;
                    tracing::error!(sequence, node = %self.node, count, %error, "a command cannot be read: taken off the queue");
                    if let Err(error) = message.ack_with(AckKind::Term).await {
                        tracing::warn!(sequence, %error, "it will come again");
                    }
                }
            }
        }
    }

    /// How many commands could not be read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }
}

impl<T> WorkQueue<T> {
    fn config(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(format!("agent-{}", self.node)),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: i64::try_from(self.in_flight).unwrap_or(i64::MAX),
            filter_subject: self.subject.clone(),
            ..pull::Config::default()
        }
    }
}

/// One delivery of a command. Dropped without a word it comes again, after 30 s.
pub struct Job<T = Command> {
    /// What to do.
    pub command: T,
    /// How often it was delivered, this time included.
    pub deliveries: u64,
    /// Whether it was delivered often enough: do it or [give it up](Job::give_up), and say so.
    pub last_delivery: bool,
    message: jetstream::Message,
    bus: Bus,
}

impl<T> Job<T> {
    /// It is done: returns once the server knows. One that is killed right then may have forgotten that it ever handed
    /// this command out, and hands it out once more: doing it again has to be harmless.
    pub async fn ack(self) -> Result<(), SendError> {
        self.answer(AckKind::Ack).await
    }

    /// It could not be done now: it comes again after `delay`.
    pub async fn retry_after(self, delay: Duration) -> Result<(), SendError> {
        self.answer(AckKind::Nak(Some(delay))).await
    }

    /// It is still being done: the 30 s start anew.
    pub async fn keep(&self) -> Result<(), SendError> {
        self.answer(AckKind::Progress).await
    }

    /// It cannot be done: returns once the server knows.
    pub async fn give_up(self) -> Result<(), SendError> {
        self.answer(AckKind::Term).await
    }

    /// Answers the server and waits for its word. All answers may be repeated.
    async fn answer(&self, kind: AckKind) -> Result<(), SendError> {
        let subject = || self.message.subject.to_string();
        if !self.bus.is_connected() {
            return Err(SendError::Unavailable { subject: subject() });
        }
        let deadline = Instant::now() + self.bus.deadline;
        loop {
            let mut link = self.bus.link().clone();
            link.mark_unchanged();
            tokio::select! {
                () = crate::connection::changed(&mut link) => {}
                answered = timeout(ANSWER, self.message.double_ack_with(kind)) => match answered {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(error)) => tracing::debug!(%error, "no answer to an acknowledgement"),
                    Err(_) => tracing::debug!(within = ?ANSWER, "no answer to an acknowledgement"),
                },
            }
            if !self.bus.before_next_attempt(deadline).await {
                return Err(SendError::Unknown { subject: subject() });
            }
        }
    }
}
