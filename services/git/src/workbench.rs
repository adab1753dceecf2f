//! A place to make objects that no push brought: a merge, a fork's first commit, the pack of what comes from a fork.
//!
//! A folder of its own that sees the stores it is given, gone when this is dropped. Nothing made here lies in a store
//! before the event that it belongs to is in the log.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use schemas::event::PackRef;
use schemas::names::{FleetId, Oid};
use schemas::query::{Fault, FaultCode};
use schemas::rollback::Added;
use streams::{Bus, PackError, with_causes};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::ancestry::{self, AncestryError, REV_LIST};
use crate::candidate::{self, CandidateError, Objects};
use crate::error::GitError;
use crate::launch::{Launcher, complaint};

/// Bytes of an answer that are read; more of it is cut.
const ANSWER: u64 = 4 << 20;

const PACK_OBJECTS: &str = "pack-objects";

/// A place to make objects.
pub(crate) struct Workbench<'a> {
    launcher: &'a Launcher,
    repository: PathBuf,
    objects: TempDir,
}

/// What a command said.
pub(crate) struct Said {
    /// Its exit status; none: it was killed.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Why a pack was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl<'a> Workbench<'a> {
    /// In a repository; it sees that one's objects and those of `others`.
    pub(crate) fn new(launcher: &'a Launcher, repository: &Path, others: &[&Path]) -> Result<Self, GitError> {
        let fault = |source| GitError::Io { command: "workbench", source };
        let store = repository.join("objects");
        // Under this name it is cleared away at the next start, should we be killed.
        let objects = tempfile::Builder::new().prefix("incoming-").tempdir_in(&store).map_err(fault)?;
        let others = others.iter().map(|it| it.join("objects"));
        let seen: Vec<String> = std::iter::once(store).chain(others).map(|it| it.display().to_string()).collect();
        let info = objects.path().join("info");
        let written = fs::create_dir(&info).and_then(|()| fs::write(info.join("alternates"), seen.join("\n") + "\n"));
        written.map_err(fault)?;
        Ok(Self { launcher, repository: repository.to_owned(), objects })
    }

