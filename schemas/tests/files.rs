//! Files of the fleet's tree in containers: what a push is answered with, what a change of them does, what the log knows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use expect_test::{Expect, expect};
use schemas::check::{Broken, Content, EntryKind, Takes, TreeFile, check, report};
use schemas::descriptors::{Desired, MAX_FILE};
use schemas::event::{ContainerChange, Data, Draft, Event, GitPushed, Scope, Sighting};
use schemas::fleet::Fleet;
use schemas::names::{FleetId, Oid};
use schemas::plan::{describe, plan_after};
use schemas::spec::{self, DigestKey, FillError, Piece};
use serde_json::{Value, json};
use uuid::Uuid;

fn id() -> FleetId {
    "acme/shop".parse().unwrap()
}

fn key() -> DigestKey {
    DigestKey::derive(&[7; 32])
}

fn tree<'a>(files: &'a [(&'a str, &'a str)]) -> Vec<TreeFile<'a>> {
    let kind = |path: &str| if path.ends_with(".sh") { EntryKind::Executable } else { EntryKind::File };
    files
        .iter()
        .map(|(path, text)| TreeFile { path, kind: kind(path), content: Content::Bytes(text.as_bytes()) })
        .collect()
}

fn desired(files: &[(&str, &str)]) -> Desired {
    check(tree(files)).map_err(|it| report(&it.faults)).unwrap().desired
}

