//! The bus: a service's one connection to everything that is on the wires.
//!
//! Reads and writes nothing by itself: what can be done with it stands in the files beside this one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::stream::{Info, Stream};
use async_nats::jetstream::{Context, ContextBuilder};
use tokio::time::Instant;
use uuid::Uuid;

use crate::access::Access;
use crate::catalog::{EVENTS, INCARNATION};
use crate::connection::{self, Link};
use crate::error::{ConnectError, ReadError};

/// How long the server may take to answer a question about a stream.
pub(crate) const API_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an append tries to find out what came of it.
const DEADLINE: Duration = Duration::from_secs(10);

/// One user's connection. Clones share it.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
    /// How long an append or a send tries to find out what came of it.
    pub(crate) deadline: Duration,
}

struct Shared {
    client: Client,
    link: Link,
    jetstream: Context,
    incarnation: Uuid,
}

impl Bus {
    /// Connects as the user that `access` stands for, and checks that the log is there. From then on reconnects for ever by itself.
    pub async fn connect(access: &Access) -> Result<Self, ConnectError> {
        let (client, link) = connection::connect(access).await?;
        let jetstream = ContextBuilder::new().timeout(API_TIMEOUT).build(client.clone());
        let url = || access.url.clone();
        let info = info(&jetstream, EVENTS).await.map_err(|source| ConnectError::NoLog {
            url: url(),
            stream: EVENTS,
            source,
        })?;
        let seen = info.config.metadata.get(INCARNATION);
        let incarnation = seen.and_then(|it| it.parse().ok()).ok_or_else(|| ConnectError::NoIncarnation {
            url: url(),
            stream: EVENTS,
            key: INCARNATION,
            seen: seen.cloned(),
        })?;
        let shared = Shared { client, link, jetstream, incarnation };
        Ok(Self { shared: Arc::new(shared), deadline: DEADLINE })
    }

    /// The same connection with another deadline for appends and sends; 10 s where nothing is said.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), deadline }
    }

    /// The incarnation of the log that this bus was connected to.
    pub fn incarnation(&self) -> Uuid {
        self.shared.incarnation
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        connection::is_up(self.client(), self.link())
    }

    /// The last position of the log, asked at the leader; 0: it is empty.
    pub async fn head(&self) -> Result<u64, ReadError> {
        self.last_sequence(EVENTS).await
    }

    /// The last sequence of `stream`, asked at the leader.
    pub(crate) async fn last_sequence(&self, stream: &'static str) -> Result<u64, ReadError> {
        let info = self.reading(stream, || async {
            let info = info(self.jetstream(), stream).await;
            info.map_err(|source| ReadError::Api { what: stream.to_owned(), source })
        });
        Ok(info.await?.state.last_sequence)
    }

    /// Runs what only reads `what`; once more where the connection is lost meanwhile, because then no answer would come.
    pub(crate) async fn reading<T, F>(&self, what: &str, read: impl Fn() -> F) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let deadline = Instant::now() + API_TIMEOUT;
        let mut link = self.link().clone();
        while connection::up_before(&link, deadline).await {
            link.mark_unchanged();
            tokio::select! {
                answer = read() => return answer,
                () = connection::changed(&mut link) => {}
            }
        }
        Err(ReadError::Api { what: what.to_owned(), source: "there is no connection to the server".into() })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    pub(crate) fn link(&self) -> &Link {
        &self.shared.link
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.shared.jetstream
    }

    /// Returns when the server has taken everything that was sent before: it takes what one connection says in order, and
    /// answers this last. (The client's `flush` only says that it was handed to the network.)
    pub(crate) async fn round_trip(&self) -> Result<(), crate::error::Cause> {
        info(self.jetstream(), EVENTS).await.map(drop)
    }

    /// A handle on a stream, without asking for it.
    pub(crate) async fn stream(&self, name: &'static str) -> Result<Stream<()>, ReadError> {
        let handle = self.jetstream().get_stream_no_info(name).await;
        handle.map_err(|source| ReadError::Api { what: name.to_owned(), source: source.into() })
    }
}

pub(crate) async fn info(jetstream: &Context, stream: &'static str) -> Result<Info, crate::error::Cause> {
    use async_nats::jetstream::response::Response;
    match jetstream.request(format!("STREAM.INFO.{stream}"), &()).await? {
        Response::Ok(info) => Ok(info),
        Response::Err { error } => Err(error.into()),
    }
}
