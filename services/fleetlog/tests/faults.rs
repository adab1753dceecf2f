//! What happens to the platform when something under it goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Folder, git_ok, processes, signal, wait_for};

#[test]
fn killed_it_leaves_no_server_behind() {
    let folder = Folder::new();
    let platform = folder.start();
    platform.nats_pid();
    platform.kill();
    let store = folder.data().canonicalize().unwrap().display().to_string();
    wait_for("the end of nats-server", || processes(&store).is_empty().then_some(()));
    // And the log is there for the next one, with the first one's events.
    let platform = folder.start();
    assert_eq!(platform.get("/v1/events").json()["events"][0]["type"], "fleetlog.log.opened.v1");
    platform.stop();
}

#[test]
fn its_server_killed_comes_back_and_so_does_everything() {
    let folder = Folder::new();
    let platform = folder.start();
    let before = platform.get("/v1/events").json();
    let nats = platform.nats_pid();
    let begun = Instant::now();
    signal(nats, "KILL");
    wait_for("another nats-server", || (platform.nats_pid() != nats).then_some(()));
    wait_for("readiness", || (platform.get("/readyz").status == 200).then_some(()));
    let events = wait_for("the log", || Some(platform.get("/v1/events")).filter(|it| it.status == 200));
    assert_eq!(events.json()["events"][0], before["events"][0]);
    wait_for("the registry", || (platform.get("/v1/fleets").status == 200).then_some(()));
    println!("back after {:?}", begun.elapsed());
    assert_eq!(platform.stop().0.code(), Some(0));
}

#[test]
fn a_client_that_says_nothing_does_not_keep_it() {
    let folder = Folder::new();
    let platform = folder.start();
    let address = platform.url.strip_prefix("http://").unwrap().to_owned();
    let _silent = TcpStream::connect(&address).unwrap();
    let mut half = TcpStream::connect(&address).unwrap();
    half.write_all(b"GET /healthz HTT").unwrap();
    assert_eq!(platform.ask("/healthz", &[]).status, 200);
    let begun = Instant::now();
    assert_eq!(platform.stop().0.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(13), "{:?}", begun.elapsed());
}

#[test]
fn a_second_signal_leaves_at_once() {
    let folder = Folder::new();
    let mut command = folder.up();
    command.args(["--fault-point", "after-pack"]);
    let platform = folder.spawn(command).ready();
    let clone = folder.path().join("clone");
    git_ok(folder.path(), &["init", "--quiet", "--initial-branch=main", "clone"]);
    git_ok(&clone, &["commit", "--quiet", "--allow-empty", "--message", "one"]);
    let remote = platform.remote("acme/shop");
    let mut push = Command::new("git");
    push.current_dir(&clone)
        .args(["push", "-o", "create", &remote, "main"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut push = push.spawn().unwrap();
    wait_for("a push that waits", || platform.log().contains("fault point").then_some(()));

    platform.signal("TERM");
    wait_for("the first signal", || platform.log().contains("once more to leave at once").then_some(()));
    let begun = Instant::now();
    let (status, _) = platform.stop();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(1), "leaving work behind is no good end");
    assert!(!push.wait().unwrap().success());
}