    /// Looks at the objects, as the check reads them.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Objects) -> Result<T, CandidateError> + Send + 'static,
    ) -> Result<T, Fault> {
        let folder = self.objects.path().to_owned();
        let looked = tokio::task::spawn_blocking(move || look(&candidate::open(None, &folder)?)).await;
        let fault = |code, message| Fault { code, message };
        let looked = looked.map_err(|_| fault(FaultCode::Unavailable, "the check broke down, try again".to_owned()))?;
        looked.map_err(|error| fault(FaultCode::Conflict, with_causes(&error)))
    }

    /// Runs `git` to its end with an input that is short, and reads what it answers.
    pub(crate) async fn run<S: AsRef<OsStr>>(
        &self,
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Said, GitError> {
        let fault = |source| GitError::Io { command: name, source };
        let mut command = self.command(name, arguments);
        command.envs(environment.iter().copied()).stdin(Stdio::piped());
        let mut child = self.launcher.spawn(command).await.map_err(fault)?;
        let pipes = child.stdin.take().zip(child.stdout.take()).zip(child.stderr.take());
        let ((mut stdin, stdout), stderr) = pipes.ok_or_else(|| fault(std::io::Error::other("it has no pipes")))?;
        let feed = async {
            // A command that has heard enough closes its end.
            let _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let (mut answer, mut complaints) = (Vec::new(), Vec::new());
        let mut stdout = stdout.take(ANSWER);
        let mut stderr = stderr.take(ANSWER);
        let ((), read, heard) =
            tokio::join!(feed, stdout.read_to_end(&mut answer), stderr.read_to_end(&mut complaints));
        read.and(heard).map_err(fault)?;
        // What is longer than we read is cut here, and its writer with it.
        drop((stdout, stderr));
        let status = child.wait().await.map_err(fault)?.code();
        Ok(Said { status, stdout: answer, stderr: complaint(&complaints) })
    }

    /// The same for a command that goes well and says one object's id.
    pub(crate) async fn id<S: AsRef<OsStr>>(
        &self,
        name: &'static str,
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, &str)],
        input: &[u8],
    ) -> Result<Oid, GitError> {
        let said = self.run(name, arguments, environment, input).await?;
        let id = String::from_utf8_lossy(&said.stdout).trim().parse();
        match (said.status, id) {
            (Some(0), Ok(id)) => Ok(id),
            _ => Err(GitError::Failed { command: name, stderr: said.stderr }),
        }
    }

    /// Whether a commit is the other one, or lies behind it.
    pub(crate) async fn leads_to(&self, older: &Oid, newer: &Oid) -> Result<bool, GitError> {
        let arguments = ["--is-ancestor", older.as_str(), newer.as_str()];
        let said = self.run("merge-base", arguments, &[], &[]).await?;
        match said.status {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(GitError::Failed { command: "merge-base", stderr: said.stderr }),
        }
    }

    /// What these commits lead to and the other one does not, each before its parents.
    pub(crate) async fn added(&self, tips: &[&Oid], without: Option<&Oid>) -> Result<Vec<Added>, AncestryError> {
        ancestry::added(self.launcher, self.command(REV_LIST, [""; 0]), tips, without).await
    }

    /// A file of its own, gone with it.
    pub(crate) fn scratch(&self, name: &str) -> String {
        self.objects.path().join(name).display().to_string()
    }

    /// Makes a commit by this profile.
    pub(crate) async fn commit(&self, tree: &Oid, parents: &[&Oid], by: &str, message: &str) -> Result<Oid, GitError> {
        let mail = format!("{by}@fleetlog");
        let people = [
            ("GIT_AUTHOR_NAME", by),
            ("GIT_AUTHOR_EMAIL", &mail),
            ("GIT_COMMITTER_NAME", by),
            ("GIT_COMMITTER_EMAIL", &mail),
        ];
        let parents = parents.iter().flat_map(|it| ["-p", it.as_str()]);
        self.id("commit-tree", std::iter::once(tree.as_str()).chain(parents), &people, message.as_bytes()).await
    }

    /// Stores everything that these commits need and the others do not have, as one pack of `fleet` in the log's store.
    pub(crate) async fn store(
        &self,
        bus: &Bus,
        fleet: &FleetId,
        wanted: impl IntoIterator<Item = &Oid>,
        without: impl IntoIterator<Item = &Oid>,
    ) -> Result<PackRef, StoreError> {
        let fault = |source| GitError::Io { command: PACK_OBJECTS, source };
        let mut input = String::new();
        input.extend(wanted.into_iter().map(|oid| format!("{oid}\n")));
        input.extend(without.into_iter().map(|oid| format!("^{oid}\n")));
        let mut command = self.command(PACK_OBJECTS, ["--revs", "--stdout", "--delta-base-offset", "-q"]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.launcher.spawn(command).await.map_err(fault)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut stdin, stdout) = pipes.ok_or_else(|| fault(std::io::Error::other("it has no pipes")))?;
        let feed = async move { stdin.write_all(input.as_bytes()).await };
        let (fed, stored) = tokio::join!(feed, bus.store_pack(fleet, streams::clock::new_id(), stdout));
        let (stored, status) = (stored?, child.wait().await.map_err(fault)?);
        fed.map_err(fault)?;
        if !status.success() {
            let failed = GitError::Failed { command: PACK_OBJECTS, stderr: status.to_string() };
            return Err(failed.into());
        }
        Ok(stored)
    }

    fn command<S: AsRef<OsStr>>(&self, name: &'static str, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.launcher.git(&self.repository, [name]);
        command.args(arguments).env("GIT_OBJECT_DIRECTORY", self.objects.path());
        command
    }
}
