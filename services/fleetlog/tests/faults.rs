//! What happens to the platform when something under it goes.

mod support;

use std::time::Instant;

use support::{Folder, processes, signal, wait_for};

#[test]
fn killed_it_leaves_no_server_behind() {
    let folder = Folder::new();
    let platform = folder.start();
    let nats = platform.nats_pid();
    platform.kill();
    let store = folder.data().canonicalize().unwrap().display().to_string();
    wait_for("the end of nats-server", || processes(&store).is_empty().then_some(()));
    assert!(!std::path::Path::new(&format!("/proc/{nats}")).exists());
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
