//! One transaction over all refs of a push: `git update-ref --stdin`, which holds every lock between `prepare` and
//! `commit`, checks old values, and refuses names that cannot stand beside each other.

use std::path::Path;
use std::process::Stdio;

use schemas::event::RefUpdate;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::error::GitError;
use crate::launch::{Launcher, complaint};

const COMMAND: &str = "update-ref";

/// A child that has nothing to do yet.
#[derive(Debug)]
pub(crate) struct Idle(Talk);

/// Refs that are locked and checked, and have not moved yet.
#[derive(Debug)]
pub(crate) struct Prepared(Talk);

#[derive(Debug)]
struct Talk {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// Starts the child, ahead of its need.
pub(crate) async fn start(launcher: &Launcher, repository: &Path) -> Result<Idle, GitError> {
    let mut command = launcher.brief(repository, [COMMAND, "--stdin"]);
    command.stdin(Stdio::piped());
    let mut child = launcher.spawn(command).await.map_err(fault)?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (stdin, stdout) = pipes.ok_or_else(|| fault(std::io::Error::other("it has no pipes")))?;
    Ok(Idle(Talk { child, stdin, stdout: BufReader::new(stdout) }))
}

impl Idle {
    /// Locks the refs and checks that they can move.
    pub(crate) async fn prepare(self, updates: &[RefUpdate]) -> Result<Prepared, GitError> {
        let Self(mut talk) = self;
        talk.say(&format!("start\n{}prepare\n", lines(updates)), "prepare: ok").await?;
        Ok(Prepared(talk))
    }
}

impl Prepared {
    /// Moves the refs.
    pub(crate) async fn commit(self) -> Result<(), GitError> {
        let Self(mut talk) = self;
        talk.say("commit\n", "commit: ok").await?;
        talk.end().await
    }

    /// Leaves the refs where they are, and waits until their locks are gone.
    pub(crate) async fn abort(self) -> Result<(), GitError> {
        let Self(mut talk) = self;
        talk.say("abort\n", "abort: ok").await?;
        talk.end().await
    }
}

impl Talk {
    async fn say(&mut self, words: &str, wanted: &str) -> Result<(), GitError> {
        // If it has died already, what it wrote says why.
        let written = self.stdin.write_all(words.as_bytes()).await;
        let mut line = String::new();
        while self.stdout.read_line(&mut line).await.map_err(fault)? > 0 {
            if line.trim_end() == wanted {
                return written.map_err(fault);
            }
            line.clear();
        }
        let mut stderr = Vec::new();
        if let Some(pipe) = &mut self.child.stderr {
            pipe.read_to_end(&mut stderr).await.map_err(fault)?;
        }
        Err(GitError::Failed { command: COMMAND, stderr: complaint(&stderr) })
    }

    async fn end(self) -> Result<(), GitError> {
        let Self { mut child, stdin, stdout } = self;
        drop((stdin, stdout));
        child.wait().await.map_err(fault).map(drop)
    }
}

/// The words for these moves.
pub(crate) fn lines(updates: &[RefUpdate]) -> String {
    updates
        .iter()
        .map(|RefUpdate { name, old, new }| match (old, new) {
            (Some(old), Some(new)) => format!("update {name} {new} {old}\n"),
            (None, Some(new)) => format!("create {name} {new}\n"),
            (Some(old), None) => format!("delete {name} {old}\n"),
            // Nothing was there and nothing is to be there.
            (None, None) => String::new(),
        })
        .collect()
}

fn fault(source: std::io::Error) -> GitError {
    GitError::Io { command: COMMAND, source }
}
