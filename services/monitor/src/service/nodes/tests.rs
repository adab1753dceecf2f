//! What counts, and for how long.

use std::time::{Duration, Instant};

use schemas::sample::{Allowed, Part, Sample, Samples, Used};

use super::Nodes;

const ROUND: Duration = Duration::from_secs(5);

fn sample(id: &str) -> Sample {
    Sample {
        id: id.to_owned(),
        name: format!("acme.shop.{id}"),
        image: "demo/tool:1".to_owned(),
        fleet: "acme/shop".parse().unwrap(),
        part: Part::Container(id.parse().unwrap()),
        address: None,
        health: None,
        started_ns: None,
        restarts: 0,
        limits: Allowed::default(),
        used: Used::default(),
    }
}

fn round(number: i64, containers: &[&str], unread: &[&str]) -> Samples {
    Samples {
        node: "n1".parse().unwrap(),
        at: jiff::Timestamp::from_second(1_000 + 5 * number).unwrap(),
        every_ms: 5_000,
        took_us: 1_000,
        away: None,
        machine: None,
        containers: containers.iter().map(|id| sample(id)).collect(),
        unread: unread.iter().map(|id| (*id).to_owned()).collect(),
        left_out: 0,
    }
}

fn shown(nodes: &Nodes, now: Instant) -> Vec<&str> {
    nodes.containers(now).map(|(_, it)| it.sample.id.as_str()).collect()
}

#[test]
fn who_does_not_run_any_more_is_gone_with_the_next_round() {
    let (mut nodes, now) = (Nodes::default(), Instant::now());
    nodes.take(round(0, &["a", "b"], &[]), Duration::ZERO, now);
    assert_eq!(shown(&nodes, now), ["a", "b"]);
    nodes.take(round(1, &["b"], &[]), Duration::ZERO, now + ROUND);
    assert_eq!(shown(&nodes, now + ROUND), ["b"]);
}

#[test]
fn who_cannot_be_measured_stays_for_three_rounds() {
    let (mut nodes, now) = (Nodes::default(), Instant::now());
    nodes.take(round(0, &["a"], &[]), Duration::ZERO, now);
    for number in 1..=3 {
        let at = now + ROUND * number;
        nodes.take(round(i64::from(number), &[], &["a"]), Duration::ZERO, at);
        assert_eq!(shown(&nodes, at), ["a"], "round {number}");
    }
    nodes.take(round(4, &[], &["a"]), Duration::ZERO, now + ROUND * 4);
    assert!(shown(&nodes, now + ROUND * 4).is_empty());
}

#[test]
fn a_node_that_says_nothing_loses_its_containers_and_is_not_up() {
    let (mut nodes, now) = (Nodes::default(), Instant::now());
    nodes.take(round(0, &["a"], &[]), Duration::ZERO, now);
    let later = now + ROUND * 3;
    assert_eq!(shown(&nodes, later), ["a"]);
    assert!(nodes.all(later).all(|(_, _, is_up)| is_up));
    let later = later + Duration::from_millis(1);
    assert!(shown(&nodes, later).is_empty());
    assert!(nodes.all(later).all(|(_, _, is_up)| !is_up));
    nodes.tidy(later);
    assert_eq!(nodes.all(later).count(), 1);
    nodes.tidy(now + super::FORGET);
    assert_eq!(nodes.all(later).count(), 0);
}

#[test]
fn a_removed_container_is_not_brought_back_by_a_late_round() {
    let (mut nodes, now) = (Nodes::default(), Instant::now());
    nodes.take(round(0, &["a", "b"], &[]), Duration::ZERO, now);
    nodes.remove("a", now);
    assert_eq!(shown(&nodes, now), ["b"]);
    nodes.take(round(1, &["a", "b"], &[]), Duration::ZERO, now + ROUND);
    assert_eq!(shown(&nodes, now + ROUND), ["b"]);
}

#[test]
fn an_old_round_counts_by_its_age_and_never_before_a_newer_one() {
    let (mut nodes, now) = (Nodes::default(), Instant::now());
    let now = now + Duration::from_secs(3_600);
    nodes.take(round(0, &["a"], &[]), ROUND * 4, now);
    assert!(shown(&nodes, now).is_empty());
    nodes.take(round(1, &["b"], &[]), Duration::ZERO, now);
    nodes.take(round(0, &["a"], &[]), ROUND, now);
    assert_eq!(shown(&nodes, now), ["b"]);
}

#[test]
fn an_engine_that_is_away_is_told_and_its_containers_fade() {
    let (mut nodes, now) = (Nodes::default(), Instant::now());
    nodes.take(round(0, &["a"], &[]), Duration::ZERO, now);
    let away = |number| Samples { away: Some("away".to_owned()), ..round(number, &[], &[]) };
    nodes.take(away(1), Duration::ZERO, now + ROUND);
    assert_eq!(shown(&nodes, now + ROUND), ["a"]);
    assert!(nodes.all(now + ROUND).all(|(_, _, is_up)| !is_up));
    nodes.take(away(4), Duration::ZERO, now + ROUND * 4);
    assert!(shown(&nodes, now + ROUND * 4).is_empty());
}
