//! How a rollout goes about it: order, waiting, failing, being overtaken.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::descriptors::{IMAGE, gated, plain, with};
use tests::docker;
use tests::{Platform, eventually};

#[test]
fn needs_waits_for_healthy() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/db.json", gated());
    shop.write("containers/api.json", with(plain(), "needs", json!(["db"])));
    shop.write("containers/free.json", plain());
    let commit = shop.commit("one");
    thread::scope(|scope| {
        let push = scope.spawn(|| shop.push(&["create"]));
        shop.runs("db");
        // What needs nothing does not wait; what needs `db` is not there although `db` runs.
        shop.runs("free");
        assert!(shop.find("api").is_none_or(|it| it["State"]["Running"] == false), "api runs before db is healthy");
        assert!(!push.is_finished(), "the push waits for the rollout");
        shop.open("db");
        push.join().unwrap().ok().says(&["succeeded"]);
    });
    shop.succeeds(&commit);
    let events = shop.events();
    let healthy = events.only("container.healthy").data["at_ns"].as_i64().unwrap();
    let started = events.of_type("container.started").into_iter().find(|it| it.subject == "containers/api").unwrap();
    assert!(started.data["at_ns"].as_i64().unwrap() >= healthy, "{events}");
}

#[test]
fn needs_can_ask_for_completed() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let migrate = json!({ "image": IMAGE, "command": ["true"], "restart": "no" });
    shop.write("containers/migrate.json", migrate);
    shop.write("containers/api.json", with(plain(), "needs", json!({ "migrate": "completed" })));
    let commit = shop.commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
    assert_eq!(shop.container("migrate")["State"]["ExitCode"], 0);
    shop.runs("api");
    // What has done its work is as it should be: it does not run again.
    let before = shop.fingerprint();
    shop.write_text("notes.txt", "more\n").commit("two");
    shop.push(&[]).ok();
    assert_eq!(shop.events().newest_plan(), []);
    assert_eq!(shop.fingerprint(), before);
}

#[test]
fn image_missing() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let before = shop.fingerprint();
    // Nobody listens there: whatever it is, it cannot be had.
    let image = "127.0.0.1:1/absent:1";
    let commit = shop.write("containers/b.json", with(plain(), "image", json!(image))).commit("two");
    let push = shop.push(&[]).ok().says(&["failed", image]);
    assert!(!push.text.contains("succeeded"), "{}", push.text);
    assert!(shop.fails(&commit).contains(image));
    assert_ne!(platform.cli(&["wait", &commit, "--fleet", shop.id()]).code, 0);
    assert_eq!(shop.fingerprint(), before, "what was sound goes on");
    // A new push mends it.
    let commit = shop.write("containers/b.json", plain()).commit("three");
    shop.push(&[]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
}

#[test]
fn never_healthy_fails_within_its_time() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let health = json!({ "command": ["false"], "interval": "500ms", "timeout": "1s", "within": "3s", "retries": 100 });
    let commit = shop.write("containers/a.json", with(plain(), "health", health)).commit("one");
    shop.push(&["create"]).ok().says(&["failed"]);
    let error = shop.fails(&commit);
    assert!(error.contains("healthy"), "{error}");
}

#[test]
fn a_container_that_ends_by_itself_is_no_success() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let dies = json!({ "image": IMAGE, "command": ["sh", "-c", "exit 7"], "restart": "no" });
    let commit = shop.write("containers/a.json", dies).commit("one");
    shop.push(&["create"]).ok();
    let error = shop.fails(&commit);
    assert!(error.contains('7'), "the exit code is named: {error}");
    // Seen running first: that is not enough for one that ends for good.
    let dies = json!({ "image": IMAGE, "command": ["sh", "-c", "sleep 0.2; exit 8"], "restart": "no" });
    let commit = shop.write("containers/a.json", dies).commit("two");
    shop.push(&[]).ok();
    let error = shop.fails(&commit);
    assert!(error.contains('8'), "the exit code is named: {error}");
}

#[test]
fn a_newer_push_overtakes_one_that_waits() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    // Never healthy: its time is what the newer push waits for at most, as a step under way is not broken off.
    let mut never = gated();
    never["health"]["within"] = json!("8s");
    shop.write("containers/a.json", never);
    shop.write("containers/b.json", with(plain(), "needs", json!(["a"])));
    let first = shop.commit("one");
    shop.push(&["create", "no-wait"]).ok();
    shop.runs("a");
    let second = shop.write("containers/a.json", plain()).commit("two");
    shop.push(&[]).ok().says(&["succeeded"]);
    shop.succeeds(&second);
    assert_eq!(shop.rollout_of(&first).kind, "fleetlog.rollout.superseded.v1");
    shop.runs("b");
}

#[test]
fn what_dies_is_seen() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let script = "trap 'exit 0' TERM; until test -f /tmp/die; do sleep 1 & wait $!; done; exit 3";
    let mortal = json!({ "image": IMAGE, "command": ["sh", "-c", script], "restart": "no" });
    shop.write("containers/a.json", mortal).commit("one");
    shop.push(&["create"]).ok();
    docker::docker(&["exec", &shop.name_of("a"), "touch", "/tmp/die"]).ok();
    eventually(Duration::from_secs(20), "the state shows that it died", || {
        let state = shop.state();
        let seen = &state["observed"]["containers"]["a"];
        if seen["state"] == "exited" { Ok(()) } else { Err(seen.to_string()) }
    });
    let events = shop.events();
    let died = events.only("container.died");
    assert_eq!((died.data["exit_code"].as_i64(), died.cause), (Some(3), None), "{events}");
}
