//! Host ports across fleets: what clashes with what, on which node, and who is named.
#![allow(clippy::unwrap_used, reason = "helpers are part of the tests")]

use expect_test::{Expect, expect};
use schemas::access::{Role, Who};
use schemas::check::{Checked, Content, EntryKind, TreeFile, check, report};
use schemas::fleet::Fleet;
use schemas::neighbours::{Held, clashes, held, in_the_way, node_of, wanted};

fn tree(files: &[(&str, &str)]) -> Checked {
    let content = |text: &'static str| Content::Bytes(text.as_bytes());
    let files = files.iter().map(|(path, text)| (path.to_owned(), text.to_string().leak()));
    check(files.map(|(path, text)| TreeFile { path, kind: EntryKind::File, content: content(text) })).unwrap()
}

fn fleet(id: &str, files: &[(&str, &str)]) -> Fleet {
    let mut fleet = Fleet::new(id.parse().unwrap());
    fleet.desired = tree(files).desired;
    fleet
}

fn web(ports: &str) -> String {
    format!("{{ \"image\": \"x:1\",\n  \"ports\": {ports} }}")
}

fn viewer_of(owner: &str) -> Who {
    let roles = [(owner.parse().unwrap(), Role::Viewer)].into();
    Who { name: "ann".parse().unwrap(), admin: false, roles }
}

/// What a tree that publishes `ports` on `node` clashes with, told to `who`.
fn told(ports: &str, node: Option<&str>, others: &[&Fleet], who: Option<&Who>, expected: Expect) {
    let web = web(ports);
    let checked = tree(&[("containers/web.json", &web), ("variables/app.json", r#"{ "port": "8080" }"#)]);
    let all: Vec<Held> = others.iter().flat_map(|it| held(it)).collect();
    // What the registry leaves out changes nothing.
    let asked: Vec<Held> = in_the_way(&wanted(&checked.desired), &all).into_iter().cloned().collect();
    let node = node.map(|it| it.parse().unwrap());
    let faults = clashes(&checked, node.as_ref(), &asked, who);
    assert_eq!(clashes(&checked, node.as_ref(), &all, who), faults);
    expected.assert_eq(&report(&faults));
}

#[test]
fn a_port_that_another_fleet_publishes_on_the_node_is_a_fault() {
    let other = fleet(
        "acme/till",
        &[
            ("containers/front.json", &web(r#"["127.0.0.1:8080:80", "53:53/udp"]"#)),
            ("nodes/n.json", r#"{ "agent": "n1" }"#),
        ],
    );
    let ann = viewer_of("acme");
    told(
        r#"["9090:90", "{{ variables.app.port }}:80", "53:53", "53:53/udp"]"#,
        Some("n1"),
        &[&other],
        Some(&ann),
        expect![[r#"
            containers/web.json:2:24: host port 8080/tcp of node `n1` is published by container `front` of fleet `acme/till`
              expected: a host port that no other fleet publishes there
              hint: give it another port before the first `:`, or take it out of `acme/till` first
            containers/web.json:2:64: host port 53/udp of node `n1` is published by container `front` of fleet `acme/till`
              expected: a host port that no other fleet publishes there
              hint: give it another port before the first `:`, or take it out of `acme/till` first
            2 faults in 1 file"#]],
    );
    // Another address, and another node.
    told(r#"["127.0.0.2:8080:80"]"#, Some("n1"), &[&other], Some(&ann), expect!["0 faults in 0 files"]);
    told(r#"["8080:80"]"#, Some("n2"), &[&other], Some(&ann), expect!["0 faults in 0 files"]);
    // Where nobody knows the node, every one counts.
    told(
        r#"["8080:80"]"#,
        None,
        &[&other],
        None,
        expect![[r#"
            containers/web.json:2:13: host port 8080/tcp of node `n1` is published by a container of another fleet
              expected: a host port that no other fleet publishes there
              hint: give it another port before the first `:`, or take it out of the other fleet first
            1 fault in 1 file"#]],
    );
}

#[test]
fn another_fleet_is_named_to_who_may_see_it() {
    let till = fleet("acme/till", &[("containers/front.json", &web(r#"["127.0.0.1:8080:80"]"#))]);
    let secret = fleet("aaa/secret", &[("containers/hidden.json", &web(r#"["127.0.0.2:8080:80"]"#))]);
    told(
        r#"["8080:80"]"#,
        None,
        &[&secret, &till],
        Some(&viewer_of("acme")),
        expect![[r#"
            containers/web.json:2:13: host port 8080/tcp of the node is published by container `front` of fleet `acme/till` and 1 more
              expected: a host port that no other fleet publishes there
              hint: give it another port before the first `:`, or take it out of `acme/till` first
            1 fault in 1 file"#]],
    );
    for who in [None, Some(&viewer_of("zoo"))] {
        told(
            r#"["8080:80"]"#,
            None,
            &[&secret, &till],
            who,
            expect![[r#"
                containers/web.json:2:13: host port 8080/tcp of the node is published by a container of another fleet and 1 more
                  expected: a host port that no other fleet publishes there
                  hint: give it another port before the first `:`, or take it out of the other fleet first
                1 fault in 1 file"#]],
        );
    }
}

#[test]
fn a_fleet_runs_where_it_is_bound_to() {
    let bound = fleet("acme/till", &[("nodes/n.json", r#"{ "agent": "n1" }"#)]);
    assert_eq!(node_of(&bound).unwrap().as_str(), "n1");
    assert_eq!(node_of(&fleet("acme/till", &[])), None);
}
