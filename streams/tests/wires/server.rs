//! The server is there as long as we are, and not longer.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use streams::{Expected, Server, ServerError, find_server};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{Rig, config, fleet, program, refused, script, soon, until};

fn pid(raw: u32) -> Pid {
    Pid::from_raw(raw.cast_signed()).unwrap()
}

async fn until_gone(process: Pid) {
    until("the server is gone", || async move {
        match test_kill_process(process) {
            Err(_) => Ok(()),
            // A zombie that nobody has waited for yet is as good as gone.
            Ok(()) => match std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())) {
                Ok(stat) if !stat.contains(") Z ") => Err(stat),
                _ => Ok(()),
            },
        }
    })
    .await;
}

fn lock_is_free(folder: &Path) -> Result<(), String> {
    let lock = std::fs::File::open(folder.join("lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|it| it.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_a_stop_and_a_start() {
    let rig = Rig::start().await;
    let draft = refused(&fleet("acme/shop"));
    rig.bus.append(&draft, Expected::At(0)).await.unwrap();
    let process = pid(rig.server.pid().unwrap());
    let (folder, incarnation) = (rig.folder, rig.incarnation);
    soon("an orderly stop", rig.server.stop()).await;
    until_gone(process).await;
    lock_is_free(folder.path()).unwrap();

    let rig = Rig::start_with(folder, program()).await;
    assert_eq!((rig.incarnation, rig.bus.incarnation()), (incarnation, incarnation));
    assert_eq!(rig.bus.page(0, 1).await.unwrap().events[0].draft, draft);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_on_the_same_port() {
    let rig = Rig::start().await;
    let (url, before) = (rig.access().url, rig.server.pid());
    let start = Instant::now();
    rig.kill_and_wait().await;
    println!("back after {:?}", start.elapsed());
    assert_eq!(rig.access().url, url);
    assert_ne!(rig.server.pid(), before);
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::At(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_server_is_gone() {
    let rig = Rig::start().await;
    let process = pid(rig.server.pid().unwrap());
    drop(rig.server);
    until_gone(process).await;
}

/// Not a test by itself: the process that `gone_when_we_are_killed` kills.
#[tokio::test(flavor = "multi_thread")]
async fn hold_a_server() {
    let Some(folder) = std::env::var_os("STREAMS_TEST_HOLD") else { return };
    let server = Server::start(config(Path::new(&folder), program())).await.unwrap();
    println!("\npid={}", server.pid().unwrap());
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn gone_when_we_are_killed() {
    let folder = TempDir::new().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "server::hold_a_server", "--nocapture", "--test-threads=1"])
        .env("STREAMS_TEST_HOLD", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let server = lines.map_while(Result::ok).find_map(|it| it.strip_prefix("pid=")?.parse().ok());
    let server = pid(server.expect("it says the server's pid"));
    test_kill_process(server).unwrap();
    lock_is_free(folder.path()).unwrap_err();

    kill_process(pid(holder.id()), Signal::KILL).unwrap();
    holder.wait().unwrap();
    until_gone(server).await;
    until("the lock", || async { lock_is_free(folder.path()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_last_words_are_told_when_it_does_not_start() {
    let folder = TempDir::new().unwrap();
    let program = script(folder.path(), "echo '[1] [FTL] the disk is on fire' >&2; exit 3");
    let error = soon("an answer", Server::start(config(folder.path(), program))).await.unwrap_err();
    let ServerError::Ended { status, words, .. } = &error else { panic!("{error}") };
    assert!(status.contains('3') && words.contains("the disk is on fire"), "{error}");
}

#[test]
fn a_server_that_is_too_old_is_skipped_and_named() {
    let folder = TempDir::new().unwrap();
    let old = script(folder.path(), "echo 'nats-server: v2.9.10'");
    let error = find_server(Some(&old), &[]).unwrap_err().to_string();
    assert!(error.contains("is 2.9.10, too old (needs 2.12)"), "{error}");
    assert!(error.contains(old.to_str().unwrap()), "{error}");
    let error = find_server(Some(&folder.path().join("none")), &[]).unwrap_err().to_string();
    assert!(error.contains("does not run"), "{error}");
    assert!(find_server(Some(&program()), &[]).unwrap().skipped.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_users_cannot_read_the_passwords_and_strangers_cannot_connect() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::start().await;
    let config = std::fs::metadata(rig.folder.path().join("nats/server.conf")).unwrap();
    assert_eq!(config.permissions().mode() & 0o777, 0o600);
    let connected = tokio::time::timeout(Duration::from_secs(10), async_nats::connect(rig.access().url)).await;
    assert!(connected.unwrap().is_err());
}
