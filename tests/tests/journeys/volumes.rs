//! A volume is copied, filled again and removed by hand, and its data is what it was.

use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever};
use tests::{Platform, docker, eventually};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_volume_comes_back_as_it_was_copied_and_goes_only_by_hand() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let db = json!({ "image": IMAGE, "command": forever(":"), "volumes": { "/data": "data" } });
    shop.write("volumes/data.json", json!({})).write("containers/db.json", db).commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let here = ["--fleet", shop.id()];
    let cli = |words: &[&str]| platform.cli(&[words, &here].concat());
    let say = |text: &str| {
        docker::docker(&["exec", &shop.name_of("db"), "sh", "-c", &format!("echo {text} > /data/row")]).ok();
    };
    let said = || docker::docker(&["exec", &shop.name_of("db"), "cat", "/data/row"]).ok();
    say("old");
    cli(&["volume", "snapshot", "data"])
        .said(1, &["container `db` runs and has volume `data`: `fleetlog stop db` first"]);
    cli(&["stop", "db"]).ok();
    cli(&["volume", "snapshot", "data", "--reason", "before the upgrade"]).ok();
    let volumes: Value = serde_json::from_str(&cli(&["volume", "ls", "--json"]).ok()).unwrap();
    let line = &volumes["volumes"][0];
    assert_eq!((&line["name"], &line["mounted_by"]), (&json!("data"), &json!(["db"])), "{volumes:#}");
    let snapshot = line["snapshots"][0].as_str().unwrap().to_owned();
    cli(&["start", "db"]).ok();
    shop.runs("db");
    say("new");

    cli(&["stop", "db"]).ok();
    let text = cli(&["volume", "restore", "data", &snapshot]).ok();
    assert!(text.contains("what it had before is snapshot "), "{text}");
    eventually(SOON, "it runs again with what was copied", || {
        let runs = shop.find("db").is_some_and(|it| it["State"]["Running"] == true);
        if runs { Ok(()) } else { Err(shop.state().to_string()) }
    });
    assert_eq!(said().trim(), "old");
    let acted = shop.events();
    let acted = acted.newest("operator.acted");
    assert_eq!((&acted.data["what"], &acted.data["snapshot"]), (&json!("restore-volume"), &json!(snapshot)));

    // It goes by hand only, with the right role, and once nothing mounts it.
    let viewer = platform.person("vera", Some("viewer"));
    let removal = ["volume", "rm", "data", "--fleet", shop.id()];
    platform.cli_as(&viewer, &removal).said(3, &["may not do this"]);
    cli(&["volume", "rm", "data"]).said(1, &["containers/db.json mounts it"]);
    shop.remove("containers/db.json").remove("volumes/data.json").commit("none");
    shop.push(&[]).ok().says(&["data stays, with its data"]);
    let name = shop.name_of("data");
    docker::docker(&["volume", "inspect", &name]).ok();
    cli(&["volume", "rm", "data"]).ok();
    assert!(docker::inspect_one(docker::Thing::Volume, &name).is_none(), "it is still there");
    cli(&["volume", "rm", "data", "--snapshot", &snapshot]).ok();
}

#[test]
fn a_push_says_which_files_a_container_would_lose_that_lie_in_no_volume() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let db = |command: &str| json!({ "image": IMAGE, "command": forever(command), "volumes": { "/data": "data" } });
    shop.write("volumes/data.json", json!({})).write("containers/db.json", db(":")).commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let script = "echo 1 > /data/row; mkdir -p /srv/app; echo 2 > /srv/app/note; echo 3 > /tmp/scratch";
    docker::docker(&["exec", &shop.name_of("db"), "sh", "-c", script]).ok();
    shop.write("containers/db.json", db("true")).commit("two");
    let loses = "warning: containers/db.json:1:1: made anew, container `db` loses what it wrote beside its volumes: `/srv/app/note`";
    let said = shop.push(&["plan"]).refused(&[loses, "`docker cp` what is wanted before"]).text;
    assert!(!said.contains("/data/row") && !said.contains("/tmp/scratch"), "{said}");
    shop.push(&[]).ok().says(&[loses, "succeeded"]);
    // What is new has written nothing.
    shop.write("containers/db.json", db(":")).commit("three");
    let said = shop.push(&[]).ok().text;
    assert!(!said.contains("loses what it wrote"), "{said}");
}
