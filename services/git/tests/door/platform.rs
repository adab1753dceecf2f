//! A platform that consists of a nats-server, the Git service and a stand-in for the registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::map_request;
use axum::serve::ListenerExt;
use axum::{Extension, Router};
use git::{Config, FaultPoint, Limits, RunError, Service};
use schemas::access::Who;
use schemas::event::{Data, Draft, Event, GitPushed, GitRefused, LevelRaised};
use schemas::fleet::Fleet;
use schemas::names::FleetId;
use schemas::neighbours;
use schemas::query::{
    At, Fault, FaultCode, FleetAnswer, FleetRequest, FleetState, NeighboursAnswer, NeighboursRequest, PastAnswer,
    PastRequest,
};
use schemas::spec::DigestKey;
use streams::{Access, Bus, Expected, Projection, Server, ServerConfig, Users, View, find_server, provision};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Platform {
    pub bus: Bus,
    pub dir: TempDir,
    pub limits: Limits,
    pub pause_at: Option<FaultPoint>,
    /// How long the service's appends try to find out what came of them.
    pub deadline: Duration,
    /// Until when whoever is let in may go on.
    pub over: CancellationToken,
    /// Whether the registry answers, and how often it was asked.
    pub registry_open: watch::Sender<bool>,
    pub registry_asked: watch::Sender<usize>,
    server: Option<Server>,
    access: Access,
    registry: JoinSet<()>,
    git: Option<Running>,
    others: Vec<Running>,
}

/// The service in a runtime of its own, so that it can be dropped where it stands.
struct Running {
    runtime: Runtime,
    address: String,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), RunError>>,
}

/// Every fleet as it is, and as it was after each of its events.
#[derive(Default)]
struct Fleets(BTreeMap<FleetId, Fleet>, BTreeMap<FleetId, Vec<(u64, Fleet)>>);

impl Projection for Fleets {
    fn apply(&mut self, event: &Event) {
        if let Some(id) = event.scope.fleet() {
            let fleet = self.0.entry(id.clone()).or_insert_with(|| Fleet::new(id.clone()));
            fleet.apply(event);
            self.1.entry(id.clone()).or_default().push((event.position, fleet.clone()));
        }
    }
}

impl Fleets {
    fn past(&self, fleet: &FleetId, at: &At) -> Result<PastAnswer, Fault> {
        let missing = |message: String| Fault { code: FaultCode::NotFound, message };
        let all = self.1.get(fleet).ok_or_else(|| missing(format!("there is no fleet `{fleet}`")))?;
        let found = all.iter().rev().find(|(position, was)| match at {
            At::Position(wanted) => position <= wanted,
            At::Commit(digits) => was.commit.as_ref().is_some_and(|it| it.as_str().starts_with(digits)),
            At::Time(_) => false,
        });
        let (position, was) = found.ok_or_else(|| missing(format!("`{at}` was never desired of `{fleet}`")))?;
        let state = serde_json::value::to_raw_value(&FleetState::of(was, *position)).unwrap();
        Ok(PastAnswer { position: *position, state })
    }
}

