//! The platform, as the client reaches it.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;

use super::failure::Failure;
use super::messages::Messages;
pub use super::patience::Patience;
use super::{here, login, out};

/// Where the platform is when nothing says so.
const DEFAULT_URL: &str = "http://127.0.0.1:7070";
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a whole request may take.
const REQUEST: Duration = Duration::from_secs(60);
/// After so long a request that still waits is worth a line.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of one answer.
const MAX_ANSWER: u64 = 64 << 20;

/// The platform.
pub struct Remote {
    agent: Agent,
    url: String,
    token: Option<String>,
}

/// An answer that went well.
pub struct Reply {
    /// The position that it shows.
    pub position: u64,
    body: Vec<u8>,
}

impl Reply {
    /// The answer as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer as what it should be.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::Failed(format!("the platform answered something else than expected: {error}")))
    }
}

/// What came back, good or bad.
enum Answer {
    Good(Reply),
    /// The wanted position was not reached in time.
    Behind,
    /// Not ready, with the answer's body.
    Unavailable(Value),
}

impl Remote {
    /// From `FLEETLOG_URL` and `FLEETLOG_TOKEN`; what they don't say, the clone's remote does, and then `fleetlog login`.
    pub fn find() -> Result<Self, Failure> {
        let (url, token) = (variable("FLEETLOG_URL"), variable("FLEETLOG_TOKEN"));
        let url = url.map(|it| it.trim_end_matches('/').to_owned());
        // A token goes only to the platform that it is for.
        let origins = if url.is_some() && token.is_some() { Vec::new() } else { here::origins() };
        let origin = origins.into_iter().find(|it| url.as_ref().is_none_or(|url| *url == it.url));
        let (its_url, its_token) = origin.map_or((None, None), |it| (Some(it.url), it.token));
        let token = token.or(its_token);
        let kept = || login::Kept::read();
        let url = url.or(its_url).or_else(|| kept().url).unwrap_or_else(|| DEFAULT_URL.to_owned());
        let token = token.or_else(|| kept().token(&url));
        Self::at(url, token)
    }

