//! The connection: where the engine is, which API version both sides know, and how long a call may take.
//!
//! The version is negotiated with the first call, and again after the engine was away: it may come back as another
//! version. Every call has a socket of its own, so calls never queue behind each other.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion};
use tokio::time::timeout;

use super::classify::{plain, refused_for_its_version};
use crate::error::EngineError;

/// How long one ordinary call may take, in seconds: a loaded engine needs several to start a container.
pub(super) const CALL: Duration = Duration::from_secs(60);

/// How long the first words with an engine may take, in seconds.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The client's own limit, in seconds: never reached, because every call here has a shorter one of ours.
const UNREACHED: u64 = 24 * 3_600;

/// Where the engine is looked for where nobody says.
const LOCAL_SOCKET: &str = "unix:///var/run/docker.sock";

/// The way to one engine.
#[derive(Debug)]
pub(super) struct Connection {
    url: String,
    /// The client that speaks a version that the engine knows; none before the first call and after the engine was away.
    negotiated: Mutex<Option<bollard::Docker>>,
    /// One negotiation at a time.
    negotiating: tokio::sync::Mutex<()>,
    /// One network is made at a time.
    networks: tokio::sync::Mutex<()>,
}

impl Connection {
    pub(super) fn new(url: Option<&str>) -> Self {
        let url = url.map(str::to_owned).or_else(|| std::env::var("DOCKER_HOST").ok());
        let url = url.filter(|url| !url.is_empty()).unwrap_or_else(|| LOCAL_SOCKET.to_owned());
        Self { url, negotiated: Mutex::default(), negotiating: Default::default(), networks: Default::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Makes one call within `deadline`, negotiating first where that is due.
    ///
    /// `what` is the call in words, `explain` makes our error of the client's own. A call that the engine refuses
    /// because of its version (it was replaced by another one meanwhile) is made once more with the right one.
    pub(super) async fn call<T, F>(
        &self,
        what: &str,
        deadline: Duration,
        make: impl Fn(bollard::Docker) -> F,
        explain: impl Fn(Error) -> EngineError,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let late = |_| EngineError::Slow { what: what.to_owned(), within: deadline };
        let mut outcome = timeout(deadline, make(self.client().await?)).await.map_err(late)?;
        if outcome.as_ref().is_err_and(refused_for_its_version) {
            self.forget();
            outcome = timeout(deadline, make(self.client().await?)).await.map_err(late)?;
        }
        outcome.map_err(|error| {
            let error = explain(error);
            if error.is_away() {
                self.forget();
            }
            error
        })
    }

    /// The client, negotiated.
    pub(super) async fn client(&self) -> Result<bollard::Docker, EngineError> {
        if let Some(client) = self.current() {
            return Ok(client);
        }
        // Also the wait for another caller's attempt ends in time: nobody queues behind an engine that says nothing.
        timeout(HANDSHAKE, self.negotiated_by_one()).await.unwrap_or_else(|_| {
            Err(EngineError::Away { reason: format!("`{}` did not answer within {HANDSHAKE:?}", self.url) })
        })
    }

    async fn negotiated_by_one(&self) -> Result<bollard::Docker, EngineError> {
        let _one_at_a_time = self.negotiating.lock().await;
        if let Some(client) = self.current() {
            return Ok(client);
        }
        let client = negotiate(&self.url).await?;
        *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    /// Waits until nobody else makes a network.
    pub(super) async fn network_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.networks.lock().await
    }

    /// Negotiates again with the next call.
    pub(super) fn forget(&self) {
        *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn current(&self) -> Option<bollard::Docker> {
        self.negotiated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A client that speaks the newest version that both sides know.
async fn negotiate(url: &str) -> Result<bollard::Docker, EngineError> {
    let explain = |error| plain(&format!("connect to `{url}`"), error);
    let unversioned = open(url, API_DEFAULT_VERSION).map_err(explain)?;
    let engine = unversioned.version().await.map_err(explain)?;
    let newest = engine.api_version.as_deref().and_then(parse_version);
    let Some(version) = newest.map(|theirs| older(theirs, API_DEFAULT_VERSION)) else {
        return Err(EngineError::Refused {
            what: "negotiate the API version".to_owned(),
            status: 0,
            message: format!("`{url}` answers without an API version that can be read; is it a Docker engine?"),
        });
    };
    tracing::debug!(url, engine = engine.version, api = %version, "connected to Docker");
    let prefix = format!("/v{version}");
    Ok(open(url, &version).map_err(explain)?.with_request_modifier(move |request| with_prefix(request, &prefix)))
}

fn open(url: &str, version: &ClientVersion) -> Result<bollard::Docker, Error> {
    if url.starts_with("unix://") {
        bollard::Docker::connect_with_unix(url, UNREACHED, version)
    } else if url.starts_with("tcp://") || url.starts_with("http://") {
        bollard::Docker::connect_with_http(url, UNREACHED, version)
    } else {
        Err(Error::UnsupportedURISchemeError { uri: url.to_owned() })
    }
}

/// The client library sends every path without its version, which leaves the choice to the engine: name it.
fn with_prefix(mut request: BollardRequest, prefix: &str) -> BollardRequest {
    let mut parts = request.uri().clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    if !path.starts_with("/v1.")
        && let Ok(path) = format!("{prefix}{path}").parse()
    {
        parts.path_and_query = Some(path);
        if let Ok(uri) = parts.try_into() {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn parse_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

fn older(a: ClientVersion, b: &ClientVersion) -> ClientVersion {
    let (a_key, b_key) = ((a.major_version, a.minor_version), (b.major_version, b.minor_version));
    if a_key <= b_key { a } else { ClientVersion { major_version: b_key.0, minor_version: b_key.1 } }
}
