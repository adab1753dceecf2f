//! Guards: what a push hits, whose law it is, and where it is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers are part of the tests")]

use expect_test::{Expect, expect};
use schemas::check::{Checked, Content, EntryKind, TreeFile, check, policy, report};
use schemas::descriptors::Guards;
use schemas::guards::{Law, hits, names};

const GOOD: &str = r#"{ "image": "x:1" }"#;

fn tree(files: &[(&str, &str)]) -> Checked {
    let files = files.iter().map(|(path, text)| TreeFile {
        path,
        kind: EntryKind::File,
        content: Content::Bytes(text.as_bytes()),
    });
    check(files).unwrap_or_else(|broken| panic!("{}", report(&broken.faults)))
}

fn guards(json: &str) -> Guards {
    policy("policy.json", json.as_bytes()).unwrap_or_else(|faults| panic!("{}", report(&faults)))
}

/// What a tree hits under a policy, behind an accepted tree, at a time; none: of another branch.
fn told(policy: &str, accepted: Option<&Checked>, tree: &Checked, now: Option<&str>) -> String {
    let (owner, policy) = ("acme".parse().unwrap(), guards(policy));
    let (guards, desired) = accepted.map(|it| (&it.desired.fleet.guards, &it.desired)).unzip();
    let law = Law { owner: &owner, policy: &policy, guards, desired, now: now.map(|it| it.parse().unwrap()) };
    report(&hits(tree, law))
}

fn holds(seen: &str, expected: Expect) {
    expected.assert_eq(seen);
}

const NONE: &str = "0 faults in 0 files";

