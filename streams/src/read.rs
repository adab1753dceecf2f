//! Reads the log at a point: the first or the last event on a subject, one page. All of it is asked at the leader.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{DirectGetErrorKind, RawMessageErrorKind};
use async_nats::jetstream::{ErrorCode, Message};
use futures_util::StreamExt;
use schemas::event::{Event, Scope, Topic};
use serde_json::json;
use uuid::Uuid;

use crate::bus::{API_TIMEOUT, Bus};
use crate::catalog::{EVENTS, MAX_PAYLOAD_BYTES, SYSTEM, event_subject};
use crate::clock;
use crate::error::ReadError;
use crate::pull::position;
use crate::wire;

/// What a page may hold in memory; more than the largest event, else that one could never be read.
const PAGE_BYTES: usize = 2 * MAX_PAYLOAD_BYTES;

/// Some events, oldest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// The last position of the log when the page was asked for.
    pub head: u64,
}

impl Page {
    /// Whether the log went on behind this page when it was asked for.
    pub fn more(&self) -> bool {
        self.events.last().is_some_and(|last| last.position < self.head)
    }
}

/// Which message to get.
#[derive(Clone, Copy)]
pub(crate) enum Which<'a> {
    First {
        subject: &'a str,
        after: u64,
    },
    Last {
        subject: &'a str,
    },
    /// The last one on a subject, in the one way that the server limits to this subject: for agents. With more than one
    /// replica it may be an older one, so whoever decides by it appends with an expected position.
    Recalled {
        subject: &'a str,
    },
}

impl Bus {
    /// At most `limit` events after `after`, in order: fewer where the head at the time of the call is reached, or where
    /// they have more than 16 MiB.
    pub async fn page(&self, after: u64, limit: usize) -> Result<Page, ReadError> {
        self.reading(EVENTS, || self.read_page(after, limit)).await
    }

    async fn read_page(&self, after: u64, limit: usize) -> Result<Page, ReadError> {
        let head = self.head().await?;
        let wanted = usize::try_from(head.saturating_sub(after)).unwrap_or(usize::MAX).min(limit);
        let mut events = Vec::with_capacity(wanted.min(1000));
        let mut last = after;
        if wanted > 0 {
            let config = pull::Config {
                name: Some(format!("page-{}", clock::new_id().simple())),
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: after + 1 },
                ack_policy: AckPolicy::None,
                memory_storage: true,
                num_replicas: 1,
                inactive_threshold: Duration::from_secs(10),
                ..pull::Config::default()
            };
            let consumer = self.jetstream().create_consumer_on_stream(config, EVENTS).await.map_err(api)?;
            let fetch = consumer.fetch().max_messages(wanted).max_bytes(PAGE_BYTES).expires(API_TIMEOUT);
            let mut batch = fetch.messages().await.map_err(api)?;
            while let Some(message) = batch.next().await {
                let message = match message {
                    Ok(message) => message,
                    // Such as "message size exceeds MaxBytes": the page is full. Anything else comes again with the next.
                    Err(reason) if !events.is_empty() => {
                        tracing::debug!(%reason, "a page ends early");
                        break;
                    }
                    Err(source) => return Err(ReadError::Api { what: EVENTS.to_owned(), source }),
                };
                let position = position(&message, EVENTS)?;
                if position != last + 1 {
                    return Err(ReadError::Gap { stream: EVENTS, after: last, seen: position });
                }
                last = position;
                events.push(event(position, &message)?);
            }
            let name = &consumer.cached_info().name;
            if let Err(error) = self.jetstream().delete_consumer_from_stream(name, EVENTS).await {
                tracing::debug!(%error, name, "a page's reader is left to the server to remove");
            }
            if events.is_empty() {
                let source = "the server answered with nothing although there is more".into();
                return Err(ReadError::Api { what: EVENTS.to_owned(), source });
            }
        }
        Ok(Page { events, head })
    }

    /// The newest event on one subject.
    pub async fn last_on(&self, scope: &Scope, topic: Topic) -> Result<Option<Event>, ReadError> {
        let subject = event_subject(scope, topic);
        let Some(it) = self.get(EVENTS, Which::Last { subject: &subject }).await? else {
            return Ok(None);
        };
        let event = wire::decode_event(it.sequence, &it.subject, Some(&it.headers), &it.payload);
        event.map(Some).map_err(|source| ReadError::Decode { stream: EVENTS, position: it.sequence, source })
    }

    /// The last position of an event that is no fleet's, asked at the leader; 0: there is none.
    pub async fn system_head(&self) -> Result<u64, ReadError> {
        self.last_sequence_on(SYSTEM).await
    }

    /// Position and id of the first event on `subject` after `after`; no id where it carries none.
    pub(crate) async fn first_after(
        &self,
        subject: &str,
        after: u64,
    ) -> Result<Option<(u64, Option<Uuid>)>, ReadError> {
        let first = self.get(EVENTS, Which::First { subject, after }).await?;
        Ok(first.map(|it| (it.sequence, wire::event_id(&it.headers).ok())))
    }

    /// The last position on `subject`; 0: none.
    pub(crate) async fn last_sequence_on(&self, subject: &str) -> Result<u64, ReadError> {
        Ok(self.get(EVENTS, Which::Last { subject }).await?.map_or(0, |it| it.sequence))
    }

    /// Gets one message.
    pub(crate) async fn get(&self, stream: &'static str, which: Which<'_>) -> Result<Option<StreamMessage>, ReadError> {
        let handle = self.stream(stream).await?;
        let get = || async {
            if let Which::Recalled { subject } = which {
                return match handle.direct_get_last_for_subject(subject).await {
                    Ok(message) => Ok(Some(message)),
                    Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
                    Err(error) => Err(ReadError::Api { what: stream.to_owned(), source: error.into() }),
                };
            }
            let builder = handle.raw_message_builder();
            let builder = match which {
                Which::First { subject, after } => builder.sequence(after + 1).next_by_subject(subject),
                Which::Last { subject } | Which::Recalled { subject } => builder.last_by_subject(subject),
            };
            match builder.send().await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(ReadError::Api { what: stream.to_owned(), source: error.into() }),
            }
        };
        self.reading(stream, get).await
    }

    /// Deletes one message of `stream` and overwrites its bytes.
    pub(crate) async fn erase(&self, stream: &'static str, sequence: u64) -> Result<(), ReadError> {
        let api = |source| ReadError::Api { what: stream.to_owned(), source };
        let erase = || async {
            let request = json!({ "seq": sequence, "no_erase": false });
            let answer = self.jetstream().request(format!("STREAM.MSG.DELETE.{stream}"), &request).await;
            match answer.map_err(|source| api(source.into()))? {
                Response::<serde_json::Value>::Ok(_) => Ok(()),
                // Somebody else was faster, or an earlier answer was lost.
                Response::Err { error } if error.error_code() == ErrorCode::SEQUENCE_NOT_FOUND => Ok(()),
                Response::Err { error } => Err(api(error.into())),
            }
        };
        // Erasing what is erased already does no harm, so it may be done over like any reading.
        self.reading(stream, erase).await
    }
}

/// Reads a message of `EVENTS`.
pub(crate) fn event(position: u64, message: &Message) -> Result<Event, ReadError> {
    wire::decode_event(position, &message.subject, message.headers.as_ref(), &message.payload)
        .map_err(|source| ReadError::Decode { stream: EVENTS, position, source })
}

fn api(source: impl std::error::Error + Send + Sync + 'static) -> ReadError {
    ReadError::Api { what: EVENTS.to_owned(), source: source.into() }
}
