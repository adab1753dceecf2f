//! Which node a fleet runs on, and what happens there while nobody watches.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "a test stops where it fails")]

mod support;

use std::time::Duration;

use schemas::event::{Data, Draft, Event, Level, LevelRaised, ObservationGap, Scope};
use schemas::fleet::RolloutStatus;
use schemas::work::{Change, Report};
use serde_json::json;

use self::support::Platform;

/// Longer than what the coordinator of these tests takes for a gap.
const UNWATCHED: Duration = Duration::from_millis(1_200);

fn gaps(events: &[Event]) -> Vec<ObservationGap> {
    let gap = |event: &Event| match &event.data {
        Data::ObservationGap(gap) => Some(gap.clone()),
        _ => None,
    };
    events.iter().filter_map(gap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_fleet_waits_for_its_own_agent() {
    let mut platform = Platform::start().await;
    let bound = json!({ "nodes/n.json": { "agent": "n9" }, "containers/a.json": { "image": "tool:1" } });
    let position = platform.push(&bound).await;
    // The other agent is there all the time; a beat of it or two does not make a plan.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!platform.kinds().contains(&"fleetlog.rollout.planned.v1"), "{:?}", platform.kinds());

    // Engines are never shared: on one engine, whichever agent sees the container first would be where it was seen.
    platform.start_agent_of("n9", support::engine_with_images()).await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!((rollout.status, rollout.node.as_str()), (RolloutStatus::Succeeded, "n9"));
    platform
        .eventually("it was seen there", |fleet| {
            fleet.observed.containers.values().any(|seen| seen.node.as_str() == "n9")
        })
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_watched_is_a_gap_that_is_told_once() {
    let mut platform = Platform::start().await;
    platform.kill_halves().await;
    platform.start_watchful_coordinator().await;
    platform.start_agent().await;
    platform.succeeds(&json!({ "containers/a.json": { "image": "tool:1" } })).await;

    // Docker's events are cut, as by a restart of it.
    platform.engine.set_away(true);
    tokio::time::sleep(UNWATCHED).await;
    platform.engine.set_away(false);
    platform.eventually_events("a gap", |events| gaps(events).len() == 1).await;
    let [gap] = gaps(&platform.events()).try_into().unwrap();
    assert_eq!(gap.node.as_str(), "local");
    assert!(gap.to.duration_since(gap.from) >= jiff::SignedDuration::from_millis(900), "{gap:?}");
    assert!(gap.reason.contains("Docker"), "{gap:?}");

    // Everything is killed, and something happens meanwhile.
    platform.kill_halves().await;
    platform.engine.exit("acme.shop.a", 1).unwrap();
    tokio::time::sleep(UNWATCHED).await;
    platform.start_watchful_coordinator().await;
    platform.start_agent().await;
    platform.eventually_events("a second gap", |events| gaps(events).len() == 2).await;
    let second = gaps(&platform.events()).pop().unwrap();
    assert!(second.from >= gap.to && second.reason.contains("not running"), "{second:?}");

    // Whoever reads the reports once more writes no gap again.
    platform.kill_halves().await;
    platform.start_watchful_coordinator().await;
    platform.start_agent().await;
    let position = platform.push(&json!({ "containers/a.json": { "image": "tool:2" } })).await;
    platform.rolled_out(position).await;
    assert!(gaps(&platform.events()).len() <= 3, "{:?}", gaps(&platform.events()));
    let mut ids: Vec<_> = gaps(&platform.events()).iter().map(|gap| (gap.from, gap.to)).collect();
    ids.dedup();
    assert_eq!(ids.len(), gaps(&platform.events()).len(), "a gap was told twice: {ids:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_without_containers_has_no_gaps() {
    let mut platform = Platform::start().await;
    platform.kill_halves().await;
    platform.start_watchful_coordinator().await;
    platform.start_agent().await;
    platform.succeeds(&json!({ "variables/app.json": { "a": 1 } })).await;
    platform.engine.set_away(true);
    tokio::time::sleep(UNWATCHED).await;
    platform.engine.set_away(false);
    // What comes after the gap in the reports shows that the coordinator has passed it.
    platform.succeeds(&json!({ "containers/a.json": { "image": "tool:1" } })).await;
    assert_eq!(gaps(&platform.events()), []);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_seen_waits_while_the_log_is_full() {
    let platform = Platform::start().await;
    platform
        .succeeds(&json!({ "containers/a.json": { "image": "tool:1" }, "containers/b.json": { "image": "tool:1" } }))
        .await;
    let level = async |level: Level| {
        let raised = LevelRaised { stream: "EVENTS".to_owned(), level, bytes: 96, max_bytes: 100 };
        let draft = Draft {
            id: streams::clock::new_id(),
            scope: Scope::Platform,
            subject: "streams/EVENTS".to_owned(),
            time: streams::clock::now(),
            actor: "fleetlog".to_owned(),
            cause: None,
            data: Data::LevelRaised(raised),
        };
        platform.bus.append(&draft, streams::Expected::Any).await.unwrap()
    };
    let died = |events: &[Event]| {
        events
            .iter()
            .filter(|it| matches!(it.data, Data::ContainerDied(_)))
            .map(|it| it.subject.clone())
            .collect::<Vec<_>>()
    };
    let with_b =
        |image: &str| json!({ "containers/a.json": { "image": "tool:1" }, "containers/b.json": { "image": image } });
    level(Level::Critical).await;
    // What belongs to a rollout goes on. Once it has ended, the coordinator has read the level too.
    platform.succeeds(&with_b("tool:2")).await;
    platform.engine.exit("acme.shop.a", 3).unwrap();
    let mut reports = platform.bus.reports(0);
    let seen = async {
        while !matches!(reports.next().await.unwrap().2, Report::Container(it) if it.change == Change::Died && it.cause.is_none())
        {
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap();
    // It lies in front of the answers of this one, which the coordinator takes.
    platform.succeeds(&with_b("tool:1")).await;
    assert_eq!(died(&platform.events()), Vec::<String>::new());
    level(Level::Normal).await;
    platform.eventually_events("what was held back", |events| died(events) == ["containers/a"]).await;
    platform.stop().await;
}
