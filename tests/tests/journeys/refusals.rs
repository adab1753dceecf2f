//! Pushes that are refused: a clear message, nothing changed, one `git.refused` where the fleet exists.

use std::os::unix::fs::symlink;

use serde_json::json;
use tests::descriptors::{IMAGE, plain, with};
use tests::{Fleet, Platform, Push};

/// One bad push: what it is, the files that it writes, and what the terminal has to say.
type Bad = (&'static str, Vec<(&'static str, String)>, Vec<&'static str>);

fn bad_pushes() -> Vec<Bad> {
    let one = |path: &'static str, text: &str| vec![(path, text.to_owned())];
    let container = |key: &str, value| with(plain(), key, value).to_string();
    vec![
        ("invalid JSON", one("containers/x.json", "{\n  \"image\": oops\n}\n"), vec!["containers/x.json:2:12"]),
        (
            "a duplicate key",
            one("containers/x.json", "{ \"image\": \"a\",\n  \"image\": \"b\" }"),
            vec!["containers/x.json:2:3", "`image`"],
        ),
        (
            "an unknown key",
            one("containers/x.json", "{ \"image\": \"a\",\n  \"comand\": [\"sh\"] }"),
            vec!["containers/x.json:2:3", "`comand`", "`command`"],
        ),
        ("a wrong type", one("containers/x.json", &container("ports", json!(80))), vec!["containers/x.json:1:"]),
        (
            "nested too deep",
            one("variables/x.json", &"[".repeat(100_000)),
            vec!["variables/x.json:1:65", "64 brackets"],
        ),
        (
            "unknown needs",
            one("containers/x.json", &container("needs", json!(["aa"]))),
            vec!["containers/x.json:1:", "`aa`"],
        ),
        (
            "a cycle",
            vec![
                ("containers/x.json", container("needs", json!(["y"]))),
                ("containers/y.json", container("needs", json!(["x"]))),
            ],
            vec!["containers/x.json", "containers/y.json", "cycle"],
        ),
        (
            "a cycle through a reference",
            vec![
                ("containers/x.json", container("needs", json!(["y"]))),
                ("containers/y.json", container("env", json!({ "X": "{{ containers.x.host }}" }))),
            ],
            vec!["containers/x.json", "containers/y.json", "cycle"],
        ),
        (
            "one host port twice",
            vec![
                ("containers/x.json", container("ports", json!(["127.0.0.1:18080:80"]))),
                ("containers/y.json", container("ports", json!(["18080:81"]))),
            ],
            vec!["containers/x.json", "containers/y.json", "18080"],
        ),
        (
            "an undefined variable",
            one("containers/x.json", &container("env", json!({ "R": "{{ variables.app.regio }}" }))),
            vec!["containers/x.json:1:", "variables.app.regio"],
        ),
        ("an upper-case name", one("containers/Web.json", &plain().to_string()), vec!["containers/Web.json", "Web"]),
        ("a network", one("networks/n.json", "{}"), vec!["networks/n.json:1:1", "yet"]),
        (
            "two nodes",
            vec![("nodes/n1.json", "{}".to_owned()), ("nodes/n2.json", "{}".to_owned())],
            vec!["nodes/n2.json:1:1", "yet"],
        ),
        (
            "many faults at once",
            vec![
                ("containers/x.json", "{ \"image\": 7, \"comand\": [] }".to_owned()),
                ("containers/y.json", "{".to_owned()),
                ("volumes/v.json", "{ \"class\": \"golden\" }".to_owned()),
            ],
            vec![
                "containers/x.json:1:12",
                "containers/x.json:1:15",
                "containers/y.json",
                "volumes/v.json:1:12",
                "golden",
            ],
        ),
    ]
}

#[test]
fn refused_push() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).write("variables/app.json", json!({ "region": "eu-1" })).commit("sound");
    shop.push(&["create"]).ok();
    for (what, files, words) in bad_pushes() {
        changes_nothing(&shop, what, "faults", |fleet| {
            for (path, text) in &files {
                fleet.write_text(path, text);
            }
            fleet.commit(what);
            fleet.push(&[]).refused(&words)
        });
    }
    changes_nothing(&shop, "a symlink", "faults", |fleet| {
        symlink("a.json", fleet.path().join("containers/x.json")).unwrap();
        fleet.commit("a symlink");
        fleet.push(&[]).refused(&["containers/x.json", "symbolic link"])
    });
    changes_nothing(&shop, "a change of the deploy branch", "faults", |fleet| {
        fleet.write("fleet.json", json!({ "deploy": "live" })).commit("another branch");
        fleet.push(&[]).refused(&["deploy"])
    });
    changes_nothing(&shop, "a delete of the deploy branch", "not_allowed", |fleet| {
        fleet.push_refs(&[], &[":main"]).refused(&["main"])
    });
    changes_nothing(&shop, "main/x beside main", "not_allowed", |fleet| {
        fleet.push_refs(&[], &["HEAD:refs/heads/main/x"]).refused(&["main/x"])
    });
    // After all that, a sound push goes through as if nothing had been.
    shop.write_text("README.md", "sound again\n").commit("sound again");
    shop.push(&[]).ok().says(&["succeeded"]);
}

/// `bad` pushes something from a fresh clone; afterwards all is as before, but for one `git.refused` without content.
#[track_caller]
fn changes_nothing(shop: &Fleet<'_>, what: &str, refusal: &str, bad: impl FnOnce(&Fleet<'_>) -> Push) {
    let (refs, running, events) = (shop.refs().ok(), shop.fingerprint(), shop.events());
    let push = bad(&shop.clone_elsewhere());
    assert_eq!(shop.refs().ok(), refs, "{what}: refs moved");
    assert_eq!(shop.fingerprint(), running, "{what}: containers changed");
    let now = shop.events();
    assert_eq!(now.0.len(), events.0.len() + 1, "{what}: one event more is expected in:\n{now}");
    let refused = now.0.last().unwrap();
    assert_eq!(refused.kind, "fleetlog.git.refused.v1", "{what}: {refused:?}");
    assert_eq!(refused.data["refusal"], refusal, "{what}: {:#}", refused.data);
    assert_eq!((refused.actor.as_str(), refused.cause), ("admin", None), "{what}");
    assert!(!refused.data["codes"].as_array().unwrap().is_empty(), "{what}: {:#}", refused.data);
    let text = refused.data.to_string();
    assert!(!text.contains("oops") && !text.contains("golden") && !text.contains(IMAGE), "{what}: content in {text}");
    assert!(push.text.contains("remote:") || push.text.contains("remote rejected"), "{what}:\n{}", push.text);
}

#[test]
fn an_unknown_fleet_needs_create() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&[]).refused(&["create"]);
    assert_eq!(shop.get().0, 404);
    assert_ne!(shop.refs().code, 0, "a fleet that does not exist cannot be listed");
    assert!(shop.events().0.is_empty(), "{}", shop.events());
    // Faults of a fleet that is to be made leave no event either.
    shop.write_text("containers/b.json", "{").commit("two");
    shop.push(&["create"]).refused(&["containers/b.json"]);
    assert!(shop.events().0.is_empty(), "{}", shop.events());
    shop.remove("containers/b.json").commit("three");
    shop.push(&["create"]).ok();
    // On a fleet that exists it has no effect.
    shop.write_text("README.md", "more\n").commit("four");
    shop.push(&["create"]).ok();
    assert_eq!(shop.events().newest("git.pushed").data["created"], false);
}
