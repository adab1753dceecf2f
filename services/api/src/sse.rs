//! Server-Sent Events (WHATWG HTML, 9.2): a body without an end, written no faster than the client reads it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use schemas::access::Who;
use schemas::names::ProfileName;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::call::Call;
use crate::problem::Problem;
use crate::{Api, reply};

/// The media type.
pub(crate) const KIND: &str = "text/event-stream";
/// Streams that are open at a time; each reads the log for itself.
const OPEN: usize = 256;
/// Of these, those of one profile that is no administrator.
const EACH: usize = 32;
/// After so long without a message a comment shows that the connection is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What is written first: headers go out with it, and a client that loses us comes back after a second.
const OPENING: Bytes = Bytes::from_static(b"retry: 1000\n\n");

/// Until when whoever asked may go on reading: cancelled once their token does not hold any more, or their roles are
/// others. The door may leave it among a request's extensions.
#[derive(Debug, Clone)]
pub struct Until(pub CancellationToken);

/// The turns of the streams.
#[derive(Clone)]
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    /// Of each profile that has some.
    each: Arc<Mutex<BTreeMap<ProfileName, Arc<Semaphore>>>>,
}

/// The right to a stream, given back when it is dropped.
struct Turn {
    _all: OwnedSemaphorePermit,
    _own: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(OPEN)), each: Arc::default() }
    }

    /// A turn for `who`. Nobody but an administrator gets so many that none are left for the others.
    fn take(&self, who: &Who) -> Result<Turn, Problem> {
        let full = |open: usize| {
            move |_| Problem::unavailable(format!("{open} streams are open already: close one, or come back later"))
        };
        let own = if who.admin {
            None
        } else {
            let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
            each.retain(|_, own| own.available_permits() < EACH);
            let own = each.entry(who.name.clone()).or_insert_with(|| Arc::new(Semaphore::new(EACH)));
            Some(Arc::clone(own).try_acquire_owned().map_err(full(EACH))?)
        };
        let all = Arc::clone(&self.all).try_acquire_owned().map_err(full(OPEN))?;
        Ok(Turn { _all: all, _own: own })
    }
}

/// Where the messages come from.
pub(crate) trait Source: Send + 'static {
    /// The next messages, written; none: that was all. Has to be cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// One message.
pub(crate) fn message(id: Option<&str>, event: &str, data: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    text.extend_from_slice(format!("event: {event}\ndata: ").as_bytes());
    // JSON as we write it has no line ends inside.
    serde_json::to_writer(&mut text, data)?;
    text.extend_from_slice(b"\n\n");
    Ok(text)
}

/// Why a stream ends early, as its last message.
pub(crate) fn end(problem: &Problem) -> Bytes {
    message(None, "problem", &problem.to_value()).unwrap_or_default().into()
}

struct Open<S> {
    source: S,
    opening: bool,
    shutdown: CancellationToken,
    until: Option<Until>,
    _turn: Turn,
}

/// Answers with what comes from the source, until it ends, the platform stops, or who asked may read no more.
pub(crate) fn answer(api: &Api, call: &Call, source: impl Source) -> Result<Response, Problem> {
    let turn = api.streams.take(call.who()?)?;
    let open = Open { source, opening: true, shutdown: api.shutdown.clone(), until: call.until(), _turn: turn };
    // Asked for the next piece only when the one before is on its way: a slow client holds nothing but its own place.
    let body = stream::unfold(open, |mut open| async move {
        let piece = open.next().await?;
        Some((Ok::<_, Infallible>(piece), open))
    });
    let mut response = reply::bytes(StatusCode::OK, KIND, Body::from_stream(body));
    // A proxy in front must not collect what should go out at once.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl<S: Source> Open<S> {
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.opening) {
            return Some(OPENING);
        }
        let ended = async {
            match &self.until {
                Some(Until(token)) => token.cancelled().await,
                None => std::future::pending().await,
            }
        };
        // Every arm is cancel-safe.
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            () = ended => None,
            piece = self.source.next() => piece,
            () = tokio::time::sleep(KEEP_ALIVE) => Some(Bytes::from_static(b": keep-alive\n\n")),
        }
    }
}
