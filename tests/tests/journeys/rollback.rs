//! Rollback: what was desired before runs again with its data, and what was taken back does not come in again by the way.

use std::fs;

use serde_json::json;
use tests::descriptors::{IMAGE, forever};
use tests::docker::docker;
use tests::{Fleet, Platform, Ran};

/// A container that adds a line to its volume at each start.
fn version(n: u32) -> serde_json::Value {
    json!({ "image": IMAGE, "command": forever("date >> /data/starts"), "env": { "VERSION": n.to_string() },
            "volumes": { "/data": "data" }, "stop": { "grace": "1s" } })
}

#[track_caller]
fn said(ran: &Ran, code: i32, words: &[&str]) {
    let text = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, code, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

fn cli(platform: &Platform, shop: &Fleet<'_>, arguments: &[&str]) -> Ran {
    platform.cli(&[arguments, &["--fleet", shop.id()]].concat())
}

/// What runs says its version, and how often it was started.
#[track_caller]
fn runs(shop: &Fleet<'_>, n: u32, starts: usize) {
    let environment = shop.runs("db")["Config"]["Env"].to_string();
    assert!(environment.contains(&format!("VERSION={n}")), "{environment}");
    let lines = docker(&["exec", &shop.name_of("db"), "cat", "/data/starts"]).ok();
    assert_eq!(lines.lines().count(), starts, "{lines}");
}

#[test]
fn what_ran_before_runs_again_with_its_data_and_what_was_taken_back_stays_out() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("volumes/data.json", json!({ "class": "persistent" })).write("containers/db.json", version(1));
    let first = shop.commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    said(&cli(&platform, &shop, &["rollback"]), 1, &["no earlier rollout"]);
    shop.write("containers/db.json", version(2));
    let second = shop.commit("two");
    shop.push(&[]).ok().says(&["success: rollout succeeded"]);
    shop.write("containers/db.json", version(3)).write("containers/bad.json", json!({ "image": "nowhere/none:1" }));
    let third = shop.commit("three");
    shop.push(&[]).ok().says(&[&format!("hint: to go back:    fleetlog rollback --to {}", &second[..8])]);
    runs(&shop, 3, 3);

    // The plan says what is done and what is not; nothing happens by it.
    let told =
        ["back to ", "1 to re-create", "volumes stays as it is now: data", "did elsewhere", "nothing was stored"];
    said(&cli(&platform, &shop, &["rollback", "--plan"]), 0, &told);
    said(&cli(&platform, &shop, &["rollback", "--plan", "--to", "1"]), 1, &["there was no fleet"]);
    assert!(shop.events().of_type("desired.rolled_back").is_empty());
    let rolled = cli(&platform, &shop, &["rollback", "--reason", "three is broken"]);
    said(&rolled, 0, &["1 to re-create", "is rolled back to ", "1 commit is withdrawn", "succeeded"]);
    runs(&shop, 2, 4);
    let events = shop.events();
    let back = events.only("desired.rolled_back");
    assert_eq!((&back.data["commit"], &back.data["from"]), (&json!(second), &json!(third)));
    assert_eq!((&back.data["reason"], &back.data["withdrawn"]), (&json!("three is broken"), &json!([third])));
    assert_eq!(events.newest("rollout.planned").cause, Some(back.id));
    assert_eq!(shop.head_of("main"), Some(third.clone()), "the branch stays");
    said(&cli(&platform, &shop, &["rollback", "--to", &second]), 1, &["already"]);

    // Further back, by name, without waiting.
    let to = cli(&platform, &shop, &["rollback", "--to", &first, "--no-wait", "--json"]);
    let to: serde_json::Value = serde_json::from_str(&to.ok()).unwrap();
    assert_eq!(to["withdrawn"], json!([second]));
    // Its older rollout, which had succeeded, is not the one that is waited for.
    said(&cli(&platform, &shop, &["wait", &first]), 0, &["succeeded"]);
    runs(&shop, 1, 5);
    assert_eq!(
        (shop.state()["commit"].clone(), shop.state()["desired_at"].clone()),
        (json!(first), to["position"].clone())
    );
    let then = platform.get(&format!("/v1/fleets/{}?at={second}", shop.id())).1;
    assert_eq!(then["position"], json!(to["position"].as_u64().unwrap() - 1), "until it was rolled back");
    said(&cli(&platform, &shop, &["diff", &second, "now"]), 0, &["VERSION"]);
    platform.cli(&["replay", "registry", "--verify"]).ok();

    // Everything but the log is lost: what was taken back is still known.
    platform.stop();
    for folder in ["git", "registry"] {
        fs::remove_dir_all(platform.data().join(folder)).unwrap();
    }
    platform.up(&[]);
    shop.write_text("notes.txt", "more\n").commit("four");
    let words = format!("contains withdrawn {}, {}: revert them, or `-o reinstate`", &third[..8], &second[..8]);
    shop.push(&[]).refused(&[&words, "git revert --no-edit", "nothing changed"]);
    shop.git(&["revert", "--no-edit", &third]).ok();
    shop.push(&[]).refused(&["contains withdrawn", "revert it"]);
    let reverted = {
        shop.git(&["revert", "--no-edit", &second]).ok();
        shop.git(&["rev-parse", "HEAD"]).ok()
    };
    shop.push(&[]).ok().says(&["plan: nothing to do", "success: rollout succeeded"]);
    shop.succeeds(&reverted);
    runs(&shop, 1, 5);

    // Or all of it is meant after all.
    shop.write("containers/db.json", version(4)).commit("five");
    shop.push(&[]).ok();
    runs(&shop, 4, 6);
    said(&cli(&platform, &shop, &["rollback"]), 0, &["succeeded"]);
    runs(&shop, 1, 7);
    shop.write_text("notes.txt", "much more\n").commit("six");
    shop.push(&[]).refused(&["contains withdrawn"]);
    shop.push(&["reinstate"]).ok().says(&["1 withdrawn commit is taken in again", "success: rollout succeeded"]);
    runs(&shop, 4, 8);
    let events = shop.events();
    let (pushed, again) = (events.newest("git.pushed"), events.only("desired.reinstated"));
    assert_eq!((again.position, again.cause), (pushed.position + 1, Some(pushed.id)));
    platform.cli(&["replay", "registry", "--verify"]).ok();
}

