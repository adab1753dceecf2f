//! `DIR/lock`: at most one platform in a folder, and none while a server of an earlier one still runs there.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long an earlier platform may take to go.
const WITHIN: Duration = Duration::from_secs(3);

/// Takes the lock and writes our pid into it. The lock lasts as long as any handle to the same open file: ours, and the
/// one that nats-server gets as its standard input.
pub fn take(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let shown = path.display().to_string();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open `{shown}`"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => wait(&file, &shown)?,
        Err(error) => return Err(error).with_context(|| format!("cannot lock `{shown}`")),
    }
    let pid = || -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())
    }();
    pid.with_context(|| format!("cannot write our pid to `{shown}`"))?;
    Ok(file)
}

/// Blocks on the lock in a thread of its own. Where the time is up the process ends, and the thread with it.
fn wait(file: &File, shown: &str) -> anyhow::Result<()> {
    let holder = holder(file);
    tracing::info!("`{shown}` is held by {holder}: waiting up to {} s", WITHIN.as_secs());
    let ours = file.try_clone().with_context(|| format!("cannot share `{shown}`"))?;
    // One message: how it went.
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let end = loop {
            match flock(&ours, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                end => break end,
            }
        };
        // Nobody listens any more where the time was up.
        let _ = sender.send(end);
    });
    match receiver.recv_timeout(WITHIN) {
        Ok(end) => end.with_context(|| format!("cannot lock `{shown}`")),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => anyhow::bail!(
            "another fleetlog uses this data folder: `{shown}` is held by {holder}; stop it, or take another folder \
             with --data"
        ),
    }
}

/// Who holds the lock, as far as the file says.
fn holder(mut file: &File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!("process {}", text.trim()),
        _ => "a process that has not written its pid".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_the_first_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let held = take(folder.path()).unwrap();
        let error = take(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        take(folder.path()).unwrap();
    }
}
