//! From an engine to a scrape, over a real log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::time::{Duration, Instant};

use engine::Engine;
use rustix::process::{Pid, Signal, kill_process};
use schemas::access::{Role, Who};
use schemas::event::{ContainerChange, Data, RolloutSucceeded, Sighting};
use schemas::fleet::Fleet;
use schemas::sample::{Allowed, Part, Sample, Samples, Used};
use serde_json::json;
use streams::clock;
use support::{LIMIT, Rig, fleet, promtool, simulated, value, who};

#[tokio::test]
async fn a_container_is_served_under_cadvisors_names_and_vanishes_when_it_ends() {
    let mut rig = Rig::start().await;
    let docker = simulated();
    let id = rig.container(&docker, "acme/shop", "api").await;
    rig.measure(docker.clone());
    let text = rig.until("the container is served", |text| text.contains("container_last_seen{")).await;
    let labels = format!(
        "{{id=\"/docker/{id}\",name=\"acme.shop.api\",image=\"demo/tool:1\",\
         container_label_com_docker_compose_project=\"acme.shop\",container_label_com_docker_compose_service=\"api\",\
         owner=\"acme\",fleet=\"shop\",node=\"n1\""
    );
    let cpu = format!("container_cpu_usage_seconds_total{labels},cpu=\"total\"}} ");
    assert!(text.contains(&cpu), "{text}");
    assert!(value(&text, &[&cpu]).unwrap().fract() > 0.0, "processor seconds are fractions");
    assert!(text.contains(&format!("container_network_receive_bytes_total{labels},interface=\"eth0\"}} ")), "{text}");
    assert_eq!(value(&text, &["container_memory_working_set_bytes{"]), Some(4_194_304.0));
    assert_eq!(value(&text, &["container_health_state{"]), Some(0.0));
    assert_eq!(value(&text, &["fleetlog_node_up{node=\"n1\"}"]), Some(1.0));
    assert_eq!(value(&text, &["fleetlog_node_containers{node=\"n1\"}"]), Some(1.0));

    Engine::from(docker).stop(&id, None, Duration::ZERO).await.unwrap();
    rig.until("it is gone", |text| !text.contains("/docker/")).await;
    rig.stop().await;
}

#[tokio::test]
async fn every_family_is_clean_and_has_help_and_type() {
    let mut rig = Rig::start().await;
    let docker = simulated();
    rig.container(&docker, "acme/shop", "api").await;
    rig.measure(docker);
    let rollout = clock::new_id();
    rig.append("acme/shop", Data::RolloutSucceeded(RolloutSucceeded { rollout, duration_ms: 1_500 })).await;
    rig.until("the rollout is counted", |text| {
        value(text, &["fleetlog_rollouts_total{outcome=\"succeeded\"}"]) == Some(1.0) && text.contains("/docker/")
    })
    .await;
    // The recorder sorts at one scrape what the next one shows.
    let text = rig.scrape(&Who::admin()).await;
    assert_eq!(promtool(&text), "");
    assert_eq!(value(&text, &["fleetlog_rollout_duration_seconds_bucket", "le=\"2.5\""]), Some(1.0), "{text}");
    assert_eq!(value(&text, &["fleetlog_rollout_duration_seconds_bucket", "le=\"1\""]), Some(0.0), "{text}");
    assert_eq!(value(&text, &["fleetlog_events_appended_total{type=\"rollout.succeeded\"}"]), Some(1.0));
    assert_eq!(value(&text, &["fleetlog_projection_lag_messages{projection=\"monitor\"}"]), Some(0.0));
    assert_eq!(value(&text, &["fleetlog_queue_messages{queue=\"work\",node=\"n1\"}"]), Some(0.0));
    assert_eq!(value(&text, &["fleetlog_build_info{version="]), Some(1.0));
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name);
        for what in ["HELP", "TYPE"] {
            let header = |of: &str| text.contains(&format!("# {what} {of} "));
            assert!(header(name) || header(family), "no {what} for `{name}`");
        }
    }
    rig.stop().await;
}

#[tokio::test]
async fn everybody_sees_what_they_may() {
    let mut rig = Rig::start().await;
    let docker = simulated();
    rig.container(&docker, "acme/shop", "api").await;
    rig.container(&docker, "other/site", "web").await;
    rig.measure(docker);
    rig.until("both are served", |text| text.contains("acme.shop.api") && text.contains("other.site.web")).await;
    let text = rig.scrape(&who(&[("acme", Role::Scraper)])).await;
    assert!(text.contains("acme.shop.api") && !text.contains("other"), "{text}");
    assert!(text.contains("fleetlog_build_info"), "{text}");
    assert_eq!(rig.scrape(&who(&[])).await, "");
    rig.stop().await;
}

/// A fleet whose `api` has metrics, and whose `web` is watched by an agent's own probe.
fn shop(web: &str) -> Fleet {
    let mut shop = Fleet::new(fleet("acme/shop"));
    let container = |json| serde_json::from_value(json).unwrap();
    let api = json!({ "image": "demo/tool:1", "metrics": { "port": 9_100, "path": "/figures" } });
    shop.desired.containers.insert("api".parse().unwrap(), container(api));
    shop.desired.containers.insert("web".parse().unwrap(), container(json!({ "image": "demo/tool:1" })));
    let seen = json!({
        "state": "running", "health": "healthy", "node": "n1", "docker_id": web, "image": null, "spec": null,
        "commit": null, "exit_code": null, "newest": [1, "healthy"], "since": 1,
    });
    shop.observed.containers.insert("web".parse().unwrap(), serde_json::from_value(seen).unwrap());
    shop
}

