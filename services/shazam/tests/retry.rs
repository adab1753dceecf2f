//! A rollout that failed is tried again because somebody asked for it: once, whoever coordinates.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use schemas::event::{Data, Draft, Event, RolloutRetried, Scope};
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::query::{Fault, FaultCode, RetryAnswer, RetryRollout};
use serde_json::{Value, json};
use streams::{Expected, clock};
use uuid::Uuid;

use self::support::{Platform, shop};

/// A fleet whose only container has an image that is not there yet.
fn later() -> Value {
    json!({ "containers/a.json": { "image": "later:1" } })
}

async fn fails(platform: &Platform, files: &Value) -> Rollout {
    let position = platform.push(files).await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Failed, "{rollout:#?}");
    rollout
}

/// Asks as `ann`.
async fn retry(platform: &Platform, rollout: Uuid, id: Uuid) -> Result<RetryAnswer, Fault> {
    let question = RetryRollout { fleet: shop(), rollout, id, actor: "ann".to_owned() };
    platform.ask(&question).await
}

async fn ended(platform: &Platform, id: Uuid) -> Rollout {
    let of = move |fleet: &schemas::fleet::Fleet| fleet.rollouts.iter().find(|it| it.id == id).cloned();
    platform.eventually("the try ends", |fleet| of(fleet).is_some_and(|it| it.status.is_over())).await;
    platform.fleet(of).unwrap()
}

fn of_kind(platform: &Platform, kind: &str) -> Vec<Event> {
    platform.events().into_iter().filter(|it| it.data.kind() == kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_tried_again_and_the_log_says_who_asked_for_it() {
    let platform = Platform::start().await;
    let failed = fails(&platform, &later()).await;
    platform.engine.add_image("later:1", false);
    let id = clock::new_id();
    let answer = retry(&platform, failed.id, id).await.unwrap();
    assert_eq!((answer.rollout.retries, answer.rollout.desired), (Some(failed.id), failed.desired));
    let again = ended(&platform, answer.rollout.id).await;
    assert_eq!(again.status, RolloutStatus::Succeeded, "{again:#?}");

    let retried = of_kind(&platform, "fleetlog.rollout.retried.v1");
    let [retried] = retried.as_slice() else { panic!("{retried:#?}") };
    assert_eq!((retried.id, retried.actor.as_str(), retried.cause), (id, "ann", Some(failed.id)));
    let planned = of_kind(&platform, "fleetlog.rollout.planned.v1");
    assert_eq!(planned.len(), 2);
    assert_eq!((planned[1].id, planned[1].actor.as_str(), planned[1].cause), (again.id, "shazam", Some(id)));
    assert_eq!(again.id, RolloutRetried::leads_to(id));
    // The same key again is the same try, also after it has ended.
    assert_eq!(retry(&platform, failed.id, id).await.unwrap().rollout.id, again.id);
    assert_eq!(of_kind(&platform, "fleetlog.rollout.retried.v1").len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_newest_rollout_of_the_newest_push_can_be_tried_again_and_only_once_it_failed() {
    let platform = Platform::start().await;
    let conflict = |answer: Result<RetryAnswer, Fault>, words: &str| {
        let fault = answer.unwrap_err();
        assert!(fault.code == FaultCode::Conflict && fault.message.contains(words), "{fault:?}");
    };
    let good = platform.succeeds(&json!({ "containers/a.json": { "image": "tool:1" } })).await;
    conflict(retry(&platform, good.id, clock::new_id()).await, "it is succeeded");
    let unknown = retry(&platform, Uuid::nil(), clock::new_id()).await.unwrap_err();
    assert_eq!(unknown.code, FaultCode::NotFound);

    let failed = fails(&platform, &later()).await;
    // Without its image it fails again, and then that one is the newest.
    let again = retry(&platform, failed.id, clock::new_id()).await.unwrap().rollout;
    assert_eq!(ended(&platform, again.id).await.status, RolloutStatus::Failed);
    conflict(retry(&platform, failed.id, clock::new_id()).await, "tried again already");
    let third = retry(&platform, again.id, clock::new_id()).await.unwrap().rollout;
    assert_eq!(ended(&platform, third.id).await.retries, Some(again.id));

    platform.succeeds(&json!({ "containers/a.json": { "image": "tool:2" } })).await;
    conflict(retry(&platform, third.id, clock::new_id()).await, "not what the fleet should be any more");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_died_in_between_neither_loses_nor_doubles_it() {
    let mut platform = Platform::start().await;
    let failed = fails(&platform, &later()).await;
    platform.kill_halves().await;
    platform.engine.add_image("later:1", false);
    // As far as the coordinator came: it was asked for, and is not planned.
    let id = clock::new_id();
    let data = RolloutRetried { rollout: failed.id, commit: failed.commit.clone(), desired: failed.desired };
    let draft = Draft {
        id,
        scope: Scope::Fleet(shop()),
        subject: format!("rollouts/{}", failed.id),
        time: clock::now(),
        actor: "ann".to_owned(),
        cause: Some(failed.id),
        data: Data::RolloutRetried(data),
    };
    let line = platform.fleet(|fleet| fleet.lines.rollout);
    platform.bus.append(&draft, Expected::At(line)).await.unwrap();

    platform.start_halves().await;
    let again = ended(&platform, RolloutRetried::leads_to(id)).await;
    assert_eq!((again.status, again.retries), (RolloutStatus::Succeeded, Some(failed.id)));
    // Who asked had no answer, and asks again.
    assert_eq!(retry(&platform, failed.id, id).await.unwrap().rollout.id, again.id);
    platform.kill_halves().await;
    platform.start_halves().await;
    assert_eq!(retry(&platform, failed.id, id).await.unwrap().rollout.id, again.id);
    assert_eq!(of_kind(&platform, "fleetlog.rollout.planned.v1").len(), 2);
    assert_eq!(of_kind(&platform, "fleetlog.rollout.retried.v1").len(), 1);
    platform.stop().await;
}
