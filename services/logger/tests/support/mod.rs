//! A real log with the index over it, and what a test asks of it.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its own part of this")]

use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use logger::{Config, Readiness, Service};
use schemas::logs::{Batch, Cursor, Filter, Found, Line, Origin, Part, Stream};
use schemas::names::NodeName;
use schemas::query::{LogsAnswer, LogsRequest};
use streams::{AskError, Bus, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A log, and maybe an index over it.
pub struct Log {
    pub bus: Bus,
    pub folder: TempDir,
    /// Sequence of the last batch.
    pub last: u64,
    running: JoinSet<Result<(), logger::Error>>,
    shutdown: CancellationToken,
    server: Option<Server>,
}

impl Log {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        let config =
            ServerConfig { program: nats_server(), store: folder.path().join("nats"), lock, users: Users::Tests };
        let server = Server::start(config).await.unwrap();
        streams::provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        let shutdown = CancellationToken::new();
        Self { bus, folder, last: 0, running: JoinSet::new(), shutdown, server: Some(server) }
    }

    /// Where the index is.
    pub fn index(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// Starts the index and waits until it is ready.
    pub async fn open(&mut self) -> Readiness {
        self.open_keeping(100_000).await
    }

    pub async fn open_keeping(&mut self, keep_days: u32) -> Readiness {
        self.shutdown = CancellationToken::new();
        let config = Config { folder: self.index(), keep_days };
        let service = Service::start(config, self.bus.clone(), self.shutdown.clone()).await.unwrap();
        let readiness = service.readiness();
        self.running.spawn(service.run());
        eventually("the index is ready", async || readiness.ready().map_or(Ok(()), Err)).await;
        readiness
    }

    /// Stops it in order.
    pub async fn close(&mut self) {
        self.shutdown.cancel();
        while let Some(end) = self.running.join_next().await {
            end.unwrap().unwrap();
        }
    }

    pub async fn stop(mut self) {
        self.close().await;
        self.server.take().unwrap().stop().await;
    }

    /// Stores a batch.
    pub async fn store(&mut self, parts: Vec<Part>) -> u64 {
        let batch = Batch { id: clock::new_id(), parts };
        self.last = self.bus.store_lines(&node(), &batch, self.last).await.unwrap();
        self.last
    }

    /// Stores lines of one container: their times and texts.
    pub async fn write(&mut self, fleet: &str, container: &str, lines: &[(i64, &str)]) -> u64 {
        let lines = lines.iter().map(|(ns, text)| line(*ns, text)).collect();
        self.store(vec![part(fleet, container, lines)]).await
    }

    pub async fn ask(&self, request: LogsRequest) -> Result<LogsAnswer, AskError> {
        self.bus.ask(&request, PATIENCE).await
    }

    /// Waits until the last batch can be found, and asks.
    pub async fn find(&self, request: LogsRequest) -> LogsAnswer {
        let last = self.last;
        eventually("the last batch is indexed", async || {
            let answer = self.ask(request.clone()).await.map_err(|error| error.to_string())?;
            if answer.applied >= last { Ok(answer) } else { Err(format!("at {} of {last}", answer.applied)) }
        })
        .await
    }

    /// Texts of what a query finds, the newest first.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        texts(&self.find(request(query)).await.lines)
    }
}

pub fn request(query: &str) -> LogsRequest {
    let filter = Filter { query: query.to_owned(), ..Filter::default() };
    LogsRequest { filter, newest_first: true, after: None, limit: 100 }
}

pub fn texts(lines: &[Found]) -> Vec<String> {
    lines.iter().map(|it| it.text.clone()).collect()
}

pub fn line(ns: i64, text: &str) -> Line {
    Line { ns, stream: Stream::Stdout, text: text.to_owned(), cut: false }
}

pub fn part(fleet: &str, container: &str, lines: Vec<Line>) -> Part {
    let id = format!("{container}-id");
    let origin = Origin { id, fleet: fleet.parse().unwrap(), container: container.to_owned(), run: None, step: None };
    Part { origin, cursor: Cursor::default(), lines }
}

pub fn node() -> NodeName {
    "local".parse().unwrap()
}

/// Looks again and again until `look` finds what it looks for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; last seen: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fails the test where something takes too long.
pub async fn in_time<T>(what: &str, act: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, act).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

fn nats_server() -> PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    streams::find_server(explicit.as_deref(), &[tools]).unwrap().path
}
