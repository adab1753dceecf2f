//! Which commits lead where, as `git rev-list` tells: in quarantine, on a workbench, or in a repository.

use std::io;

use schemas::names::Oid;
use schemas::rollback::{Added, reverts};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::error::GitError;
use crate::launch::{Launcher, complaint};

/// The command's name.
pub(crate) const REV_LIST: &str = "rev-list";

/// Commits that a push adds to what is desired at most, where they have to be looked through.
const COMMITS: usize = 200_000;
/// Bytes of a complaint.
const COMPLAINT: u64 = 4 << 10;

/// Why commits could not be looked through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AncestryError {
    #[error(transparent)]
    Git(#[from] GitError),
    /// More than anybody pushes.
    #[error("over {COMMITS} commits lie between what is desired and what is pushed: push them in parts")]
    TooMany,
}

/// All that `tips` lead to and `without` does not, each before its parents, and what each says that it reverts. `command` is
/// a `rev-list` that sees their objects, without arguments.
pub(crate) async fn added(
    launcher: &Launcher,
    mut command: Command,
    tips: &[&Oid],
    without: Option<&Oid>,
) -> Result<Vec<Added>, AncestryError> {
    command.args(["--topo-order", "--header"]).args(range(tips, without));
    let mut added = Vec::new();
    let read = |record: &[u8]| {
        added.extend(commit(record));
        added.len() <= COMMITS
    };
    match each(launcher, command, 0, read).await? {
        true => Ok(added),
        false => Err(AncestryError::TooMany),
    }
}

/// The newest of what `tip` leads to and `without` does not for which `wanted` holds, at most so many of them.
pub(crate) async fn newest(
    launcher: &Launcher,
    mut command: Command,
    (tip, without): (&Oid, Option<&Oid>),
    most: usize,
    wanted: impl Fn(&Oid) -> bool,
) -> Result<Vec<Oid>, GitError> {
    command.args(range(&[tip], without));
    let mut found = Vec::new();
    let read = |line: &[u8]| {
        let id = std::str::from_utf8(line).ok().and_then(|it| it.trim().parse().ok());
        found.extend(id.filter(&wanted));
        found.len() < most
    };
    each(launcher, command, b'\n', read).await?;
    Ok(found)
}

fn range(tips: &[&Oid], without: Option<&Oid>) -> Vec<String> {
    tips.iter().map(|tip| tip.to_string()).chain(without.map(|it| format!("^{it}"))).collect()
}

/// Reads one record after the other, for as long as somebody wants them. Says whether that was to the end.
async fn each(
    launcher: &Launcher,
    command: Command,
    end: u8,
    mut read: impl FnMut(&[u8]) -> bool,
) -> Result<bool, GitError> {
    let fault = |source| GitError::Io { command: REV_LIST, source };
    let mut child = launcher.spawn(command).await.map_err(fault)?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (stdout, stderr) = pipes.ok_or_else(|| fault(io::Error::other("it has no pipes")))?;
    let (mut lines, mut complaints, mut record) = (BufReader::new(stdout), Vec::new(), Vec::new());
    let records = async {
        while lines.read_until(end, &mut record).await? > 0 {
            if !read(&record) {
                return Ok(false);
            }
            record.clear();
        }
        Ok(true)
    };
    let mut stderr = stderr.take(COMPLAINT);
    let read: io::Result<bool> = records.await;
    if !read.map_err(fault)? {
        // It is killed with its handle.
        return Ok(false);
    }
    // What it complains about is short and fits into the pipe: it can be read once all records are.
    stderr.read_to_end(&mut complaints).await.map_err(fault)?;
    if child.wait().await.map_err(fault)?.success() {
        return Ok(true);
    }
    Err(GitError::Failed { command: REV_LIST, stderr: complaint(&complaints) })
}

/// A commit as `--header` shows it: its id, its header, an empty line, its message.
fn commit(record: &[u8]) -> Option<Added> {
    let text = String::from_utf8_lossy(record);
    let text = text.trim_end_matches('\0');
    let (id, rest) = text.split_once('\n')?;
    let (header, message) = rest.split_once("\n\n").unwrap_or((rest, ""));
    let parents = header.lines().filter_map(|line| line.strip_prefix("parent ")?.parse().ok());
    Some(Added { commit: id.parse().ok()?, parents: parents.collect(), reverts: reverts(message) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_as_git_shows_it() {
        let (one, two, three) = ("1".repeat(40), "2".repeat(40), "3".repeat(40));
        let record = format!(
            "{one}\ntree {three}\nparent {two}\nparent {three}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n    \
             Revert \"x\"\n    \n    This reverts commit {two}.\n\0"
        );
        let added = commit(record.as_bytes()).unwrap();
        assert_eq!((added.commit.as_str(), added.parents.len()), (one.as_str(), 2));
        assert_eq!(added.reverts.iter().map(|it| it.commit.as_str()).collect::<Vec<_>>(), [two]);
        assert!(commit(b"").is_none());
        assert!(commit(format!("{one}\ntree {three}\n\0").as_bytes()).unwrap().parents.is_empty());
    }
}
