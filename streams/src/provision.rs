//! Makes the streams of the catalog, once; ever after, and for who only joins, checks that they are what the catalog says.
//!
//! Never changes a stream: one that contradicts the catalog stops the start, because whoever made it so may have meant it.

use std::collections::HashMap;

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ContextBuilder, ErrorCode};
use uuid::Uuid;

use crate::access::Access;
use crate::bus::API_TIMEOUT;
use crate::catalog::{EVENTS, INCARNATION, Kept, STREAMS, StreamEntry, User};
use crate::clock;
use crate::connection;
use crate::error::{Cause, ConnectError};

/// The least that a stream with a limit gets.
const LEAST_BYTES: i64 = 8 << 20;

/// Why the streams are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// There is no connection.
    #[error("cannot get at the streams")]
    Connect(#[source] ConnectError),
    /// The server refuses or does not answer.
    #[error("cannot make or check stream `{stream}`")]
    Api {
        /// The stream.
        stream: &'static str,
        /// What the client says.
        #[source]
        source: Cause,
    },
    /// The stream is there, and is another than it should be.
    #[error(
        "stream `{stream}` contradicts the catalog: `{field}` is {seen}, expected {expected}; nothing was changed. \
         Who made it so? Put it right by hand, or start with another data folder"
    )]
    Contradiction {
        /// The stream.
        stream: &'static str,
        /// What of it.
        field: &'static str,
        /// What it is.
        seen: String,
        /// What it should be.
        expected: String,
    },
    /// The stream is not there, and nobody was asked to make it.
    #[error("stream `{stream}` is not there")]
    Missing {
        /// The stream.
        stream: &'static str,
    },
    /// The log carries no incarnation.
    #[error("stream `{stream}` has no incarnation in its metadata (`{key}` is {seen:?}): it was not made by us")]
    NoIncarnation {
        /// The stream.
        stream: &'static str,
        /// The metadata's key.
        key: &'static str,
        /// What it holds.
        seen: Option<String>,
    },
}

/// Creates the streams that are not there and checks those that are. Answers the log's incarnation, which is minted when
/// `EVENTS` is made and kept in its metadata.
pub async fn provision(access: &Access) -> Result<Uuid, ProvisionError> {
    let connected = connection::connect(&access.as_user(User::Provision)).await;
    let (client, _link) = connected.map_err(ProvisionError::Connect)?;
    let jetstream = ContextBuilder::new().timeout(API_TIMEOUT).build(client);
    let mut incarnation = None;
    // What is set aside on the disk comes last, and the largest part last of all: where nothing is left to set aside, the
    // server makes no stream at all.
    let mut entries: Vec<_> = STREAMS.iter().collect();
    entries.sort_by_key(|it| it.max_bytes);
    for entry in entries {
        let config = create_or_verify(&jetstream, entry, access.room).await?;
        if entry.name == EVENTS {
            incarnation = Some(read_incarnation(&config)?);
        }
    }
    // The catalog holds EVENTS, so there is one.
    incarnation.ok_or(ProvisionError::NoIncarnation { stream: EVENTS, key: INCARNATION, seen: None })
}

/// Checks that every stream is there and what the catalog says, and makes none: for who joins a log that others began.
pub async fn verify(access: &Access) -> Result<(), ProvisionError> {
    let connected = connection::connect(&access.as_user(User::Platform)).await;
    let (client, _link) = connected.map_err(ProvisionError::Connect)?;
    let jetstream = ContextBuilder::new().timeout(API_TIMEOUT).build(client);
    for entry in STREAMS {
        let stream = entry.name;
        match jetstream.get_stream(stream).await {
            Ok(found) => agrees(entry, &found.cached_info().config)?,
            Err(error) if is_missing(&error.kind()) => return Err(ProvisionError::Missing { stream }),
            Err(source) => return Err(ProvisionError::Api { stream, source: source.into() }),
        }
    }
    Ok(())
}

async fn create_or_verify(
    jetstream: &Context,
    entry: &'static StreamEntry,
    room: Option<u64>,
) -> Result<Config, ProvisionError> {
    let stream = entry.name;
    let api = |source| ProvisionError::Api { stream, source };
    let found = match jetstream.get_stream(stream).await {
        Ok(found) => found.cached_info().config.clone(),
        Err(error) if is_missing(&error.kind()) => {
            match create(jetstream, entry, room).await {
                Ok(made) => {
                    tracing::info!(stream, "made");
                    made.cached_info().config.clone()
                }
                // Somebody else was faster: theirs counts.
                Err(error) if is_taken(&error.kind()) => {
                    jetstream.get_stream(stream).await.map_err(|it| api(it.into()))?.cached_info().config.clone()
                }
                Err(error) => return Err(api(error.into())),
            }
        }
        Err(error) => return Err(api(error.into())),
    };
    agrees(entry, &found)?;
    Ok(found)
}

