//! The descriptor `node`: what it says, and what a plan makes of it.

#![allow(clippy::unwrap_used, reason = "helpers are part of the tests")]

use expect_test::{Expect, expect};
use schemas::check::{Content, EntryKind, Fault, TreeFile, check, report};
use schemas::descriptors::Desired;
use schemas::fleet::{Fleet, ObservedContainer, State};
use schemas::plan::plan;
use schemas::spec::{self, DigestKey};
use schemas::work::Change;

fn look(files: &[(&str, &str)]) -> Result<Desired, Vec<Fault>> {
    let files = files.iter().map(|(path, text)| TreeFile {
        path,
        kind: EntryKind::File,
        content: Content::Bytes(text.as_bytes()),
    });
    check(files).map(|checked| checked.desired).map_err(|broken| broken.faults)
}

fn table(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&look(files).map_or_else(|faults| report(&faults), |_| "no faults".to_owned()));
}

#[test]
fn a_node_binds_a_fleet_and_lends_its_address() {
    let desired = look(&[
        ("nodes/n1.json", r#"{ "agent": "local", "address": "203.0.113.7" }"#),
        ("containers/a.json", r#"{ "image": "x", "env": { "PUBLIC": "http://{{ nodes.n1.address }}/" } }"#),
    ])
    .unwrap();
    assert_eq!(desired.agent().unwrap().as_str(), "local");
    let spec = spec::render(&"acme/shop".parse().unwrap(), &"a".parse().unwrap(), &desired).unwrap();
    assert_eq!(spec.env["PUBLIC"], "http://203.0.113.7/");
    assert!(look(&[("nodes/n1.json", "{}")]).unwrap().agent().is_none());
    // It comes back from the log as it went in.
    let files = serde_json::to_value(desired.files()).unwrap();
    assert_eq!(files["nodes/n1.json"]["agent"], "local");
    assert_eq!(Desired::from(serde_json::from_value::<schemas::descriptors::Files>(files).unwrap()), desired);
}

#[test]
fn faults_of_nodes() {
    table(
        &[
            ("nodes/n1.json", r#"{ "agent": "N1", "addres": "x" }"#),
            ("nodes/n2.json", r#"{ "address": "not a host" }"#),
            ("nodes/n3.json", r#"{}"#),
            (
                "containers/a.json",
                r#"{ "image": "x", "env": { "A": "{{ nodes.n3.address }}", "B": "{{ nodes.n4.address }}" } }"#,
            ),
        ],
        expect![[r#"
            containers/a.json:1:31: `{{ nodes.n3.address }}`: node `n3` has no `address`
              expected: a node with an `address`
              hint: add it to `nodes/n3.json`, such as "address": "203.0.113.7"
            containers/a.json:1:62: `{{ nodes.n4.address }}`: there is no node `n4`
              expected: one of `n1`, `n2`, `n3`
              hint: did you mean `n1`?
            nodes/n1.json:1:12: `agent` is `N1`
              expected: a lower-case DNS label of at most 63 characters, such as `web-1`
              hint: write "n1"
            nodes/n1.json:1:18: unknown key `addres`
              expected: one of `address`, `agent`
              hint: did you mean `address`?
            nodes/n2.json:1:1: a second node: a fleet over several nodes is not built yet
              also: nodes/n1.json:1:1
              expected: at most one descriptor in `nodes/`
            nodes/n2.json:1:14: `address` is `not a host`
              expected: an IP address or a host name, such as `203.0.113.7`
            nodes/n3.json:1:1: a second node: a fleet over several nodes is not built yet
              also: nodes/n1.json:1:1
              expected: at most one descriptor in `nodes/`
            7 faults in 4 files"#]],
    );
}

#[test]
fn what_is_on_another_node_is_not_moved() {
    let files = |agent: &'static str| {
        let node = if agent == "n1" { r#"{ "agent": "n1" }"# } else { r#"{ "agent": "n2" }"# };
        look(&[("nodes/n.json", node), ("containers/a.json", r#"{ "image": "x" }"#)]).unwrap()
    };
    let mut fleet = Fleet::new("acme/shop".parse().unwrap());
    let seen = ObservedContainer {
        state: State::Running,
        health: None,
        node: "n1".parse().unwrap(),
        docker_id: "1".to_owned(),
        image: None,
        spec: None,
        commit: None,
        live: None,
        files: Default::default(),
        exit_code: None,
        restarts: 0,
        crashes: 0,
        created_ns: 0,
        started_ns: 1,
        newest: (1, Change::Started),
        since: 1,
    };
    fleet.observed.containers.insert("a".parse().unwrap(), seen);
    let key = DigestKey::derive(&[7; 32]);
    assert!(plan(&fleet, &files("n1"), &key).is_ok());
    let error = plan(&fleet, &files("n2"), &key).unwrap_err();
    expect!["containers/a.json cannot be moved: container `a` is on node `n1`, and the fleet is bound to `n2`: moving is not built yet"]
        .assert_eq(&error.to_string());
    fleet.observed.containers.clear();
    assert_eq!(plan(&fleet, &files("n2"), &key).unwrap().steps.len(), 1);
}
