//! The registry's database over a real log: it goes on where it was, is made anew where it is of no use, and what is made
//! anew is what grew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use registry::Service;
use schemas::event::{Data, Draft, GitPushed, Scope};
use schemas::names::FleetId;
use schemas::query::{
    At, Fault, FaultCode, FleetRequest, HistoryRequest, PastRequest, ReplayRequest, VariablesRequest,
};
use streams::{AskError, Bus, Expected, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

struct Log {
    bus: Bus,
    server: Server,
    folder: TempDir,
}

/// A registry that runs.
struct Running {
    task: JoinSet<Result<(), registry::Error>>,
    shutdown: CancellationToken,
    /// What it said about its readiness before it ran.
    first: Option<String>,
}

impl Running {
    async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }
}

impl Log {
    async fn start() -> Self {
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

    async fn registry(&self) -> Running {
        self.registry_in(&self.folder.path().join("registry")).await
    }

    async fn registry_in(&self, folder: &Path) -> Running {
        let shutdown = CancellationToken::new();
        let service = Service::start(folder.to_owned(), self.bus.clone(), shutdown.clone()).await.unwrap();
        let first = service.readiness().ready();
        let mut task = JoinSet::new();
        task.spawn(service.run());
        Running { task, shutdown, first }
    }

    /// Pushes `count` times; answers the last position.
    async fn push(&self, count: u64) -> u64 {
        let mut position = 0;
        for _ in 0..count {
            let commit: Option<schemas::names::Oid> =
                Some(format!("00000000{}", clock::new_id().simple()).parse().unwrap());
            let (deploy, descriptors) = ("main".to_owned(), Default::default());
            let pushed =
                GitPushed { created: false, refs: Vec::new(), pack: None, deploy, commit, descriptors, reason: None };
            let (id, time, actor) = (clock::new_id(), clock::now(), "ada".to_owned());
            let (scope, subject, data) = (Scope::Fleet(fleet()), "refs/heads/main".to_owned(), Data::GitPushed(pushed));
            let draft = Draft { id, scope, subject, time, actor, cause: None, data };
            position = self.bus.append(&draft, Expected::Any).await.unwrap();
        }
        position
    }

    /// Waits until the database holds `position`.
    async fn reaches(&self, position: u64) {
        let question = VariablesRequest { fleet: fleet(), at: None, min_position: position };
        assert!(self.bus.ask(&question, PATIENCE).await.unwrap().position >= position);
    }

    fn database(&self) -> rusqlite::Connection {
        let folder = self.folder.path().join("registry");
        let current = std::fs::read_to_string(folder.join("current")).unwrap();
        rusqlite::Connection::open(folder.join(current)).unwrap()
    }
}

fn fleet() -> FleetId {
    "acme/shop".parse().unwrap()
}

#[tokio::test]
async fn it_goes_on_where_it_was() {
    let log = Log::start().await;
    let first = log.registry().await;
    let position = log.push(20).await;
    log.reaches(position).await;
    first.stop().await;
    let end = log.push(5).await;
    let second = log.registry().await;
    let said = second.first.clone().unwrap();
    assert!(said.contains(&format!("at position {position} of {end}")), "{said}");
    let whole = log.bus.ask(&FleetRequest { fleet: fleet(), min_position: end }, PATIENCE).await.unwrap();
    log.reaches(end).await;
    second.stop().await;
    // One that was never stopped knows the same.
    let anew = log.registry_in(&log.folder.path().join("elsewhere")).await;
    let question = FleetRequest { fleet: fleet(), min_position: end };
    assert_eq!(log.bus.ask(&question, PATIENCE).await.unwrap().fleet, whole.fleet);
    anew.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn a_database_of_another_shape_or_another_log_is_made_anew() {
    let log = Log::start().await;
    let end = log.push(20).await;
    log.registry_and(end).await;
    for change in [
        "UPDATE meta SET shape = 99",
        "UPDATE meta SET incarnation = '00000000-0000-0000-0000-000000000000'",
        "UPDATE meta SET position = 1000000",
        "DROP TABLE versions",
        "UPDATE versions SET value = 'no JSON'",
    ] {
        log.database().execute_batch(change).unwrap();
        let said = log.registry_and(end).await.unwrap();
        assert!(said.contains("at position 0 of"), "{change}: {said}");
        assert_eq!(log.registry_and(end).await, None, "{change}: it was made anew once");
    }
    log.server.stop().await;
}

impl Log {
    /// Runs a registry until it is at `end`; what it said about its readiness before it ran.
    async fn registry_and(&self, end: u64) -> Option<String> {
        let registry = self.registry().await;
        self.reaches(end).await;
        let said = registry.first.clone();
        registry.stop().await;
        said
    }
}

#[tokio::test]
async fn what_is_made_anew_is_what_grew_while_it_grows_on() {
    let log = Log::start().await;
    let registry = log.registry().await;
    log.push(300).await;
    for verify in [true, false, false, true] {
        let question = ReplayRequest { verify };
        let (answer, end) = tokio::join!(log.bus.ask(&question, PATIENCE), log.push(50));
        let answer = answer.unwrap();
        assert!(answer.equal, "{answer:?}");
        assert_eq!(answer.swapped, !verify);
        log.reaches(end).await;
    }
    registry.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn one_that_does_not_say_what_its_log_says_is_found_out() {
    let log = Log::start().await;
    let registry = log.registry().await;
    let end = log.push(10).await;
    log.reaches(end).await;
    log.database().execute_batch("UPDATE events SET actor = actor + 1 WHERE position = 3").unwrap();
    let answer = log.bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.unwrap();
    assert!(!answer.equal, "{answer:?}");
    let answer = log.bus.ask(&ReplayRequest { verify: false }, PATIENCE).await.unwrap();
    assert!(!answer.equal && answer.swapped, "{answer:?}");
    let answer = log.bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.unwrap();
    assert!(answer.equal, "{answer:?}");
    registry.stop().await;
    log.server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_yet_is_refused_and_what_was_never_there_is_not_found() {
    let log = Log::start().await;
    let registry = log.registry().await;
    let end = log.push(3).await;
    let past = |at: At| PastRequest { fleet: fleet(), at, min_position: end };
    assert_eq!(log.bus.ask(&past(At::Position(end)), PATIENCE).await.unwrap().position, end);
    let code = |answer: Result<schemas::query::PastAnswer, AskError>| match answer {
        Err(AskError::Fault(Fault { code, .. })) => code,
        other => panic!("expected a fault, seen {other:?}"),
    };
    assert_eq!(code(log.bus.ask(&past(At::Position(end + 1)), PATIENCE).await), FaultCode::BadRequest);
    assert_eq!(code(log.bus.ask(&past(At::Commit("f".repeat(40))), PATIENCE).await), FaultCode::NotFound);
    assert_eq!(log.bus.ask(&past(At::Time(clock::now())), PATIENCE).await.unwrap().position, end);
    let (path, at, before, limit) = ("variables.app.none".to_owned(), None, None, 10);
    let history = HistoryRequest { fleet: fleet(), path, at, before, limit, min_position: end };
    assert!(matches!(
        log.bus.ask(&history, PATIENCE).await,
        Err(AskError::Fault(Fault { code: FaultCode::NotFound, .. }))
    ));
    registry.stop().await;
    log.server.stop().await;
}
