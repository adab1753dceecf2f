//! What another hand changed: found, told, and put right where a fleet says so; on the simulated engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use schemas::event::{Data, Event};
use schemas::plan::Action;
use serde_json::{Value, json};

use self::support::Platform;

fn files(policy: &str) -> Value {
    json!({ "fleet.json": { "drift": policy }, "containers/a.json": { "image": "tool:1", "restart": "no" },
        "containers/b.json": { "image": "tool:1" } })
}

/// What was told of drift, in order.
fn told(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter_map(|event| match &event.data {
        Data::DriftFound(it) => Some(format!("{} {:?}", it.container, it.action)),
        Data::DriftEnded(it) => Some(format!("{} ended", it.container)),
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_hand_does_is_reported_and_ends_with_the_next_push() {
    let platform = Platform::start().await;
    platform.succeeds(&files("report")).await;
    platform.engine.exit("acme.shop.a", 3).unwrap();
    platform.engine.remove("acme.shop.b").await.unwrap();
    platform.eventually("both are drifted", |fleet| fleet.drift.len() == 2).await;
    let drift = platform.fleet(|fleet| fleet.drift.clone());
    let action = |name: &str| drift[&name.parse().unwrap()].action;
    assert_eq!((action("a"), action("b")), (Action::Restart, Action::Create));
    let why: Vec<String> = drift.values().flat_map(|it| it.reasons.iter().map(|it| it.told())).collect();
    assert_eq!(why, ["state: exited with code 3 → running", "state: removed → running"]);
    // It is told, and nothing else.
    assert_eq!(platform.fleet(|fleet| fleet.rollouts.len()), 1);
    platform.succeeds(&files("report")).await;
    platform.eventually("it is over", |fleet| fleet.drift.is_empty()).await;
    let mut all = told(&platform.events());
    all.sort();
    assert_eq!(all, ["a Restart", "a ended", "b Create", "b ended"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_heals_puts_it_right_because_of_what_was_found() {
    let mut platform = Platform::start().await;
    let position = platform.push(&files("heal")).await;
    platform.rolled_out(position).await;
    // Nobody was there to see it.
    platform.kill_halves().await;
    platform.engine.remove("acme.shop.b").await.unwrap();
    platform.start_halves().await;
    platform.runs("b").await;
    platform.eventually("it is over", |fleet| fleet.drift.is_empty() && fleet.rollouts.len() == 2).await;
    let events = platform.events();
    assert_eq!(told(&events), ["b Create", "b ended"]);
    let found = events.iter().find(|it| matches!(it.data, Data::DriftFound(_))).unwrap();
    let planned = events.iter().rev().find(|it| matches!(it.data, Data::RolloutPlanned(_))).unwrap();
    assert_eq!(planned.cause, Some(found.id));
    let rollout = platform.fleet(|fleet| fleet.rollouts.last().cloned().unwrap());
    assert_eq!((rollout.heals, rollout.desired, rollout.steps.len()), (true, position, 1));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_another_hand_freezes_is_told_and_goes_on_where_it_was() {
    let mut platform = Platform::start().await;
    platform.succeeds(&files("report")).await;
    let started = platform.engine.inspect("acme.shop.a").await.unwrap().unwrap().started_ns;
    platform.engine.pause("acme.shop.a").unwrap();
    platform.eventually("it is drifted", |fleet| fleet.drift.len() == 1).await;
    let why = platform.fleet(|fleet| fleet.drift.values().next().unwrap().reasons[0].told());
    assert_eq!(why, "state: paused → running");
    // An agent that starts anew knows it from the log.
    platform.kill_halves().await;
    platform.start_halves().await;
    let rollout = platform.succeeds(&files("heal")).await;
    assert_eq!(rollout.steps.len(), 1, "{rollout:#?}");
    platform.eventually("it is over", |fleet| fleet.drift.is_empty()).await;
    let seen = platform.engine.inspect("acme.shop.a").await.unwrap().unwrap();
    assert_eq!((seen.state, seen.started_ns), (engine::State::Running, started));
    // Whoever freezes it thaws it.
    platform.engine.pause("acme.shop.b").unwrap();
    platform.eventually_events("both are told", |events| kinds(events, "container.paused") == 2).await;
    platform.engine.unpause("acme.shop.b").await.unwrap();
    platform.eventually_events("it goes on", |events| kinds(events, "container.unpaused") == 2).await;
    platform.stop().await;
}

fn kinds(events: &[Event], kind: &str) -> usize {
    events.iter().filter(|it| it.data.kind() == format!("fleetlog.{kind}.v1")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_stays_healed_is_not_healed_in_a_loop() {
    let platform = Platform::start().await;
    platform.succeeds(&files("heal")).await;
    platform.engine.exit("acme.shop.a", 3).unwrap();
    platform.eventually("it was healed", |fleet| fleet.rollouts.len() == 2 && fleet.drift.is_empty()).await;
    platform.engine.exit("acme.shop.a", 3).unwrap();
    platform.eventually("it is healed again", |fleet| fleet.rollouts.len() == 3).await;
    let planned = platform.fleet(|fleet| fleet.rollouts.iter().map(|it| it.planned).collect::<Vec<_>>());
    let pause = planned[2].duration_since(planned[1]);
    assert!(pause >= jiff::SignedDuration::from_millis(9_500), "healed again after {pause:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_to_hear_nothing_hears_nothing() {
    let platform = Platform::start().await;
    platform.succeeds(&files("report")).await;
    platform.engine.exit("acme.shop.a", 3).unwrap();
    platform.eventually("it is drifted", |fleet| !fleet.drift.is_empty()).await;
    let mut ignoring = files("ignore");
    ignoring["containers/a.json"]["restart"] = json!("on-failure");
    platform.succeeds(&ignoring).await;
    platform.eventually("it is over", |fleet| fleet.drift.is_empty()).await;
    platform.engine.remove("acme.shop.b").await.unwrap();
    platform
        .eventually("the removal is seen", |fleet| {
            fleet.observed.containers.values().any(|it| it.state == schemas::fleet::State::Removed)
        })
        .await;
    // What another fleet's drift would have taken to be told is over when this push is.
    platform.succeeds(&ignoring).await;
    assert_eq!(told(&platform.events()), ["a Restart", "a ended"]);
    platform.stop().await;
}
