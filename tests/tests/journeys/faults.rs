//! What the platform needs is away, broken or taken: it says so, and loses nothing.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tests::descriptors::{plain, with};
use tests::docker::Stranger;
use tests::{Platform, eventually, free_port};

#[test]
fn docker_away() {
    let platform = Platform::start_with(&["--docker", "unix:///nonexistent/docker.sock"]);
    let shop = platform.fleet("shop");
    let commit = shop.write("containers/a.json", plain()).commit("one");
    let begun = Instant::now();
    shop.push(&["create"]).ok().says(&["away", "fleetlog wait", platform.node()]);
    assert!(begun.elapsed() < Duration::from_secs(30), "the push leaves after some 10 s: {:?}", begun.elapsed());
    assert_eq!(shop.head_of("main").as_ref(), Some(&commit));
    assert!(shop.events().end_of_rollout(&commit).is_none(), "{}", shop.events());
    // Docker is back: what waited is done.
    platform.stop();
    platform.up(&[]);
    shop.succeeds(&commit);
    shop.runs("a");
}

#[test]
fn nats_killed() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let before = shop.events();
    for round in 0..2 {
        let old = platform.nats_pid().expect("nats-server runs");
        kill_process(Pid::from_raw(old.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
        eventually(Duration::from_secs(30), "a new nats-server runs", || match platform.nats_pid() {
            Some(new) if new != old => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
        eventually(Duration::from_secs(30), "the platform is ready again", || match platform.get("/readyz") {
            (200, _) => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
        let commit = shop.write(&format!("containers/c{round}.json"), plain()).commit("more");
        shop.push(&[]).ok().says(&["succeeded"]);
        shop.succeeds(&commit);
    }
    let after = shop.events();
    assert_eq!(after.0[..before.0.len()], before.0[..], "what was there is there");
    assert!(after.0.windows(2).all(|pair| pair[0].position < pair[1].position));
}

#[test]
fn second_up_same_folder() {
    let platform = Platform::start();
    let begun = Instant::now();
    let second = platform.second_up(Duration::from_secs(15));
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains(&platform.pid().to_string()), "it names the process: {}", second.err);
    assert_eq!(second.out, "", "only `ready` goes to standard output");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(platform.get("/readyz").0, 200, "the first goes on");
}

#[test]
fn a_name_taken_by_a_stranger() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let stranger = Stranger::run(&["--name", &shop.name_of("a")]);
    let commit = shop.write("containers/a.json", plain()).write("containers/b.json", plain()).commit("one");
    shop.push(&["create"]).ok().says(&["failed", &shop.name_of("a")]);
    let error = shop.fails(&commit);
    assert!(error.contains(&shop.name_of("a")), "{error}");
    assert!(stranger.is_running(), "a stranger is never touched");
    drop(stranger);
    let commit = shop.write_text("notes.txt", "now it is free\n").commit("two");
    shop.push(&[]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
    shop.runs("a");
}

#[test]
fn a_port_taken_by_a_stranger() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let port = free_port();
    let mapping = format!("127.0.0.1:{port}:80");
    let stranger = Stranger::run(&["--publish", &mapping]);
    let commit = shop.write("containers/a.json", with(plain(), "ports", json!([mapping]))).commit("one");
    shop.push(&["create"]).ok().says(&["failed", &port.to_string()]);
    let error = shop.fails(&commit);
    assert!(error.contains(&port.to_string()), "{error}");
    assert!(stranger.is_running());
    drop(stranger);
    let commit = shop.write_text("notes.txt", "now it is free\n").commit("two");
    shop.push(&[]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
    shop.runs("a");
}
