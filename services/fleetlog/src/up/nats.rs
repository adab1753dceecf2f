//! The log: our own nats-server or somebody else's, its streams, and its first event.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use schemas::event::{Data, Draft, LogOpened, Scope, Topic};
use schemas::names::NodeName;
use streams::{Access, AppendError, Bus, Expected, Room, Server, ServerConfig, User, Users};
use uuid::Uuid;

use super::folder;

/// What is said where only `profiles` could have gone on.
const NOT_BEGUN: &str = "there is no log to join on this server; begin one with `fleetlog up --nats URL` or \
                         `fleetlog serve profiles --nats URL`, which make its streams and its first token";

/// Our own server, where it is ours, and how to reach it.
pub async fn start(
    data: &Path,
    external: Option<&str>,
    program: Option<&Path>,
    lock: &File,
    node: &NodeName,
) -> anyhow::Result<(Option<Server>, Access)> {
    if let Some(url) = external {
        return Ok((None, Access::external(url).context("cannot use --nats")?));
    }
    let found = streams::find_server(program, &beside_us()).context("there is no nats-server to run")?;
    for skipped in &found.skipped {
        tracing::warn!("{skipped}");
    }
    tracing::info!("nats-server {} from `{}`", found.version, found.path.display());
    let lock = lock.try_clone().context("cannot share the lock with nats-server")?;
    let users = Users::Services { node: node.clone() };
    let config = ServerConfig { program: found.path, store: data.join("nats"), lock, users };
    let server = Server::start(config).await.context("cannot start nats-server")?;
    let access = server.access();
    Ok((Some(server), access))
}

/// Where setup puts its tools: above the executable, or in the current folder.
fn beside_us() -> Vec<PathBuf> {
    let executable = std::env::current_exe().unwrap_or_default();
    let above = executable.ancestors().skip(1).map(Path::to_owned);
    above.chain([PathBuf::from(".")]).map(|it| it.join("ops/.tools/bin")).filter(|it| it.is_dir()).collect()
}

/// The way to the log for each service.
pub struct Wires {
    access: Access,
    /// The process itself: opens the log, watches how full it is.
    pub platform: Bus,
    /// What the disk under our own server has; none where somebody else runs it.
    pub room: Option<Room>,
    /// Every connection that was made, with its user.
    all: Arc<Mutex<Vec<(User, Bus)>>>,
}

impl Wires {
    /// Makes the streams with the user that may, where they are to be made (`begins`), else only looks at them; then
    /// connects with one that may not.
    pub async fn connect(access: Access, room: Option<Room>, begins: bool) -> anyhow::Result<Self> {
        match begins {
            true => streams::provision(&access).await.map(drop).context("cannot make the streams of the log")?,
            false => streams::verify(&access).await.map_err(|error| {
                let missing = matches!(error, streams::ProvisionError::Missing { .. });
                let what = if missing { NOT_BEGUN } else { "cannot check the streams of the log" };
                anyhow::Error::from(error).context(what)
            })?,
        }
        let platform = bus(&access, User::Platform).await?;
        let all = Arc::new(Mutex::new(vec![(User::Platform, platform.clone())]));
        Ok(Self { access, platform, room, all })
    }

    /// A connection of its own for one service, which may do what this service does and nothing else.
    pub async fn bus(&self, user: User) -> anyhow::Result<Bus> {
        let bus = bus(&self.access, user).await?;
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push((user, bus.clone()));
        Ok(bus)
    }

    /// Tells whose connection is lost, as long as one is.
    pub fn lost(&self) -> impl Fn() -> Option<String> + Send + Sync + use<> {
        let all = Arc::clone(&self.all);
        move || {
            let all = all.lock().unwrap_or_else(PoisonError::into_inner);
            let lost = all.iter().find(|(_, bus)| !bus.is_connected());
            lost.map(|(user, _)| format!("the connection of `{}` to the log is lost", user.name()))
        }
    }
}

async fn bus(access: &Access, user: User) -> anyhow::Result<Bus> {
    let bus = Bus::connect(&access.as_user(user)).await;
    bus.with_context(|| format!("`{}` cannot connect to the log", user.name()))
}

/// The installation that the log belongs to. An empty log begins here, with a new one, where somebody here `begins` it;
/// one that was begun with another master key is somebody else's: nobody's tokens would open, and what was sealed for it
/// could not be read. Who needs no key shows no mark of one.
pub async fn installation(bus: &Bus, data: &Path, key_mark: Option<String>, begins: bool) -> anyhow::Result<Uuid> {
    let opened = match (opened(bus).await?, &key_mark) {
        (Some(opened), _) => opened,
        (None, Some(key_mark)) if begins => open(bus, key_mark.clone()).await?,
        (None, _) => bail!("the log is empty: {NOT_BEGUN}"),
    };
    ensure!(
        opened.key_mark.as_ref().zip(key_mark.as_ref()).is_none_or(|(log, ours)| log == ours),
        "the log belongs to the installation {}, which has another master key than `{}`: start with the data folder that \
         the log was begun with, or with its `master.key` put there; or use another nats-server",
        opened.installation,
        data.join("master.key").display()
    );
    let incarnation = bus.incarnation();
    ensure!(
        opened.incarnation == incarnation,
        "the log says that it was opened as incarnation {}, but its stream is incarnation {incarnation}: is it a copy \
         that was put together by hand?",
        opened.incarnation
    );
    let line = format!("{}\n", opened.installation);
    let copy = data.join("installation");
    if folder::read(&copy)?.as_deref() != Some(line.as_bytes()) {
        folder::write(&copy, line.as_bytes())?;
    }
    Ok(opened.installation)
}

/// The log's first event; none: the log is empty.
async fn opened(bus: &Bus) -> anyhow::Result<Option<LogOpened>> {
    let last = bus.last_on(&Scope::Platform, Topic::Log).await.context("cannot read how the log was opened")?;
    match last.map(|event| event.draft.data) {
        Some(Data::LogOpened(opened)) => Ok(Some(opened)),
        Some(other) => bail!("the log was opened by `{}`, which this version does not know", other.kind()),
        None => {
            let head = bus.head().await.context("cannot read where the log ends")?;
            ensure!(head == 0, "the log holds {head} events but no `log.opened`: it was not made by fleetlog");
            Ok(None)
        }
    }
}

async fn open(bus: &Bus, key_mark: String) -> anyhow::Result<LogOpened> {
    let opened = LogOpened {
        incarnation: bus.incarnation(),
        installation: streams::clock::new_id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key_mark: Some(key_mark),
    };
    let draft = Draft {
        id: streams::clock::new_id(),
        scope: Scope::Platform,
        subject: "log".to_owned(),
        time: streams::clock::now(),
        actor: "fleetlog".to_owned(),
        cause: None,
        data: Data::LogOpened(opened.clone()),
    };
    match bus.append(&draft, Expected::At(0)).await {
        Ok(_) => Ok(opened),
        // Another platform on the same server was first: it is that one's installation.
        Err(AppendError::Refused { .. }) => {
            self::opened(bus).await?.context("the log was opened by somebody else, but does not show it")
        }
        Err(error) => Err(error).context("cannot open the log"),
    }
}
