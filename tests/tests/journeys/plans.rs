//! Plans: shown without being done, empty where nothing is to do, and no more than what changed.

use serde_json::json;
use tests::descriptors::{forever, plain, with};
use tests::docker::{self, Thing};
use tests::{Fleet, Platform, free_port};

#[test]
fn plan_only() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    // A fleet that would be new: nothing is stored, there is still no fleet.
    shop.push(&["create", "plan"]).refused(&["plan only", "create", "a"]);
    assert_eq!(shop.get().0, 404);
    assert!(shop.events().0.is_empty(), "{}", shop.events());

    shop.push(&["create"]).ok();
    let (refs, running, events) = (shop.refs().ok(), shop.fingerprint(), shop.events().0.len());
    shop.write("containers/b.json", plain()).commit("two");
    shop.push(&["plan"]).refused(&["plan only", "create", "b"]);
    shop.write_text("containers/c.json", "{").commit("three");
    shop.push(&["plan"]).refused(&["containers/c.json"]);
    assert_eq!((shop.refs().ok(), shop.fingerprint()), (refs, running));
    assert_eq!(shop.events().0.len(), events, "{}", shop.events());
}

#[test]
fn second_plan_is_empty() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.demo(free_port()).commit("the shop");
    shop.push(&["create"]).ok();
    let before = shop.fingerprint();
    assert_eq!(before.len(), 3, "{before:?}");

    does_nothing(&shop, "the first change", &before);
    platform.restart();
    does_nothing(&shop, "after a restart", &before);
    platform.kill();
    platform.up(&[]);
    does_nothing(&shop, "after a kill", &before);
}

/// A push of something that is no descriptor: a rollout without steps, and Docker as it was.
#[track_caller]
fn does_nothing(shop: &Fleet<'_>, what: &str, before: &[String]) {
    let commit = shop.write_text("notes.txt", what).commit(what);
    shop.push(&[]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
    assert_eq!(shop.events().newest_plan(), [], "{what}");
    assert_eq!(shop.fingerprint(), before, "{what}");
}

#[test]
fn change_recreates_only_what_changed() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let coloured = |colour: &str| with(plain(), "env", json!({ "COLOUR": colour }));
    shop.write("containers/a.json", plain())
        .write("containers/b.json", coloured("red"))
        .write("containers/c.json", plain());
    shop.commit("one");
    shop.push(&["create"]).ok();
    let id = |name: &str| shop.container(name)["Id"].clone();
    let before = [id("a"), id("b"), id("c")];

    let commit = shop.write("containers/b.json", coloured("blue")).commit("two");
    shop.push(&[]).ok().says(&["b", "COLOUR"]);
    shop.succeeds(&commit);
    let after = [id("a"), id("b"), id("c")];
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert_ne!(after[1], before[1]);
    assert!(shop.container("b")["Config"]["Env"].as_array().unwrap().contains(&json!("COLOUR=blue")));

    let events = shop.events();
    assert_eq!(events.newest_plan(), [("b".to_owned(), "recreate".to_owned())]);
    let reasons = events.newest("rollout.planned").data["steps"][0]["reasons"].to_string();
    assert!(reasons.contains("env.COLOUR"), "{reasons}");
}

#[test]
fn a_changed_variable_reaches_whoever_refers_to_it() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let refers = with(plain(), "env", json!({ "REGION": "{{ variables.app.region }}" }));
    shop.write("variables/app.json", json!({ "region": "eu-1" }));
    shop.write("containers/a.json", refers).write("containers/b.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let commit = shop.write("variables/app.json", json!({ "region": "us-2" })).commit("two");
    shop.push(&[]).ok();
    shop.succeeds(&commit);
    assert_eq!(shop.events().newest_plan(), [("a".to_owned(), "recreate".to_owned())]);
    assert!(shop.container("a")["Config"]["Env"].as_array().unwrap().contains(&json!("REGION=us-2")));
}

#[test]
fn removal_keeps_volume() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let keeps =
        json!({ "image": "demo/tool:1", "command": forever("date >> /data/starts"), "volumes": { "/data": "data" } });
    shop.write("containers/a.json", plain()).write("containers/db.json", keeps.clone());
    shop.write("volumes/data.json", json!({ "class": "persistent" })).commit("one");
    shop.push(&["create"]).ok();
    let volume = shop.name_of("data");
    let made = docker::inspect_one(Thing::Volume, &volume).expect("the volume is there")["CreatedAt"].clone();

    let commit = shop.remove("containers/db.json").remove("volumes/data.json").commit("two");
    shop.push(&[]).ok();
    shop.succeeds(&commit);
    assert!(shop.find("db").is_none(), "the container goes");
    assert_eq!(docker::inspect_one(Thing::Volume, &volume).expect("the volume stays")["CreatedAt"], made);

    let commit = shop.write("containers/db.json", keeps).write("volumes/data.json", json!({})).commit("three");
    shop.push(&[]).ok();
    shop.succeeds(&commit);
    let starts = docker::docker(&["exec", &shop.name_of("db"), "cat", "/data/starts"]).ok();
    assert_eq!(starts.lines().count(), 2, "the same data is back: {starts:?}");
}

#[test]
fn the_network_goes_with_the_last_container() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).write_text("README.md", "a shop\n").commit("one");
    shop.push(&["create"]).ok();
    let network = shop.id().replace('/', ".");
    assert!(docker::inspect_one(Thing::Network, &network).is_some());
    let commit = shop.remove("containers/a.json").commit("two");
    shop.push(&[]).ok();
    shop.succeeds(&commit);
    assert!(shop.containers().is_empty());
    assert!(docker::inspect_one(Thing::Network, &network).is_none());
}
