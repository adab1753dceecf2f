//! A log on a server of its own, and registries over it.
#![allow(dead_code, reason = "no test needs all of it")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use registry::{Readiness, Service};
use schemas::descriptors::{Changes, Files};
use schemas::event::{Data, Draft, GitPushed, Scope};
use schemas::names::{FleetId, Oid};
use schemas::query::{Fault, FaultCode, VariablesRequest};
use serde_json::json;
use streams::{AskError, Bus, Expected, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Log {
    pub bus: Bus,
    pub server: Server,
    pub folder: TempDir,
}

/// A registry that runs.
pub struct Running {
    task: JoinSet<Result<(), registry::Error>>,
    shutdown: CancellationToken,
    /// What it said about its readiness before it ran.
    pub first: Option<String>,
    pub readiness: Readiness,
}

impl Running {
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }
}

impl Log {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
        let program = streams::find_server(explicit.as_deref(), &[tools]).unwrap().path;
        let config = ServerConfig { program, store: folder.path().join("nats"), lock, users: Users::Tests };
        let server = Server::start(config).await.unwrap();
        streams::provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        Self { bus, server, folder }
    }

    pub async fn registry(&self) -> Running {
        self.registry_in(&self.folder.path().join("registry")).await
    }

    pub async fn registry_in(&self, folder: &Path) -> Running {
        let shutdown = CancellationToken::new();
        let service = Service::start(folder.to_owned(), self.bus.clone(), shutdown.clone()).await.unwrap();
        let readiness = service.readiness();
        let first = readiness.ready();
        let mut task = JoinSet::new();
        task.spawn(service.run());
        Running { task, shutdown, first, readiness }
    }

    /// Pushes `count` times; answers the last position.
    pub async fn push(&self, count: u64) -> u64 {
        let mut position = 0;
        for _ in 0..count {
            position = self.bus.append(&pushed(), Expected::Any).await.unwrap();
        }
        position
    }

    /// Pushes `count` times, many of them at once.
    pub async fn push_many(&self, count: u64) {
        let mut under_way = JoinSet::new();
        for _ in 0..count {
            while under_way.len() >= 256 {
                under_way.join_next().await.unwrap().unwrap();
            }
            let bus = self.bus.clone();
            under_way.spawn(async move { bus.append(&pushed(), Expected::Any).await.map(drop).unwrap() });
        }
        under_way.join_all().await;
    }

    /// Waits until the database holds `position`, also while it is made anew.
    pub async fn reaches(&self, position: u64) {
        let question = VariablesRequest { fleet: fleet(), at: None, min_position: position };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.bus.ask(&question, PATIENCE).await {
                Ok(answer) => return assert!(answer.position >= position),
                Err(AskError::Fault(Fault { code: FaultCode::Behind, message })) => {
                    assert!(Instant::now() < deadline, "position {position} is not reached: {message}");
                }
                Err(error) => panic!("position {position} is not reached: {error}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where the database lies that counts.
    pub fn current(&self) -> PathBuf {
        let folder = self.folder.path().join("registry");
        folder.join(std::fs::read_to_string(folder.join("current")).unwrap())
    }

    /// The database, as somebody else opens it.
    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.current()).unwrap()
    }
}

pub fn fleet() -> FleetId {
    "acme/shop".parse().unwrap()
}

/// A push of a commit and a group of variables that no other push has.
fn pushed() -> Draft {
    let chance = clock::new_id().simple().to_string();
    let commit: Option<Oid> = Some(format!("00000000{chance}").parse().unwrap());
    let path: schemas::descriptors::Path = "variables/app.json".parse().unwrap();
    let group = schemas::descriptors::File::read(&path, json!({ "chance": chance, "size": 3 })).unwrap();
    let descriptors = Changes { set: Files([(path, group)].into()), removed: Vec::new() };
    let (refs, pack, deploy, reason) = (Vec::new(), None, "main".to_owned(), None);
    let data = Data::GitPushed(GitPushed {
        allow_destroy: Vec::new(),
        created: false,
        refs,
        pack,
        deploy,
        commit,
        descriptors,
        reason,
    });
    let (id, time, actor) = (clock::new_id(), clock::now(), "ada".to_owned());
    Draft { id, scope: Scope::Fleet(fleet()), subject: "refs/heads/main".to_owned(), time, actor, cause: None, data }
}