#[track_caller]
fn refused(files: &[TreeFile<'_>], expected: Expect) {
    let Err(Broken { faults, .. }) = check(files.iter().copied()) else { panic!("no fault") };
    expected.assert_eq(&report(&faults));
}

fn api(files: &Value) -> String {
    json!({ "image": "tool:1", "files": files }).to_string()
}

#[test]
fn what_is_taken_in_is_desired_without_what_it_says() {
    let api = api(&json!({
        "/etc/app": { "from": "files/app", "render": true, "on_change": "signal" },
        "/run.sh": { "from": "scripts/run.sh", "owner": "1000" },
    }));
    let files = [
        ("containers/api.json", api.as_str()),
        ("variables/app.json", r#"{ "region": "eu-1" }"#),
        ("files/app/app.conf", "a {{ variables.app.region }}\nb {{variables.app.region}} {{{{ c\n"),
        ("files/app/sub/x.conf", "x"),
        ("files/apple", "not taken"),
        ("scripts/run.sh", "#!/bin/sh\n"),
        ("files/other", "postgres://a:carried-and-ignored@b/c"),
    ];
    let desired = desired(&files);
    let text = serde_json::to_string_pretty(&desired.contents).unwrap();
    expect![[r#"
        {
          "files/app/app.conf": {
            "blob": "797ae88b4bfca19764b79f6a69d0d8ad047d5538",
            "size": 63,
            "references": [
              "variables.app.region"
            ]
          },
          "files/app/sub/x.conf": {
            "blob": "c1b0730e0133447badcfd47fd144e254807b06e1",
            "size": 1
          },
          "scripts/run.sh": {
            "blob": "1a2485251c33a70432394c93fb89330ef214bfc9",
            "size": 10,
            "executable": true
          }
        }"#]]
    .assert_eq(&text);
    // What the log carries brings it back.
    let changes = Desired::default().changes_to(&desired);
    let changes = serde_json::from_str(&serde_json::to_string(&changes).unwrap()).unwrap();
    let mut again = Desired::default();
    again.apply(&changes);
    assert_eq!(again, desired);
    let takes = Takes::of(tree(&files));
    let wanted: Vec<&str> = files.iter().map(|it| it.0).filter(|it| takes.wants(it)).collect();
    assert_eq!(wanted, ["files/app/app.conf", "files/app/sub/x.conf", "scripts/run.sh"]);
    assert!(takes.renders("files/app/app.conf") && !takes.renders("scripts/run.sh"));
}

#[test]
fn an_id_is_the_one_that_git_gives() {
    assert_eq!(Oid::of_blob(b"").as_str(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    assert_eq!(Oid::of_blob(b"hello\n").as_str(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

#[test]
fn what_cannot_be_taken_in_is_told_where_it_stands() {
    let api = r#"{ "image": "tool:1", "read_only": false,
        "volumes": { "/data": "data", "/tmp": { "tmpfs": "1MiB" } },
        "files": {
          "/a": { "from": "files/ap" },
          "/b": { "from": "../secrets" },
          "c": { "from": "files/app" },
          "/data/x": { "from": "files/app" },
          "/tmp/x": { "from": "files/app", "mode": "seed" },
          "/etc/hosts": { "from": "files/app/app.conf" },
          "/e": { "from": "files/link" },
          "/f": { "from": "files/large" },
          "/g": { "from": "files/app", "signal": "USR1", "owner": "4294967296" },
          "/g/app.conf": { "from": "files/app/app.conf" },
          "/g/app.conf/x": { "from": "files/app/app.conf" },
          "/h": { "from": "files/bad", "render": true },
          "/i": { "from": "files/bin", "render": true },
          "/j": { "form": "files/app" }
        } }"#;
    let texts = [("containers/api.json", api), ("volumes/data.json", "{}"), ("files/app/app.conf", "x")];
    let mut files = tree(&texts);
    files.push(TreeFile { path: "files/link", kind: EntryKind::Symlink, content: Content::Unread });
    files.push(TreeFile { path: "files/large", kind: EntryKind::File, content: Content::TooLarge(MAX_FILE + 1) });
    let bad = "ok\n  {{ variables.app.regin }} {{ secrets.a }}\n{{ open\n";
    files.push(TreeFile { path: "files/bad", kind: EntryKind::File, content: Content::Bytes(bad.as_bytes()) });
    files.push(TreeFile { path: "files/bin", kind: EntryKind::File, content: Content::Bytes(b"\xff\xfe") });
    refused(
        &files,
        expect![[r#"
        containers/api.json:4:27: there is no `files/ap` in this fleet's tree
          expected: a file or a folder of this fleet's tree under `files/` or `scripts/`, such as `files/app`
          hint: did you mean `files/app`?
        containers/api.json:5:27: `../secrets` cannot be taken in
          expected: a file or a folder of this fleet's tree under `files/` or `scripts/`, such as `files/app`
        containers/api.json:6:11: bad path `c` of a file
          expected: an absolute path below `/`, written out, without `.`, `..` and a `/` at its end
        containers/api.json:7:11: `/data/x/app.conf` lies in the volume at `/data`
          expected: `"mode": "seed"` there: what is in a volume cannot be taken out again
        containers/api.json:8:11: `/tmp/x/app.conf` lies under the mount `/tmp`
          expected: a path outside of it
        containers/api.json:9:11: `/etc/hosts` is Docker's own
          expected: another path
        containers/api.json:10:27: `files/link` is a symbolic link
          expected: files, and folders of files
          hint: put the content itself there
        containers/api.json:11:27: `files/large` has 1048577 bytes
          expected: files of at most 1048576 bytes (1 MiB) each
        containers/api.json:12:50: `signal` without `"on_change": "signal"`
          expected: `signal` beside `"on_change": "signal"` only
          hint: add it, or take `signal` out
        containers/api.json:12:67: no system has the user or group `4294967296`
          expected: numbers of at most 4294967295
        containers/api.json:13:11: `/g/app.conf` is a file, and `/g/app.conf/x` lies in it
          also: containers/api.json:14:11
          expected: a file or a folder
        containers/api.json:13:11: `/g/app.conf` is put in place twice
          also: containers/api.json:12:11
          expected: each path once
        containers/api.json:17:19: unknown key `form` in `/j`
          expected: one of `$allow`, `from`, `mode`, `on_change`, `owner`, `render`, `signal`
          hint: did you mean `from`?
        files/bad:2:3: `{{ variables.app.regin }}`: there is no group of variables `app`
          expected: one that this fleet describes; there is none
          hint: declare it in `variables/app.json`
        files/bad:2:29: `{{ secrets.a }}`: references to secrets are not built yet
          expected: a reference to a variable, a container or a node
        files/bad:3:1: a reference opens with `{{` and never closes
          expected: a reference such as `{{ variables.app.region }}`, in one line
          hint: close it with `}}`, or write `{{{{` for a literal `{{`
        files/bin:1:1: references are to be looked up in it, and it is no UTF-8 text
          expected: a UTF-8 text, or no `render`
        17 faults in 3 files"#]],
    );
}

#[test]
fn a_read_only_container_takes_files_into_its_volumes_only() {
    let api = r#"{ "image": "tool:1", "read_only": true, "volumes": { "/data": "data" },
        "files": { "/data/x": { "from": "files/x", "mode": "seed" }, "/x": { "from": "files/x" } } }"#;
    let files = [("containers/api.json", api), ("volumes/data.json", "{}"), ("files/x", "x")];
    refused(
        &tree(&files),
        expect![[r#"
        containers/api.json:2:70: `/x` in a container that is `read_only`
          expected: a path in a volume of the fleet, where `"mode": "seed"` writes
        1 fault in 1 file"#]],
    );
}

#[test]
fn there_are_limits_for_a_container_and_for_what_is_rendered() {
    let large = "x".repeat(1 << 20);
    let names: Vec<String> = (0..9).map(|it| format!("files/large/{it}")).collect();
    let api = api(&json!({ "/l": { "from": "files/large" } }));
    let mut files = vec![("containers/api.json", api.as_str())];
    files.extend(names.iter().map(|it| (it.as_str(), large.as_str())));
    refused(
        &tree(&files),
        expect![[r#"
        containers/api.json:1:10: files of 9437184 bytes in one container
          expected: at most 8388608 bytes (8 MiB) together
        1 fault in 1 file"#]],
    );

    let api = self::api(&json!({ "/l": { "from": "files/grows", "render": true } }));
    let grows = "{{ variables.app.long }}".repeat(11);
    let variables = json!({ "long": "y".repeat(100_000) }).to_string();
    let files =
        [("containers/api.json", api.as_str()), ("files/grows", grows.as_str()), ("variables/app.json", &variables)];
    refused(
        &tree(&files),
        expect![[r#"
        files/grows:1:1: it has more than 1048576 bytes once its references are resolved
          expected: a text that can be rendered
        1 fault in 1 file"#]],
    );
}

#[test]
fn secrets_are_looked_for_in_what_is_taken_in_unless_a_reason_says_why_not() {
    // Put together here, so that no scanner stumbles over this file.
    let text = format!("url = {}://app:hunter2@db/shop\n", "postgres");
    let with = |more: Value| {
        let mut entry = json!({ "from": "files/app.conf" });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api(&json!({ "/app.conf": entry }))
    };
    let api = with(json!({}));
    refused(
        &tree(&[("containers/api.json", &api), ("files/app.conf", &text)]),
        expect![[r#"
        files/app.conf:1:1: what looks like a URL with a password
          expected: no secret in a fleet's files: they stay in Git and in the event log for ever
          hint: take it out of the commit (`git commit --amend`); a secret store comes next, until then let the container read it from a volume; if it is none: "$allow": "why it is no secret" beside its `from`
        1 fault in 1 file"#]],
    );
    let allowed = with(json!({ "$allow": "everybody knows it" }));
    let kept = desired(&[("containers/api.json", &allowed), ("files/app.conf", &text)]);
    // The reason is for people.
    assert_eq!(
        kept,
        desired(&[("containers/api.json", &allowed.replace("everybody", "who")), ("files/app.conf", &text)])
    );
    assert!(!serde_json::to_string(&kept).unwrap().contains("everybody"));
}

#[test]
fn a_reference_in_a_file_orders_containers_and_closes_circles() {
    let web = api(&json!({ "/web.conf": { "from": "files/web.conf", "render": true } }));
    let files = [
        ("containers/web.json", web.as_str()),
        ("containers/api.json", r#"{ "image": "tool:1", "needs": ["web"] }"#),
        ("files/web.conf", "upstream {{ containers.api.host }}\n"),
    ];
    refused(
        &tree(&files),
        expect![[r#"
        containers/api.json:1:32: cycle: `containers/api` → `containers/web` → `containers/api`
          also: files/web.conf:1:1
          expected: `needs` and references without a cycle
          hint: take one of these `needs` or references out
        1 fault in 1 file"#]],
    );
}

fn event(position: u64, data: Data) -> Event {
    let draft = Draft {
        id: Uuid::from_u128(position.into()),
        scope: Scope::Fleet(id()),
        subject: "x".into(),
        time: jiff::Timestamp::UNIX_EPOCH,
        actor: "a".into(),
        cause: None,
        data,
    };
    Event { position, draft }
}

/// A fleet of one container, `api`, which runs as it should.
fn running(desired: &Desired) -> Fleet {
    let mut fleet = Fleet::new(id());
    fleet.apply(&event(
        1,
        Data::GitPushed(GitPushed {
            created: true,
            refs: Vec::new(),
            pack: None,
            deploy: "main".into(),
            commit: Some("a".repeat(40).parse().unwrap()),
            descriptors: Desired::default().changes_to(desired),
            reason: None,
            allow_destroy: Vec::new(),
        }),
    ));
    let name = "api".parse().unwrap();
    let spec = spec::render(&id(), &name, desired).unwrap();
    let placings = spec::placings(&desired.containers[&name], desired, &key()).unwrap();
    let change = |at_ns| ContainerChange {
        container: name.clone(),
        seen: Sighting { node: "local".parse().unwrap(), at_ns, obs: 1 },
        docker_id: "1".to_owned(),
        image: None,
        spec: Some(spec::digest(&key(), &spec)),
        commit: None,
        live: None,
        files: None,
        checked: false,
        exit_code: None,
        out_of_memory: false,
        restarts: 0,
    };
    fleet.apply(&event(2, Data::ContainerCreated(change(1))));
    fleet.apply(&event(3, Data::ContainerStarted(change(2))));
    let files = placings.iter().map(|(path, it)| (path.clone(), it.placed())).collect();
    fleet.apply(&event(4, Data::ContainerUpdated(ContainerChange { files: Some(files), ..change(3) })));
    // What is told later of the same container says nothing of files, and takes none away.
    fleet.apply(&event(5, Data::ContainerUpdated(change(4))));
    fleet
}

#[track_caller]
fn planned(before: &[(&str, &str)], after: &[(&str, &str)], expected: Expect) {
    let (before, after) = (desired(before), desired(after));
    let mut fleet = running(&before);
    assert_eq!(plan_after(&fleet, &before, &before, &key()).unwrap().steps, [], "the second plan is empty");
    let plan = plan_after(&fleet, &before, &after, &key()).unwrap();
    expected.assert_eq(&describe(&plan));
    // The same where the log has taken it already, but for what is told about it.
    fleet.desired = after.clone();
    let again = plan_after(&fleet, &after, &after, &key()).unwrap();
    let actions = |steps: &[schemas::plan::Step]| steps.iter().map(|it| it.action).collect::<Vec<_>>();
    assert_eq!(actions(&again.steps), actions(&plan.steps));
}

#[test]
fn the_smallest_change_that_is_enough_is_planned() {
    let of = |on_change: &str| api(&json!({ "/etc/app": { "from": "files/app", "on_change": on_change } }));
    let [restart, signal, none] = [of("restart"), of("signal"), of("none")];
    let with = |api: &'static str, text: &'static str| [("containers/api.json", api), ("files/app/a.conf", text)];
    let [restart, signal, none]: [&'static str; 3] = [restart.leak(), signal.leak(), none.leak()];
    planned(
        &with(restart, "1"),
        &with(restart, "2"),
        expect![[r#"
        plan: 1 to restart
          ~ restart    api  files/app/a.conf: 56a6051c → d8263ee9
                            down while it stops and until it runs again
        touches 1 of 1 container, 1 is down while it stops and until it runs again"#]],
    );
    planned(
        &with(signal, "1"),
        &with(signal, "2"),
        expect![[r#"
        plan: 1 to reload
          ~ reload     api  files/app/a.conf: 56a6051c → d8263ee9
                            its files are put in place, and it gets a signal: not down
        touches 1 of 1 container, nothing that runs is stopped"#]],
    );
    planned(
        &with(none, "1"),
        &with(none, "2"),
        expect![[r#"
        plan: 1 to place
          ~ place      api  files/app/a.conf: 56a6051c → d8263ee9
                            its files are put in place while it runs
        touches 1 of 1 container, nothing that runs is stopped"#]],
    );
    // What is done about another content is nothing that Docker sees.
    planned(
        &with(none, "1"),
        &with(restart, "1"),
        expect![[r#"
        plan: nothing to do, 1 container is as it should be
          ~ live       containers/api  files./etc/app.on_change: "none" → none; the container is not touched"#]],
    );
    let two = [("containers/api.json", signal), ("files/app/a.conf", "1"), ("files/app/b.conf", "2")];
    planned(
        &with(signal, "1"),
        &two,
        expect![[r#"
        plan: 1 to reload
          ~ reload     api  files/app/b.conf: d8263ee9 is new
                            its files are put in place, and it gets a signal: not down
        touches 1 of 1 container, nothing that runs is stopped"#]],
    );
    planned(
        &two,
        &with(signal, "1"),
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  files./etc/app/b.conf: there → none
                            down while it stops and until it runs again
          + network    acme.shop
        touches 1 of 1 container, 1 is down while it stops and until it runs again"#]],
    );
    let elsewhere = r#"{ "image": "tool:1", "files": { "/srv": { "from": "files/app" } } }"#;
    planned(
        &with(restart, "1"),
        &with(elsewhere, "1"),
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  files./etc/app/a.conf: there → none
                            down while it stops and until it runs again
          + network    acme.shop
        touches 1 of 1 container, 1 is down while it stops and until it runs again"#]],
    );
    let gone = [("containers/api.json", r#"{ "image": "tool:1" }"#)];
    planned(
        &with(restart, "1"),
        &gone,
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  files./etc/app/a.conf: there → none
                            down while it stops and until it runs again
          + network    acme.shop
        touches 1 of 1 container, 1 is down while it stops and until it runs again"#]],
    );
    planned(
        &gone,
        &with(signal, "1"),
        expect![[r#"
        plan: 1 to reload
          ~ reload     api  files/app/a.conf: 56a6051c is new
                            its files are put in place, and it gets a signal: not down
        touches 1 of 1 container, nothing that runs is stopped"#]],
    );
    let limited = r#"{ "image": "tool:2", "files": { "/etc/app": { "from": "files/app", "on_change": "signal" } } }"#;
    planned(
        &with(signal, "1"),
        &with(limited, "2"),
        expect![[r#"
        plan: 1 to re-create
          ~ re-create  api  image: "tool:1" → "tool:2"
                            down while it stops and until it runs again
          + network    acme.shop
        touches 1 of 1 container, 1 is down while it stops and until it runs again"#]],
    );
}

#[test]
fn what_a_file_refers_to_is_a_change_of_it() {
    let api = api(&json!({ "/etc/app": { "from": "files/app", "render": true, "on_change": "signal" } }));
    let with = |region: &'static str| {
        [
            ("containers/api.json", api.as_str()),
            ("files/app/a.conf", "region {{ variables.app.region }}"),
            ("variables/app.json", region),
        ]
    };
    planned(
        &with(r#"{ "region": "eu-1" }"#),
        &with(r#"{ "region": "eu-2" }"#),
        expect![[r#"
        plan: 1 to reload
          ~ reload     api  variables.app.region: "eu-1" → "eu-2"
                            its files are put in place, and it gets a signal: not down
        touches 1 of 1 container, nothing that runs is stopped"#]],
    );
    planned(
        &with(r#"{ "region": "eu-1" }"#),
        &with(r#"{ "region": "eu-1", "other": 1 }"#),
        expect!["plan: nothing to do, 1 container is as it should be"],
    );
}

#[test]
fn what_was_seeded_is_left_and_only_what_is_new_is_written() {
    let api = api(&json!({ "/data": { "from": "files/data", "mode": "seed", "on_change": "none" } }));
    let with = |text: &'static str| [("containers/api.json", api.as_str()), ("files/data/a", text)];
    let same = expect!["plan: nothing to do, 1 container is as it should be"];
    planned(&with("1"), &with("2"), same);
    let two = [with("1")[0], with("1")[1], ("files/data/b", "2")];
    planned(&two, &with("1"), expect!["plan: nothing to do, 1 container is as it should be"]);
    planned(
        &with("1"),
        &two,
        expect![[r#"
        plan: 1 to place
          ~ place      api  files/data/b: d8263ee9 is new
                            its files are put in place while it runs
        touches 1 of 1 container, nothing that runs is stopped"#]],
    );
}

#[test]
fn a_file_is_filled_with_what_stands_for_its_references() {
    let piece = |rendered| Piece {
        blob: Oid::of_blob(b""),
        size: 0,
        executable: false,
        rendered,
        values: [("variables.app.region".to_owned(), "eu-1".to_owned())].into(),
    };
    let fill = |text: &str| piece(true).fill(text.as_bytes().to_vec()).map(|it| String::from_utf8(it).unwrap());
    assert_eq!(fill("a {{ variables.app.region }}b {{{{ c").unwrap(), "a eu-1b {{ c");
    assert_eq!(fill("{{ variables.app.zone }}"), Err(FillError::Unknown("variables.app.zone".to_owned())));
    assert_eq!(fill(&"{{ variables.app.region }}".repeat(300_000)), Err(FillError::TooLarge));
    assert_eq!(piece(true).fill(vec![0xff]), Err(FillError::NoText));
    assert_eq!(piece(false).fill(vec![0xff, b'{', b'{']).unwrap(), [0xff, b'{', b'{']);
}