    /// With this token, for `fleetlog login`; the platform that is named, else the one that is meant here.
    pub fn with(url: Option<&str>, token: &str) -> Result<Self, Failure> {
        let url = match url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => Self::find()?.url,
        };
        Self::at(url, Some(token.to_owned()))
    }

    fn at(url: String, token: Option<String>) -> Result<Self, Failure> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(Failure::Usage(format!("`{url}` is no address of a platform: expected http://HOST:PORT")));
        }
        Ok(Self { agent: agent(&url), url, token })
    }

    /// Whether the token lets us in at all; what it lets us do is another matter.
    pub fn knows_us(&self) -> Result<(), Failure> {
        let mut request = self.agent.get(format!("{}/v1/profiles?limit=1", self.url));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(|error| self.unreachable(&error))?;
        let read = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        let problem = serde_json::from_slice(&read.unwrap_or_default()).unwrap_or_default();
        match response.status().as_u16() {
            200..=299 | 403 => Ok(()),
            401 => Err(Failure::NotAllowed(self.not_allowed(&problem))),
            status => Err(Failure::Failed(detail(&problem, status))),
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads a path; `at_least` waits for a position.
    pub fn get(&self, path: &str, query: &[(&str, String)], at_least: u64) -> Result<Reply, Failure> {
        match self.ask(path, query, at_least, REQUEST)? {
            Answer::Good(reply) => Ok(reply),
            Answer::Behind => Err(Failure::Failed(format!("`{}` did not reach position {at_least} in time", self.url))),
            Answer::Unavailable(problem) => Err(Failure::Failed(detail(&problem, 503))),
        }
    }

    /// Like [`get`](Self::get); none: the position was not reached within `at_most`, or in the time that the platform
    /// waits for it.
    pub fn get_once_at(
        &self,
        path: &str,
        query: &[(&str, String)],
        position: u64,
        at_most: Duration,
    ) -> Result<Option<Reply>, Failure> {
        match self.ask(path, query, position, at_most)? {
            Answer::Good(reply) => Ok(Some(reply)),
            Answer::Behind => Ok(None),
            Answer::Unavailable(problem) => Err(Failure::NotReachable(detail(&problem, 503))),
        }
    }

    /// `/readyz`, which answers the same shape whether it is ready or not.
    pub fn readiness(&self) -> Result<Value, Failure> {
        match self.ask("/readyz", &[], 0, REQUEST)? {
            Answer::Good(reply) => reply.read(),
            Answer::Unavailable(shape) => Ok(shape),
            Answer::Behind => Err(Failure::Failed(format!("`{}/readyz` timed out", self.url))),
        }
    }

    /// Asks for something with another method than GET, such as `POST`; an answer that is no good one is a failure.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply, Failure> {
        good(self.send_any(method, path, body)?)
    }

    /// The same for what takes longer than a minute.
    pub fn send_within(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Reply, Failure> {
        good(self.send_any_within(method, path, body, within)?)
    }

    /// Like [`send`](Self::send), but what is neither wrong usage nor a matter of rights comes back with its status.
    pub fn send_any(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Reply), Failure> {
        self.send_any_within(method, path, body, REQUEST)
    }

    fn send_any_within(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<(u16, Reply), Failure> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        // Whatever comes of the connection, with the same key it happens once.
        let key = streams::clock::new_id().to_string();
        request = request.header("Accept", "application/json").header("Idempotency-Key", key);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let unusable = |error| Failure::Usage(format!("`{}{path}` cannot be asked for: {error}", self.url));
        let request = request.body(body.map(Value::to_string).unwrap_or_default()).map_err(unusable)?;
        let answer = patiently(&format!("waiting for {} …", self.url), || match self.send_once(&request, within) {
            Err(error) if is_cut(&error) => self.send_once(&request, within),
            answer => answer,
        });
        let (status, reply) = answer.map_err(|error| self.unreachable(&error))?;
        let problem = || serde_json::from_slice(&reply.body).unwrap_or_default();
        match status {
            401 => Err(Failure::NotAllowed(self.not_allowed(&problem()))),
            403 => Err(Failure::NotAllowed(detail(&problem(), status))),
            400 => Err(Failure::Usage(detail(&problem(), status))),
            503 => Err(Failure::NotReachable(detail(&problem(), status))),
            _ => Ok((status, reply)),
        }
    }

    fn send_once(&self, request: &ureq::http::Request<String>, within: Duration) -> Result<(u16, Reply), ureq::Error> {
        let (parts, body) = request.clone().into_parts();
        let mut response = if body.is_empty() {
            let request = ureq::http::Request::from_parts(parts, ());
            self.agent.run(self.agent.configure_request(request).timeout_global(Some(within)).build())?
        } else {
            let request = ureq::http::Request::from_parts(parts, body);
            self.agent.run(self.agent.configure_request(request).timeout_global(Some(within)).build())?
        };
        let position = response.headers().get("fleetlog-position").and_then(|it| it.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        Ok((response.status().as_u16(), Reply { position: position.unwrap_or(0), body }))
    }

    /// Opens a stream of messages that goes on behind the one with the id `last`.
    pub fn messages(&self, path: &str, query: &[(&str, String)], last: Option<&str>) -> Result<Messages, Failure> {
        let mut request = self.agent.get(format!("{}{path}", self.url)).header("Accept", "text/event-stream");
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let mut response = request.call().map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(Messages::new(response.into_body().into_reader()));
        }
        let body = response.body_mut().read_to_vec().unwrap_or_default();
        let document = serde_json::from_slice(&body).unwrap_or_default();
        let problem = detail(&document, status);
        Err(match status {
            401 => Failure::NotAllowed(self.not_allowed(&document)),
            403 => Failure::NotAllowed(problem),
            400 => Failure::Usage(problem),
            503 => Failure::NotReachable(problem),
            _ => Failure::Failed(problem),
        })
    }

    fn ask(&self, path: &str, query: &[(&str, String)], at_least: u64, at_most: Duration) -> Result<Answer, Failure> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Accept", "application/json");
        let mut request = request.config().timeout_global(Some(at_most.min(REQUEST))).build();
        for (name, value) in query {
            request = request.query(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if at_least > 0 {
            request = request.header("Fleetlog-Min-Position", at_least.to_string());
        }
        // A request that waits for a position is meant to wait.
        let said = if at_least > 0 { String::new() } else { format!("waiting for {} …", self.url) };
        let answer = patiently(&said, || {
            let mut response = request.call()?;
            let position = response.headers().get("fleetlog-position").and_then(|it| it.to_str().ok()?.parse().ok());
            let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
            Ok((response.status().as_u16(), position.unwrap_or(0), body))
        });
        let (status, position, body) = match answer {
            Err(ureq::Error::Timeout(_)) if at_most < REQUEST => return Ok(Answer::Behind),
            answer => answer.map_err(|error| self.unreachable(&error))?,
        };
        let problem = || serde_json::from_slice(&body).unwrap_or_default();
        match status {
            200..=299 => Ok(Answer::Good(Reply { position, body })),
            401 => Err(Failure::NotAllowed(self.not_allowed(&problem()))),
            403 => Err(Failure::NotAllowed(detail(&problem(), status))),
            400 => Err(Failure::Usage(detail(&problem(), status))),
            503 => Ok(Answer::Unavailable(problem())),
            504 => Ok(Answer::Behind),
            _ => Err(Failure::Failed(detail(&problem(), status))),
        }
    }

    fn not_allowed(&self, problem: &Value) -> String {
        let why = match &self.token {
            Some(_) => detail(problem, 401),
            None => "FLEETLOG_TOKEN is not set, and nobody has logged in; the first token lies in the file \
                     `admin.token` of its data folder"
                .to_owned(),
        };
        format!("`{}` does not let us in: {why}", self.url)
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::NotReachable(format!(
            "cannot reach `{}`: {error}; is `fleetlog up` running there? FLEETLOG_URL says where to look",
            self.url
        ))
    }
}

/// An answer that went well, else what it says.
fn good((status, reply): (u16, Reply)) -> Result<Reply, Failure> {
    match status {
        200..=299 => Ok(reply),
        _ => Err(Failure::Failed(detail(&serde_json::from_slice(&reply.body).unwrap_or_default(), status))),
    }
}

/// Whether the connection was there and broke, so that nobody knows what came of the request.
fn is_cut(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}

fn agent(url: &str) -> Agent {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let local = ["127.", "localhost", "[::1]"].iter().any(|it| host.starts_with(it));
    let mut config =
        Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_connect(Some(CONNECT));
    if local {
        // A proxy of the company's is no way to this machine.
        config = config.proxy(None);
    }
    config.build().new_agent()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

/// What a problem document says.
fn detail(problem: &Value, status: u16) -> String {
    let text = problem.get("detail").and_then(Value::as_str);
    text.map_or_else(|| format!("the platform answered with status {status}"), str::to_owned)
}

/// Does something, and says so where it takes over a second.
fn patiently<T>(said: &str, act: impl FnOnce() -> T) -> T {
    if said.is_empty() {
        return act();
    }
    // Carries nothing: that it is closed says that the answer is there.
    let (done, wait) = sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                out::note(said);
            }
        });
        let answer = act();
        drop(done);
        answer
    })
}
