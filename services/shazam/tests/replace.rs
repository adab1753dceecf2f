//! A container that is updated `start-first`: the new one is ready before the old one stops, whoever dies in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use std::time::Duration;

use engine::{HealthStatus, NetworkAttachment, Scope, State};
use schemas::event::{ContainerChange, Data};
use schemas::fleet::{HealthState, RolloutStatus, State as Seen};
use schemas::plan::Action;
use serde_json::{Value, json};

use self::support::{Platform, eventually_true};

const A: &str = "acme.shop.a";
const NEXT: &str = "acme.shop.a.next";
const LAST: &str = "acme.shop.a.last";

fn fleet(version: &str) -> Value {
    with(version, json!({ "command": ["true"], "within": "15s" }), "200ms")
}

fn with(version: &str, health: Value, drain: &str) -> Value {
    let container = json!({ "image": "tool:1", "env": { "VERSION": version }, "update": "start-first", "drain": drain,
        "health": health });
    json!({ "containers/a.json": container, "containers/b.json": { "image": "tool:1" } })
}

async fn running(platform: &Platform, name: &str) -> Option<engine::Container> {
    platform.engine.inspect(name).await.unwrap().filter(|it| it.state == State::Running)
}

async fn id(platform: &Platform, name: &str) -> String {
    running(platform, name).await.unwrap().id
}

/// Waits until the new one runs beside the old one; its id.
async fn beside(platform: &Platform) -> String {
    eventually_true("the new one runs", async || running(platform, NEXT).await.is_some()).await;
    assert!(running(platform, A).await.is_some());
    id(platform, NEXT).await
}

/// The first version, healthy.
async fn begin(platform: &Platform) -> String {
    let first = platform.push(&fleet("1")).await;
    platform.runs("a").await;
    platform.engine.set_health(A, HealthStatus::Healthy).unwrap();
    assert_eq!(platform.rolled_out(first).await.status, RolloutStatus::Succeeded);
    id(platform, A).await
}

/// What the log says of `a`, as words, from the `skip`th event on: `o` is about the container `old`, `n` about another one.
fn told(platform: &Platform, old: &str, skip: usize) -> Vec<String> {
    let of = |it: &ContainerChange, word: &str| {
        (it.container.as_str() == "a").then(|| format!("{}:{word}", if it.docker_id == old { 'o' } else { 'n' }))
    };
    let word = |data: &Data| match data {
        Data::ContainerCreated(it) => of(it, "created"),
        Data::ContainerStarted(it) => of(it, "started"),
        Data::ContainerHealthy(it) => of(it, "healthy"),
        Data::ContainerUnhealthy(it) => of(it, "unhealthy"),
        Data::ContainerStopped(it) => of(it, "stopped"),
        Data::ContainerDied(it) => of(it, "died"),
        Data::ContainerRemoved(it) => of(it, "removed"),
        _ => None,
    };
    platform.events().iter().skip(skip).filter_map(|it| word(&it.data)).collect()
}

