//! A real log, a simulated or a real engine, both halves of the monitor, and a stand-in for the registry.

#![allow(dead_code, reason = "each test file is a crate of its own and uses its own part of this")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::{Engine, Labels, NetworkAttachment, Simulated};
use monitor::{Agent, AgentConfig, Figures, Service};
use schemas::access::{Role, Who};
use schemas::event::{Data, Draft, Scope};
use schemas::fleet::Fleet;
use schemas::names::FleetId;
use schemas::query::{FleetAnswer, FleetRequest, ScrapeRequest, ScrapeTarget, TargetsRequest};
use schemas::spec::Spec;
use serde_json::json;
use streams::{Bus, Expected, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long anything may take that is waited for: long, because the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The time between two rounds in tests.
pub const EVERY: Duration = Duration::from_millis(200);

pub struct Rig {
    pub bus: Bus,
    pub server: Server,
    pub installation: Uuid,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
    _folder: TempDir,
}

impl Rig {
    /// A log and the half that serves.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        let store = folder.path().join("nats");
        let config = ServerConfig { program: nats_server(), store, lock, users: Users::Tests };
        let server = Server::start(config).await.unwrap();
        streams::provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        let shutdown = CancellationToken::new();
        let service = Service::start(bus.clone(), Figures::install().unwrap(), shutdown.clone()).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { service.run().await.unwrap() });
        Self { bus, server, installation: clock::new_id(), tasks, shutdown, _folder: folder }
    }

    /// The half that measures.
    pub fn measure(&mut self, engine: impl Into<Engine>) {
        let node = "n1".parse().unwrap();
        let (installation, engine) = (self.installation, engine.into());
        let config = AgentConfig { node, installation, engine, every: EVERY, root: "/".into() };
        let agent = Agent::new(config, self.bus.clone(), self.shutdown.clone());
        self.tasks.spawn(async { agent.run().await.unwrap() });
    }

    /// Answers every question about a fleet with this one.
    pub async fn registry(&mut self, fleet: Fleet, position: u64) {
        let mut questions = self.bus.answer::<FleetRequest>().await.unwrap();
        self.tasks.spawn(async move {
            while let Some(asked) = questions.next().await {
                let is_it = asked.question.fleet == fleet.id;
                asked.reply(Ok(FleetAnswer { position, fleet: is_it.then(|| fleet.clone()) })).await.unwrap();
            }
        });
    }

    pub async fn append(&self, fleet: &str, data: Data) -> u64 {
        let (id, time, scope) = (clock::new_id(), clock::now(), Scope::Fleet(fleet.parse().unwrap()));
        let draft = Draft { id, scope, subject: "x".into(), time, actor: "x".into(), cause: None, data };
        self.bus.append(&draft, Expected::Any).await.unwrap()
    }

    pub async fn scrape(&self, who: &Who) -> String {
        self.bus.ask(&ScrapeRequest { who: who.clone() }, LIMIT).await.unwrap().to_text()
    }

    pub async fn targets(&self, who: &Who) -> Vec<ScrapeTarget> {
        self.bus.ask(&TargetsRequest { who: who.clone() }, LIMIT).await.unwrap().targets
    }

    /// Scrapes as the admin until the text is as it should be.
    pub async fn until(&self, what: &str, is_right: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = self.scrape(&Who::admin()).await;
            if is_right(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}; last seen:\n{text}");
            tokio::time::sleep(EVERY / 4).await;
        }
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        // The stand-ins never end by themselves.
        self.tasks.shutdown().await;
        self.server.stop().await;
    }

    /// Labels of a container of a fleet.
    pub fn labels(&self, fleet: &str, name: &str) -> Labels {
        let pairs = [
            ("fleetlog.installation", self.installation.to_string().as_str()),
            ("fleetlog.fleet", fleet),
            ("fleetlog.name", name),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        pairs.into()
    }

    /// A running container of a fleet; answers Docker's id.
    pub async fn container(&self, engine: &Simulated, fleet: &str, name: &str) -> String {
        let engine = Engine::from(engine.clone());
        let network = fleet.replace('/', ".");
        let labels = self.labels(fleet, name);
        engine.ensure_network(&network, &labels).await.unwrap();
        let spec: Spec = serde_json::from_value(json!({ "image": "demo/tool:1" })).unwrap();
        let attachment = NetworkAttachment { network: network.clone(), alias: name.to_owned() };
        let id = engine.create(&format!("{network}.{name}"), &spec, &labels, &attachment).await.unwrap();
        engine.start(&id).await.unwrap();
        id
    }
}

pub fn simulated() -> Simulated {
    let engine = Simulated::new();
    engine.add_image("demo/tool:1", false);
    engine
}

pub fn who(roles: &[(&str, Role)]) -> Who {
    let roles: BTreeMap<_, _> = roles.iter().map(|(owner, role)| (owner.parse().unwrap(), *role)).collect();
    Who { name: "somebody".parse().unwrap(), admin: false, roles }
}

pub fn fleet(id: &str) -> FleetId {
    id.parse().unwrap()
}

/// The value of a series whose line holds all of these.
pub fn value(text: &str, parts: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| !line.starts_with('#') && parts.iter().all(|it| line.contains(it)))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// What `promtool check metrics` says of a text; nothing: it is clean.
pub fn promtool(text: &str) -> String {
    use std::io::Write as _;
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin/promtool");
    let program = if ours.exists() { ours } else { PathBuf::from("promtool") };
    let mut command = Command::new(program);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool is there: ops/setup fetches it");
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() || !said.is_empty(), "promtool ended with {}", output.status);
    said
}

fn nats_server() -> PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    streams::find_server(explicit.as_deref(), &[tools]).unwrap().path
}
