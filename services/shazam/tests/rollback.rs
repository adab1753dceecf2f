//! A rollback gets its rollout like a push, and what runs is what ran before.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use schemas::fleet::RolloutStatus;
use serde_json::json;

use self::support::Platform;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_rolled_out_as_a_push_is() {
    let platform = Platform::start().await;
    let first = json!({ "containers/a.json": { "image": "tool:1", "volumes": { "/data": "data" } },
                        "volumes/data.json": { "class": "persistent" } });
    let before = platform.succeeds(&first).await;
    platform
        .succeeds(&json!({ "containers/a.json": { "image": "tool:2" }, "containers/b.json": { "image": "tool:1" } }))
        .await;
    let at = platform.roll_back(before.desired).await;
    let rollout = platform.rolled_out(at).await;
    assert_eq!((rollout.status, &rollout.commit), (RolloutStatus::Succeeded, &before.commit), "{rollout:#?}");
    let steps: Vec<_> = rollout.steps.iter().map(|it| it.step.container.as_str()).collect();
    assert_eq!(steps, ["b", "a"], "what is not wanted goes first");
    let events = platform.events();
    let planned = events.iter().rfind(|it| it.data.kind() == "fleetlog.rollout.planned.v1").unwrap();
    let back = events.iter().find(|it| it.position == at).unwrap();
    assert_eq!((planned.cause, back.data.kind()), (Some(back.id), "fleetlog.desired.rolled_back.v1"));
    let spec = |name: &str| platform.fleet(|it| it.observed.containers.get(&name.parse().unwrap()).cloned());
    assert_eq!(spec("a").unwrap().commit.as_ref(), Some(&before.commit));
    // Once more changes nothing.
    let again = platform.succeeds(&first).await;
    assert!(again.steps.is_empty(), "{again:#?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_takes_over_from_a_rollout_that_cannot_end_and_outlives_its_coordinator() {
    let mut platform = Platform::start().await;
    let good = platform.succeeds(&json!({ "containers/a.json": { "image": "tool:1" } })).await;
    let bad = platform.push(&json!({ "containers/a.json": { "image": "nowhere:1" } })).await;
    assert_eq!(platform.rolled_out(bad).await.status, RolloutStatus::Failed);
    platform.kill_halves().await;
    let at = platform.roll_back(good.desired).await;
    platform.start_halves().await;
    let rollout = platform.rolled_out(at).await;
    assert_eq!(rollout.status, RolloutStatus::Succeeded, "{rollout:#?}");
    assert_eq!(platform.fleet(|it| it.commit.clone()), Some(good.commit));
    platform.runs("a").await;
    platform.stop().await;
}
