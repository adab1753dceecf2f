//! What is on hold stays out of every plan, and the fold knows holds and operations from their events alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use expect_test::{Expect, expect};
use jiff::Timestamp;
use schemas::descriptors::{Desired, File, Files, Path};
use schemas::event::{
    ContainerChange, Data, Draft, Event, GitPushed, HoldEnded, HoldPlaced, OperatorActed, OperatorAsked, Scope,
    Sighting,
};
use schemas::fleet::Fleet;
use schemas::names::FleetId;
use schemas::operate::{Operation, Outcome};
use schemas::plan::{describe, plan};
use schemas::spec::{self, DigestKey};
use serde_json::{Value, json};
use uuid::Uuid;

fn key() -> DigestKey {
    DigestKey::derive(&[7; 32])
}

fn id() -> FleetId {
    "acme/shop".parse().unwrap()
}

fn desired(files: &Value) -> Desired {
    let files = files.as_object().unwrap().iter().map(|(path, value)| {
        let path: Path = path.parse().unwrap();
        let file = File::read(&path, value.clone()).unwrap();
        (path, file)
    });
    Files(files.collect()).into()
}

fn event(position: u64, cause: Option<u64>, data: Data) -> Event {
    let draft = Draft {
        id: Uuid::from_u128(position.into()),
        scope: Scope::Fleet(id()),
        subject: "x".into(),
        time: Timestamp::from_second(i64::try_from(position).unwrap()).unwrap(),
        actor: "ann".into(),
        cause: cause.map(|it| Uuid::from_u128(it.into())),
        data,
    };
    Event { position, draft }
}

fn pushed(position: u64, before: &Desired, files: &Value) -> Event {
    let data = GitPushed {
        allow_destroy: vec!["cache".parse().unwrap()],
        created: position == 1,
        refs: Vec::new(),
        pack: None,
        deploy: "main".into(),
        commit: Some(format!("{position:040x}").parse().unwrap()),
        descriptors: before.changes_to(&desired(files)),
        reason: None,
    };
    event(position, None, Data::GitPushed(data))
}