/// Makes a stream. The server sets the bytes aside that one may have at most, and refuses one that asks for more than is
/// left: then it gets half as much, and so on.
async fn create(
    jetstream: &Context,
    entry: &'static StreamEntry,
    room: Option<u64>,
) -> Result<Stream, CreateStreamError> {
    let mut wanted = config(entry);
    if let Some(room) = room.filter(|_| wanted.max_bytes > 0 && !entry.memory) {
        // Never more than a quarter of the disk's room: the log itself has none set aside.
        wanted.max_bytes = wanted.max_bytes.min(i64::try_from(room / 4).unwrap_or(i64::MAX)).max(LEAST_BYTES);
    }
    loop {
        match jetstream.create_stream(wanted.clone()).await {
            Err(error) if is_too_much(&error.kind()) && wanted.max_bytes / 2 >= LEAST_BYTES => {
                wanted.max_bytes /= 2;
            }
            result => {
                let (stream, max_bytes) = (entry.name, wanted.max_bytes);
                if result.is_ok() && entry.max_bytes.is_some_and(|it| i64::try_from(it) != Ok(max_bytes)) {
                    tracing::warn!(stream, max_bytes, "there is little room: this stream gets less than usual");
                }
                return result;
            }
        }
    }
}

fn is_too_much(kind: &CreateStreamErrorKind) -> bool {
    let too_much = [ErrorCode::STORAGE_RESOURCES_EXCEEDED, ErrorCode::MEMORY_RESOURCES_EXCEEDED];
    matches!(kind, CreateStreamErrorKind::JetStream(error) if too_much.contains(&error.error_code()))
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn is_taken(kind: &CreateStreamErrorKind) -> bool {
    matches!(kind, CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

/// The stream as the catalog has it.
fn config(entry: &StreamEntry) -> Config {
    let mut metadata = HashMap::new();
    if entry.name == EVENTS {
        metadata.insert(INCARNATION.to_owned(), clock::new_id().to_string());
    }
    Config {
        name: entry.name.to_owned(),
        description: Some(entry.why.to_owned()),
        subjects: entry.subjects.iter().map(|&it| it.to_owned()).collect(),
        retention: match entry.kept {
            Kept::UntilDone => RetentionPolicy::WorkQueue,
            Kept::Forever | Kept::For(_) => RetentionPolicy::Limits,
        },
        max_age: match entry.kept {
            Kept::For(age) => age,
            Kept::Forever | Kept::UntilDone => std::time::Duration::ZERO,
        },
        max_bytes: entry.max_bytes.map_or(-1, |it| i64::try_from(it).unwrap_or(i64::MAX)),
        max_messages: -1,
        max_messages_per_subject: if entry.newest_only { 1 } else { -1 },
        max_message_size: -1,
        max_consumers: -1,
        discard: if entry.max_bytes.is_some() || entry.newest_only { DiscardPolicy::Old } else { DiscardPolicy::New },
        storage: if entry.memory { StorageType::Memory } else { StorageType::File },
        num_replicas: 1,
        duplicate_window: entry.duplicate_window,
        deny_delete: !entry.erasable,
        deny_purge: true,
        allow_atomic_publish: entry.atomic,
        allow_direct: !entry.recalls.is_empty(),
        metadata,
        ..Config::default()
    }
}

/// Compares what decides about the log's safety; replicas, placement and `max_bytes` are the operator's: what happens at
/// the limit (`discard`) is compared.
fn agrees(entry: &StreamEntry, seen: &Config) -> Result<(), ProvisionError> {
    let expected = config(entry);
    macro_rules! same {
        ($($field:ident),*) => {$(
            if seen.$field != expected.$field {
                return Err(ProvisionError::Contradiction {
                    stream: entry.name,
                    field: stringify!($field),
                    seen: format!("{:?}", seen.$field),
                    expected: format!("{:?}", expected.$field),
                });
            }
        )*};
    }
    same!(
        subjects,
        retention,
        storage,
        max_age,
        max_messages,
        max_messages_per_subject,
        max_message_size,
        max_consumers,
        discard,
        discard_new_per_subject,
        duplicate_window,
        deny_delete,
        deny_purge,
        allow_rollup,
        allow_atomic_publish,
        allow_message_ttl,
        allow_message_schedules,
        allow_message_counter,
        no_ack,
        sealed,
        persist_mode,
        subject_delete_marker_ttl,
        subject_transform,
        republish,
        mirror,
        sources
    );
    Ok(())
}

fn read_incarnation(config: &Config) -> Result<Uuid, ProvisionError> {
    let seen = config.metadata.get(INCARNATION);
    seen.and_then(|it| it.parse().ok()).ok_or_else(|| ProvisionError::NoIncarnation {
        stream: EVENTS,
        key: INCARNATION,
        seen: seen.cloned(),
    })
}