#[tokio::test]
async fn containers_with_metrics_are_discovered() {
    let mut rig = Rig::start().await;
    let docker = simulated();
    rig.container(&docker, "acme/shop", "api").await;
    let web = rig.container(&docker, "acme/shop", "web").await;
    let inspected = Engine::from(docker.clone()).inspect("acme.shop.api").await.unwrap().unwrap();
    let address = *inspected.addresses.values().next().unwrap();
    // Without the registry there is no list, rather than one that is too short.
    rig.measure(docker.clone());
    rig.until("both are served", |text| text.contains("acme.shop.api") && text.contains("acme.shop.web")).await;
    let unanswered = rig.bus.ask(&schemas::query::TargetsRequest { who: Who::admin() }, LIMIT).await.unwrap_err();
    assert!(unanswered.to_string().contains("registry"), "{unanswered}");

    rig.registry(shop(&web), 1).await;
    let targets = rig.targets(&Who::admin()).await;
    assert_eq!(targets.len(), 1, "{targets:?}");
    let it = &targets[0];
    assert_eq!((it.address.ip(), it.address.port(), it.path.as_str()), (address, 9_100, "/figures"));
    assert_eq!((it.fleet.to_string(), it.container.as_str(), it.node.as_str()), ("acme/shop".into(), "api", "n1"));
    assert_eq!(rig.targets(&who(&[("acme", Role::Scraper)])).await, targets);
    assert_eq!(rig.targets(&who(&[("other", Role::Owner)])).await, []);
    // What only an agent's probe knows comes from the registry first, then from the log.
    let text = rig.scrape(&Who::admin()).await;
    assert_eq!(value(&text, &["container_health_state{", "acme.shop.web"]), Some(1.0));
    rig.append("acme/shop", Data::ContainerUnhealthy(change("web", &web))).await;
    rig.until("it is unhealthy", |text| value(text, &["container_health_state{", "acme.shop.web"]) == Some(-1.0)).await;
    rig.stop().await;
}

fn change(container: &str, docker_id: &str) -> ContainerChange {
    let seen = Sighting { node: "n1".parse().unwrap(), at_ns: 1, obs: 1 };
    let (container, docker_id) = (container.parse().unwrap(), docker_id.to_owned());
    let (image, spec, commit, checked, exit_code, out_of_memory) = (None, None, None, false, None, false);
    ContainerChange {
        container,
        seen,
        docker_id,
        image,
        spec,
        commit,
        live: None,
        files: None,
        checked,
        exit_code,
        out_of_memory,
        restarts: 0,
    }
}

/// A round of a node with one container, the next of which is far away.
fn round(id: &str) -> Samples {
    let sample = Sample {
        id: id.to_owned(),
        name: "acme.shop.api".to_owned(),
        image: "demo/tool:1".to_owned(),
        fleet: fleet("acme/shop"),
        part: Part::Container("api".parse().unwrap()),
        address: None,
        health: None,
        started_ns: None,
        restarts: 0,
        limits: Allowed::default(),
        used: Used::default(),
    };
    Samples {
        node: "n2".parse().unwrap(),
        at: clock::now(),
        every_ms: 3_600_000,
        took_us: 1,
        away: None,
        machine: None,
        containers: vec![sample],
        unread: Vec::new(),
        left_out: 0,
    }
}

#[tokio::test]
async fn a_removed_container_vanishes_with_the_event() {
    let rig = Rig::start().await;
    rig.bus.publish_samples(&round("abc")).await.unwrap();
    rig.until("it is served", |text| text.contains("/docker/abc")).await;
    rig.append("acme/shop", Data::ContainerRemoved(change("api", "abc"))).await;
    rig.until("it is gone", |text| !text.contains("/docker/abc")).await;
    // A round that was measured before and comes after does not bring it back.
    rig.bus.publish_samples(&round("abc")).await.unwrap();
    let mut second = round("def");
    second.node = "n3".parse().unwrap();
    rig.bus.publish_samples(&second).await.unwrap();
    let text = rig.until("the next round is served", |text| text.contains("/docker/def")).await;
    assert!(!text.contains("/docker/abc"), "{text}");
    rig.stop().await;
}

#[tokio::test]
async fn measuring_goes_on_after_the_log_and_the_engine_were_away() {
    let mut rig = Rig::start().await;
    let docker = simulated();
    rig.container(&docker, "acme/shop", "api").await;
    rig.measure(docker.clone());
    rig.until("it is served", |text| text.contains("acme.shop.api")).await;

    docker.set_away(true);
    rig.until("the node is not up", |text| value(text, &["fleetlog_node_up{"]) == Some(0.0)).await;
    rig.until("its containers fade", |text| !text.contains("acme.shop.api")).await;
    docker.set_away(false);
    rig.until("it is served again", |text| text.contains("acme.shop.api")).await;

    let before = rig.server.pid().unwrap();
    kill_process(Pid::from_raw(before.cast_signed()).unwrap(), Signal::KILL).unwrap();
    let deadline = Instant::now() + LIMIT;
    while rig.server.pid().is_none_or(|it| it == before) {
        assert!(Instant::now() < deadline, "no other server");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let killed = clock::now().as_second();
    rig.until("rounds of after the kill are served", |text| {
        value(text, &["fleetlog_node_sample_timestamp_seconds{"]).is_some_and(|it| it > killed as f64 + 1.0)
    })
    .await;
    rig.stop().await;
}
