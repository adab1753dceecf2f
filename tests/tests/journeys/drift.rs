//! What another hand changes is seen, told, and put right where the fleet says so.

use std::time::Duration;

use serde_json::json;
use tests::descriptors::{plain, with};
use tests::{Platform, docker, eventually};

const SEEN: Duration = Duration::from_secs(40);

#[test]
fn a_hand_that_meddles_is_seen_and_put_right_where_the_fleet_says_so() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", with(plain(), "limits", json!({ "memory": "64MiB" })));
    shop.write("containers/b.json", plain());
    shop.commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    docker::docker(&["update", "--memory", "128m", "--memory-swap", "128m", &shop.name_of("a")]).ok();
    docker::docker(&["stop", "--time", "1", &shop.name_of("b")]).ok();
    let status = eventually(SEEN, "both are told", || {
        let status = platform.cli(&["status", "--fleet", shop.id()]).ok();
        if status.matches("drift: ").count() == 2 { Ok(status) } else { Err(status) }
    });
    for words in ["drift: a: limits.memory: \"128MiB\" → \"64MiB\" (update)", "drift: b: state: exited"] {
        assert!(status.contains(words), "{status}");
    }
    assert_eq!(shop.state()["drift"]["b"]["action"], "restart");

    // From the push on it heals: what was changed is right again, and stays so.
    shop.write("fleet.json", json!({ "drift": "heal" })).commit("two");
    shop.push(&[]).ok().says(&["1 to update, 1 to restart"]);
    let ended = |count: usize| {
        eventually(SEEN, "it is told to be over", || {
            let events = shop.events();
            if events.of_type("drift.ended").len() == count { Ok(()) } else { Err(events.to_string()) }
        });
    };
    ended(2);
    let before = shop.container("b")["Id"].clone();
    docker::docker(&["pause", &shop.name_of("b")]).ok();
    ended(3);
    let thawed = shop.container("b");
    assert_eq!((&thawed["Id"], &thawed["State"]["Paused"]), (&before, &json!(false)));
    docker::docker(&["rm", "--force", &shop.name_of("b")]).ok();
    eventually(SEEN, "it is healed", || match shop.find("b") {
        Some(it) if it["Id"] != before && it["State"]["Running"] == true => Ok(()),
        other => Err(format!("{other:?}")),
    });
    ended(4);
    let events = shop.events();
    let (found, planned) = (events.newest("drift.found"), events.newest("rollout.planned"));
    assert_eq!((planned.cause, &planned.data["heals"]), (Some(found.id), &json!(true)));
}

#[test]
fn a_container_that_ends_again_and_again_is_a_crash_loop() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let crashing = with(plain(), "command", json!(["sh", "-c", "echo so it ends; exit 3"]));
    shop.write("containers/a.json", with(crashing, "restart", json!("always"))).commit("one");
    shop.push(&["create", "no-wait"]).ok();
    let status = eventually(SEEN, "it is told", || {
        let status = platform.cli(&["status", "--fleet", shop.id()]).ok();
        if status.contains("crash loop: a: ") { Ok(status) } else { Err(status) }
    });
    assert!(status.contains("runs in a row ended soon"), "{status}");
    assert!(shop.state()["observed"]["containers"]["a"]["crashes"].as_u64() >= Some(3));
    // What was mended is none, once it has a container of its own.
    shop.write("containers/a.json", plain()).commit("two");
    shop.push(&[]).ok();
    let status = platform.cli(&["status", "--fleet", shop.id()]).ok();
    assert!(!status.contains("crash loop"), "{status}");
}