impl Platform {
    /// The log and the registry; the Git service is not started yet.
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let server = nats(dir.path()).await;
        let access = server.access();
        provision(&access).await.unwrap();
        let bus = Bus::connect(&access).await.unwrap();
        let mut platform = Self {
            bus,
            dir,
            limits: Limits::default(),
            pause_at: None,
            deadline: Duration::from_secs(10),
            over: CancellationToken::new(),
            registry_open: watch::Sender::new(true),
            registry_asked: watch::Sender::new(0),
            server: Some(server),
            access,
            registry: JoinSet::new(),
            git: None,
            others: Vec::new(),
        };
        platform.answer().await;
        platform
    }

    /// All of it.
    pub async fn started() -> Self {
        let mut platform = Self::new().await;
        platform.start().await;
        platform
    }

    /// Answers for the registry.
    async fn answer(&mut self) {
        let view = View::new(Fleets::default());
        let (bus, following) = (self.bus.clone(), view.clone());
        self.registry.spawn(async move { following.run(bus, CancellationToken::new()).await.unwrap() });
        self.answer_neighbours(view.clone()).await;
        self.answer_past(view.clone()).await;
        let mut questions = self.bus.answer::<FleetRequest>().await.unwrap();
        let (mut open, count) = (self.registry_open.subscribe(), self.registry_asked.clone());
        self.registry.spawn(async move {
            while let Some(asked) = questions.next().await {
                count.send_modify(|it| *it += 1);
                open.wait_for(|open| *open).await.unwrap();
                let FleetRequest { fleet, min_position } = asked.question.clone();
                let answer = match view.at_least(min_position, Duration::from_secs(5)).await {
                    Ok(()) => {
                        Ok(view.read(|fleets, position| FleetAnswer { position, fleet: fleets.0.get(&fleet).cloned() }))
                    }
                    Err(error) => Err(Fault { code: FaultCode::Behind, message: error.to_string() }),
                };
                asked.reply(answer).await.unwrap();
            }
        });
    }

    async fn answer_past(&mut self, view: View<Fleets>) {
        let mut questions = self.bus.answer::<PastRequest>().await.unwrap();
        self.registry.spawn(async move {
            while let Some(asked) = questions.next().await {
                let PastRequest { fleet, at, min_position } = asked.question.clone();
                view.at_least(min_position, Duration::from_secs(5)).await.unwrap();
                asked.reply(view.read(|fleets, _| fleets.past(&fleet, &at))).await.unwrap();
            }
        });
    }

    async fn answer_neighbours(&mut self, view: View<Fleets>) {
        let mut questions = self.bus.answer::<NeighboursRequest>().await.unwrap();
        self.registry.spawn(async move {
            while let Some(asked) = questions.next().await {
                let NeighboursRequest { fleet, parts, min_position } = asked.question.clone();
                view.at_least(min_position, Duration::from_secs(5)).await.unwrap();
                let answer = view.read(|fleets, position| {
                    let others = fleets.0.values().filter(|it| it.id != fleet);
                    let held: Vec<_> = others.flat_map(neighbours::held).collect();
                    let held = neighbours::in_the_way(&parts, &held).into_iter().cloned().collect();
                    let node = fleets.0.get(&fleet).and_then(neighbours::node_of);
                    NeighboursAnswer { position, node, held }
                });
                asked.reply(Ok(answer)).await.unwrap();
            }
        });
    }

    /// Lets nobody answer for the registry any more.
    pub async fn silence_registry(&mut self) {
        self.registry.shutdown().await;
    }

    /// Starts the Git service.
    pub async fn start(&mut self) {
        let folder = self.folder();
        self.start_in(folder).await;
    }

    /// Starts the Git service in a folder of its own choice.
    pub async fn start_in(&mut self, folder: PathBuf) {
        let config = Config {
            folder,
            program: env!("CARGO_BIN_EXE_fleetlog-git-hook").into(),
            digest_key: DigestKey::derive(&[7; 32]),
            limits: self.limits.clone(),
            pause_at: self.pause_at,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (shutdown, bus) = (CancellationToken::new(), self.another_bus().await.with_deadline(self.deadline));
        let (stop, over) = (shutdown.clone(), self.over.clone());
        let mut starting = JoinSet::new();
        starting.spawn_on(
            async move {
                let service = Service::start(config, bus, stop.clone()).await.unwrap();
                service.ready().unwrap();
                let door =
                    Router::new().nest("/git", service.router()).layer(map_request(let_in)).layer(Extension(over));
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
                let mut tasks = JoinSet::new();
                tasks.spawn(service.run());
                tasks.spawn(async move {
                    axum::serve(listener, door).with_graceful_shutdown(stop.cancelled_owned()).await.unwrap();
                    Ok(())
                });
                (address, tasks)
            },
            runtime.handle(),
        );
        let (address, tasks) = starting.join_next().await.unwrap().unwrap();
        self.git = Some(Running { runtime, address, shutdown, tasks });
    }

    /// Starts another Git service on the same log; `url` is its address from now on.
    pub async fn start_another(&mut self, folder: PathBuf) {
        self.others.extend(self.git.take());
        self.start_in(folder).await;
    }

    /// Stops the Git service in order.
    pub async fn stop(&mut self) {
        let mut running = self.git.take().unwrap();
        running.shutdown.cancel();
        while let Some(ended) = running.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
        running.runtime.shutdown_background();
    }

    /// Stops it as a `kill -9` would: every task is dropped where it stands, and its children are killed.
    pub async fn kill(&mut self) {
        self.git.take().unwrap().runtime.shutdown_background();
        let folder = self.folder().canonicalize().unwrap();
        eventually("the end of every child", || {
            let left = processes_in(&folder);
            async move { if left.is_empty() { Ok(()) } else { Err(left.join(", ")) } }
        })
        .await;
    }

    /// Takes the log away.
    pub async fn stop_log(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// The process of the log's server.
    pub fn server_pid(&self) -> u32 {
        self.server.as_ref().unwrap().pid().unwrap()
    }

    /// `DIR/git`
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("git")
    }

    /// The URL of a fleet.
    pub fn url(&self, fleet: &str) -> String {
        format!("http://{}/git/{fleet}.git", self.git.as_ref().unwrap().address)
    }

    /// Another connection to the same log.
    pub async fn another_bus(&self) -> Bus {
        Bus::connect(&self.access).await.unwrap()
    }

    /// Every event of a fleet.
    pub async fn events(&self, fleet: &str) -> Vec<Event> {
        let fleet: FleetId = fleet.parse().unwrap();
        let page = self.bus.page(0, 10_000).await.unwrap();
        page.events.into_iter().filter(|event| event.scope.fleet() == Some(&fleet)).collect()
    }

    /// Every accepted push of a fleet.
    pub async fn pushed(&self, fleet: &str) -> Vec<GitPushed> {
        let pushed = |event: Event| match event.draft.data {
            Data::GitPushed(it) => Some(it),
            _ => None,
        };
        self.events(fleet).await.into_iter().filter_map(pushed).collect()
    }

    /// Every refused push of a fleet.
    pub async fn refused(&self, fleet: &str) -> Vec<GitRefused> {
        let refused = |event: Event| match event.draft.data {
            Data::GitRefused(it) => Some(it),
            _ => None,
        };
        self.events(fleet).await.into_iter().filter_map(refused).collect()
    }

    /// Appends an event of a fleet as some other service would.
    pub async fn append(&self, fleet: &str, cause: Option<uuid::Uuid>, data: Data) -> (u64, uuid::Uuid) {
        let draft = Draft {
            id: streams::clock::new_id(),
            scope: schemas::event::Scope::Fleet(fleet.parse().unwrap()),
            subject: "rollout".to_owned(),
            time: streams::clock::now(),
            actor: "shazam".to_owned(),
            cause,
            data,
        };
        let position = self.bus.append(&draft, Expected::Any).await.unwrap();
        (position, draft.id)
    }

    /// Says how full a stream is, as the platform itself would.
    pub async fn append_level(&self, level: LevelRaised) {
        let draft = Draft {
            id: streams::clock::new_id(),
            scope: schemas::event::Scope::Platform,
            subject: format!("streams/{}", level.stream),
            time: streams::clock::now(),
            actor: "fleetlog".to_owned(),
            cause: None,
            data: Data::LevelRaised(level),
        };
        self.bus.append(&draft, Expected::Any).await.unwrap();
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // A runtime must not be dropped inside another one.
        for running in self.git.take().into_iter().chain(self.others.drain(..)) {
            running.runtime.shutdown_background();
        }
    }
}

