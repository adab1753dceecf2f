//! Where a behaviour is tried: a real nats-server, both halves of the tasker, and an engine. The test pushes as Git would,
//! and asks as the API would.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use engine::{Docker, Engine, Simulated};
use futures_util::FutureExt;
use jiff::Timestamp;
use schemas::descriptors::{Desired, File, Files};
use schemas::event::{Data, Draft, Event, GitPushed};
use schemas::names::{FleetId, Name};
use schemas::query::{CancelRun, RunAnswer, StartRun};
use schemas::runs::{Run, run_of};
use serde_json::{Value, json};
use streams::{AskError, Bus, Expected, Projection, Server, ServerConfig, Users, View, clock};
use tasker::{Agent, AgentConfig, Clock, Coordinator};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::acts::{Act, Scripts, play};

/// The image that `ops/setup` builds.
pub const IMAGE: &str = "demo/tool:1";
/// How long anything may take that is waited for: long, because the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(60);
const NODE: &str = "here";
pub const INSTALLATION: &str = "fleetlog.installation";

/// What the log says.
#[derive(Default)]
pub struct Log {
    pub events: Vec<Event>,
    pub runs: Vec<Run>,
}

impl Projection for Log {
    fn apply(&mut self, event: &Event) {
        self.events.push(event.clone());
        if let Data::RunQueued(it) = &event.data {
            self.runs.push(Run::queued(event, it));
        } else if let Some(id) = run_of(&event.data) {
            self.runs.iter_mut().find(|it| it.id == id).unwrap().apply(event);
        }
    }
}

pub struct Lab {
    pub engine: Engine,
    pub bus: Bus,
    pub fleet: FleetId,
    /// None: Docker.
    pub simulated: Option<Simulated>,
    pub server: Option<Server>,
    scripts: Scripts,
    pub installation: Uuid,
    pub view: View<Log>,
    pub time: Option<watch::Sender<Timestamp>>,
    halves: JoinSet<()>,
    always: JoinSet<()>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

/// Tries one behaviour, looks whether anything of a run is left, and cleans up whatever comes of it.
pub async fn run(mut lab: Lab, behaviour: impl AsyncFn(&mut Lab)) {
    let tried = async {
        behaviour(&mut lab).await;
        lab.nothing_is_left().await;
    };
    let outcome = AssertUnwindSafe(tried).catch_unwind().await;
    lab.kill().await;
    lab.always.shutdown().await;
    lab.clean();
    match outcome {
        Err(panic) => {
            let log = lab.events().into_iter().map(|it| format!("{} {:?}", it.position, it.data));
            eprintln!("--- the log:\n{}", log.collect::<Vec<_>>().join("\n"));
            resume_unwind(panic)
        }
        Ok(()) => lab.server.take().unwrap().stop().await,
    }
}

fn simulated(behind: Duration) -> Simulated {
    let now = clock::now() - behind;
    let simulated = Simulated::starting_at(i64::try_from(now.as_nanosecond()).unwrap());
    simulated.add_image(IMAGE, false);
    simulated
}

impl Lab {
    pub async fn simulated() -> Self {
        Self::simulated_behind(Duration::ZERO).await
    }

    /// The same, with an engine whose clock is so much behind ours.
    pub async fn simulated_behind(behind: Duration) -> Self {
        let simulated = simulated(behind);
        Self::start(simulated.clone().into(), Some(simulated), None).await
    }

    /// The same, where schedules are read by a clock that stands at `time` until it is [moved](Self::now).
    pub async fn simulated_at(time: &str) -> Self {
        let simulated = simulated(Duration::ZERO);
        let time = watch::Sender::new(time.parse().unwrap());
        Self::start(simulated.clone().into(), Some(simulated), Some(time)).await
    }

    pub async fn docker() -> Self {
        let docker = Docker::connect(None);
        if let Err(error) = docker.ping().await {
            panic!("these tests need a Docker engine: {error}; start one, or set DOCKER_HOST");
        }
        assert!(docker.image(IMAGE).await.unwrap().is_some(), "no image `{IMAGE}`: `ops/setup` builds it");
        Self::start(docker.into(), None, None).await
    }

    async fn start(engine: Engine, simulated: Option<Simulated>, time: Option<watch::Sender<Timestamp>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let explicit = std::env::var_os("FLEETLOG_NATS_SERVER");
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
        let program = streams::find_server(explicit.as_deref().map(Path::new), &[tools]).unwrap().path;
        let lock = std::fs::File::create(folder.path().join("lock")).unwrap();
        let store = folder.path().join("nats");
        let server = Server::start(ServerConfig { program, store, lock, users: Users::Tests }).await.unwrap();
        streams::provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        let (scripts, view, mut always) = (Scripts::default(), View::new(Log::default()), JoinSet::new());
        if let Some(engine) = simulated.clone() {
            always.spawn(play(engine, scripts.clone()));
        }
        let (folding, log) = (view.clone(), bus.clone());
        always.spawn(async move { folding.run(log, CancellationToken::new()).await.unwrap() });
        let installation = clock::new_id();
        let owner = installation.simple().to_string();
        let mut lab = Self {
            engine,
            bus,
            fleet: format!("test-{}/shop", &owner[20..]).parse().unwrap(),
            simulated,
            server: Some(server),
            scripts,
            installation,
            view,
            time,
            halves: JoinSet::new(),
            always,
            stop: CancellationToken::new(),
            _folder: folder,
        };
        lab.up().await;
        lab
    }

    /// Starts both halves.
    pub async fn up(&mut self) {
        self.start_coordinator().await;
        self.start_agent().await;
    }