#[test]
fn privileged_containers_and_images_that_move() {
    let tree = tree(&[
        ("containers/a.json", "{ \"image\": \"x:1\",\n  \"privileged\": true }"),
        ("containers/b.json", "{\n  \"image\": \"{{ variables.app.image }}\", \"privileged\": false }"),
        ("tasks/t.json", r#"{ "image": "x:latest", "steps": [{ "run": ["x"] }] }"#),
        ("variables/app.json", r#"{ "image": "tool" }"#),
    ]);
    holds(
        &told(r#"{ "privileged": "forbid", "unpinned_images": "forbid" }"#, None, &tree, None),
        expect![[r#"
        containers/a.json:2:17: container `a` is privileged
          expected: no `privileged`: the policy of owner `acme` forbids it
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        containers/b.json:2:12: image `tool` does not say which image it is
          expected: a tag other than `latest`, or a digest: the policy of owner `acme` forbids others
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        tasks/t.json:1:12: image `x:latest` does not say which image it is
          expected: a tag other than `latest`, or a digest: the policy of owner `acme` forbids others
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        3 faults in 3 files"#]],
    );
    assert_eq!(told(r#"{ "privileged": "allow" }"#, None, &tree, None), NONE);
    // Nothing can ask for these today: they hold.
    let vacuous = r#"{ "host_mounts": "forbid", "host_network": "forbid", "docker_socket": "forbid" }"#;
    assert_eq!(told(vacuous, None, &tree, None), NONE);
}

#[test]
fn what_was_accepted_before_counts_and_the_owner_is_never_loosened() {
    let strict = r#"{ "guards": { "privileged": "forbid" } }"#;
    let loose = r#"{ "guards": { "privileged": "allow" } }"#;
    let privileged = r#"{ "image": "x:1", "privileged": true }"#;
    let with = |fleet: &str, container: &str| tree(&[("fleet.json", fleet), ("containers/a.json", container)]);
    let (accepted, pushed) = (with(strict, GOOD), with(loose, privileged));
    // The push that takes the guard away is still held to it.
    holds(
        &told("{}", Some(&accepted), &pushed, None),
        expect![[r#"
        containers/a.json:1:33: container `a` is privileged
          expected: no `privileged`: `guards` of the accepted fleet.json forbids it
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        1 fault in 1 file"#]],
    );
    // One that brings a guard is not yet.
    assert_eq!(told("{}", Some(&with(loose, GOOD)), &with(strict, privileged), None), NONE);
    // The first push is held to the owner's policy alone, and no fleet.json loosens it.
    assert_eq!(told("{}", None, &with(strict, privileged), None), NONE);
    for accepted in [None, Some(&with(loose, GOOD))] {
        let seen = told(r#"{ "privileged": "forbid" }"#, accepted, &pushed, None);
        assert!(seen.contains("the policy of owner `acme` forbids it"), "{seen}");
    }
}

#[test]
fn removals_are_counted() {
    let many: Vec<String> = (0..4).map(|it| format!("containers/c{it}.json")).collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|path| (path.as_str(), GOOD)).collect();
    files.push(("variables/app.json", "{}"));
    files.push(("volumes/data.json", "{}"));
    files.push(("fleet.json", r#"{ "guards": { "max_removals": 3 } }"#));
    let (accepted, left) = (tree(&files), tree(&files[3..4]));
    holds(
        &told(r#"{ "max_removals": 9 }"#, Some(&accepted), &left, None),
        expect![[r#"
        containers/c0.json:1:1: 4 containers, tasks and volumes are taken out at once
          also: containers/c1.json:1:1
          also: containers/c2.json:1:1
          also: volumes/data.json:1:1
          expected: at most 3: `guards` of the accepted fleet.json says `max_removals`
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        1 fault in 1 file"#]],
    );
    let stricter = told(r#"{ "max_removals": 0 }"#, Some(&accepted), &tree(&files[1..]), None);
    assert!(stricter.contains("at most 0: the policy of owner `acme` says `max_removals`"), "{stricter}");
    assert_eq!(told("{}", Some(&accepted), &tree(&files[3..6]), None), NONE);
    assert_eq!(told(r#"{ "max_removals": 0 }"#, None, &left, None), NONE);
}

#[test]
fn windows_of_both_have_to_be_open() {
    let hours =
        r#"{ "windows": [{ "days": ["mon", "fri"], "from": "09:00", "to": "17:00", "timezone": "Europe/Berlin" }] }"#;
    let fleet = r#"{ "deploy": "main",
  "guards": { "windows": [{ "from": "10:00", "to": "12:00" }] } }"#;
    let accepted = tree(&[("fleet.json", fleet), ("containers/a.json", GOOD)]);
    holds(
        &told(hours, Some(&accepted), &accepted, Some("2026-11-28T10:30:00Z")),
        expect![[r#"
        fleet.json:2:13: a push on sat 11:30 (Europe/Berlin)
          expected: mon, fri from 09:00 to 17:00 (Europe/Berlin): the policy of owner `acme` says `windows`
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        1 fault in 1 file"#]],
    );
    holds(
        &told(hours, Some(&accepted), &accepted, Some("2026-11-27T09:30:00Z")),
        expect![[r#"
        fleet.json:2:13: a push on fri 09:30 (UTC)
          expected: every day from 10:00 to 12:00 (UTC): `guards` of the accepted fleet.json says `windows`
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        1 fault in 1 file"#]],
    );
    assert_eq!(told(hours, Some(&accepted), &accepted, Some("2026-11-27T11:30:00Z")), NONE);
    // When another branch will be applied is not known.
    assert_eq!(told(hours, Some(&accepted), &accepted, None), NONE);
}

#[test]
fn what_was_hit_is_named_once() {
    let tree = tree(&[
        ("containers/a.json", r#"{ "image": "x", "privileged": true }"#),
        ("containers/b.json", r#"{ "image": "x", "privileged": true }"#),
    ]);
    let policy = guards(r#"{ "privileged": "forbid", "unpinned_images": "forbid" }"#);
    let owner = "acme".parse().unwrap();
    let faults = hits(&tree, Law { owner: &owner, policy: &policy, guards: None, desired: None, now: None });
    assert_eq!(faults.len(), 4);
    assert_eq!(names(&faults), ["privileged", "unpinned_images"]);
}

#[test]
fn faults_of_guards_are_told_at_their_place() {
    let bad = "{\n  \"privileged\": \"no\", \"max_removals\": -1, \"host_mount\": \"forbid\",\n  \"windows\": [\n    \
               { \"days\": [\"monday\"], \"from\": \"9:00\" },\n    { \"from\": \"09:00\", \"to\": \"09:00\", \"timezone\": \"Europe/Wien\" }\n  ]\n}";
    holds(
        &report(&policy("policy.json", bad.as_bytes()).unwrap_err()),
        expect![[r#"
        policy.json:2:17: `privileged` is `no`
          expected: one of `allow`, `forbid`
        policy.json:2:39: `max_removals` is -1
          expected: a whole number from 0
        policy.json:2:43: unknown key `host_mount`
          expected: one of `docker_socket`, `host_mounts`, `host_network`, `max_removals`, `privileged`, `unpinned_images`, `windows`
          hint: did you mean `host_mounts`?
        policy.json:4:16: item 1 of `days` is `monday`
          expected: one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`
        policy.json:4:35: `from` is `9:00`
          expected: a time of the day, such as "09:00"
          hint: write "09:00"
        policy.json:5:5: a window from `09:00` to `09:00`: never
          expected: an end after its beginning
          hint: leave both out for the whole day
        policy.json:5:51: `timezone` is `Europe/Wien`
          expected: the name of a time zone, such as "Europe/Berlin" or "UTC"
          hint: did you mean `Europe/Vienna`?
        7 faults in 1 file"#]],
    );
    let fleet = format!("{{ \"guards\": {bad} }}");
    let file = TreeFile { path: "fleet.json", kind: EntryKind::File, content: Content::Bytes(fleet.as_bytes()) };
    let again = report(&check([file]).unwrap_err().faults);
    assert_eq!(again.lines().count(), report(&policy("p", bad.as_bytes()).unwrap_err()).lines().count(), "{again}");
    holds(
        &report(&policy("policy.json", b"[]").unwrap_err()),
        expect![[r#"
        policy.json:1:1: the file is an array
          expected: an object
        1 fault in 1 file"#]],
    );
    // What is written out as the default is none.
    assert!(guards(r#"{ "privileged": "allow", "windows": [], "$comment": "why" }"#).is_none());
}

#[test]
fn what_of_the_node_a_container_sees() {
    let tree = tree(&[
        ("containers/a.json", r#"{ "image": "x:1", "network": "host" }"#),
        (
            "containers/b.json",
            r#"{ "image": "x:1", "volumes": { "/var/run": { "host": "{{ variables.app.run }}" } } }"#,
        ),
        ("containers/c.json", r#"{ "image": "x:1", "volumes": { "/www": { "host": "/srv/www" } } }"#),
        ("variables/app.json", r#"{ "run": "/var/./run/" }"#),
    ]);
    holds(
        &told(r#"{ "host_mounts": "forbid", "host_network": "forbid", "docker_socket": "forbid" }"#, None, &tree, None),
        expect![[r#"
            containers/a.json:1:30: container `a` is in the node's network
              expected: another network: the policy of owner `acme` forbids the node's
              hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
            containers/b.json:1:44: container `b` gets at Docker's socket through `/var/./run/`
              expected: no way to the node's Docker: the policy of owner `acme` forbids it
              hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
            containers/b.json:1:44: container `b` mounts `/var/./run/` of the node
              expected: volumes of the fleet only: the policy of owner `acme` forbids the node's files
              hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
            containers/c.json:1:40: container `c` mounts `/srv/www` of the node
              expected: volumes of the fleet only: the policy of owner `acme` forbids the node's files
              hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
            4 faults in 3 files"#]],
    );
    holds(
        &told(r#"{ "docker_socket": "forbid" }"#, None, &tree, None),
        expect![[r#"
        containers/b.json:1:44: container `b` gets at Docker's socket through `/var/./run/`
          expected: no way to the node's Docker: the policy of owner `acme` forbids it
          hint: who is `owner` with `acme` can let one push pass: git push -o override="why"
        1 fault in 1 file"#]],
    );
}
