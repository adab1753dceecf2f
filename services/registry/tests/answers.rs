//! The registry over a real log: what it answers, at which position, and when it is ready.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use registry::{Readiness, Service};
use schemas::event::{Data, Draft, GitPushed, RefUpdate, RolloutPlanned, RolloutSucceeded, Scope};
use schemas::names::FleetId;
use schemas::neighbours::Part;
use schemas::query::{Fault, FaultCode, FleetRequest, FleetsRequest, NeighboursRequest};
use streams::{AskError, Bus, Expected, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const COMMIT: &str = "1111111111111111111111111111111111111111";
/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log, and maybe a registry over it.
struct Log {
    bus: Bus,
    running: JoinSet<Result<(), registry::Error>>,
    shutdown: CancellationToken,
    server: Server,
    folder: TempDir,
}

impl Log {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        let config =
            ServerConfig { program: nats_server(), store: folder.path().join("nats"), lock, users: Users::Tests };
        let server = Server::start(config).await.unwrap();
        streams::provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        let shutdown = CancellationToken::new();
        Self { bus, running: JoinSet::new(), shutdown, server, folder }
    }

    /// Where the registry has its database.
    fn path(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// Starts the registry.
    async fn registry(&mut self) -> Readiness {
        let service = Service::start(self.path(), self.bus.clone(), self.shutdown.clone()).await.unwrap();
        let readiness = service.readiness();
        self.running.spawn(service.run());
        readiness
    }

    async fn append(&self, fleet: &str, data: Data) -> (Uuid, u64) {
        let scope = Scope::Fleet(id(fleet));
        let (id, time) = (clock::new_id(), clock::now());
        let (subject, actor) = ("refs/heads/main".to_owned(), "admin".to_owned());
        let draft = Draft { id, scope, subject, time, actor, cause: None, data };
        (id, self.bus.append(&draft, Expected::Any).await.unwrap())
    }

    async fn push(&self, fleet: &str) -> u64 {
        let commit = Some(COMMIT.parse().unwrap());
        let refs = vec![RefUpdate { name: "refs/heads/main".to_owned(), old: None, new: commit.clone() }];
        let (deploy, descriptors) = ("main".to_owned(), Default::default());
        let pushed = GitPushed {
            allow_destroy: Vec::new(),
            created: true,
            refs,
            pack: None,
            deploy,
            commit,
            descriptors,
            reason: None,
        };
        self.append(fleet, Data::GitPushed(pushed)).await.1
    }

    /// Stops everything in order.
    async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(end) = self.running.join_next().await {
            end.unwrap().unwrap();
        }
        self.server.stop().await;
    }
}

fn id(fleet: &str) -> FleetId {
    fleet.parse().unwrap()
}

fn nats_server() -> PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    streams::find_server(explicit.as_deref(), &[tools]).unwrap().path
}

#[tokio::test]
async fn it_answers_what_was_written_before_the_question() {
    let mut log = Log::start().await;
    log.registry().await;
    for fleet in ["acme/shop", "acme/till", "zoo/gate"] {
        let min_position = log.push(fleet).await;
        let question = FleetRequest { fleet: id(fleet), min_position };
        let answer = log.bus.ask(&question, PATIENCE).await.unwrap();
        assert!(answer.position >= min_position);
        assert_eq!(answer.fleet.unwrap().commit.unwrap().as_str(), COMMIT);
    }
    let nobody = FleetRequest { fleet: id("acme/none"), min_position: 3 };
    assert!(log.bus.ask(&nobody, PATIENCE).await.unwrap().fleet.is_none());
    log.stop().await;
}

#[tokio::test]
async fn fleets_are_listed_by_page_with_how_they_stand() {
    let mut log = Log::start().await;
    for fleet in ["b/b", "a/z", "b/a"] {
        log.push(fleet).await;
    }
    let (commit, node) = (COMMIT.parse().unwrap(), "local".parse().unwrap());
    let planned = RolloutPlanned {
        retries: None,
        commit,
        desired: 3,
        observed: 0,
        epoch: 1,
        node,
        steps: Vec::new(),
        heals: false,
    };
    let (rollout, _) = log.append("b/a", Data::RolloutPlanned(planned)).await;
    let succeeded = RolloutSucceeded { rollout, duration_ms: 1 };
    let (_, min_position) = log.append("b/a", Data::RolloutSucceeded(succeeded)).await;
    log.registry().await;

    let page = |after: Option<&str>, limit| FleetsRequest { owners: None, after: after.map(id), limit, min_position };
    let first = log.bus.ask(&page(None, 2), PATIENCE).await.unwrap();
    let names: Vec<_> = first.fleets.iter().map(|it| it.fleet.to_string()).collect();
    assert_eq!((names, first.more), (vec!["a/z".to_owned(), "b/a".to_owned()], true));
    assert_eq!(first.fleets[0].rollout, None);
    assert_eq!(first.fleets[1].rollout.as_deref(), Some("succeeded"));
    let rest = log.bus.ask(&page(Some("b/a"), 2), PATIENCE).await.unwrap();
    assert_eq!((rest.fleets[0].fleet.to_string(), rest.more), ("b/b".to_owned(), false));
    // What somebody may not see tells nothing, not even by where the next page begins.
    let theirs = FleetsRequest { owners: Some(vec!["a".parse().unwrap()]), ..page(None, 1) };
    let seen = log.bus.ask(&theirs, PATIENCE).await.unwrap();
    assert_eq!((seen.fleets.len(), seen.fleets[0].fleet.to_string(), seen.more), (1, "a/z".to_owned(), false));
    log.stop().await;
}

