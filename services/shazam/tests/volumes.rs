//! Volumes by hand: copied, filled again and removed, and what may not be done to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use engine::NetworkAttachment;
use schemas::descriptors::Mount;
use schemas::event::Data;
use schemas::fleet::State;
use schemas::operate::{End, Operation, Outcome, SnapshotTime};
use schemas::query::{Fault, FaultCode, Operate, OperateAnswer};
use schemas::spec::Spec;
use serde_json::{Value, json};
use streams::clock;

use self::support::{Platform, shop};

const VOLUME: &str = "acme.shop.data";

fn fleet() -> Value {
    json!({
        "containers/db.json": { "image": "tool:1", "volumes": { "/data": "data" } },
        "volumes/data.json": { "class": "persistent" }
    })
}

async fn ask(
    platform: &Platform,
    what: Operation,
    name: &str,
    snapshot: Option<&SnapshotTime>,
) -> Result<OperateAnswer, Fault> {
    let question = Operate {
        fleet: shop(),
        container: name.parse().unwrap(),
        what,
        snapshot: snapshot.cloned(),
        command: Vec::new(),
        within: None,
        reason: Some("a test".to_owned()),
        id: clock::new_id(),
        actor: "ann".to_owned(),
    };
    platform.ask(&question).await
}

async fn done(platform: &Platform, what: Operation, name: &str, snapshot: Option<&SnapshotTime>) -> End {
    let end = ask(platform, what, name, snapshot).await.unwrap().operated.end.unwrap();
    assert_eq!((end.outcome, &end.error), (Outcome::Done, &None), "{what}");
    end
}

/// Waits until the database runs, and the log says so.
async fn runs_again(platform: &Platform) {
    platform.runs("db").await;
    let db = "db".parse().unwrap();
    platform.eventually("it is seen to run", |it| it.observed.containers[&db].state == State::Running).await;
}

fn row(platform: &Platform) -> Option<String> {
    platform.engine.read_file("acme.shop.db", "/data/row").unwrap()
}