/// What the door in front does: lets everybody in, as the admin where they do not say with which role.
async fn let_in(mut request: Request) -> Request {
    let who = match request.headers().get("x-role").map(|it| it.to_str().unwrap()) {
        None | Some("admin") => Who::admin(),
        Some(role) => {
            let roles = role.parse().map(|role| ("acme".parse().unwrap(), role)).into_iter().collect();
            Who { name: "ann".parse().unwrap(), admin: false, roles }
        }
    };
    request.extensions_mut().insert(who);
    request
}

/// The command lines of every process that works in `folder`.
pub fn processes_in(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let inside = all.filter(|process| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)));
    inside.map(|it| std::fs::read_to_string(it.join("cmdline")).unwrap_or_default().replace('\0', " ")).collect()
}

async fn nats(dir: &Path) -> Server {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    let found = find_server(explicit.as_deref(), &[tools]).unwrap();
    let lock = File::create(dir.join("lock")).unwrap();
    Server::start(ServerConfig { program: found.path, store: dir.join("nats"), lock, users: Users::Tests })
        .await
        .unwrap()
}

/// Waits until `look` finds something, or fails with what was seen last.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => {
                assert!(tokio::time::Instant::now() < deadline, "waited {PATIENCE:?} for {what}; last seen: {seen}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
