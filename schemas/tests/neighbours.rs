//! Host ports and paths across fleets: what clashes with what, on which node, and who is named.
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

fn mounts(volumes: &str) -> String {
    format!("{{ \"image\": \"x:1\",\n  \"volumes\": {{ {volumes} }} }}")
}

/// The codes and places of what a tree that mounts `volumes` clashes with, where another fleet mounts `theirs`.
fn mounted(volumes: &str, theirs: &str) -> Vec<String> {
    let other = fleet("acme/till", &[("containers/front.json", &mounts(theirs))]);
    let checked = tree(&[("containers/web.json", &mounts(volumes))]);
    let all = held(&other);
    let asked: Vec<Held> = in_the_way(&wanted(&checked.desired), &all).into_iter().cloned().collect();
    let faults = clashes(&checked, None, &asked, Some(&Who::admin()));
    assert_eq!(clashes(&checked, None, &all, Some(&Who::admin())), faults);
    faults.iter().map(|it| format!("{} {}", it.code.as_str(), it.seen)).collect()
}

#[test]
fn a_path_that_two_fleets_write_to_is_a_fault_of_the_later_one() {
    let other = fleet(
        "acme/till",
        &[
            (
                "containers/front.json",
                &mounts(r#""/a": { "host": "/srv/media" }, "/b": { "host": "/etc", "read_only": true }"#),
            ),
            ("nodes/n.json", r#"{ "agent": "n1" }"#),
        ],
    );
    let ours = r#""/in": { "host": "/srv/media/films/" }, "/conf": { "host": "/etc" }, "/data": "data""#;
    let checked = tree(&[("containers/web.json", &mounts(ours)), ("volumes/data.json", "{}")]);
    let faults = clashes(&checked, Some(&"n1".parse().unwrap()), &held(&other), Some(&viewer_of("acme")));
    expect![[r#"
        containers/web.json:2:23: path `/srv/media/films` of node `n1` is written to by container `front` of fleet `acme/till` as well (`/srv/media`)
          expected: a path that no other fleet writes to there
          hint: say "read_only": true, or where both mean to share it "shared": true, also in `acme/till`
        1 fault in 1 file"#]]
    .assert_eq(&report(&faults));
    assert_eq!(clashes(&checked, Some(&"n2".parse().unwrap()), &held(&other), None), []);
}

#[test]
fn a_path_is_taken_with_all_that_lies_in_it() {
    let of = |path: &str| format!(r#""/x": {{ "host": "{path}" }}"#);
    let taken = |ours: &str, theirs: &str| !mounted(&of(ours), &of(theirs)).is_empty();
    for (ours, theirs) in
        [("/srv/a", "/srv/a"), ("/srv//a/./", "/srv/a"), ("/srv/a/b/c", "/srv/a"), ("/srv", "/srv/a"), ("/", "/srv")]
    {
        assert!(taken(ours, theirs) && taken(theirs, ours), "{ours} {theirs}");
    }
    for (ours, theirs) in [("/srv/a", "/srv/ab"), ("/srv/a-b", "/srv/a/b"), ("/srv/a", "/opt/a")] {
        assert!(!taken(ours, theirs) && !taken(theirs, ours), "{ours} {theirs}");
    }
    // Nothing in there is a file that is written.
    for both in ["/var/run/docker.sock", "/dev", "/dev/dri", "/sys/fs/cgroup", "/proc"] {
        assert!(!taken(both, both), "{both}");
    }
    assert!(taken("/devices", "/devices"));
}

#[test]
fn a_path_is_shared_only_where_both_say_so() {
    let said = r#""/x": { "host": "/srv/a", "shared": true }"#;
    let not = r#""/x": { "host": "/srv/a" }"#;
    assert_eq!(mounted(said, said), Vec::<String>::new());
    assert_eq!((mounted(said, not).len(), mounted(not, said).len()), (1, 1));
    // One mount that says so does not speak for the other.
    let one = format!(r#"{said}, "/y": {{ "host": "/srv/a/b" }}"#);
    assert_eq!(mounted(&one, said).len(), 1);
    let reads = r#""/x": { "host": "/srv/a", "read_only": true }"#;
    assert_eq!(mounted(reads, not), Vec::<String>::new());
}
