//! `fleetlog up`: what it makes, what it says, and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{Folder, bare, code, err, git, wait_for};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_says_ready_once_and_keeps_its_files_to_itself() {
    let folder = Folder::new();
    let platform = folder.start();
    assert!(platform.url.starts_with("http://127.0.0.1:"), "{}", platform.url);
    let data = folder.data();
    assert_eq!(mode(&data), 0o700);
    for name in ["admin.token", "master.key", "lock", "installation"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!(fs::read(data.join("master.key")).unwrap().len(), 32);
    let token = platform.token();
    assert!(token.starts_with("fl_") && token.len() == 53 && token.trim() == token, "{token:?}");
    assert_eq!(fs::read_to_string(data.join("lock")).unwrap().trim(), platform.pid().to_string());
    assert_eq!(platform.get("/readyz").status, 200, "ready means ready");

    let begun = Instant::now();
    let (status, more) = platform.stop();
    assert_eq!((status.code(), more), (Some(0), vec![]), "the ready line stands alone");
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?} to stop", begun.elapsed());
}

#[test]
fn a_second_one_on_the_same_folder_leaves_and_names_the_first() {
    let folder = Folder::new();
    let platform = folder.start();
    let begun = Instant::now();
    let second = folder.up().output().unwrap();
    assert_eq!(code(&second), 1, "{}", err(&second));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(second.stdout.is_empty());
    assert!(err(&second).contains(&format!("process {}", platform.pid())), "{}", err(&second));
    assert_eq!(platform.get("/readyz").status, 200, "the first one does not care");
    assert_eq!(platform.stop().0.code(), Some(0));
}

#[test]
fn a_folder_is_free_as_soon_as_the_first_one_has_gone() {
    let folder = Folder::new();
    let first = folder.start();
    first.signal("TERM");
    // Waits for the lock while the first one is on its way out.
    let second = folder.start();
    assert_eq!(first.end().0.code(), Some(0));
    assert_eq!(second.stop().0.code(), Some(0));
}

#[test]
fn a_restart_is_the_same_installation_with_the_same_log() {
    let folder = Folder::new();
    let opened = |platform: &support::Platform| platform.get("/v1/events?limit=1").json()["events"][0].clone();
    let platform = folder.start();
    let (first, token) = (opened(&platform), platform.token());
    assert_eq!((&first["position"], &first["type"]), (&1.into(), &"fleetlog.log.opened.v1".into()));
    let installation = first["data"]["installation"].as_str().unwrap();
    assert_eq!(fs::read_to_string(folder.data().join("installation")).unwrap().trim(), installation);
    platform.stop();

    // What is a copy is made anew; what is a secret is minted anew.
    fs::remove_file(folder.data().join("installation")).unwrap();
    fs::remove_file(folder.data().join("admin.token")).unwrap();
    let platform = folder.start();
    assert_eq!(opened(&platform), first);
    assert_eq!(fs::read_to_string(folder.data().join("installation")).unwrap().trim(), installation);
    assert_ne!(platform.token(), token);
    let openings = platform.get("/v1/events?type=log.opened").json();
    assert_eq!(openings["events"].as_array().unwrap().len(), 1, "a log is opened once");
    platform.stop();
}

#[test]
fn a_log_without_its_master_key_is_not_opened() {
    let folder = Folder::new();
    folder.start().stop();
    fs::remove_file(folder.data().join("master.key")).unwrap();
    let refused = folder.up().output().unwrap();
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("master.key") && err(&refused).contains("put it back"), "{}", err(&refused));
}

#[test]
fn wrong_usage_is_refused_before_anything_is_touched() {
    let folder = Folder::new();
    let open = folder.up().args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(code(&open), 2, "given twice");
    let mut command = bare();
    command.args(["up", "--listen", "0.0.0.0:0", "--data"]).arg(folder.data());
    let open = command.output().unwrap();
    assert_eq!(code(&open), 2, "{}", err(&open));
    assert!(err(&open).contains("--insecure"), "{}", err(&open));
    for bad in [["--node", "Not A Name"], ["--listen", "nonsense"], ["--log", "=x="], ["--colour", "red"]] {
        let refused = bare().args(["up", "--data"]).arg(folder.data()).args(bad).output().unwrap();
        assert_eq!(code(&refused), 2, "{bad:?}: {}", err(&refused));
    }
    assert!(!folder.data().exists(), "nothing was made");
}

