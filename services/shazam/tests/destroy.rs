//! Volumes that a push allows to be destroyed go, and no others.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use schemas::event::{Data, Draft, RolloutPlanned, Scope};
use schemas::fleet::RolloutStatus;
use schemas::plan::{Action, Step};
use serde_json::{Value, json};
use streams::{Expected, clock};

use self::support::{Platform, shop};

fn fleet() -> Value {
    json!({
        "containers/a.json": { "image": "tool:1", "volumes": { "/cache": "cache", "/tmp": "scratch", "/data": "data" } },
        "volumes/cache.json": { "class": "ephemeral" },
        "volumes/scratch.json": { "class": "ephemeral" },
        "volumes/data.json": { "class": "persistent" }
    })
}

async fn there(platform: &Platform, volume: &str) -> bool {
    platform.engine.volume(&format!("acme.shop.{volume}")).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_push_names_goes_after_its_container_and_the_log_says_so() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    let position = platform.push_destroying(&json!({}), &["cache", "data"]).await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Succeeded, "{rollout:#?}");
    let steps: Vec<_> = rollout.steps.iter().map(|it| (it.step.container.as_str(), it.step.action)).collect();
    assert_eq!(steps, [("a", Action::Remove), ("cache", Action::Destroy)]);
    assert_eq!(rollout.steps[1].step.after, [0]);
    assert!(!there(&platform, "cache").await);
    assert!(there(&platform, "scratch").await && there(&platform, "data").await);
    platform
        .eventually("the log says so", |fleet| {
            fleet.doomed.is_empty() && fleet.observed.volumes.get("acme.shop.cache").is_some_and(|it| !it.exists)
        })
        .await;
    // The same name again is a new volume, and nothing is left to be destroyed.
    platform.succeeds(&fleet()).await;
    assert!(there(&platform, "cache").await);
    let rollout = platform.succeeds(&json!({})).await;
    assert!(rollout.steps.iter().all(|it| it.step.action != Action::Destroy), "{rollout:#?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_volume_of_that_name_is_left() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    // Somebody made it anew by hand.
    platform.engine.remove("acme.shop.a").await.unwrap();
    platform.engine.remove_volume("acme.shop.cache").await.unwrap();
    platform.engine.ensure_volume("acme.shop.cache", &engine::Labels::new()).await.unwrap();
    let position = platform.push_destroying(&json!({}), &["cache"]).await;
    platform.rolled_out(position).await;
    assert!(there(&platform, "cache").await);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_destroys_what_no_push_named_fails_and_destroys_nothing() {
    let platform = Platform::start().await;
    platform.succeeds(&json!({ "containers/a.json": { "image": "tool:1" }, "volumes/data.json": {} })).await;
    platform.engine.ensure_volume("acme.shop.data", &engine::Labels::new()).await.unwrap();
    let (line, desired, commit) =
        platform.fleet(|fleet| (fleet.lines.rollout, fleet.desired_at, fleet.commit.clone().unwrap()));
    let step =
        Step { container: "data".parse().unwrap(), action: Action::Destroy, reasons: Vec::new(), after: Vec::new() };
    let planned = RolloutPlanned {
        commit,
        desired,
        observed: line,
        epoch: 1,
        node: "local".parse().unwrap(),
        steps: vec![step],
        retries: None,
        heals: false,
    };
    let id = clock::new_id();
    let draft = Draft {
        id,
        scope: Scope::Fleet(shop()),
        subject: format!("rollouts/{id}"),
        time: clock::now(),
        actor: "somebody".to_owned(),
        cause: None,
        data: Data::RolloutPlanned(planned),
    };
    platform.bus.append(&draft, Expected::At(line)).await.unwrap();
    platform
        .eventually("it fails", |fleet| {
            fleet.rollouts.last().is_some_and(|it| it.id == id && it.status == RolloutStatus::Failed)
        })
        .await;
    let error = platform.fleet(|fleet| fleet.rollouts.last().unwrap().error.clone().unwrap());
    assert!(error.contains("volume `data` is not destroyed: no push allows that"), "{error}");
    assert!(there(&platform, "data").await);
    platform.stop().await;
}
