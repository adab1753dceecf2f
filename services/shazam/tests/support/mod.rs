//! A platform of two halves: a real nats-server, the coordinator, an agent on a simulated engine, and a stand-in that
//! answers for the registry from a fold of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::{Engine, Simulated};
use schemas::descriptors::{Desired, File, Files};
use schemas::event::{Data, DesiredRolledBack, Draft, Event, GitPushed, Scope};
use schemas::fleet::{Fleet, Rollout, RolloutStatus};
use schemas::names::FleetId;
use schemas::query::{Fault, FleetAnswer, FleetLine, FleetRequest, FleetsAnswer, FleetsRequest};
use schemas::spec::DigestKey;
use serde_json::Value;
use shazam::{Agent, AgentConfig, Coordinator};
use streams::{AskError, Bus, Expected, Projection, Question, Server, ServerConfig, Users, View, clock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// So long a test waits for what has to come.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Fleets(BTreeMap<FleetId, Fleet>, Vec<Event>);

impl Projection for Fleets {
    fn apply(&mut self, event: &Event) {
        self.1.push(event.clone());
        if let Some(id) = event.scope.fleet() {
            self.0.entry(id.clone()).or_insert_with(|| Fleet::new(id.clone())).apply(event);
        }
    }
}

pub struct Platform {
    pub engine: Simulated,
    pub bus: Bus,
    pub installation: Uuid,
    view: View<Fleets>,
    server: Option<Server>,
    halves: JoinSet<()>,
    shutdown: CancellationToken,
    stop_halves: CancellationToken,
    always: JoinSet<()>,
    _folder: tempfile::TempDir,
}

pub fn shop() -> FleetId {
    "acme/shop".parse().unwrap()
}

impl Platform {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let explicit = std::env::var_os("FLEETLOG_NATS_SERVER");
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
        let found = streams::find_server(explicit.as_deref().map(Path::new), &[tools]).unwrap();
        let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
        let store = folder.path().join("nats");
        let server =
            Server::start(ServerConfig { program: found.path, store, lock, users: Users::Tests }).await.unwrap();
        streams::provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        let engine = engine_with_images();
        let shutdown = CancellationToken::new();
        let view = View::new(Fleets::default());
        let mut always = JoinSet::new();
        let (it, on, until) = (view.clone(), bus.clone(), shutdown.clone());
        always.spawn(async move { it.run(on, until).await.unwrap() });
        always.spawn(answer_fleet(bus.clone(), view.clone(), shutdown.clone()));
        always.spawn(answer_fleets(bus.clone(), view.clone(), shutdown.clone()));
        let mut platform = Self {
            engine,
            bus,
            installation: clock::new_id(),
            view,
            server: Some(server),
            halves: JoinSet::new(),
            stop_halves: shutdown.child_token(),
            shutdown,
            always,
            _folder: folder,
        };
        platform.start_halves().await;
        platform
    }

    /// Starts the coordinator and the agent.
    pub async fn start_halves(&mut self) {
        self.start_coordinator().await;
        self.start_agent().await;
    }

    pub async fn start_coordinator(&mut self) {
        self.stop_halves = self.shutdown.child_token();
        let coordinator = Coordinator::start(self.bus.clone(), key(), self.stop_halves.clone());
        self.halves.spawn(async move { coordinator.run().await.unwrap() });
    }

    /// The same, and whatever nobody watched for half a second is a gap.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn start_watchful_coordinator(&mut self) {
        self.stop_halves = self.shutdown.child_token();
        let coordinator = Coordinator::start(self.bus.clone(), key(), self.stop_halves.clone())
            .with_gaps_from(jiff::SignedDuration::from_millis(500));
        self.halves.spawn(async move { coordinator.run().await.unwrap() });
    }

    /// The same, and the tags of containers that say `"notify"` are looked at each second.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn start_looking_coordinator(&mut self) {
        self.stop_halves = self.shutdown.child_token();
        let coordinator = Coordinator::start(self.bus.clone(), key(), self.stop_halves.clone())
            .with_looks_every(Duration::from_secs(1));
        self.halves.spawn(async move { coordinator.run().await.unwrap() });
    }

    pub async fn start_agent(&mut self) {
        self.start_agent_of("local", self.engine.clone()).await;
    }

    /// Starts the agent of another node, on the engine that stands there.
    pub async fn start_agent_of(&mut self, node: &str, engine: Simulated) {
        let config = AgentConfig {
            node: node.parse().unwrap(),
            installation: self.installation,
            engine: Engine::from(engine),
            calls_in_flight: 8,
        };
        let agent = Agent::start(config, self.bus.clone(), self.stop_halves.clone()).await.unwrap();
        self.halves.spawn(async move { agent.run().await.unwrap() });
    }

    /// As `kill -9` would: nothing is finished, nothing is said.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn kill_halves(&mut self) {
        self.halves.shutdown().await;
        // Tasks that the halves own end with their token.
        self.stop_halves.cancel();
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(end) = self.halves.join_next().await {
            end.unwrap();
        }
        self.always.shutdown().await;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Appends what an accepted push appends; answers its position.
    pub async fn push(&self, files: &Value) -> u64 {
        self.push_destroying(files, &[]).await
    }

    /// The same with `-o allow-destroy`, whatever it names.
    pub async fn push_destroying(&self, files: &Value, named: &[&str]) -> u64 {
        let files = files.as_object().unwrap().iter().map(|(path, value)| {
            let path = path.parse().unwrap();
            let file = File::read(&path, value.clone()).unwrap();
            (path, file)
        });
        let next: Desired = Files(files.collect()).into();
        let (line, before) = self.fleet(|fleet| (fleet.lines.git, fleet.desired.clone()));
        let commit = format!("{:040x}", clock::new_id().as_u128() & u128::from(u64::MAX));
        let data = Data::GitPushed(GitPushed {
            allow_destroy: named.iter().map(|it| it.parse().unwrap()).collect(),
            created: line == 0,
            refs: Vec::new(),
            pack: None,
            deploy: "main".to_owned(),
            commit: Some(commit.parse().unwrap()),
            descriptors: before.changes_to(&next),
            reason: None,
        });
        let draft = Draft {
            id: clock::new_id(),
            scope: Scope::Fleet(shop()),
            subject: "refs/heads/main".to_owned(),
            time: clock::now(),
            actor: "admin".to_owned(),
            cause: None,
            data,
        };
        let position = self.bus.append(&draft, Expected::At(line)).await.unwrap();
        self.view.at_least(position, LIMIT).await.unwrap();
        position
    }

    /// Appends what a rollback to the state at `to` appends; answers its position.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn roll_back(&self, to: u64) -> u64 {
        let mut then = Fleet::new(shop());
        self.events().iter().filter(|it| it.position <= to).for_each(|it| then.apply(it));
        let (line, from, before) =
            self.fleet(|fleet| (fleet.lines.git, fleet.commit.clone().unwrap(), fleet.desired.clone()));
        let data = Data::DesiredRolledBack(DesiredRolledBack {
            commit: then.commit.clone().unwrap(),
            withdrawn: vec![from.clone()],
            from,
            to,
            descriptors: before.changes_to(&then.desired),
            reinstated: Vec::new(),
            reason: None,
        });
        let draft = Draft {
            id: clock::new_id(),
            scope: Scope::Fleet(shop()),
            subject: "desired".to_owned(),
            time: clock::now(),
            actor: "ann".to_owned(),
            cause: None,
            data,
        };
        let position = self.bus.append(&draft, Expected::At(line)).await.unwrap();
        self.view.at_least(position, LIMIT).await.unwrap();
        position
    }

    /// Asks, again while nobody is there to answer, as a client does; longer than a registry is tried. Afterwards
    /// everything is seen that the log has of it.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, Fault> {
        let mut answer = None;
        eventually_true("somebody answers", async || {
            match self.bus.ask(question, 2 * LIMIT).await {
                Ok(good) => answer = Some(Ok(good)),
                Err(AskError::Fault(fault)) => answer = Some(Err(fault)),
                Err(AskError::NobodyThere { .. }) => return false,
                Err(error) => panic!("{error}"),
            }
            true
        })
        .await;
        self.view.at_least(self.bus.head().await.unwrap(), LIMIT).await.unwrap();
        answer.unwrap()
    }

    pub fn fleet<R>(&self, look: impl FnOnce(&Fleet) -> R) -> R {
        self.view.read(|all, _| match all.0.get(&shop()) {
            Some(fleet) => look(fleet),
            None => look(&Fleet::new(shop())),
        })
    }

    pub fn events(&self) -> Vec<Event> {
        self.view.read(|all, _| all.1.clone())
    }

    pub fn kinds(&self) -> Vec<&'static str> {
        self.events().iter().map(|event| event.data.kind()).collect()
    }

    /// Waits until the fleet is as `wanted` says; the error shows the last one.
    pub async fn eventually(&self, what: &str, wanted: impl Fn(&Fleet) -> bool) {
        let mut positions = self.view.positions();
        let limit = tokio::time::Instant::now() + LIMIT;
        while !self.fleet(&wanted) {
            if tokio::time::timeout_at(limit, positions.changed()).await.is_err() {
                let log: Vec<String> = self
                    .events()
                    .iter()
                    .map(|it| format!("{} {} {:?}", it.position, it.data.kind(), it.data))
                    .collect();
                panic!("not within {LIMIT:?}: {what}\n{:#?}\n{}", self.fleet(|it| it.rollouts.clone()), log.join("\n"));
            }
        }
    }

    /// Waits until the log is as `wanted` says.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn eventually_events(&self, what: &str, wanted: impl Fn(&[Event]) -> bool) {
        let mut positions = self.view.positions();
        let limit = tokio::time::Instant::now() + LIMIT;
        while !wanted(&self.events()) {
            let changed = tokio::time::timeout_at(limit, positions.changed()).await;
            assert!(changed.is_ok(), "not within {LIMIT:?}: {what}\n{:#?}", self.kinds());
        }
    }

    /// Waits for the end of the rollout of the push at `position`.
    pub async fn rolled_out(&self, position: u64) -> Rollout {
        let of = move |fleet: &Fleet| fleet.rollouts.iter().find(|it| it.desired == position).cloned();
        self.eventually("the rollout ends", |fleet| of(fleet).is_some_and(|it| it.status.is_over())).await;
        self.fleet(of).unwrap()
    }

    /// Waits until a container of the fleet runs, whatever the log knows of it.
    #[allow(dead_code, reason = "each test file uses its part of the harness")]
    pub async fn runs(&self, container: &str) {
        let name = format!("acme.shop.{container}");
        eventually_true(&format!("{container} runs"), async || {
            self.engine.inspect(&name).await.unwrap().is_some_and(|it| it.state == engine::State::Running)
        })
        .await;
    }

    pub async fn succeeds(&self, files: &Value) -> Rollout {
        let position = self.push(files).await;
        let rollout = self.rolled_out(position).await;
        assert_eq!(rollout.status, RolloutStatus::Succeeded, "{rollout:#?}");
        rollout
    }
}