#[test]
fn what_stands_in_the_way_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = bare();
    command.args(["up", "--listen", &address, "--data"]).arg(folder.data());
    let refused = command.output().unwrap();
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains(&address) && err(&refused).contains("--listen"), "{}", err(&refused));

    let refused = bare()
        .args(["up", "--listen", "127.0.0.1:0", "--nats-server", "/nonexistent/nats", "--data"])
        .arg(folder.data())
        .output()
        .unwrap();
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("/nonexistent/nats"), "{}", err(&refused));
}

/// A nats-server that starts only once the file `go` is there.
fn slow_server(folder: &Folder) -> std::path::PathBuf {
    let explicit = std::env::var_os("FLEETLOG_NATS_SERVER").map(std::path::PathBuf::from);
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/.tools/bin");
    let real = streams::find_server(explicit.as_deref(), &[tools]).unwrap().path;
    let (program, go) = (folder.path().join("slow"), folder.path().join("go"));
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" != --version ]; then while [ ! -e '{}' ]; do sleep 0.02; done; fi\nexec '{}' \"$@\"\n",
        go.display(),
        real.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Starts it with a server that does not start, and waits until it listens.
fn starting(folder: &Folder) -> support::Platform {
    let mut command = bare();
    command.args(["up", "--listen", "127.0.0.1:0", "--docker", "unix:///nonexistent/docker.sock", "--data"]);
    command.arg(folder.data()).arg("--nats-server").arg(slow_server(folder));
    let mut platform = folder.spawn(command);
    platform.url = wait_for("a listener", || {
        let log = platform.log();
        log.split_once("listening on ").and_then(|(_, rest)| rest.split_once(';')).map(|(url, _)| url.to_owned())
    });
    platform
}

#[test]
fn until_it_is_ready_it_is_alive_and_says_so() {
    let folder = Folder::new();
    let platform = starting(&folder);
    assert_eq!(platform.ask("/healthz", &[]).status, 200);
    let ready = platform.ask("/readyz", &[]);
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()));
    let events = platform.ask("/v1/events", &[]);
    assert_eq!((events.status, events.header("content-type")), (503, "application/problem+json"));
    fs::write(folder.path().join("go"), "").unwrap();
    let platform = platform.ready();
    assert_eq!(platform.ask("/readyz", &[]).status, 200);
    platform.stop();
}

#[test]
fn a_start_can_be_broken_off() {
    let folder = Folder::new();
    let platform = starting(&folder);
    let begun = Instant::now();
    let (status, lines) = platform.stop();
    assert_eq!((status.code(), lines), (Some(0), vec![]));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    fs::write(folder.path().join("go"), "").unwrap();
    folder.start().stop();
}

#[test]
fn under_a_hooks_name_it_is_that_hook() {
    let folder = Folder::new();
    let hook = folder.path().join("pre-receive");
    std::os::unix::fs::symlink(support::FLEETLOG, &hook).unwrap();
    let output = std::process::Command::new(&hook).arg("--help").output().unwrap();
    assert!(!output.status.success(), "a hook knows no --help");
    assert!(err(&output).contains("hook"), "{}", err(&output));
    assert!(git(folder.path(), &["--version"]).status.success());
}

#[test]
fn idle_it_needs_little_memory() {
    let folder = Folder::new();
    let platform = folder.start();
    let status = fs::read_to_string(format!("/proc/{}/status", platform.pid())).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:")).unwrap();
    let own: u64 = line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap();
    // Of at most 60 MiB: a release build's own pages take 26, a debug build's twice as many.
    assert!(own < 20 << 10, "{own} kB of its own are resident");
    platform.stop();
}
