//! The `nats-server` that holds the log, as a child of ours.
//!
//! Owns its store folder, its configuration and its process: started, watched, started again when it dies, gone when we
//! are, however we go. Never reads what is in the log.

mod config;
mod process;
mod supervise;

use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemas::names::NodeName;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::config::{Config, private_port};
use self::process::Launcher;
use self::supervise::{Supervisor, Watch};
use crate::access::Access;
use crate::catalog::User;
use crate::connection;
use crate::level::Room;

/// How long the server may take until it answers. It reads its whole store after an unclean end.
const START: Duration = Duration::from_secs(120);
/// How often its port is tried meanwhile.
const TRY: Duration = Duration::from_millis(5);
/// Ports that are tried, should somebody else be faster to take one.
const PORTS: usize = 5;
/// How long it may take to read its configuration again, and what it logs then.
const RELOAD: Duration = Duration::from_secs(10);
const RELOADED: &str = "Reloaded server configuration";
/// How long it may take to end when asked to.
const STOP: Duration = Duration::from_secs(10);

/// What the server needs.
#[derive(Debug)]
pub struct ServerConfig {
    /// The program, as [`find_server`](crate::find_server) found it.
    pub program: PathBuf,
    /// The folder of its store; made where it is not there.
    pub store: PathBuf,
    /// The lock of the data folder, taken. Becomes the server's standard input, so that the lock is held as long as
    /// either of us lives.
    pub lock: File,
    /// Who may connect.
    pub users: Users,
}

/// Who may connect.
#[derive(Debug, Clone)]
pub enum Users {
    /// Each service as itself; the agent's credential reaches only what is this node's.
    Services {
        /// The agent's.
        node: NodeName,
    },
    /// For tests of a single crate: also one who may do whatever any service may, and an agent of any node.
    Tests,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// None was found, or none that is new enough.
    #[error("no usable `nats-server` found{}; needs 2.12 or newer, on PATH or named by `--nats-server`",
        if skipped.is_empty() { String::new() } else { format!(": {skipped}") })]
    NotFound {
        /// What was found and not taken.
        skipped: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot {what} `{path}`")]
    File {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No random bytes for the passwords.
    #[error("cannot make the server's passwords: {reason}")]
    Random {
        /// Why not.
        reason: String,
    },
    /// No free port.
    #[error("no free port on 127.0.0.1 for the server")]
    Port(#[source] io::Error),
    /// It cannot be started.
    #[error("cannot start `{program}`")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended before it answered.
    #[error("`{program}` ended before it was ready ({status}); its last words: {words}")]
    Ended {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// What it logged last.
        words: String,
    },
    /// It goes on with its old configuration.
    #[error("nats-server did not take its new configuration within {within:?}; its last words: {words}")]
    Reload {
        /// How long we waited.
        within: Duration,
        /// What it logged last.
        words: String,
    },
    /// It does not answer.
    #[error("`{program}` runs but did not answer within {within:?}; its last words: {words}")]
    Silent {
        /// The program.
        program: PathBuf,
        /// How long we waited.
        within: Duration,
        /// What it logged last.
        words: String,
    },
}

/// A running, supervised server. Dropped, it is killed; [`Server::stop`] is the orderly way.
pub struct Server {
    config: Config,
    store: PathBuf,
    supervisor: Supervisor,
}

impl Server {
    /// Starts the server and returns once it answers JetStream calls.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        let ServerConfig { program, store, lock, users } = config;
        std::fs::create_dir_all(&store).map_err(file("make the folder", &store))?;
        let mut tries = PORTS;
        loop {
            let port = private_port().map_err(ServerError::Port)?;
            let config = Config::new(&store, port, users.clone())?;
            let path = config.write(&store)?;
            let lock = lock.try_clone().map_err(file("share the lock beside", &store))?;
            let launcher = Launcher::new(program.clone(), path, lock);
            let supervisor = Supervisor::start(launcher, &program)?;
            let server = Self { config, store: store.clone(), supervisor };
            match server.ready(&program, port).await {
                Ok(()) => return Ok(server),
                Err(ServerError::Ended { words, .. }) if tries > 1 && words.contains("address already in use") => {
                    tracing::warn!(port, "somebody else took the port; trying another one");
                    tries -= 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is, and its users' credentials. The same after it was started again.
    pub fn access(&self) -> Access {
        self.config.access()
    }

    /// What its streams may take of the disk.
    pub fn room(&self) -> Room {
        self.config.room()
    }

    /// Takes the user that may make streams away, also from a server that is started again: from here on nobody can
    /// change or delete a stream until the next start.
    pub async fn drop_provision(&mut self) -> Result<(), ServerError> {
        self.config.drop_provision();
        self.config.write(&self.store)?;
        self.supervisor.reload();
        let deadline = Instant::now() + RELOAD;
        let mut ticks = interval(TRY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.supervisor.said(RELOADED) {
            ticks.tick().await;
            if Instant::now() > deadline {
                return Err(ServerError::Reload { within: RELOAD, words: self.supervisor.last_words() });
            }
        }
        Ok(())
    }

    /// Its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.pid()
    }

    /// Ends it in an orderly way, and returns when it is gone.
    pub async fn stop(mut self) {
        self.supervisor.terminate();
        if !self.supervisor.ended_within(STOP).await {
            tracing::warn!("nats-server does not end; killing it");
            self.supervisor.kill();
            self.supervisor.ended_within(STOP).await;
        }
    }

    /// Waits until it answers. Its port opens only after its store is read, so the first connection tells.
    async fn ready(&self, program: &Path, port: u16) -> Result<(), ServerError> {
        let deadline = Instant::now() + START;
        let mut ticks = interval(TRY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Watch::Ended { status } = self.supervisor.watch() {
                return Err(ServerError::Ended {
                    program: program.to_owned(),
                    status,
                    words: self.supervisor.last_words(),
                });
            }
            // Connecting on this machine succeeds or fails at once.
            if TcpStream::connect(("127.0.0.1", port)).is_ok() && answers(&self.access()).await {
                self.supervisor.is_ready();
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ServerError::Silent {
                    program: program.to_owned(),
                    within: START,
                    words: self.supervisor.last_words(),
                });
            }
        }
    }
}

/// Whether the server answers the user that may make streams.
async fn answers(access: &Access) -> bool {
    let Ok((client, _)) = connection::connect(&access.as_user(User::Provision)).await else { return false };
    async_nats::jetstream::new(client).query_account().await.is_ok()
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("url", &self.access().url).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

/// Turns an I/O error into one that names the file.
fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServerError {
    let path = path.to_owned();
    move |source| ServerError::File { what, path, source }
}