#[test]
fn a_push_that_fails_is_undone_where_the_fleet_says_so() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("fleet.json", json!({ "on_failure": "rollback" }));
    shop.write("volumes/data.json", json!({})).write("containers/db.json", version(1));
    let first = shop.commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    let mut bad = version(2);
    bad["health"] = json!({ "command": ["false"], "interval": "200ms", "within": "1s" });
    shop.write("containers/db.json", bad);
    let second = shop.commit("two");
    let back = format!("rolled back to {}", &first[..8]);
    shop.push(&[]).ok().says(&["error: rollout failed: not healthy", "git push -o reinstate", &back, "runs again"]);
    said(&cli(&platform, &shop, &["wait", &second]), 1, &["failed"]);
    said(&cli(&platform, &shop, &["wait", &first]), 0, &["succeeded"]);
    runs(&shop, 1, 3);
    let events = shop.events();
    let (rolled, failed) = (events.only("desired.rolled_back"), events.only("rollout.failed"));
    assert_eq!((rolled.cause, rolled.actor.as_str()), (Some(failed.id), "shazam"));
    assert_eq!(rolled.data["withdrawn"], json!([second]));

    // It is withdrawn as after a rollback by hand.
    shop.write("containers/db.json", version(3)).commit("three");
    shop.push(&[]).refused(&["contains withdrawn"]);
    shop.push(&["reinstate"]).ok().says(&["success: rollout succeeded"]);
    runs(&shop, 3, 4);
    platform.cli(&["replay", "registry", "--verify"]).ok();
}
