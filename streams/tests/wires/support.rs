//! A log of one's own for each test: a folder, a server, a bus. All of it is gone when the test is.

use std::fs::{self, File};
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use schemas::event::{Data, Draft, GitRefused, LogOpened, Refusal, Scope};
use schemas::names::NodeName;
use streams::{Access, Bus, Server, ServerConfig, Users, clock, find_server, provision};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

/// Limit of every wait; far more than anything takes, so that a busy machine is no failure. Twice as long as a job waits
/// for its answer until it comes again.
pub const LONG: Duration = Duration::from_secs(60);

/// A running log.
pub struct Rig {
    pub server: Server,
    pub bus: Bus,
    pub incarnation: Uuid,
    pub folder: TempDir,
}

impl Rig {
    pub async fn start() -> Self {
        Self::start_with(TempDir::new().unwrap(), program()).await
    }

    /// With a server that does not come back while the file `down` is in the folder.
    pub async fn start_with_a_switch() -> Self {
        let folder = TempDir::new().unwrap();
        let down = folder.path().join("down");
        let wrapper = script(
            folder.path(),
            &format!("while [ -e '{}' ]; do sleep 0.02; done\nexec '{}' \"$@\"", down.display(), program().display()),
        );
        Self::start_with(folder, wrapper).await
    }

    pub async fn start_with(folder: TempDir, program: PathBuf) -> Self {
        let server = Server::start(config(folder.path(), program)).await.unwrap();
        let incarnation = provision(&server.access()).await.unwrap();
        let bus = Bus::connect(&server.access()).await.unwrap();
        Self { server, bus, incarnation, folder }
    }

    pub fn access(&self) -> Access {
        self.server.access()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.server.pid().and_then(|it| Pid::from_raw(it.cast_signed())).expect("the server runs");
        kill_process(pid, signal).unwrap();
    }

    /// Lets the server hang, and returns once it does.
    pub async fn hang(&self) {
        self.signal(Signal::STOP);
        let stat = format!("/proc/{}/stat", self.server.pid().unwrap());
        until("the server hangs", || async {
            let stat = fs::read_to_string(&stat).unwrap();
            stat.contains(") T ").then_some(()).ok_or(stat)
        })
        .await;
    }

    /// Kills the server with SIGKILL and waits until its successor answers.
    pub async fn kill_and_wait(&self) {
        let before = self.server.pid();
        self.signal(Signal::KILL);
        until("another server", || {
            let pid = self.server.pid();
            async move { (pid.is_some() && pid != before).then_some(()).ok_or(format!("{pid:?}")) }
        })
        .await;
        until("the bus answers", || async { self.bus.head().await.map_err(|it| it.to_string()) }).await;
    }

    pub async fn wait_connected(&self, up: bool) {
        until("the connection", || async { (self.bus.is_connected() == up).then_some(()).ok_or(format!("not {up}")) })
            .await;
    }
}

/// What a server in `folder` needs.
pub fn config(folder: &Path, program: PathBuf) -> ServerConfig {
    let lock = File::create(folder.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    ServerConfig { program, store: folder.join("nats"), lock, users: Users::Tests }
}

/// The nats-server that tests use.
pub fn program() -> PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/.tools/bin");
    find_server(explicit.as_deref(), &[ours]).unwrap().path
}

/// A program that does as `body` says.
pub fn script(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("nats-server");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Tries until it works, and says what it saw last when that takes too long.
pub async fn until<T, F>(what: &str, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + LONG;
    loop {
        let seen = match condition().await {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(Instant::now() < deadline, "{what}: not within {LONG:?}; last seen: {seen}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Fails where `future` takes too long.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONG, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {LONG:?}"),
    }
}

pub fn node() -> NodeName {
    "local".parse().unwrap()
}

pub fn fleet(name: &str) -> Scope {
    Scope::Fleet(name.parse().unwrap())
}

/// Text of so many bytes that compression makes no smaller than half.
pub fn noise(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).unwrap();
    random.into_iter().map(|it| char::from(b'a' + it % 16)).collect()
}

/// A platform event with a body of about `bytes`.
pub fn opened(bytes: usize) -> Draft {
    let data = LogOpened {
        incarnation: Uuid::nil(),
        installation: Uuid::nil(),
        version: (0..bytes).map(|it| char::from(b'a' + (it * 7 % 26) as u8)).collect(),
        key_mark: None,
    };
    draft(Scope::Platform, Data::LogOpened(data))
}

/// An event on a fleet's `git` subject.
pub fn refused(fleet: &Scope) -> Draft {
    let data = GitRefused { refs: Vec::new(), refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 1 };
    draft(fleet.clone(), Data::GitRefused(data))
}

fn draft(scope: Scope, data: Data) -> Draft {
    Draft {
        id: clock::new_id(),
        scope,
        subject: "refs/heads/main".to_owned(),
        time: clock::now(),
        actor: "admin".to_owned(),
        cause: None,
        data,
    }
}
