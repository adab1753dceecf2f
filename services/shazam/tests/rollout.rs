//! From an accepted push to running containers, on a real log and a simulated engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use engine::{HealthStatus, State};
use schemas::event::{Data, Event};
use schemas::fleet::{self, HealthState, RolloutStatus};
use schemas::plan::Action;
use serde_json::{Value, json};

use self::support::{Platform, eventually_true, shop};

fn tool(more: Value) -> Value {
    let mut it = json!({ "image": "tool:1" });
    it.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    it
}

fn fleet() -> Value {
    json!({
        "containers/db.json": tool(json!({ "volumes": { "/data": "data" } })),
        "containers/api.json": tool(json!({ "needs": ["db"], "env": { "DB": "{{ containers.db.host }}" }, "ports": ["8080:80"] })),
        "containers/worker.json": tool(json!({})),
        "volumes/data.json": {}
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_becomes_running_containers_and_one_causal_chain() {
    let platform = Platform::start().await;
    let rollout = platform.succeeds(&fleet()).await;
    assert_eq!(rollout.steps.len(), 3);
    for name in ["db", "api", "worker"] {
        let seen = platform.engine.inspect(&format!("acme.shop.{name}")).await.unwrap().unwrap();
        assert_eq!(seen.state, State::Running);
        assert_eq!(seen.labels["fleetlog.installation"], platform.installation.to_string());
        assert_eq!(seen.labels["fleetlog.fleet"], "acme/shop");
        assert_eq!(seen.labels["fleetlog.name"], name);
        assert_eq!(seen.labels["fleetlog.commit"], rollout.commit.as_str());
        assert!(seen.labels["fleetlog.spec"].starts_with("v2:"));
        assert_eq!(seen.aliases["acme.shop"], [name]);
    }
    assert!(platform.engine.volume("acme.shop.data").await.unwrap().is_some());
    platform
        .eventually("everything was observed", |fleet| {
            fleet.observed.containers.len() == 3
                && fleet.observed.containers.values().all(|it| it.state == fleet::State::Running)
                && fleet.observed.volumes.contains_key("acme.shop.data")
                && fleet.observed.networks.contains_key("acme.shop")
        })
        .await;

    let events = platform.events();
    let pushed = events.iter().find(|it| it.data.kind() == "fleetlog.git.pushed.v1").unwrap();
    let planned = events.iter().find(|it| it.data.kind() == "fleetlog.rollout.planned.v1").unwrap();
    assert_eq!((pushed.cause, planned.cause, planned.id), (None, Some(pushed.id), rollout.id));
    for event in events.iter().filter(|it| it.data.kind().starts_with("fleetlog.rollout.") && it.id != planned.id) {
        assert_eq!(event.cause, Some(planned.id), "{}", event.data.kind());
    }
    let steps: Vec<_> =
        events.iter().filter(|it| it.data.kind() == "fleetlog.rollout.step.v1").map(|it| it.id).collect();
    for event in events.iter().filter(|it| it.data.kind() == "fleetlog.container.started.v1") {
        assert!(steps.contains(&event.cause.unwrap()));
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_push_does_nothing_and_still_has_a_rollout() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    let rollout = platform.succeeds(&fleet()).await;
    assert!(rollout.steps.is_empty());
    assert_eq!(platform.kinds().iter().filter(|it| **it == "fleetlog.container.created.v1").count(), 3);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_touches_only_what_changed_and_a_removal_keeps_the_volume() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    let before = platform.engine.inspect("acme.shop.db").await.unwrap().unwrap().id;
    let mut files = fleet();
    files["containers/worker.json"]["image"] = json!("tool:2");
    let rollout = platform.succeeds(&files).await;
    let steps: Vec<_> = rollout.steps.iter().map(|it| (it.step.container.as_str(), it.step.action)).collect();
    assert_eq!(steps, [("worker", Action::Recreate)]);
    assert_eq!(platform.engine.inspect("acme.shop.db").await.unwrap().unwrap().id, before);

    let rollout = platform.succeeds(&json!({})).await;
    assert_eq!(rollout.steps.len(), 3);
    let left = platform.engine.list(&engine::Scope::default()).await.unwrap();
    assert!(left.iter().all(|it| it.name.contains(".until-") && it.state == engine::State::Exited), "{left:#?}");
    assert!(platform.engine.volume("acme.shop.data").await.unwrap().is_some());
    assert!(platform.engine.network("acme.shop").await.unwrap().is_none(), "the network goes with the last container");
    platform
        .eventually("the log says so", |fleet| {
            fleet.observed.containers.values().all(|it| it.state == fleet::State::Removed)
                && fleet.observed.networks.values().all(|it| !it.exists)
                && fleet.observed.volumes.values().all(|it| it.exists)
        })
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependant_waits_until_what_it_needs_is_healthy() {
    let platform = Platform::start().await;
    let mut files = fleet();
    files["containers/db.json"]["image"] = json!("checked:1");
    let position = platform.push(&files).await;
    platform
        .eventually("db is starting", |fleet| {
            fleet.observed.containers.values().any(|it| it.health == Some(HealthState::Starting))
                || fleet.rollouts.last().is_some_and(|it| it.status == RolloutStatus::Running)
        })
        .await;
    platform.runs("db").await;
    assert!(platform.engine.inspect("acme.shop.api").await.unwrap().is_none(), "api waits for db");
    platform.engine.set_health("acme.shop.db", HealthStatus::Healthy).unwrap();
    assert_eq!(platform.rolled_out(position).await.status, RolloutStatus::Succeeded);
    let kinds = platform.kinds();
    let healthy = kinds.iter().position(|it| *it == "fleetlog.container.healthy.v1").unwrap();
    let api = platform
        .events()
        .iter()
        .position(|it| it.data.kind() == "fleetlog.container.created.v1" && it.subject == "containers/api")
        .unwrap();
    assert!(healthy < api, "db is told healthy before api is made");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_way_fails_the_step_and_is_named() {
    let platform = Platform::start().await;
    let stranger = schemas::spec::render(&shop(), &"x".parse().unwrap(), &{
        let mut desired = schemas::descriptors::Desired::default();
        let container = serde_json::from_value(json!({ "image": "tool:1" })).unwrap();
        desired.containers.insert("x".parse().unwrap(), container);
        desired
    })
    .unwrap();
    let attachment = engine::NetworkAttachment { network: "other".to_owned(), alias: "x".to_owned() };
    platform.engine.ensure_network("other", &engine::Labels::new()).await.unwrap();
    platform.engine.create("acme.shop.worker", &stranger, &engine::Labels::new(), &attachment).await.unwrap();
    platform.engine.occupy("8080:80".parse().unwrap());

    let position = platform.push(&fleet()).await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Failed);
    let errors: Vec<_> =
        rollout.steps.iter().filter_map(|it| Some(format!("{}: {}", it.step.container, it.error.as_ref()?))).collect();
    assert!(
        errors
            .iter()
            .any(|it| it.contains("worker: container `acme.shop.worker` exists and is not of this installation")),
        "{errors:?}"
    );
    assert!(platform.engine.inspect("acme.shop.worker").await.unwrap().unwrap().labels.is_empty(), "left as it was");

    // A port that a container has is told with that container's name.
    platform.engine.vacate(&"8080:80".parse().unwrap());
    let holder = schemas::spec::Spec { ports: vec!["8080:81".parse().unwrap()], ..stranger };
    platform.engine.create("holder", &holder, &engine::Labels::new(), &attachment).await.unwrap();
    platform.engine.start("holder").await.unwrap();
    let position = platform.push(&json!({ "containers/web.json": tool(json!({ "ports": ["8080:80"] })) })).await;
    let error = platform.rolled_out(position).await.error.unwrap();
    assert!(error.contains("port 8080 of the node is taken by container `holder`"), "{error}");
    assert!(platform.engine.inspect("acme.shop.web").await.unwrap().is_none(), "nothing half done");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_does_not_exist_fails_before_anything_is_stopped() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    let before = platform.engine.inspect("acme.shop.worker").await.unwrap().unwrap().id;
    let mut files = fleet();
    files["containers/worker.json"]["image"] = json!("none:1");
    let position = platform.push(&files).await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Failed);
    assert!(rollout.error.as_deref().unwrap().contains("none:1"), "{:?}", rollout.error);
    let seen = platform.engine.inspect("acme.shop.worker").await.unwrap().unwrap();
    assert_eq!((seen.id, seen.state), (before, State::Running));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_platform_resumes_and_each_container_exists_once() {
    let mut platform = Platform::start().await;
    let mut files = fleet();
    files["containers/db.json"]["image"] = json!("checked:1");
    let position = platform.push(&files).await;
    platform.runs("db").await;
    platform.kill_halves().await;
    platform.engine.set_health("acme.shop.db", HealthStatus::Healthy).unwrap();
    platform.start_halves().await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Succeeded);
    assert!(platform.kinds().contains(&"fleetlog.rollout.resumed.v1"));
    assert_eq!(platform.kinds().iter().filter(|it| **it == "fleetlog.coordinator.took.v1").count(), 2);
    assert_eq!(platform.engine.list(&engine::Scope::default()).await.unwrap().len(), 3);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_away_is_waited_for() {
    let platform = Platform::start().await;
    platform.engine.set_away(true);
    let position = platform.push(&fleet()).await;
    platform
        .eventually("it is planned", |fleet| {
            fleet.rollouts.last().is_some_and(|it| it.status == RolloutStatus::Running)
        })
        .await;
    eventually_true("the node is known to be away", async || {
        let answer = platform
            .bus
            .ask(&schemas::query::NodesRequest::default(), std::time::Duration::from_secs(5))
            .await
            .unwrap();
        answer.nodes.first().is_some_and(|it| it.away.is_some())
    })
    .await;
    assert_eq!(platform.fleet(|fleet| fleet.rollouts.last().unwrap().status), RolloutStatus::Running);
    platform.engine.set_away(false);
    assert_eq!(platform.rolled_out(position).await.status, RolloutStatus::Succeeded);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_hands_do_is_seen_also_when_nobody_looked() {
    let mut platform = Platform::start().await;
    platform.succeeds(&fleet()).await;
    platform.engine.exit("acme.shop.worker", 3).unwrap();
    // Docker starts it again at once: the fold shows that only for a moment, the log for ever.
    let died = |it: &Event| matches!(&it.data, Data::ContainerDied(it) if it.exit_code == Some(3));
    platform.eventually_events("the death is told", |events| events.iter().any(died)).await;
    platform.kill_halves().await;
    platform.engine.remove("acme.shop.api").await.unwrap();
    platform.start_halves().await;
    platform
        .eventually("the removal is told", |fleet| {
            fleet.observed.containers[&"api".parse().unwrap()].state == fleet::State::Removed
        })
        .await;
    let rollout = platform.succeeds(&fleet()).await;
    assert!(rollout.steps.iter().any(|it| it.step.container.as_str() == "api" && it.step.action == Action::Create));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_died_at_once_is_told_as_died_also_where_docker_dates_its_end_before_its_start() {
    let platform = Platform::start().await;
    platform.succeeds(&json!({ "containers/job.json": tool(json!({ "restart": "no" })) })).await;
    platform.engine.exit_before_its_start("acme.shop.job", 7).unwrap();
    platform
        .eventually("the end is told", |fleet| {
            let job = &fleet.observed.containers[&"job".parse().unwrap()];
            job.state == fleet::State::Exited && job.exit_code == Some(7)
        })
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_push_supersedes() {
    let platform = Platform::start().await;
    let mut files = fleet();
    files["containers/db.json"]["image"] = json!("checked:1");
    let first = platform.push(&files).await;
    platform.runs("db").await;
    let second = platform.push(&fleet()).await;
    platform.engine.set_health("acme.shop.db", HealthStatus::Healthy).unwrap();
    assert_eq!(platform.rolled_out(first).await.status, RolloutStatus::Superseded);
    assert_eq!(platform.rolled_out(second).await.status, RolloutStatus::Succeeded);
    platform.stop().await;
}

/// A worker of the test in the agent's place: the coordinator is alone, and the node is known by a sign of life.
async fn without_agent(platform: &mut Platform) -> streams::WorkQueue {
    platform.kill_halves().await;
    platform.start_coordinator().await;
    let queue = platform.bus.take_work(&"local".parse().unwrap(), 8).await.unwrap();
    let bus = platform.bus.clone();
    eventually_true("the node is known", async || {
        bus.beat(&schemas::work::Beat { node: "local".parse().unwrap(), away: None }).await.unwrap();
        let answer = bus.ask(&schemas::query::NodesRequest::default(), std::time::Duration::from_secs(5)).await;
        answer.is_ok_and(|it| !it.nodes.is_empty())
    })
    .await;
    queue
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_breaks_off_every_time_is_given_up_and_said() {
    let mut platform = Platform::start().await;
    let mut queue = without_agent(&mut platform).await;
    let position = platform.push(&json!({ "containers/one.json": tool(json!({})) })).await;
    let mut job = queue.next().await.unwrap();
    while job.deliveries < 4 {
        job.retry_after(std::time::Duration::from_millis(1)).await.unwrap();
        job = queue.next().await.unwrap();
        assert!(!job.last_delivery);
    }
    job.retry_after(std::time::Duration::from_millis(1)).await.unwrap();
    drop(queue);
    platform.start_agent().await;
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Failed);
    assert!(rollout.error.as_deref().unwrap().contains("given up after"), "{:?}", rollout.error);
    assert!(platform.kinds().contains(&"fleetlog.work.dead.v1"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redelivered_command_is_answered_and_does_nothing() {
    let mut platform = Platform::start().await;
    let mut queue = without_agent(&mut platform).await;
    let position = platform.push(&json!({ "containers/one.json": tool(json!({})) })).await;
    let job = queue.next().await.unwrap();
    let command = job.command.clone();
    job.retry_after(std::time::Duration::from_millis(1)).await.unwrap();
    drop(queue);
    platform.start_agent().await;
    assert_eq!(platform.rolled_out(position).await.status, RolloutStatus::Succeeded);
    let before = platform.engine.inspect("acme.shop.one").await.unwrap().unwrap();

    let again = schemas::work::Command { cause: streams::clock::new_id(), ..command };
    platform.bus.send_work(&"local".parse().unwrap(), &again).await.unwrap();
    platform.succeeds(&json!({ "containers/one.json": tool(json!({})), "containers/two.json": tool(json!({})) })).await;
    let after = platform.engine.inspect("acme.shop.one").await.unwrap().unwrap();
    assert_eq!((before.id, before.started_ns), (after.id, after.started_ns));
    assert_eq!(platform.kinds().iter().filter(|it| **it == "fleetlog.work.dead.v1").count(), 0);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_of_an_earlier_coordinator_is_refused() {
    let mut platform = Platform::start().await;
    let mut queue = without_agent(&mut platform).await;
    let position = platform.push(&json!({ "containers/one.json": tool(json!({})) })).await;
    let job = queue.next().await.unwrap();
    let old = job.command.clone();
    job.ack().await.unwrap();
    drop(queue);
    // The next one has a higher epoch and sends its own command.
    platform.kill_halves().await;
    platform.start_halves().await;
    assert_eq!(platform.rolled_out(position).await.status, RolloutStatus::Succeeded);
    platform.succeeds(&json!({})).await;
    let old = schemas::work::Command { cause: streams::clock::new_id(), ..old };
    platform.bus.send_work(&"local".parse().unwrap(), &old).await.unwrap();
    platform.succeeds(&json!({ "containers/two.json": tool(json!({})) })).await;
    assert!(platform.engine.inspect("acme.shop.one").await.unwrap().is_none(), "a zombie's command was carried out");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_comes_again_late_reverts_nothing() {
    let mut platform = Platform::start().await;
    let mut queue = without_agent(&mut platform).await;
    let one = |image: &str| json!({ "containers/one.json": { "image": image } });
    let position = platform.push(&one("tool:1")).await;
    let job = queue.next().await.unwrap();
    let old = job.command.clone();
    job.ack().await.unwrap();
    drop(queue);
    platform.kill_halves().await;
    platform.start_halves().await;
    assert_eq!(platform.rolled_out(position).await.status, RolloutStatus::Succeeded);
    platform.succeeds(&one("tool:2")).await;
    // An agent that has just started knows no epoch, and the queue still holds what an earlier one never answered.
    platform.kill_halves().await;
    let left_over = schemas::work::Command { cause: streams::clock::new_id(), ..old };
    platform.bus.send_work(&"local".parse().unwrap(), &left_over).await.unwrap();
    platform.start_halves().await;
    platform
        .succeeds(&json!({ "containers/one.json": { "image": "tool:2" }, "containers/two.json": tool(json!({})) }))
        .await;
    let seen = platform.engine.inspect("acme.shop.one").await.unwrap().unwrap();
    assert_eq!(seen.shown.image, "tool:2", "reverted by a command of an earlier push");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_became_healthy_is_waited_for_again_and_seen_meanwhile() {
    let platform = Platform::start().await;
    let health = json!({ "command": ["false"], "interval": "100s", "within": "1s" });
    let files = json!({ "containers/sick.json": { "image": "checked:1", "health": health } });
    let failed = platform.push(&files).await;
    assert_eq!(platform.rolled_out(failed).await.status, RolloutStatus::Failed);
    platform
        .eventually("it is seen", |fleet| {
            fleet.observed.containers.values().any(|it| it.state == fleet::State::Running)
        })
        .await;
    let again = platform.push(&files).await;
    let rollout = platform.rolled_out(again).await;
    assert_eq!(rollout.status, RolloutStatus::Failed, "it is not healthy: {rollout:#?}");
    assert_eq!(rollout.steps[0].step.action, Action::Wait);
    platform.engine.set_health("acme.shop.sick", HealthStatus::Healthy).unwrap();
    platform
        .eventually("it is healthy", |fleet| {
            fleet.observed.containers.values().any(|it| it.health == Some(HealthState::Healthy))
        })
        .await;
    assert!(platform.succeeds(&files).await.steps.is_empty());
    platform.succeeds(&json!({})).await;
    assert_eq!(platform.engine.inspect("acme.shop.sick").await.unwrap(), None, "leaked");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_was_overtaken_has_an_end_and_its_ports_are_freed_first() {
    let platform = Platform::start().await;
    let port = |slow: &str| json!({ "image": slow, "ports": ["8080:80"] });
    let slow = json!({ "image": "checked:1" });
    let first = platform.push(&json!({ "containers/x.json": port("tool:1"), "containers/slow.json": slow })).await;
    platform.runs("slow").await;
    let second = platform.push(&json!({ "containers/slow.json": slow })).await;
    let third = platform.push(&json!({ "containers/slow.json": slow, "containers/y.json": port("tool:1") })).await;
    platform.engine.set_health("acme.shop.slow", HealthStatus::Healthy).unwrap();
    assert_eq!(platform.rolled_out(first).await.status, RolloutStatus::Superseded);
    assert_eq!(platform.rolled_out(second).await.status, RolloutStatus::Superseded);
    let rollout = platform.rolled_out(third).await;
    assert_eq!(rollout.status, RolloutStatus::Succeeded, "{rollout:#?}");
    platform.stop().await;
}
