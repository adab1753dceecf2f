//! A real log with the API in front of it, and a stand-in that answers as the registry would.

#![allow(dead_code, reason = "each test file is a crate of its own and uses its own part of this")]

pub mod shape;

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::{Api, Look};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use schemas::access::Who;
use schemas::event::{Data, Draft, Scope};
use schemas::fleet::Fleet;
use schemas::names::FleetId;
use schemas::query::{Fault, FleetAnswer, FleetLine, FleetRequest, FleetsAnswer, FleetsRequest};
use serde_json::Value;
use streams::{Bus, Expected, Question, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// The log and its API.
pub struct Platform {
    pub bus: Bus,
    pub router: Router,
    /// The stand-ins; gone with the platform.
    answers: JoinSet<()>,
    server: Option<Server>,
    _folder: TempDir,
}

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Platform {
    /// A new, empty log.
    pub async fn start() -> Self {
        Self::with(Vec::new()).await
    }

    /// From now on one request looks through so many events at most.
    pub fn with_max_scan(mut self, events: usize) -> Self {
        self.router = as_admin(api::router(Api::new(self.bus.clone(), Vec::new()).with_max_scan(events)));
        self
    }

    /// The same, with services that `/readyz` looks at.
    pub async fn with(services: Vec<(&'static str, Look)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        let config =
            ServerConfig { program: nats_server(), store: folder.path().join("nats"), lock, users: Users::Tests };
        let server = Server::start(config).await.unwrap();
        let access = server.access();
        streams::provision(&access).await.unwrap();
        let bus = Bus::connect(&access).await.unwrap();
        let router = as_admin(api::router(Api::new(bus.clone(), services)));
        Self { bus, router, answers: JoinSet::new(), server: Some(server), _folder: folder }
    }

    /// Stops the server in order.
    pub async fn stop(mut self) {
        self.answers.shutdown().await;
        self.server.take().unwrap().stop().await;
    }

    /// Answers every question of one kind as `look_up` says.
    pub async fn answers<Q>(&mut self, look_up: impl Fn(&Q) -> Result<Q::Answer, Fault> + Send + 'static)
    where
        Q: Question + Send + Sync + 'static,
        Q::Answer: Send,
    {
        let mut questions = self.bus.answer::<Q>().await.unwrap();
        self.answers.spawn(async move {
            while let Some(asked) = questions.next().await {
                let answer = look_up(&asked.question);
                asked.reply(answer).await.unwrap();
            }
        });
    }

    /// Answers every question about one fleet with this.
    pub async fn fleet(&mut self, answer: Result<FleetAnswer, Fault>) {
        let mut questions = self.bus.answer::<FleetRequest>().await.unwrap();
        self.answers.spawn(async move {
            while let Some(asked) = questions.next().await {
                let same = |it: &FleetAnswer| it.fleet.as_ref().is_none_or(|fleet| fleet.id == asked.question.fleet);
                let answer = answer.clone().map(|it| if same(&it) { it } else { FleetAnswer { fleet: None, ..it } });
                asked.reply(answer).await.unwrap();
            }
        });
    }

    /// Answers questions about all fleets with pages of these.
    pub async fn fleets(&mut self, position: u64, lines: Vec<FleetLine>) {
        let mut questions = self.bus.answer::<FleetsRequest>().await.unwrap();
        self.answers.spawn(async move {
            while let Some(asked) = questions.next().await {
                let after = asked.question.after.clone();
                let owners = asked.question.owners.clone();
                let theirs =
                    lines.iter().filter(|it| owners.as_ref().is_none_or(|owners| owners.contains(&it.fleet.owner)));
                let behind = theirs.filter(|it| after.as_ref().is_none_or(|after| it.fleet > *after)).cloned();
                let rest: Vec<_> = behind.collect();
                let limit = asked.question.limit as usize;
                let (more, fleets) = (rest.len() > limit, rest.into_iter().take(limit).collect());
                asked.reply(Ok(FleetsAnswer { position, fleets, more })).await.unwrap();
            }
        });
    }

    /// Appends an event; answers its position.
    pub async fn append(&self, scope: Scope, subject: &str, actor: &str, data: Data) -> u64 {
        let (id, time) = (clock::new_id(), clock::now());
        let (subject, actor) = (subject.to_owned(), actor.to_owned());
        let draft = Draft { id, scope, subject, time, actor, cause: None, data };
        self.bus.append(&draft, Expected::Any).await.unwrap()
    }

    /// What somebody is answered, who is let in as `who`; the body is not read.
    pub async fn ask_as(&self, who: Option<Who>, method: &str, path: &str) -> StatusCode {
        self.response(who, method, path).await.status()
    }

    /// What somebody reads, who is let in as `who`.
    pub async fn get_as(&self, who: Who, path: &str) -> Reply {
        Reply::read(self.response(Some(who), "GET", path).await).await
    }

    async fn response(&self, who: Option<Who>, method: &str, path: &str) -> Response {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        if let Some(who) = who {
            request.extensions_mut().insert(who);
        }
        api::router(Api::new(self.bus.clone(), Vec::new())).oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[]).await
    }

    /// The status alone: the body is not read.
    pub async fn head(&self, method: &str, path: &str) -> StatusCode {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        Reply::read(response).await
    }

    /// The same with a body.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_string())).unwrap();
        Reply::read(self.router.clone().oneshot(request).await.unwrap()).await
    }
}

impl Reply {
    async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The answer, which has to be a good one.
    pub fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The end of the problem's type, which has to be one of this status.
    pub fn problem(&self, status: u16) -> (String, Value) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["status"], status);
        let kind = document["type"].as_str().unwrap().strip_prefix("urn:fleetlog:problem:").unwrap().to_owned();
        (kind, document)
    }
}

/// Fails the test where something takes too long.
pub async fn in_time<T>(what: &str, act: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), act).await.unwrap_or_else(|_| panic!("{what}: not within 30 s"))
}

pub fn id(name: &str) -> FleetId {
    name.parse().unwrap()
}

/// A fleet of which nothing is known yet.
pub fn line(name: &str) -> FleetLine {
    FleetLine { fleet: id(name), description: None, commit: None, containers: 0, running: 0, rollout: None }
}

pub fn answer(position: u64, fleet: Option<Fleet>) -> Result<FleetAnswer, Fault> {
    Ok(FleetAnswer { position, fleet })
}

pub fn looks(looks: &[(&'static str, Option<&'static str>)]) -> Vec<(&'static str, Look)> {
    let one = |why: Option<&'static str>| -> Look { Arc::new(move || why.map(str::to_owned)) };
    looks.iter().map(|(name, why)| (*name, one(*why))).collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn nats_server() -> PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    streams::find_server(explicit.as_deref(), &[tools]).unwrap().path
}

/// What the door does for who has the first token.
fn as_admin(router: Router) -> Router {
    router.layer(axum::Extension(Who::admin()))
}
