//! The smallest change that makes a container what it should be, on the simulated engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use engine::HealthStatus;
use schemas::descriptors::{Limits, Restart};
use schemas::plan::Action;
use schemas::spec::{Spec, Updatable};
use schemas::units::Size;
use serde_json::{Value, json};

use self::support::Platform;

fn with(limits: Value) -> Value {
    json!({ "containers/a.json": { "image": "tool:1", "limits": limits } })
}

async fn seen(platform: &Platform, name: &str) -> engine::Container {
    platform.engine.inspect(&format!("acme.shop.{name}")).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_change_while_it_runs_and_the_second_plan_is_empty() {
    let mut platform = Platform::start().await;
    platform.succeeds(&with(json!({ "memory": "64MiB" }))).await;
    let before = seen(&platform, "a").await;
    let rollout = platform.succeeds(&with(json!({ "memory": "128MiB", "pids": 9 }))).await;
    assert_eq!(rollout.steps.iter().map(|it| it.step.action).collect::<Vec<_>>(), [Action::Update]);
    let after = seen(&platform, "a").await;
    assert_eq!((&before.id, before.started_ns), (&after.id, after.started_ns));
    assert_eq!(after.shown.limits.memory, Some(Size(128 << 20)));
    assert!(platform.succeeds(&with(json!({ "memory": "128MiB", "pids": 9 }))).await.steps.is_empty());

    // An agent that starts anew tells nothing twice, and knows it as it is.
    platform.kill_halves().await;
    platform.start_halves().await;
    assert!(platform.succeeds(&with(json!({ "memory": "128MiB", "pids": 9 }))).await.steps.is_empty());
    let updates = platform.kinds().iter().filter(|it| **it == "fleetlog.container.updated.v1").count();
    assert_eq!(updates, 1, "{:?}", platform.kinds());

    // A limit that goes cannot be taken away from a running container.
    let rollout = platform.succeeds(&with(json!({}))).await;
    assert_eq!(rollout.steps.iter().map(|it| it.step.action).collect::<Vec<_>>(), [Action::Recreate]);
    assert_ne!(seen(&platform, "a").await.id, after.id);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_hand_changed_is_seen_and_put_right_by_the_next_push() {
    let platform = Platform::start().await;
    platform.succeeds(&with(json!({ "memory": "64MiB" }))).await;
    let before = seen(&platform, "a").await;
    let limits = Limits { memory: Some(Size(1 << 30)), ..Limits::default() };
    let other = Spec { limits: limits.clone(), restart: Restart::No, ..Spec::default() };
    platform.engine.update("acme.shop.a", &other).await.unwrap();
    let changed = Some(Updatable { restart: Restart::No, limits });
    platform
        .eventually("the change is seen", |fleet| {
            fleet.observed.containers.values().any(|it| it.live == changed && it.docker_id == before.id)
        })
        .await;
    let rollout = platform.succeeds(&with(json!({ "memory": "64MiB" }))).await;
    let [step] = rollout.steps.as_slice() else { panic!("{rollout:#?}") };
    let reasons: Vec<String> = step.step.reasons.iter().map(|it| it.told()).collect();
    assert_eq!(step.step.action, Action::Update);
    assert_eq!(reasons, [r#"limits.memory: "1GiB" → "64MiB""#, r#"restart: "no" → "unless-stopped""#]);
    let after = seen(&platform, "a").await;
    assert_eq!((after.id, after.restart), (before.id, Restart::UnlessStopped));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unhealthy_container_is_started_again_where_it_says_so() {
    let platform = Platform::start().await;
    let of = |on_unhealthy: &str| {
        let health = json!({ "command": ["true"], "on_unhealthy": on_unhealthy });
        json!({ "image": "checked:1", "health": health })
    };
    let files = json!({ "containers/told.json": of("report"), "containers/mended.json": of("restart") });
    let position = platform.push(&files).await;
    for name in ["told", "mended"] {
        platform.runs(name).await;
        platform.engine.set_health(&format!("acme.shop.{name}"), HealthStatus::Healthy).unwrap();
    }
    platform.rolled_out(position).await;
    let before = [seen(&platform, "told").await.started_ns, seen(&platform, "mended").await.started_ns];
    for name in ["told", "mended"] {
        platform.engine.set_health(&format!("acme.shop.{name}"), HealthStatus::Unhealthy).unwrap();
    }
    platform
        .eventually_events("it was stopped and started", |events| {
            let of = |kind: &str| {
                let kind = format!("fleetlog.container.{kind}.v1");
                events.iter().filter(|it| it.data.kind() == kind && it.subject == "containers/mended").count()
            };
            of("unhealthy") == 1 && of("stopped") == 1 && of("started") == 2
        })
        .await;
    assert_ne!(seen(&platform, "mended").await.started_ns, before[1]);
    assert_eq!(seen(&platform, "told").await.started_ns, before[0]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joined_a_network_is_made_anew_with_its_owner_and_once() {
    let platform = Platform::start().await;
    let of = |image: &str| {
        json!({ "containers/web.json": { "image": image }, "containers/side.json": { "image": "tool:1", "network": "container:web" },
            "containers/bare.json": { "image": "tool:1", "network": "none" } })
    };
    platform.succeeds(&of("tool:1")).await;
    let before = seen(&platform, "side").await;
    assert_eq!(before.shown.network, Some(format!("container:{}", seen(&platform, "web").await.id)));
    assert!(platform.succeeds(&of("tool:1")).await.steps.is_empty());
    let rollout = platform.succeeds(&of("tool:2")).await;
    let steps: Vec<_> = rollout.steps.iter().map(|it| (it.step.container.as_str(), it.step.action)).collect();
    assert_eq!(steps, [("web", Action::Recreate), ("side", Action::Recreate)]);
    let after = seen(&platform, "side").await;
    assert_eq!(after.shown.network, Some(format!("container:{}", seen(&platform, "web").await.id)));
    assert!(platform.succeeds(&of("tool:2")).await.steps.is_empty());
    platform.stop().await;
}