fn write(platform: &Platform, text: &str) {
    platform.engine.write_file("acme.shop.db", "/data/row", text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_brings_back_what_was_copied_and_keeps_what_it_overwrites() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    write(&platform, "old");
    let refused = ask(&platform, Operation::SnapshotVolume, "data", None).await.unwrap().operated.end.unwrap();
    assert_eq!(refused.outcome, Outcome::Failed);
    assert!(refused.error.as_ref().unwrap().contains("`fleetlog stop db` first"), "{refused:?}");
    done(&platform, Operation::Stop, "db", None).await;
    let made = done(&platform, Operation::SnapshotVolume, "data", None).await.made.unwrap();
    assert!(platform.engine.volume(&made.of_volume(VOLUME)).await.unwrap().is_some());
    assert!(platform.fleet(|it| it.snapshots.contains_key(&made.of_volume(VOLUME))));
    write(&platform, "new");
    let end = done(&platform, Operation::RestoreVolume, "data", Some(&made)).await;
    let saved = end.made.unwrap();
    assert_ne!(saved, made);
    // What was stopped for it is there again, by a rollout that the restore caused.
    runs_again(&platform).await;
    assert_eq!(row(&platform).as_deref(), Some("old"));
    platform.eventually("nothing is held", |it| it.holds.is_empty()).await;

    done(&platform, Operation::Stop, "db", None).await;
    done(&platform, Operation::RestoreVolume, "data", Some(&saved)).await;
    runs_again(&platform).await;
    assert_eq!(row(&platform).as_deref(), Some("new"));
    let acted = |data: &Data| matches!(data, Data::OperatorActed(it) if it.what == Operation::RestoreVolume);
    let events = platform.events();
    let acted: Vec<_> = events.iter().filter(|it| acted(&it.data)).collect();
    assert_eq!(acted.len(), 2);
    assert!(acted.iter().all(|it| it.actor == "ann"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_that_a_descriptor_mounts_stays_and_one_that_none_mounts_goes() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    let refused = ask(&platform, Operation::RemoveVolume, "data", None).await.unwrap_err();
    assert!(refused.code == FaultCode::Conflict, "{refused:?}");
    let none = ask(&platform, Operation::RemoveVolume, "other", None).await.unwrap_err();
    assert!(none.code == FaultCode::NotFound, "{none:?}");
    let task = json!({ "image": "tool:1", "steps": [{ "run": ["true"] }], "volumes": { "/data": "data" } });
    platform.succeeds(&json!({ "volumes/data.json": {}, "tasks/dump.json": task })).await;
    let refused = ask(&platform, Operation::RemoveVolume, "data", None).await.unwrap_err();
    assert!(refused.message.contains("tasks/dump.json"), "{refused:?}");
    platform.succeeds(&json!({ "volumes/data.json": { "class": "persistent" } })).await;
    assert!(platform.engine.volume(VOLUME).await.unwrap().is_some());
    // What is kept of the container for a while goes with it.
    done(&platform, Operation::RemoveVolume, "data", None).await;
    assert_eq!(platform.engine.volume(VOLUME).await.unwrap(), None);
    platform.eventually("the log says so", |it| it.archived.is_empty() && !it.observed.volumes[VOLUME].exists).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_nobody_said_to_be_whole_is_not_restored() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    let made = SnapshotTime::of("2026-12-04T10:15:00Z".parse().unwrap());
    let labels = platform.engine.volume(VOLUME).await.unwrap().unwrap().labels;
    platform.engine.ensure_volume(&made.of_volume(VOLUME), &labels).await.unwrap();
    platform.eventually("it is seen", |it| it.observed.volumes.contains_key(&made.of_volume(VOLUME))).await;
    let refused = ask(&platform, Operation::RestoreVolume, "data", Some(&made)).await.unwrap_err();
    assert!(refused.code == FaultCode::Conflict, "{refused:?}");
    done(&platform, Operation::RemoveVolume, "data", Some(&made)).await;
    assert_eq!(platform.engine.volume(&made.of_volume(VOLUME)).await.unwrap(), None);
    assert!(platform.fleet(|it| it.observed.containers.values().all(|it| it.state == State::Running)));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_as_well_is_neither_restored_nor_removed() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    done(&platform, Operation::Stop, "db", None).await;
    let made = done(&platform, Operation::SnapshotVolume, "data", None).await.made.unwrap();
    let volumes = [("/data".to_owned(), Mount::volume(VOLUME.to_owned()))].into();
    let spec = Spec { image: "tool:1".to_owned(), network: Some("none".to_owned()), volumes, ..Spec::default() };
    let nowhere = NetworkAttachment { network: String::new(), alias: String::new() };
    platform.engine.create("stranger", &spec, &engine::Labels::new(), &nowhere).await.unwrap();
    let end = ask(&platform, Operation::RestoreVolume, "data", Some(&made)).await.unwrap().operated.end.unwrap();
    assert_eq!(end.outcome, Outcome::Failed);
    assert!(end.error.unwrap().contains("`stranger` has volume `data` as well"));
    assert!(platform.engine.inspect("acme.shop.db").await.unwrap().is_some(), "its container is gone");
    // What is only kept stays as well where the volume cannot go.
    platform.succeeds(&json!({ "volumes/data.json": {} })).await;
    done(&platform, Operation::Start, "db", None).await;
    platform.eventually("it is kept", |it| it.archived.len() == 1).await;
    let end = ask(&platform, Operation::RemoveVolume, "data", None).await.unwrap().operated.end.unwrap();
    assert_eq!(end.outcome, Outcome::Failed);
    assert!(platform.fleet(|it| it.archived.len() == 1));
    platform.engine.remove("stranger").await.unwrap();
    done(&platform, Operation::RemoveVolume, "data", None).await;
    platform.stop().await;
}
