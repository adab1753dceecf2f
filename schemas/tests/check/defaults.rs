//! What `fleet.json` says for every container: part of each that does not say it itself, and wrong where it stands.

use schemas::check::check;
use schemas::plan::{describe, plan};
use schemas::spec::DigestKey;

use super::*;

/// A container as a tree desires it.
fn container(fleet: &str, text: &str) -> serde_json::Value {
    let files = [file("containers/api.json", text), file("fleet.json", fleet)];
    let checked = check(files).unwrap();
    serde_json::to_value(&checked.desired.containers[&"api".parse().unwrap()]).unwrap()
}

#[test]
fn what_a_container_says_itself_counts_more() {
    let fleet = r#"{ "defaults": { "image": "x:1", "restart": "always", "env": { "TZ": "UTC", "A": "of all" },
        "limits": { "memory": "64MiB", "pids": 100 }, "dns": ["192.0.2.1"], "command": ["a", "b"] } }"#;
    let text =
        r#"{ "env": { "A": "own" }, "limits": { "memory": "32MiB" }, "command": ["c"], "restart": "unless-stopped" }"#;
    let same = r#"{ "image": "x:1", "env": { "A": "own", "TZ": "UTC" }, "limits": { "memory": "32MiB", "pids": 100 },
        "command": ["c"], "dns": ["192.0.2.1"], "restart": "unless-stopped" }"#;
    assert_eq!(container(fleet, text), container("{}", same));
    assert_eq!(container(fleet, "{}")["restart"], "always");
}

#[test]
fn another_default_changes_those_that_have_it_and_the_same_one_nothing() {
    let desired = |fleet: &str| {
        let files = [("containers/api.json", IMAGE), ("containers/db.json", r#"{ "image": "x:1", "tty": false }"#)];
        let files = files.map(|(path, text)| file(path, text));
        check(files.into_iter().chain([file("fleet.json", fleet)])).unwrap().desired
    };
    let mut fleet = schemas::fleet::Fleet::new("acme/shop".parse().unwrap());
    fleet.desired = desired("{}");
    let key = DigestKey::derive(&[7; 32]);
    let changes =
        |to: &str| fleet.desired.changes_to(&desired(to)).set.0.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(changes(r#"{ "defaults": {} }"#), Vec::<String>::new());
    assert_eq!(changes(r#"{ "defaults": { "tty": true } }"#), ["fleet.json", "containers/api.json"]);
    assert_eq!(changes(r#"{ "defaults": { "tty": false } }"#), ["fleet.json"]);
    let shown = describe(&plan(&fleet, &desired(r#"{ "defaults": { "tty": true } }"#), &key).unwrap());
    assert!(shown.contains("api") && shown.contains("db"), "{shown}");
}

#[test]
fn what_is_wrong_about_a_default_is_told_once_and_where_it_stands() {
    table(
        &[
            ("containers/api.json", "{}"),
            ("containers/db.json", "{}"),
            (
                "fleet.json",
                "{ \"defaults\": {\n  \"image\": \"x:1\",\n  \"env\": { \"R\": \"{{ variables.app.region }}\" },\n  \"health\": { \"command\": [] },\n  \"resart\": \"always\" } }",
            ),
        ],
        expect![[r#"
            fleet.json:3:17: `{{ variables.app.region }}`: there is no group of variables `app`
              expected: one that this fleet describes; there is none
              hint: declare it in `variables/app.json`
            fleet.json:4:26: `command` is an empty array
              expected: at least one item
            fleet.json:5:3: unknown key `resart` in `defaults`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
              hint: did you mean `restart`?
            3 faults in 1 file"#]],
    );
}

#[test]
fn what_a_default_leads_to_is_told_where_it_stands() {
    table(
        &[
            ("containers/api.json", "{}"),
            ("containers/db.json", r#"{ "image": "x:1" }"#),
            (
                "fleet.json",
                "{ \"defaults\": {\n  \"env\": { \"R\": \"{{ variables.app.region }}\" },\n  \"ports\": [\"80:80\"] } }",
            ),
        ],
        expect![[r#"
            containers/api.json:1:1: missing key `image`
              expected: `image`, a string
            fleet.json:2:17: `{{ variables.app.region }}`: there is no group of variables `app`
              expected: one that this fleet describes; there is none
              hint: declare it in `variables/app.json`
            fleet.json:3:13: host port 80/tcp is published 2 times
              expected: each host port once
              hint: give all but one of them another port before the first `:`
            3 faults in 2 files"#]],
    );
}

#[test]
fn a_secret_in_a_default_is_told_once() {
    table(
        &[
            ("containers/api.json", IMAGE),
            ("containers/db.json", IMAGE),
            ("fleet.json", r#"{ "defaults": { "env": { "DB_PASSWORD": "hunter2hunter2" } } }"#),
        ],
        expect![[r#"
            fleet.json:1:41: `DB_PASSWORD` holds a literal value, and its name says `password`
              expected: no secret in a fleet's files: they stay in Git and in the event log for ever
              hint: take it out of the commit (`git commit --amend`); a secret store comes next, until then let the container read it from a volume; if it is none: { "value": …, "$allow": "why it is no secret" }
            1 fault in 1 file"#]],
    );
}
