//! A clone, against the same clone from `git http-backend`.

use std::process::Command;

use anyhow::ensure;
use tests::Platform;
use tests::descriptors::plain;

use super::noise;
use crate::backend::Backend;
use crate::rows::milliseconds;
use crate::table::{Line, Table};

/// Commits of the history that is cloned.
const COMMITS: usize = 50;

/// Clones of a history of `size` MB.
pub fn against_backend(size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let (platform, backend) = (Platform::start(), Backend::start()?);
    let fleet = platform.fleet("cloned");
    fleet.write("containers/a.json", plain());
    for commit in 0..COMMITS {
        fleet.write_text("noise.txt", &noise(size * 1_000_000 / COMMITS)).commit(&format!("commit {commit}"));
    }
    let theirs_url = backend.repository("cloned")?;
    fleet.push_to(&theirs_url, &[], &["main"]).ok();
    fleet.push(&["create"]).ok();
    let ours_url = fleet.remote();
    let mut line = Line::new(
        format!("a clone of {size} MB in {COMMITS} commits"),
        "`git http-backend`",
        "ms",
        "clone",
        "at most 1.1×",
    );
    for pair in 0..pairs {
        let (mut ours, mut theirs) = (0.0, 0.0);
        for turn in 0..2 {
            if (turn + pair) % 2 == 0 {
                ours = clone(&ours_url)?;
            } else {
                theirs = clone(&theirs_url)?;
            }
        }
        line.add(ours, theirs);
    }
    table.lines.push(line);
    Ok(())
}

/// One clone, into a folder that goes again.
fn clone(url: &str) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("git");
    command.args(["clone", "--quiet", "--bare", url, "."]).current_dir(folder.path());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    milliseconds(|| {
        let ran = command.output()?;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Ok(())
    })
}
