//! What another hand changes is seen, told, and put right where the fleet says so.

use std::time::Duration;

use serde_json::json;
use tests::descriptors::{plain, with};
use tests::{Platform, docker, eventually};

const SEEN: Duration = Duration::from_secs(20);

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
    docker::docker(&["rm", "--force", &shop.name_of("b")]).ok();
    eventually(SEEN, "it is healed", || match shop.find("b") {
        Some(it) if it["Id"] != before && it["State"]["Running"] == true => Ok(()),
        other => Err(format!("{other:?}")),
    });
    ended(3);
    let events = shop.events();
    let (found, planned) = (events.newest("drift.found"), events.newest("rollout.planned"));
    assert_eq!((planned.cause, &planned.data["heals"]), (Some(found.id), &json!(true)));
}
