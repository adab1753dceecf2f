//! Starts Git's commands: with an environment made from nothing, and so that they die with us.
//!
//! A parent-death signal follows the thread that started the child, so one thread that lives as long as the service
//! starts them all.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::error::{GitError, StartError};
use crate::layout::Layout;

/// Orders waiting for the thread, in children.
const WAITING: usize = 64;

/// How much of a child's complaint is kept, in bytes.
const COMPLAINT: usize = 4 << 10;

/// Arguments in front of a command that takes a pack in: large files pass through it in pieces, and what it holds of
/// objects that are made of differences is as much as one of them needs.
pub(crate) const FRUGAL: [&str; 8] = [
    "-c",
    "core.bigFileThreshold=16m",
    "-c",
    "core.deltaBaseCacheLimit=16m",
    "-c",
    "core.packedGitWindowSize=32m",
    "-c",
    "pack.threads=1",
];

/// Starts children. Clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    orders: mpsc::Sender<Order>,
    git: PathBuf,
    setpriv: Option<PathBuf>,
    environment: Vec<(&'static str, OsString)>,
}

#[derive(Debug)]
struct Order {
    command: Command,
    started: oneshot::Sender<io::Result<Child>>,
}

impl Launcher {
    /// Looks for the programs and starts the thread. It ends with the last clone.
    pub(crate) fn start(layout: &Layout) -> Result<Self, StartError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let expected = "install Git 2.34 or newer, and have it on PATH";
        let git = which(&path, "git").ok_or_else(|| StartError::Program {
            program: "git",
            seen: "it is not on PATH".to_owned(),
            expected,
        })?;
        check_version(&git, expected)?;
        let setpriv = which(&path, "setpriv");
        if setpriv.is_none() {
            tracing::warn!(
                "`setpriv` (util-linux) is not on PATH: Git's processes may outlive a killed platform for a moment"
            );
        }
        let environment = vec![
            ("PATH", path),
            ("HOME", layout.root().into()),
            ("LANG", "C.UTF-8".into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", layout.config().into()),
            ("GIT_ATTR_NOSYSTEM", "1".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
        ];
        let (orders, mut waiting) = mpsc::channel::<Order>(WAITING);
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("git-launch".to_owned())
            .spawn(move || {
                let _inside = runtime.enter();
                while let Some(mut order) = waiting.blocking_recv() {
                    // Who ordered may have left: then the child goes with its handle.
                    let _ = order.started.send(order.command.spawn());
                }
            })
            .map_err(StartError::Thread)?;
        Ok(Self { orders, git, setpriv, environment })
    }

    /// `git <arguments>` in a repository, not started yet: no input, output and complaints read by us. Killed with us.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, repository: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
        let Some(setpriv) = &self.setpriv else { return self.brief(repository, arguments) };
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.git);
        self.complete(command, repository, arguments)
    }

    /// The same for a command that ends by itself as soon as we are gone, as it only reads, or waits for our next word.
    /// It starts about a millisecond earlier.
    pub(crate) fn brief<S: AsRef<OsStr>>(&self, repository: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
        self.complete(Command::new(&self.git), repository, arguments)
    }

    fn complete<S: AsRef<OsStr>>(
        &self,
        mut command: Command,
        repository: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        command.args(arguments).current_dir(repository).env_clear().envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts a child.
    pub(crate) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (started, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts children has ended");
        self.orders.send(Order { command, started }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Runs a short command to its end and returns what it wrote.
    pub(crate) async fn output(&self, name: &'static str, command: Command) -> Result<Vec<u8>, GitError> {
        let fault = |source| GitError::Io { command: name, source };
        let child = self.spawn(command).await.map_err(fault)?;
        let output = child.wait_with_output().await.map_err(fault)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(GitError::Failed { command: name, stderr: complaint(&output.stderr) })
    }
}

/// What a child complained about, in one line and not too long.
pub(crate) fn complaint(stderr: &[u8]) -> String {
    let cut = &stderr[..stderr.len().min(COMPLAINT)];
    let text = String::from_utf8_lossy(cut);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

fn which(path: &OsStr, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn check_version(git: &Path, expected: &'static str) -> Result<(), StartError> {
    let fault = |seen| StartError::Program { program: "git", seen, expected };
    let output = std::process::Command::new(git).arg("version").output().map_err(|e| fault(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= (2, 34) => Ok(()),
        _ => Err(fault(format!("it says `{text}`"))),
    }
}