/// An engine of its own, as it stands on each node.
pub fn engine_with_images() -> Simulated {
    let engine = Simulated::new();
    engine.add_image("tool:1", false);
    engine.add_image("tool:2", false);
    engine.add_image("checked:1", true);
    engine
}

pub fn key() -> DigestKey {
    DigestKey::derive(&[7; 32])
}

/// Something to look at what the log does not show, with a limit.
#[allow(dead_code, reason = "each test file uses its part of the harness")]
pub async fn eventually_true(what: &str, mut wanted: impl AsyncFnMut() -> bool) {
    let limit = tokio::time::Instant::now() + LIMIT;
    while !wanted().await {
        assert!(tokio::time::Instant::now() < limit, "not within {LIMIT:?}: {what}");
        tokio::task::yield_now().await;
    }
}

async fn answer_fleet(bus: Bus, view: View<Fleets>, shutdown: CancellationToken) {
    let mut questions = bus.answer::<FleetRequest>().await.unwrap();
    while let Some(asked) = tokio::select! { it = questions.next() => it, () = shutdown.cancelled() => None } {
        let id = asked.question.fleet.clone();
        let answer = view.read(|all, position| FleetAnswer { position, fleet: all.0.get(&id).cloned() });
        asked.reply(Ok(answer)).await.unwrap();
    }
}

async fn answer_fleets(bus: Bus, view: View<Fleets>, shutdown: CancellationToken) {
    let mut questions = bus.answer::<FleetsRequest>().await.unwrap();
    while let Some(asked) = tokio::select! { it = questions.next() => it, () = shutdown.cancelled() => None } {
        let answer = view.read(|all, position| {
            let line = |fleet: &FleetId| FleetLine {
                fleet: fleet.clone(),
                description: None,
                commit: None,
                containers: 0,
                running: 0,
                rollout: None,
            };
            FleetsAnswer { position, fleets: all.0.keys().map(line).collect(), more: false }
        });
        asked.reply(Ok(answer)).await.unwrap();
    }
}
