//! Reads a long stretch of the log as fast as it comes: for projections that are built from zero.
//!
//! One consumer, one inbox, and always a request ahead: while one batch is decoded here, the server sends the next. Reads
//! the messages' places off their subjects by itself, because the client's own readers do much more for each message.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::{HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use schemas::event::Event;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::bus::Bus;
use crate::catalog::{EVENTS, MAX_PAYLOAD_BYTES};
use crate::clock;
use crate::connection;
use crate::error::{Cause, ReadError};
use crate::wire;

/// Messages of one request; two requests at most are open at a time.
const BATCH: usize = 500;
/// Bytes of one request; more than the largest event has, else that one could never be read.
const BATCH_BYTES: usize = 2 * MAX_PAYLOAD_BYTES;
/// How long a server that has the messages may send none, until another reader is made.
const SILENCE: Duration = Duration::from_secs(10);
/// Another reader after one that failed at once; so many times without an event, then it is an error.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Reads events in batches.
pub struct Drain {
    bus: Bus,
    /// The last position that was handed out.
    after: u64,
    up_to: u64,
    /// Read after `after`, and not handed out yet.
    events: Vec<Event>,
    reader: Option<Reader>,
    /// Readers that were made since the last event.
    tries: u32,
}

/// One consumer.
struct Reader {
    name: String,
    link: connection::Link,
    inbox: String,
    subscriber: Subscriber,
    /// Messages that were asked for and are not here yet.
    asked: u64,
    /// The last position that was asked for.
    asked_up_to: u64,
}

impl Bus {
    /// The events after `after` up to and with `up_to`, in order, without gaps, across reconnects. `up_to` is a position
    /// that the log has reached: beyond it this waits for what is not there yet, and gives up after a while.
    pub fn drain(&self, after: u64, up_to: u64) -> Drain {
        Drain { bus: self.clone(), after, up_to, events: Vec::new(), reader: None, tries: 0 }
    }
}