#[tokio::test]
async fn a_question_waits_for_its_position_but_not_for_ever() {
    let mut log = Log::start().await;
    let readiness = log.registry().await;
    let early = FleetRequest { fleet: id("acme/shop"), min_position: 1 };
    let (answer, position) = tokio::join!(log.bus.ask(&early, PATIENCE), log.push("acme/shop"));
    let answer = answer.unwrap();
    assert_eq!((position, answer.position, answer.fleet.is_some()), (1, 1, true));

    let begun = Instant::now();
    let never = FleetRequest { fleet: id("acme/shop"), min_position: 1_000 };
    // Somebody who waits keeps nobody else waiting.
    let now = FleetRequest { fleet: id("acme/shop"), min_position: 0 };
    let (behind, other) = tokio::join!(log.bus.ask(&never, PATIENCE), async {
        log.bus.ask(&now, PATIENCE).await.unwrap();
        begun.elapsed()
    });
    assert!(other < Duration::from_secs(3), "another question took {other:?}");
    match behind {
        Err(AskError::Fault(Fault { code: FaultCode::Behind, message })) => {
            assert!(message.contains("1000"), "{message}")
        }
        other => panic!("expected the fault `behind`, seen {other:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(readiness.ready(), None);
    log.stop().await;
}

#[tokio::test]
async fn it_is_ready_once_it_has_read_what_was_there() {
    let mut log = Log::start().await;
    for _ in 0..20 {
        log.push("acme/shop").await;
    }
    let service = Service::start(log.path(), log.bus.clone(), log.shutdown.clone()).await.unwrap();
    let readiness = service.readiness();
    assert!(readiness.ready().is_some_and(|why| why.contains("of 20")), "{:?}", readiness.ready());
    log.running.spawn(service.run());
    let question = FleetRequest { fleet: id("acme/shop"), min_position: 20 };
    assert_eq!(log.bus.ask(&question, PATIENCE).await.unwrap().position, 20);
    assert_eq!(readiness.ready(), None);
    log.stop().await;
}

#[tokio::test]
async fn host_ports_of_other_fleets_are_told() {
    let mut log = Log::start().await;
    log.registry().await;
    let publish = async |log: &Log, fleet: &str, ports: &str| {
        let json = format!(
            r#"{{ "set": {{ "containers/web.json": {{ "image": "x:1", "ports": {ports} }} }}, "removed": [] }}"#
        );
        let commit = Some(COMMIT.parse().unwrap());
        let descriptors = serde_json::from_str(&json).unwrap();
        let (refs, deploy) = (Vec::new(), "main".to_owned());
        let pushed = GitPushed {
            allow_destroy: Vec::new(),
            created: true,
            refs,
            pack: None,
            deploy,
            commit,
            descriptors,
            reason: None,
        };
        log.append(fleet, Data::GitPushed(pushed)).await.1
    };
    let asked = async |log: &Log, fleet: &str, min_position| {
        let parts = ["8080:80", "53:53/udp"].map(|it| Part::Port(it.parse().unwrap())).into();
        let answer = log.bus.ask(&NeighboursRequest { fleet: id(fleet), parts, min_position }, PATIENCE).await.unwrap();
        let seen = answer.held.iter().map(|it| match &it.part {
            Part::Port(port) => format!("{} {} {}", it.fleet, it.container, port.host),
            other => panic!("{other:?}"),
        });
        (seen.collect::<Vec<_>>(), answer.node)
    };
    publish(&log, "a/shop", r#"["127.0.0.1:8080:80", "8081:80"]"#).await;
    let at = publish(&log, "b/dns", r#"["53:53/udp", "54:54"]"#).await;
    assert_eq!(asked(&log, "c/new", at).await, (vec!["a/shop web 8080".to_owned(), "b/dns web 53".to_owned()], None));
    assert_eq!(asked(&log, "a/shop", at).await.0, ["b/dns web 53"]);
    // What was worked out once is worked out again after a push, and after a rollout that says where it runs.
    publish(&log, "a/shop", r#"["9000:80"]"#).await;
    let (commit, node) = (COMMIT.parse().unwrap(), "n1".parse().unwrap());
    let planned = RolloutPlanned {
        retries: None,
        commit,
        desired: 3,
        observed: 0,
        epoch: 1,
        node,
        steps: Vec::new(),
        heals: false,
    };
    let (_, at) = log.append("a/shop", Data::RolloutPlanned(planned)).await;
    let (seen, node) = asked(&log, "a/shop", at).await;
    assert_eq!((seen, node.unwrap().as_str()), (vec!["b/dns web 53".to_owned()], "n1"));
    assert_eq!(asked(&log, "b/dns", at).await.0, Vec::<String>::new());
    log.stop().await;
}
