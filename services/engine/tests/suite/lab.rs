//! Where a behaviour is tried: an engine, names of its own, and hands that reach into a container.

use std::net::{IpAddr, TcpListener};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Duration, Instant};

use engine::{Container, Engine, HealthStatus, Labels, NetworkAttachment, Scope, Simulated, State};
use futures_util::FutureExt;
use schemas::descriptors::Restart;
use schemas::spec::{HealthCheck, Port, Protocol, Spec};
use schemas::units::Span;

use crate::proxy::Proxy;
use crate::real::Real;
use crate::registry::{Registry, Shelf};

/// The label that everything carries which a test made.
pub const TEST_LABEL: &str = "fleetlog-engine-test";

/// The label that behaviours filter by.
pub const OURS: &str = "fleetlog.installation";

/// How long anything may take that is waited for: long, because the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(60);

pub enum Kind {
    Docker(Real),
    Simulated(Simulated),
}

pub struct Lab {
    pub engine: Engine,
    pub kind: Kind,
    /// In every name, and the value of every label.
    pub unique: String,
}

/// Tries one behaviour, and cleans up whatever comes of it.
pub async fn run(lab: Lab, behaviour: impl AsyncFn(&Lab)) {
    let outcome = AssertUnwindSafe(behaviour(&lab)).catch_unwind().await;
    if let Kind::Docker(real) = &lab.kind {
        real.clean(&lab.unique).await;
    }
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Lab {
    pub fn simulated() -> Self {
        let simulated = Simulated::new();
        simulated.add_image(&image("plain"), false);
        simulated.add_image(&image("checked"), true);
        Self { engine: simulated.clone().into(), kind: Kind::Simulated(simulated), unique: unique() }
    }

    pub async fn docker() -> Self {
        let real = Real::ready().await;
        Self { engine: real.docker.clone().into(), kind: Kind::Docker(real), unique: unique() }
    }

    pub fn name(&self, part: &str) -> String {
        format!("{}.{part}", self.unique)
    }

    pub fn labels(&self) -> Labels {
        Labels::from([(TEST_LABEL.to_owned(), self.unique.clone()), (OURS.to_owned(), self.unique.clone())])
    }

    /// Labels of somebody else's, which the clean-up still finds.
    pub fn strange_labels(&self) -> Labels {
        Labels::from([(TEST_LABEL.to_owned(), self.unique.clone()), (OURS.to_owned(), "stranger".to_owned())])
    }

    pub fn scope(&self) -> Scope {
        Scope::label(OURS, &self.unique)
    }

    pub fn attachment(&self, alias: &str) -> NetworkAttachment {
        NetworkAttachment { network: self.name("net"), alias: alias.to_owned() }
    }

    /// A container that runs until it is told to end: TERM ends it with 0, INT with 3, a file `/exit` with its text.
    pub fn spec(&self) -> Spec {
        self.spec_of(
            "trap 'exit 0' TERM; trap 'exit 3' INT; echo ready; while ! [ -s /exit ]; do sleep 0.05; done; \
             code=$(cat /exit); rm /exit; exit $code",
        )
    }

    /// A container that ends only when it is killed.
    pub fn stubborn_spec(&self) -> Spec {
        self.spec_of("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    }

    pub fn spec_of(&self, script: &str) -> Spec {
        Spec {
            image: image("plain"),
            command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
            restart: Restart::No,
            ..Spec::default()
        }
    }

    /// Passes while the file `/healthy` is there.
    pub fn check(&self) -> HealthCheck {
        HealthCheck {
            command: ["test", "-f", "/healthy"].map(str::to_owned).to_vec(),
            interval: Span(200),
            timeout: Span::seconds(20),
            retries: 2,
            start_period: None,
        }
    }

    /// Makes the network of [`Lab::attachment`] and a container in it; answers its name.
    pub async fn create(&self, part: &str, spec: &Spec) -> String {
        let name = self.name(part);
        self.engine.ensure_network(&self.name("net"), &self.labels()).await.unwrap();
        self.engine.create(&name, spec, &self.labels(), &self.attachment(part)).await.unwrap();
        if let Kind::Simulated(simulated) = &self.kind {
            simulated.on_signal(&name, "INT", Some(3)).unwrap();
        }
        name
    }

    pub async fn start(&self, part: &str, spec: &Spec) -> String {
        let name = self.create(part, spec).await;
        self.engine.start(&name).await.unwrap();
        if spec.command.iter().flatten().any(|word| word.contains("echo ready")) {
            self.until_listening(&name, 1).await;
        }
        name
    }

    /// How many runs of [`Lab::spec`] have set their traps.
    pub async fn listened(&self, container: &str) -> usize {
        let lines = self.engine.logs(container, 100).await.unwrap();
        lines.iter().filter(|line| *line == "ready").count()
    }

    /// Waits until so many have: a signal that comes earlier is lost, because the first process of a container has no
    /// defaults.
    pub async fn until_listening(&self, container: &str, runs: usize) {
        let Kind::Docker(_) = &self.kind else { return };
        let started = Instant::now();
        while self.listened(container).await < runs {
            assert!(started.elapsed() < LIMIT, "{container} did not listen within {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn seen(&self, container: &str) -> Container {
        self.engine.inspect(container).await.unwrap().unwrap_or_else(|| panic!("{container} is gone"))
    }

    pub async fn until(&self, container: &str, what: &str, done: impl Fn(&Container) -> bool) -> Container {
        let started = Instant::now();
        loop {
            let seen = self.seen(container).await;
            if done(&seen) {
                return seen;
            }
            assert!(started.elapsed() < LIMIT, "{container} was not {what} within {LIMIT:?}; last seen: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn until_ended(&self, container: &str) -> Container {
        self.until(container, "exited", |seen| seen.state == State::Exited).await
    }

    /// The container's process ends by itself.
    pub async fn exit(&self, container: &str, code: i64) {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.exit(container, code).unwrap(),
            Kind::Docker(real) => real.shell_until_killed(container, &format!("echo {code} > /exit")).await,
        }
    }

    /// Another hand freezes the container's processes.
    pub async fn pause(&self, container: &str) {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.pause(container).unwrap(),
            Kind::Docker(real) => real.pause(container).await,
        }
    }

    pub async fn ignore_term(&self, container: &str) {
        if let Kind::Simulated(simulated) = &self.kind {
            simulated.on_signal(container, "TERM", None).unwrap();
        }
    }

    pub async fn set_health(&self, container: &str, healthy: bool) {
        match &self.kind {
            Kind::Simulated(simulated) => {
                let status = if healthy { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
                simulated.set_health(container, status).unwrap();
            }
            Kind::Docker(real) if healthy => real.shell(container, "touch /healthy").await,
            Kind::Docker(real) => real.shell(container, "rm /healthy").await,
        }
    }

    pub async fn write_file(&self, container: &str, path: &str, text: &str) {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.write_file(container, path, text).unwrap(),
            Kind::Docker(real) => real.shell(container, &format!("echo {text} > {path}")).await,
        }
    }

    pub async fn read_file(&self, container: &str, path: &str) -> Option<String> {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.read_file(container, path).unwrap(),
            Kind::Docker(real) => {
                let text = real.output(container, &["cat", path]).await;
                text.map(|text| text.trim().to_owned())
            }
        }
    }

    pub async fn resolve(&self, container: &str, alias: &str) -> Option<IpAddr> {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.resolve(container, alias).unwrap(),
            Kind::Docker(real) => real.resolve(container, alias).await,
        }
    }

    /// A port of the node that is taken as long as the answer lives.
    pub fn occupied_port(&self) -> (Port, Option<TcpListener>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = local(listener.local_addr().unwrap().port());
        match &self.kind {
            Kind::Simulated(simulated) => {
                simulated.occupy(port.clone());
                (port, None)
            }
            Kind::Docker(_) => (port, Some(listener)),
        }
    }

    /// Registries without an image: one that says so, and one that is out of order.
    pub async fn registries(&self) -> [Registry; 2] {
        match &self.kind {
            Kind::Simulated(_) => [Registry::nowhere(), Registry::nowhere()],
            Kind::Docker(_) => [Registry::that_answers(404).await, Registry::that_answers(503).await],
        }
    }

    /// A registry that holds what [`Lab::publish`] puts into it.
    pub async fn shelf(&self) -> Shelf {
        match &self.kind {
            Kind::Simulated(_) => Shelf::imagined(&self.unique),
            Kind::Docker(_) => Shelf::start(&self.unique).await,
        }
    }

    /// Puts an image into a registry, from where the engine has to fetch it: the tag leads to it from now on.
    pub async fn publish(&self, name: &str, content: &str) {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.push_image(name, content),
            Kind::Docker(real) => real.publish(name, content).await,
        }
    }

    pub fn set_registry_fault(&self, message: Option<&str>) {
        if let Kind::Simulated(simulated) = &self.kind {
            simulated.set_registry_fault(message);
        }
    }

    /// The same engine over a way that can be cut.
    pub async fn detachable(&self) -> (Engine, Cut) {
        match &self.kind {
            Kind::Simulated(simulated) => (self.engine.clone(), Cut::Simulated(simulated.clone())),
            Kind::Docker(real) => {
                let proxy = Proxy::before(&real.docker).await;
                (engine::Docker::connect(Some(&proxy.url())).into(), Cut::Docker(proxy))
            }
        }
    }
}

/// The way to an engine, which can be cut.
pub enum Cut {
    Docker(Proxy),
    Simulated(Simulated),
}

impl Cut {
    pub async fn cut(&mut self) {
        match self {
            Self::Docker(proxy) => proxy.cut().await,
            Self::Simulated(simulated) => simulated.set_away(true),
        }
    }

    pub async fn mend(&mut self) {
        match self {
            Self::Docker(proxy) => proxy.mend().await,
            Self::Simulated(simulated) => simulated.set_away(false),
        }
    }
}

pub fn image(tag: &str) -> String {
    format!("{TEST_LABEL}:{tag}")
}

/// A port of 127.0.0.1, as 80 in the container.
pub fn local(host: u16) -> Port {
    Port { address: Some(IpAddr::from([127, 0, 0, 1])), host, container: 80, protocol: Protocol::Tcp }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts with our process id, so that others can tell whether we still need what carries it.
fn unique() -> String {
    format!("{}-{:016x}", std::process::id(), getrandom::u64().unwrap())
}
