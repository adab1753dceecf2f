//! `--nats URL`: a server that somebody else runs, and two platforms that meet on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use support::nats::Nats;
use support::{Folder, Platform, bare};

fn up(folder: &Folder, nats: &Nats) -> Platform {
    start(folder, nats).ready()
}

fn start(folder: &Folder, nats: &Nats) -> Platform {
    let mut command = bare();
    command.args(["up", "--listen", "127.0.0.1:0", "--docker", "unix:///nonexistent/docker.sock", "--nats", &nats.url]);
    command.arg("--data").arg(folder.data());
    folder.spawn(command)
}

/// Its own data folder has its own master key: it could open nothing of what is there, and would take the first one's
/// token away.
#[test]
fn a_stranger_to_a_log_is_refused_and_leaves_it_as_it_is() {
    let (at, one, two) = (Folder::new(), Folder::new(), Folder::new());
    let nats = Nats::start(&at);
    let first = up(&one, &nats);
    let before = first.get("/v1/events?limit=1000").json();
    for _ in 0..2 {
        let (status, lines) = start(&two, &nats).end();
        let log = std::fs::read_to_string(two.path().join("log")).unwrap();
        assert_eq!((status.code(), lines.len()), (Some(1), 0), "{log}");
        let installation = std::fs::read_to_string(one.data().join("installation")).unwrap();
        for words in [installation.trim(), "has another master key than", "use another nats-server"] {
            assert!(log.contains(words), "{words}: {log}");
        }
    }
    assert!(!two.data().join("installation").exists());
    assert_eq!(first.get("/readyz").status, 200, "its token opens, and it goes on");
    assert_eq!(first.get("/v1/events?limit=1000").json()["events"], before["events"], "nothing was written");
    assert_eq!(first.stop().0.code(), Some(0));
}

#[test]
fn the_second_platform_on_a_log_takes_over_and_the_first_one_says_so_and_goes() {
    let (at, one, two) = (Folder::new(), Folder::new(), Folder::new());
    let nats = Nats::start(&at);
    let first = up(&one, &nats);
    assert!(!one.data().join("nats").exists(), "it needs no store of its own");
    // The same installation, put up elsewhere: the log and the master key are all of it.
    std::fs::create_dir(two.data()).unwrap();
    std::fs::copy(one.data().join("master.key"), two.data().join("master.key")).unwrap();
    let second = up(&two, &nats);
    let log = one.path().join("log");
    let (status, _) = first.end();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(1), "{log}");
    assert_eq!(log.lines().filter(|it| it.contains("`coordinator` failed")).count(), 1, "said once: {log}");
    assert!(log.contains("took over at position"), "{log}");
    let installation = |folder: &Folder| std::fs::read_to_string(folder.data().join("installation")).unwrap();
    assert_eq!(installation(&one), installation(&two), "it is the log's");
    assert_eq!(second.get("/readyz").status, 200);
    assert_eq!(second.stop().0.code(), Some(0));
}