    pub async fn start_coordinator(&mut self) {
        let clock = self.time.as_ref().map_or_else(Clock::default, |it| Clock::moved_by(it.subscribe()));
        let coordinator = Coordinator::start(self.bus.clone(), self.stop.clone()).await.unwrap().with_clock(clock);
        self.halves.spawn(async move { coordinator.run().await.unwrap() });
    }

    pub async fn start_agent(&mut self) {
        let (node, engine) = (NODE.parse().unwrap(), self.engine.clone());
        let config = AgentConfig { node, installation: self.installation, engine, runs_at_once: 8 };
        let agent = Agent::start(config, self.bus.clone(), self.stop.clone()).await.unwrap();
        self.halves.spawn(async move { agent.run().await.unwrap() });
    }

    /// As `kill -9` of both halves would: nothing is finished, nothing is said.
    pub async fn kill(&mut self) {
        self.halves.shutdown().await;
        // Tasks that the halves own end with their token.
        std::mem::take(&mut self.stop).cancel();
    }

    /// What the agent takes its orders from, once nobody else does.
    pub async fn orders(&self) -> streams::WorkQueue<schemas::runs::RunCommand> {
        self.bus.take_runs(&NODE.parse().unwrap(), 8).await.unwrap()
    }

    /// A step: a shell script, and what it does where nobody runs it.
    pub fn step(&self, shell: &str, acts: &[Act]) -> Value {
        self.scripts.step(shell, acts)
    }

    /// A task of one step.
    pub fn task(&self, shell: &str, acts: &[Act]) -> Value {
        json!({ "image": IMAGE, "steps": [self.step(shell, acts)] })
    }

    /// Appends what an accepted push of these tasks appends, at this time.
    pub async fn push_at(&self, time: Timestamp, tasks: Value) {
        let mut files = vec![("nodes/n.json".to_owned(), json!({ "agent": NODE }))];
        files.push(("volumes/data.json".to_owned(), json!({ "class": "ephemeral" })));
        files.extend(tasks.as_object().unwrap().iter().map(|(name, it)| (format!("tasks/{name}.json"), it.clone())));
        let read = |(path, value): (String, Value)| {
            let path = path.parse().unwrap();
            let file = File::read(&path, value).unwrap();
            (path, file)
        };
        let next: Desired = Files(files.into_iter().map(read).collect()).into();
        let pushes = self.events().into_iter().filter(|it| matches!(it.data, Data::GitPushed(_)));
        let line = pushes.map(|it| it.position).max().unwrap_or(0);
        let commit = format!("{:040x}", clock::new_id().as_u128() & u128::from(u64::MAX));
        let data = Data::GitPushed(GitPushed {
            allow_destroy: Vec::new(),
            created: line == 0,
            refs: Vec::new(),
            pack: None,
            deploy: "main".to_owned(),
            commit: Some(commit.parse().unwrap()),
            // Files that are the same once more change nothing.
            descriptors: Desired::default().changes_to(&next),
            reason: None,
        });
        let draft = Draft {
            id: clock::new_id(),
            scope: schemas::event::Scope::Fleet(self.fleet.clone()),
            subject: "refs/heads/main".to_owned(),
            time,
            actor: "ann".to_owned(),
            cause: None,
            data,
        };
        let position = self.bus.append(&draft, Expected::At(line)).await.unwrap();
        self.view.at_least(position, LIMIT).await.unwrap();
    }

    pub async fn push(&self, tasks: Value) {
        self.push_at(clock::now(), tasks).await;
    }

    /// Asks for a run, again where the tasker has not read the push yet.
    pub async fn ask_to_start(&self, task: &str, id: Uuid) -> Result<RunAnswer, AskError> {
        let (fleet, task): (_, Name) = (self.fleet.clone(), task.parse().unwrap());
        self.bus.ask(&StartRun { fleet, task, id, actor: "ann".to_owned() }, LIMIT).await
    }

    pub async fn start_run(&self, task: &str) -> Uuid {
        let id = clock::new_id();
        let limit = tokio::time::Instant::now() + LIMIT;
        loop {
            match self.ask_to_start(task, id).await {
                Ok(answer) => break assert_eq!(answer.run.id, id),
                Err(error) => assert!(tokio::time::Instant::now() < limit, "{task} was not started: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        id
    }

    pub async fn cancel(&self, run: Uuid) -> Run {
        let question = CancelRun { fleet: self.fleet.clone(), run, actor: "eve".to_owned() };
        self.bus.ask(&question, LIMIT).await.unwrap().run
    }

    /// Runs a task to its end.
    pub async fn ran(&self, task: &str) -> Run {
        let id = self.start_run(task).await;
        self.ended(id).await
    }

    /// How a run ended.
    pub async fn ended(&self, id: Uuid) -> Run {
        self.eventually("the run ends", |runs| runs.iter().any(|it| it.id == id && it.status.is_over())).await;
        self.runs().into_iter().find(|it| it.id == id).unwrap()
    }

    fn clean(&self) {
        if self.simulated.is_some() {
            return;
        }
        let label = format!("--filter=label={INSTALLATION}={}", self.installation);
        let docker = |words: &[&str]| {
            let ran = Command::new("docker").args(words).output().unwrap();
            String::from_utf8_lossy(&ran.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        for (thing, list, remove) in [
            ("container", &["--all"][..], &["--force", "--volumes"][..]),
            ("network", &[][..], &[][..]),
            ("volume", &[][..], &[][..]),
        ] {
            for id in docker(&[&[thing, "ls", "--quiet", label.as_str()], list].concat()) {
                docker(&[&[thing, "rm"], remove, &[id.as_str()]].concat());
            }
        }
    }
}
