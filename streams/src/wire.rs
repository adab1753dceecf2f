//! How records look on the wire: CloudEvents 1.0 in NATS binary mode for events, JSON for everything else; bodies over
//! 64 KiB are compressed. Pure: no connection, no clock.
//!
//! There is no `traceparent` yet: an event knows its cause, not the root of its chain, so the id of a trace that spans
//! the chain cannot be told from the event alone. `fleetlog-cause` carries the chain.

mod event;
mod text;

use std::io::Read;

use async_nats::HeaderMap;
use schemas::event::DecodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::event::{decode_event, encode_event, event_id};

/// Bodies up to this many bytes go as they are.
const PLAIN_BYTES: usize = 64 << 10;
/// What a body may have once it is decompressed: what is larger is neither written nor read.
pub(crate) const BODY_BYTES: usize = 64 << 20;
/// Fast, and already most of what can be had for JSON.
const ZSTD_LEVEL: i32 = 1;

const CONTENT_ENCODING: &str = "content-encoding";
const ZSTD: &str = "zstd";

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A header is not there, or is not what it should be.
    #[error("header `{name}` is {seen:?}, expected {expected}")]
    Header {
        /// The header.
        name: &'static str,
        /// What it says.
        seen: Option<String>,
        /// What it should say.
        expected: &'static str,
    },
    /// The subject says something else than the message.
    #[error("subject `{seen}` is not {expected}")]
    Subject {
        /// The subject.
        seen: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The body cannot be decompressed.
    #[error("the body is not zstd-compressed as its header says, or has more than {} MiB", BODY_BYTES >> 20)]
    Compressed {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The body is not what it should be.
    #[error("the body does not hold what it should")]
    Json {
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is an event that we cannot read.
    #[error(transparent)]
    Event(#[from] DecodeError),
}

/// Why a body cannot be written.
#[derive(Debug)]
pub(crate) enum Unwritable {
    /// It has too many bytes.
    TooLarge { bytes: usize, limit: usize },
    /// It is not JSON.
    Json(serde_json::Error),
}

/// Writes `value` as a body, and how into `headers`.
pub(crate) fn encode<T: Serialize>(value: &T, headers: &mut HeaderMap) -> Result<Vec<u8>, Unwritable> {
    let json = serde_json::to_vec(value).map_err(Unwritable::Json)?;
    if json.len() <= PLAIN_BYTES {
        return Ok(json);
    }
    if json.len() > BODY_BYTES {
        return Err(Unwritable::TooLarge { bytes: json.len(), limit: BODY_BYTES });
    }
    // Compressing into memory fails only for want of memory; what comes back then is just as right.
    match zstd::bulk::compress(&json, ZSTD_LEVEL) {
        Ok(compressed) => {
            headers.insert(CONTENT_ENCODING, ZSTD);
            Ok(compressed)
        }
        Err(_) => Ok(json),
    }
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(headers: Option<&HeaderMap>, body: &[u8]) -> Result<T, Unreadable> {
    let json = plain(headers, body)?;
    serde_json::from_slice(&json).map_err(|source| Unreadable::Json { source })
}

/// The body without its compression.
fn plain<'a>(headers: Option<&HeaderMap>, body: &'a [u8]) -> Result<std::borrow::Cow<'a, [u8]>, Unreadable> {
    match headers.and_then(|it| it.get(CONTENT_ENCODING)).map(|it| it.as_str()) {
        None => Ok(body.into()),
        Some(ZSTD) => {
            let failed = |source| Unreadable::Compressed { source };
            let mut json = Vec::new();
            let decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(failed)?;
            // One byte more than allowed tells "just as much" from "too much".
            decoder.take(BODY_BYTES as u64 + 1).read_to_end(&mut json).map_err(failed)?;
            if json.len() > BODY_BYTES {
                return Err(failed(std::io::Error::other("too large once decompressed")));
            }
            Ok(json.into())
        }
        Some(other) => {
            Err(Unreadable::Header { name: CONTENT_ENCODING, seen: Some(other.to_owned()), expected: "`zstd` or none" })
        }
    }
}

/// What the headers take on the wire, as the server counts it.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    const VERSION: usize = "NATS/1.0\r\n\r\n".len();
    let lines = headers.iter().flat_map(|(name, values)| {
        let name = AsRef::<str>::as_ref(name).len();
        values.iter().map(move |value| name + value.as_str().len() + ": \r\n".len())
    });
    VERSION + lines.sum::<usize>()
}