impl Drain {
    /// The next events, at least one and at most 500; `None`: `up_to` is reached. What passes is retried inside. An event
    /// that cannot be read is never skipped: those before it come first, then the error, and the same again. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, ReadError> {
        if self.after >= self.up_to {
            self.close().await;
            return Ok(None);
        }
        loop {
            let failed = match self.batch().await {
                Ok(()) => {
                    let events = std::mem::take(&mut self.events);
                    self.after += events.len() as u64;
                    self.tries = 0;
                    return Ok(Some(events));
                }
                Err(Failure::Final(error)) => {
                    self.reader = None;
                    self.events.clear();
                    return Err(error);
                }
                Err(Failure::Passing(cause)) => cause,
            };
            self.reader = None;
            self.events.clear();
            self.tries += 1;
            tracing::debug!(after = self.after, error = %failed, "draining starts anew");
            if self.tries > TRIES {
                return Err(ReadError::Api { what: EVENTS.to_owned(), source: failed });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Position of the last event that was handed out.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// What one request brings, or as much of it as is here before something fails. Cancel-safe: what was read is kept.
    async fn batch(&mut self) -> Result<(), Failure> {
        if self.reader.is_none() {
            self.events.clear();
            self.events.reserve(BATCH);
            self.reader = Some(Reader::make(&self.bus, self.after).await?);
        }
        let Some(reader) = &mut self.reader else { return Err(Failure::Passing("no reader".into())) };
        while self.events.len() < BATCH {
            let last = self.after + self.events.len() as u64;
            if last >= self.up_to {
                break;
            }
            reader.ask(&self.bus, self.up_to).await?;
            // Only the first one is waited for: what is not here yet comes with the next batch.
            let message = if self.events.is_empty() { Some(reader.next().await?) } else { reader.here() };
            let Some(message) = message else { break };
            let Some(message) = reader.take(message) else { continue };
            let position = position(&message).map_err(Failure::Passing)?;
            if position != last + 1 {
                let gap = ReadError::Gap { stream: EVENTS, after: last, seen: position };
                // Lost on the way it comes with another reader, lost for good it never does.
                return Err(if self.tries > 0 { Failure::Final(gap) } else { Failure::Passing(gap.into()) });
            }
            match wire::decode_event(position, &message.subject, message.headers.as_ref(), &message.payload) {
                Ok(event) => self.events.push(event),
                Err(source) => {
                    let error = ReadError::Decode { stream: EVENTS, position, source };
                    if self.events.is_empty() {
                        return Err(Failure::Final(error));
                    }
                    // Those before it first; then it is read again, and is the error.
                    self.reader = None;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn close(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        if let Err(error) = self.bus.jetstream().delete_consumer_from_stream(&reader.name, EVENTS).await {
            tracing::debug!(%error, name = reader.name, "a reader is left to the server to remove");
        }
    }
}

/// Why a reader is of no use any more.
enum Failure {
    /// Another one may do.
    Passing(Cause),
    /// Another one would see the same.
    Final(ReadError),
}

impl Reader {
    async fn make(bus: &Bus, after: u64) -> Result<Self, Failure> {
        let passing = |cause: Cause| Failure::Passing(cause);
        let mut link = bus.link().clone();
        if !connection::up_before(&link, Instant::now() + SILENCE).await {
            return Err(Failure::Passing("there is no connection to the server".into()));
        }
        link.mark_unchanged();
        let name = format!("drain-{}", clock::new_id().simple());
        let config = pull::Config {
            name: Some(name.clone()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(30),
            ..pull::Config::default()
        };
        let made = bus.jetstream().create_consumer_on_stream(config, EVENTS).await;
        made.map_err(|it| passing(it.into()))?;
        let inbox = bus.client().new_inbox();
        let subscriber = bus.client().subscribe(inbox.clone()).await.map_err(|it| passing(it.into()))?;
        Ok(Self { name, link, inbox, subscriber, asked: 0, asked_up_to: after })
    }

    /// Sees to it that there is a request ahead.
    async fn ask(&mut self, bus: &Bus, up_to: u64) -> Result<(), Failure> {
        let most = BATCH as u64;
        if self.asked > most || self.asked_up_to >= up_to {
            return Ok(());
        }
        let batch = most.min(up_to - self.asked_up_to);
        let request = json!({ "batch": batch, "max_bytes": BATCH_BYTES, "expires": 2 * SILENCE.as_nanos() as u64 });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{EVENTS}.{}", self.name);
        let inbox = self.inbox.clone();
        let sent = bus.client().publish_with_reply(subject, inbox, request.to_string().into()).await;
        sent.map_err(|it| Failure::Passing(it.into()))?;
        self.asked += batch;
        self.asked_up_to += batch;
        Ok(())
    }

    /// The next message. Cancel-safe.
    async fn next(&mut self) -> Result<Message, Failure> {
        let next = tokio::select! {
            biased;
            next = timeout(SILENCE, self.subscriber.next()) => next,
            () = connection::changed(&mut self.link) => return Err(Failure::Passing("the connection changed".into())),
        };
        match next {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Failure::Passing("the subscription ended".into())),
            Err(_) => Err(Failure::Passing(format!("nothing came for {SILENCE:?}").into())),
        }
    }

    /// A message that is here already.
    fn here(&mut self) -> Option<Message> {
        futures_util::FutureExt::now_or_never(self.subscriber.next()).flatten()
    }

    /// The message, where it is one of the stream; what else there is says that a request has ended early.
    fn take(&mut self, message: Message) -> Option<Message> {
        if message.status.is_none() {
            self.asked = self.asked.saturating_sub(1);
            return Some(message);
        }
        let missing = message.headers.as_ref().and_then(pending).unwrap_or(self.asked);
        tracing::debug!(status = ?message.status, missing, "a request ended early");
        self.asked = self.asked.saturating_sub(missing);
        self.asked_up_to = self.asked_up_to.saturating_sub(missing);
        None
    }
}

/// How many messages a request that has ended did not bring.
fn pending(headers: &HeaderMap) -> Option<u64> {
    headers.get("Nats-Pending-Messages")?.as_str().parse().ok()
}

/// A message's sequence in its stream: `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer's>.<time>.<pending>`
/// or, from other versions of the server, the same with domain and account before the stream and a token at the end (NATS
/// ADR-15).
fn position(message: &Message) -> Result<u64, Cause> {
    let reply = message.reply.as_ref().map(|it| it.as_str()).unwrap_or_default();
    let tokens = reply.split('.').count();
    let at = if tokens == 9 { 5 } else { 7 };
    let sequence = reply.split('.').nth(at).and_then(|it| it.parse().ok());
    sequence.ok_or_else(|| format!("`{reply}` tells no sequence").into())
}
