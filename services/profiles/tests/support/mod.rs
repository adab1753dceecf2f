//! A real log with the profiles on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use profiles::{Config, Denied, Doorkeeper, Error, Keys, Pass, Readiness, Service};
use schemas::event::{Data, Draft, Event, Scope, Shown};
use schemas::query::Fault;
use streams::{Access, AskError, Bus, Credentials, Expected, Question, Server, ServerConfig, Users, clock};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// The log.
pub struct Log {
    pub bus: Bus,
    access: Access,
    server: Server,
    folder: TempDir,
}

/// The running service.
pub struct Running {
    doorkeeper: Doorkeeper,
    readiness: Readiness,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), Error>>,
}

impl Log {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join("lock")).unwrap();
        let store = folder.path().join("nats");
        let server = Server::start(ServerConfig { program: nats_server(), store, lock, users: Users::Tests });
        let server = server.await.unwrap();
        let access = server.access();
        streams::provision(&access).await.unwrap();
        let bus = Bus::connect(&access).await.unwrap();
        Self { bus, access, server, folder }
    }

    /// Starts the service with this token of the admin's and waits until it is ready.
    pub async fn service(&self, admin_token: &str) -> Running {
        let folder = self.folder.path().join("profiles");
        let config = Config { folder, keys: Keys::derive(&[7; 32]), admin_token: admin_token.to_owned() };
        let shutdown = CancellationToken::new();
        let bus = Bus::connect(&self.access).await.unwrap();
        let service = Service::start(config, bus, shutdown.clone()).await.unwrap();
        let (doorkeeper, readiness) = (service.doorkeeper(), service.readiness());
        let mut tasks = JoinSet::new();
        tasks.spawn(service.run());
        let running = Running { doorkeeper, readiness, shutdown, tasks };
        eventually("the profiles are ready", || running.ready().map_or(Ok(()), Err)).await;
        running
    }

    /// Asks; a fault is an error of the test's.
    pub async fn ask<Q: Question>(&self, question: &Q) -> Result<Q::Answer, Fault> {
        self.bus.ask(question, PATIENCE).await.map_err(|error| match error {
            AskError::Fault(fault) => fault,
            other => panic!("{other}"),
        })
    }

    async fn events(&self) -> Vec<Event> {
        self.bus.page(0, 1_000).await.unwrap().events
    }

    /// The log as the API shows it.
    pub async fn shown(&self) -> Vec<Shown> {
        self.events().await.iter().map(Shown::from).collect()
    }

    /// The short types of all events.
    pub async fn kinds(&self) -> Vec<String> {
        let short = |it: &Event| it.data.kind().replace("fleetlog.", "").replace(".v1", "");
        self.events().await.iter().map(short).collect()
    }

    /// Appends an event of the platform's.
    pub async fn append(&self, subject: &str, data: Data) {
        let (id, time) = (clock::new_id(), clock::now());
        let (subject, actor) = (subject.to_owned(), "admin".to_owned());
        let draft = Draft { id, scope: Scope::Platform, subject, time, actor, cause: None, data };
        self.bus.append(&draft, Expected::Any).await.unwrap();
    }

    /// Appends an event that no version can read: in the protocol's own words, because our client would not.
    pub async fn append_unreadable(&self) {
        let rest = self.access.url.split_once("://").unwrap().1;
        let mut stream = BufReader::new(TcpStream::connect(rest.rsplit('@').next().unwrap()).await.unwrap());
        let Credentials { user, password } = self.access.credentials();
        let text = format!(
            "CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{password}\"}}\r\n\
             PUB sys._platform.profile 2\r\n{{}}\r\nPING\r\n"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with("PONG") {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            assert!(!line.starts_with("-ERR"), "{line}");
        }
    }

    /// Every file under the data folder that holds these bytes.
    pub fn files_with(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.folder.path(), bytes, &mut found);
        found
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Running {
    pub fn admit(&self, token: &str) -> Result<Pass, Denied> {
        self.doorkeeper.admit(token, clock::now())
    }

    pub fn ready(&self) -> Option<String> {
        self.readiness.ready()
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(end) = self.tasks.join_next().await {
            end.unwrap().unwrap();
        }
    }
}

fn walk(folder: &Path, bytes: &[u8], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, bytes, found);
        } else if fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|it| it == bytes)) {
            found.push(path);
        }
    }
}

fn nats_server() -> PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    streams::find_server(explicit.as_deref(), &[tools]).unwrap().path
}

/// Waits until `look` finds something, or fails with what was seen last.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => {
                assert!(tokio::time::Instant::now() < deadline, "waited {PATIENCE:?} for {what}; last seen: {seen}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