/// A fleet in which every container of `files` runs as it should.
fn running(files: &Value) -> Fleet {
    let mut fleet = Fleet::new(id());
    fleet.apply(&pushed(1, &Desired::default(), files));
    let wanted = desired(files);
    for (position, name) in (2..).zip(wanted.containers.keys()) {
        let spec = spec::render(&id(), name, &wanted).unwrap();
        let change = ContainerChange {
            container: name.clone(),
            seen: Sighting { node: "local".parse().unwrap(), at_ns: 10, obs: 1 },
            docker_id: format!("id-of-{name}"),
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
        fleet.apply(&event(position, None, Data::ContainerStarted(change)));
    }
    for (position, name) in (20..).zip(wanted.volumes.keys()) {
        let name = spec::resource_name(&id(), Some(name));
        let seen = Sighting { node: "local".parse().unwrap(), at_ns: 1, obs: 1 };
        fleet.apply(&event(position, None, Data::VolumeCreated(schemas::event::ThingChange { name, seen })));
    }
    fleet
}

fn hold(position: u64, name: &str, until: Option<i64>, stopped: bool) -> Event {
    let until = until.map(|second| Timestamp::from_second(second).unwrap());
    let reason = Some("the disk".to_owned()).filter(|_| !stopped);
    event(position, None, Data::HoldPlaced(HoldPlaced { container: name.parse().unwrap(), until, reason, stopped }))
}

fn end(position: u64, name: &str, hold: u64) -> Event {
    let hold = Uuid::from_u128(hold.into());
    let ended = HoldEnded { container: name.parse().unwrap(), hold, expired: true };
    event(position, None, Data::HoldEnded(ended))
}

fn shop(image: &str) -> Value {
    json!({
        "containers/api.json": { "image": image, "needs": ["db"] },
        "containers/db.json": { "image": image, "volumes": { "/cache": "cache" } },
        "containers/worker.json": { "image": "tool:1", "network": "container:db" },
        "volumes/cache.json": { "class": "ephemeral" }
    })
}

fn check(fleet: &Fleet, files: &Value, expected: Expect) {
    let plan = plan(fleet, &desired(files), &key()).unwrap();
    expected.assert_eq(&(describe(&plan) + "\n"));
}

#[test]
fn what_is_on_hold_is_in_no_step_and_the_plan_says_what_is_not_done() {
    let mut fleet = running(&shop("tool:1"));
    fleet.apply(&hold(50, "db", Some(3_600), false));
    check(
        &fleet,
        &shop("tool:1"),
        expect![[r#"
            plan: nothing to do, 2 containers are as they should be, 1 on hold
              ! on hold    db  held until 1970-01-01T01:00:00Z, by ann: the disk
        "#]],
    );
    // What is in its network is not made anew either: it was not.
    check(
        &fleet,
        &shop("tool:2"),
        expect![[r#"
            plan: 1 to re-create, 1 unchanged, 1 on hold
              ~ re-create  api  image: "tool:1" → "tool:2"
                                down while it stops and until it runs again
              ! on hold    db  held until 1970-01-01T01:00:00Z, by ann: the disk; not done: re-create (image: "tool:1" → "tool:2")
              = unchanged  worker
              + network    acme.shop
            touches 1 of 3 containers, 1 is down while it stops and until it runs again
        "#]],
    );
    fleet.apply(&end(51, "db", 50));
    let plan = plan(&fleet, &desired(&shop("tool:2")), &key()).unwrap();
    assert_eq!((plan.steps.len(), plan.held.len()), (3, 0), "{plan:#?}");
}

#[test]
fn a_container_on_hold_is_not_removed_and_keeps_its_volume() {
    let mut fleet = running(&shop("tool:1"));
    fleet.apply(&hold(50, "db", None, true));
    let gone = json!({});
    let before = fleet.desired.clone();
    fleet.apply(&pushed(51, &before, &gone));
    let plan = schemas::plan::plan_after(&fleet, &before, &fleet.desired, &key()).unwrap();
    expect![[r#"
        plan: 2 to remove, 1 on hold
          - remove     api     its volumes stay; the container is kept, stopped, for 7 days
          - remove     worker  its volumes stay; the container is kept, stopped, for 7 days
          ! on hold    db  stopped by ann, held until it is started; not done: remove
        touches 2 of 3 containers, 2 go
    "#]]
    .assert_eq(&(describe(&plan) + "\n"));
    fleet.apply(&end(52, "db", 50));
    let plan = schemas::plan::plan_after(&fleet, &before, &fleet.desired, &key()).unwrap();
    assert_eq!(plan.steps.len(), 4, "{plan:#?}");
}

#[test]
fn a_hold_counts_until_its_own_end_and_a_newer_one_takes_its_place() {
    let mut fleet = running(&shop("tool:1"));
    fleet.apply(&hold(50, "db", Some(60), false));
    fleet.apply(&hold(51, "db", None, false));
    let held = &fleet.holds[&"db".parse().unwrap()];
    assert_eq!((held.id, held.since, held.until, held.by.as_str()), (Uuid::from_u128(51), 51, None, "ann"));
    // The end of the one whose place was taken ends nothing.
    fleet.apply(&end(52, "db", 50));
    assert_eq!((fleet.holds.len(), fleet.released), (1, None));
    fleet.apply(&end(53, "db", 51));
    assert_eq!((fleet.holds.len(), fleet.released, fleet.lines.hold), (0, Some(Uuid::from_u128(53)), 53));
    // Whatever is planned next takes in what was left out.
    let planned =
        json!({ "commit": "a".repeat(40), "desired": 1, "observed": 53, "epoch": 1, "node": "local", "steps": [] });
    let planned = Data::decode("fleetlog.rollout.planned.v1", planned.to_string().as_bytes()).unwrap();
    fleet.apply(&event(54, None, planned));
    assert_eq!(fleet.released, None);
    // A fold that was stored goes on as if nothing had been.
    let stored: Fleet = serde_json::from_str(&serde_json::to_string(&fleet).unwrap()).unwrap();
    assert_eq!(stored, fleet);
}

#[test]
fn an_operation_is_under_way_until_its_end_is_told_and_the_newest_are_kept() {
    let mut fleet = running(&shop("tool:1"));
    let asked = |position: u64| {
        let data = OperatorAsked {
            snapshot: None,
            what: Operation::Exec,
            container: "db".parse().unwrap(),
            node: "local".parse().unwrap(),
            command: vec!["ls".to_owned()],
            reason: None,
        };
        event(position, None, Data::OperatorAsked(data))
    };
    let acted = |position: u64, asked: u64| {
        let data = OperatorActed {
            snapshot: None,
            made: None,
            bytes: None,
            what: Operation::Exec,
            container: "db".parse().unwrap(),
            node: "local".parse().unwrap(),
            command: vec!["ls".to_owned()],
            reason: None,
            outcome: Outcome::Failed,
            error: Some("the command ended with 2".to_owned()),
            exit_code: Some(2),
            duration_ms: 7,
        };
        event(position, Some(asked), Data::OperatorActed(data))
    };
    fleet.apply(&asked(100));
    assert_eq!((fleet.operated[0].by.as_str(), &fleet.operated[0].end), ("ann", &None));
    for position in (101..161).step_by(2) {
        fleet.apply(&asked(position));
        fleet.apply(&acted(position + 1, position));
    }
    assert_eq!(fleet.operated.len(), 20);
    assert_eq!((fleet.operated[0].id, &fleet.operated[0].end), (Uuid::from_u128(100), &None), "it is still under way");
    fleet.apply(&acted(170, 100));
    let end = fleet.operated[0].end.as_ref().unwrap();
    assert_eq!((end.outcome, end.exit_code, end.duration_ms), (Outcome::Failed, Some(2), 7));
    assert_eq!(fleet.lines.hold, 170);
}