/// Only one is there, and the log knows it as it is.
async fn is_only(platform: &Platform, wanted: &str) {
    platform
        .eventually("the log knows it", |fleet| {
            let seen = &fleet.observed.containers[&"a".parse().unwrap()];
            seen.docker_id == wanted && seen.state == Seen::Running && seen.health == Some(HealthState::Healthy)
        })
        .await;
    assert_eq!(id(platform, A).await, wanted);
    let names: Vec<_> = platform.engine.list(&Scope::default()).await.unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, [A, "acme.shop.b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_one_is_ready_before_the_old_one_stops() {
    let platform = Platform::start().await;
    let old = begin(&platform).await;
    let before = platform.events().len();
    let push = platform.push(&fleet("2")).await;
    let new = beside(&platform).await;
    assert!(platform.engine.resolve("acme.shop.b", "a").unwrap().is_some());
    assert_eq!(told(&platform, &old, before), Vec::<String>::new(), "it has not taken over");
    platform.engine.set_health(NEXT, HealthStatus::Healthy).unwrap();
    let rollout = platform.rolled_out(push).await;
    assert_eq!(rollout.status, RolloutStatus::Succeeded, "{rollout:#?}");
    let [step] = rollout.steps.as_slice() else { panic!("{rollout:#?}") };
    assert_eq!(step.step.action, Action::Replace);
    is_only(&platform, &new).await;
    let all = ["o:stopped", "o:removed", "n:created", "n:started", "n:healthy"];
    assert_eq!(told(&platform, &old, before), all);
    let of_step = |it: &schemas::event::Event| it.cause == step.sent;
    assert_eq!(platform.events().iter().filter(|it| of_step(it)).count(), all.len(), "each says which step did it");

    // The second plan is empty, also for an agent that starts anew.
    assert!(platform.succeeds(&fleet("2")).await.steps.is_empty());
    let mut platform = platform;
    platform.kill_halves().await;
    platform.start_halves().await;
    assert!(platform.succeeds(&fleet("2")).await.steps.is_empty());
    assert_eq!(told(&platform, &old, before), all);
    is_only(&platform, &new).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_get_ready_goes_and_the_old_one_never_noticed() {
    let platform = Platform::start().await;
    let old = begin(&platform).await;
    let started = running(&platform, A).await.unwrap().started_ns;
    let before = platform.events().len();
    let bad = with("2", json!({ "command": ["true"], "within": "300ms" }), "0s");
    let push = platform.push(&bad).await;
    let rollout = platform.rolled_out(push).await;
    assert_eq!(rollout.status, RolloutStatus::Failed);
    let error = rollout.error.unwrap();
    assert!(error.contains("did not take over: not healthy within 300ms"), "{error}");
    assert!(error.contains("the old one goes on as it was"), "{error}");
    is_only(&platform, &old).await;
    assert_eq!(running(&platform, A).await.unwrap().started_ns, started);
    assert_eq!(told(&platform, &old, before), Vec::<String>::new());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_dies_while_both_go_on_does_not_take_over() {
    let platform = Platform::start().await;
    let old = begin(&platform).await;
    let mut next = with("2", json!({ "command": ["true"], "within": "15s" }), "1s");
    next["containers/a.json"]["restart"] = json!("no");
    let push = platform.push(&next).await;
    beside(&platform).await;
    platform.engine.set_health(NEXT, HealthStatus::Healthy).unwrap();
    platform.engine.exit(NEXT, 3).unwrap();
    let error = platform.rolled_out(push).await.error.unwrap();
    assert!(error.contains("did not take over: it ended with code 3; `fleetlog logs` shows why"), "{error}");
    is_only(&platform, &old).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_run_is_made_anew_as_ever() {
    let platform = Platform::start().await;
    begin(&platform).await;
    platform.engine.stop(A, None, Duration::ZERO).await.unwrap();
    platform.eventually("it is seen", |it| it.observed.containers[&"a".parse().unwrap()].state == Seen::Exited).await;
    let push = platform.push(&fleet("2")).await;
    platform.runs("a").await;
    platform.engine.set_health(A, HealthStatus::Healthy).unwrap();
    let rollout = platform.rolled_out(push).await;
    assert_eq!(rollout.steps[0].step.action, Action::Recreate, "{rollout:#?}");
    is_only(&platform, &id(&platform, A).await).await;
    platform.stop().await;
}

/// Both halves die before the new one has taken over: it is made once more, and the old one serves meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_before_the_take_over_begins_anew() {
    let mut platform = Platform::start().await;
    let old = begin(&platform).await;
    let push = platform.push(&fleet("2")).await;
    let first = beside(&platform).await;
    platform.kill_halves().await;
    assert_eq!((id(&platform, A).await, id(&platform, NEXT).await), (old, first.clone()));
    platform.start_halves().await;
    eventually_true("another new one runs", async || running(&platform, NEXT).await.is_some_and(|it| it.id != first))
        .await;
    let new = beside(&platform).await;
    platform.engine.set_health(NEXT, HealthStatus::Healthy).unwrap();
    assert_eq!(platform.rolled_out(push).await.status, RolloutStatus::Succeeded);
    is_only(&platform, &new).await;
    assert!(platform.succeeds(&fleet("2")).await.steps.is_empty());
    platform.stop().await;
}

/// Both halves die in the middle of the take-over, after each of its calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_during_the_take_over_brings_it_to_its_end() {
    for calls in 1..=4 {
        let mut platform = Platform::start().await;
        begin(&platform).await;
        let push = platform.push(&fleet("2")).await;
        let new = beside(&platform).await;
        platform.kill_halves().await;
        platform.engine.set_health(NEXT, HealthStatus::Healthy).unwrap();
        platform.engine.rename(A, LAST).await.unwrap();
        if calls > 1 {
            platform.engine.rename(NEXT, A).await.unwrap();
        }
        if calls > 2 {
            platform.engine.stop(LAST, None, Duration::ZERO).await.unwrap();
        }
        if calls > 3 {
            platform.engine.remove(LAST).await.unwrap();
        }
        platform.start_halves().await;
        let rollout = platform.rolled_out(push).await;
        assert_eq!(rollout.status, RolloutStatus::Succeeded, "after {calls} calls: {rollout:#?}");
        is_only(&platform, &new).await;
        assert!(platform.succeeds(&fleet("2")).await.steps.is_empty(), "after {calls} calls");
        platform.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_is_at_any_more_goes_and_one_always_stays() {
    let mut platform = Platform::start().await;
    let old = begin(&platform).await;
    platform.kill_halves().await;
    let seen = running(&platform, A).await.unwrap();
    let network = NetworkAttachment { network: "acme.shop".to_owned(), alias: "a".to_owned() };
    platform.engine.create(NEXT, &seen.shown, &seen.labels, &network).await.unwrap();
    platform.engine.start(NEXT).await.unwrap();
    platform.start_halves().await;
    let gone = async |name: &str| platform.engine.inspect(name).await.unwrap().is_none();
    eventually_true("what is too much goes", async || gone(NEXT).await).await;
    is_only(&platform, &old).await;

    // Another hand has taken the one away whose place the other one had taken.
    platform.kill_halves().await;
    platform.engine.rename(A, LAST).await.unwrap();
    platform.start_halves().await;
    eventually_true("it has its name again", async || running(&platform, A).await.is_some()).await;
    is_only(&platform, &old).await;
    assert!(platform.succeeds(&fleet("1")).await.steps.is_empty());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_taken_out_leaves_none_beside_it() {
    let mut platform = Platform::start().await;
    begin(&platform).await;
    platform.push(&fleet("2")).await;
    beside(&platform).await;
    platform.kill_halves().await;
    // Nobody is at it, and the next push does not want it.
    let rest = json!({ "fleet.json": { "keep_removed": "0s" }, "containers/b.json": { "image": "tool:1" } });
    let push = platform.push(&rest).await;
    platform.start_halves().await;
    // The step that is under way has its end first.
    eventually_true("the new one is ready", async || platform.engine.set_health(NEXT, HealthStatus::Healthy).is_ok())
        .await;
    assert_eq!(platform.rolled_out(push).await.status, RolloutStatus::Succeeded);
    eventually_true("only the other one is there", async || {
        let all = platform.engine.list(&Scope::default()).await.unwrap();
        all.len() == 1 && all[0].name == "acme.shop.b"
    })
    .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_container_under_that_name_is_in_the_way_and_stays() {
    let platform = Platform::start().await;
    let old = begin(&platform).await;
    let seen = running(&platform, A).await.unwrap();
    let network = NetworkAttachment { network: "acme.shop".to_owned(), alias: "x".to_owned() };
    platform.engine.create(NEXT, &seen.shown, &engine::Labels::new(), &network).await.unwrap();
    let push = platform.push(&fleet("2")).await;
    let error = platform.rolled_out(push).await.error.unwrap();
    assert!(error.contains("`acme.shop.a.next` exists and is not of this installation"), "{error}");
    assert!(platform.engine.inspect(NEXT).await.unwrap().is_some());
    assert_eq!(id(&platform, A).await, old);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_container_under_the_last_name_leaves_one_that_runs() {
    let platform = Platform::start().await;
    let old = begin(&platform).await;
    let seen = running(&platform, A).await.unwrap();
    let network = NetworkAttachment { network: "acme.shop".to_owned(), alias: "x".to_owned() };
    platform.engine.create("acme.shop.a.last", &seen.shown, &engine::Labels::new(), &network).await.unwrap();
    let push = platform.push(&fleet("2")).await;
    let error = platform.rolled_out(push).await.error.unwrap();
    assert!(error.contains("`acme.shop.a.last` exists and is not of this installation"), "{error}");
    assert_eq!(platform.engine.inspect(NEXT).await.unwrap(), None, "two run");
    assert_eq!(id(&platform, A).await, old);
    platform.stop().await;
}
