//! Files of the repository reach their containers, change with the smallest step that is enough, and are told nowhere.

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever};
use tests::{Fleet, Platform, docker};

/// A container that writes a line for each HUP, and takes files in.
fn api() -> Value {
    json!({
        "image": IMAGE,
        "command": forever("trap 'echo reloaded >> /tmp/signals' HUP; cat /etc/app/app.conf"),
        "volumes": { "/data": "data" },
        "files": {
            "/etc/app": { "from": "files/app", "render": true, "on_change": "signal" },
            "/data/rows/first": { "from": "files/first", "mode": "seed" },
            "/run.sh": { "from": "scripts/run.sh", "owner": "1000:1001", "on_change": "none" },
        },
    })
}

fn write_all(shop: &Fleet<'_>) {
    shop.write("variables/app.json", json!({ "region": "eu-1" })).write("volumes/data.json", json!({}));
    shop.write("containers/api.json", api());
    shop.write_text("files/app/app.conf", "region = {{ variables.app.region }} # nobody-tells-this\n");
    shop.write_text("files/app/sub/more.conf", "more\n").write_text("files/first", "first\n");
    shop.write_text("scripts/run.sh", "#!/bin/sh\necho ran\n");
    shop.git(&["add", "--all"]).ok();
    shop.git(&["update-index", "--chmod=+x", "scripts/run.sh"]).ok();
    shop.git(&["config", "core.fileMode", "false"]).ok();
}

#[test]
fn files_reach_their_container_and_change_with_the_smallest_step() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    write_all(&shop);
    let first = shop.commit("one");
    shop.push(&["create"]).ok().says(&["1 to create", "succeeded"]);
    let inside = |words: &[&str]| docker::docker(&[&["exec", &shop.name_of("api")], words].concat()).ok();
    assert_eq!(inside(&["cat", "/etc/app/app.conf"]), "region = eu-1 # nobody-tells-this");
    assert_eq!(inside(&["cat", "/etc/app/sub/more.conf"]), "more");
    assert_eq!(inside(&["/run.sh"]), "ran");
    assert_eq!(inside(&["stat", "-c", "%u:%g %a", "/run.sh"]).trim(), "1000:1001 755");
    assert_eq!(inside(&["stat", "-c", "%u:%g %a", "/etc/app/app.conf"]).trim(), "0:0 644");
    // It was there before the start.
    let said = docker::docker(&["logs", &shop.name_of("api")]).ok();
    assert!(said.contains("region = eu-1"), "{said}");
    let id = shop.container("api")["Id"].clone();
    shop.write_text("notes.txt", "nothing that runs\n").commit("notes");
    shop.push(&[]).ok().says(&["nothing to do"]);

    // Another value of a variable: in place, with a signal.
    inside(&["sh", "-c", "echo grown > /data/rows/first"]);
    shop.write("variables/app.json", json!({ "region": "eu-2" })).write_text("files/first", "second\n").commit("two");
    shop.push(&[]).ok().says(&["1 to reload", "variables.app.region: \"eu-1\" → \"eu-2\"", "succeeded"]);
    assert_eq!(inside(&["cat", "/etc/app/app.conf"]), "region = eu-2 # nobody-tells-this");
    inside(&["sh", "-c", "until [ -s /tmp/signals ]; do sleep 0.1; done"]);
    assert_eq!(inside(&["cat", "/data/rows/first"]), "grown", "what was seeded is left");
    assert_eq!(shop.container("api")["Id"], id);

    // What is gone in the commit is gone in the container; a platform that starts anew knows what is in place.
    platform.restart();
    shop.write_text("notes.txt", "once more\n").commit("more notes");
    shop.push(&[]).ok().says(&["nothing to do"]);
    shop.remove("files/app/sub/more.conf").commit("three");
    shop.push(&[]).ok().says(&["1 to re-create", "files./etc/app/sub/more.conf", "succeeded"]);
    assert_ne!(shop.container("api")["Id"], id);
    inside(&["test", "!", "-e", "/etc/app/sub"]);
    assert_eq!(inside(&["cat", "/data/rows/first"]), "grown");

    // A rollback brings the files of then.
    platform.cli(&["rollback", "--to", &first, "--fleet", shop.id()]).ok();
    assert_eq!(inside(&["cat", "/etc/app/app.conf"]), "region = eu-1 # nobody-tells-this");
    assert_eq!(inside(&["cat", "/etc/app/sub/more.conf"]), "more");
    let state = shop.state();
    let known = &state["desired"]["contents"]["scripts/run.sh"];
    assert_eq!((&known["size"], &known["executable"]), (&json!(19), &json!(true)), "{state:#}");
    let (events, state) = (shop.events().to_string(), state.to_string());
    assert!(!events.contains("nobody-tells-this") && !state.contains("nobody-tells-this"));
    // A folder is planned as a push of it would be.
    let plan = platform.cli(&["plan", shop.path().to_str().unwrap(), "--fleet", shop.id()]).ok();
    assert!(plan.contains("re-create"), "{plan}");
}

#[test]
fn what_cannot_be_taken_in_is_refused_at_the_push() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    write_all(&shop);
    shop.commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let before = shop.fingerprint();
    shop.write_text("files/app/app.conf", "\n  region = {{ variables.app.regoin }}\n");
    std::os::unix::fs::symlink("/etc/passwd", shop.path().join("files/app/passwd")).unwrap();
    let mut other = api();
    other["files"]["/etc/other"] = json!({ "from": "files/ap" });
    shop.write("containers/api.json", other);
    shop.write_text("files/first", &format!("{}://app:hunter2@db/shop\n", "postgres")).commit("two");
    shop.push(&[]).refused(&[
        "files/app/app.conf:2:12: `{{ variables.app.regoin }}`",
        "did you mean `region`?",
        "`files/app/passwd` is a symbolic link",
        "there is no `files/ap` in this fleet's tree",
        "did you mean `files/app`?",
        "files/first:1:1: what looks like a URL with a password",
    ]);
    assert_eq!(shop.fingerprint(), before);
    // What a later commit of the same push takes out is in the history all the same.
    shop.git(&["rm", "--quiet", "files/app/passwd"]).ok();
    write_all(&shop);
    shop.commit("three");
    shop.push(&[]).refused(&["files/first:1:1: what looks like a URL with a password", "rewrite the commits"]);
}
