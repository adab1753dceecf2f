//! The newest samples of every node, and what of them still counts.
//!
//! A container's series vanish with it: at once where an event says that it is gone, with the next round where it does
//! not run any more, after three rounds where nothing is heard of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemas::names::NodeName;
use schemas::sample::{Machine, Sample, Samples};
use schemas::spec::resource_name;

use super::text::label;

/// Rounds without news after which a container, or a node, counts as gone.
const ROUNDS: u32 = 3;
/// How long a node is still shown, as one that is not up.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// How long a container that is gone stays gone, whatever a late round says.
const TOMBSTONE: Duration = Duration::from_secs(60);

/// Every node that was heard of lately.
#[derive(Debug, Default)]
pub struct Nodes {
    nodes: BTreeMap<NodeName, Node>,
    /// Docker's ids of containers that were removed, and when.
    gone: BTreeMap<String, Instant>,
}

/// A node's newest round.
#[derive(Debug)]
pub struct Node {
    heard: Instant,
    every: Duration,
    /// When the round began, in seconds since 1970.
    pub at_s: f64,
    /// How long it took, in seconds.
    pub took_s: f64,
    /// Why nothing could be measured.
    pub away: Option<String>,
    pub machine: Option<Machine>,
    /// Containers that run but could not be measured, or did not fit.
    pub unmeasured: u64,
    containers: BTreeMap<String, Held>,
}

/// A container's newest sample.
#[derive(Debug)]
pub struct Held {
    pub sample: Sample,
    /// The labels of all of its series, as they are written.
    pub labels: String,
    /// When it was measured, in seconds since 1970.
    pub seen_s: f64,
    measured: Instant,
}

impl Nodes {
    /// Takes a round that was published `age` ago. Docker's list is the truth: who is not on it does not run.
    pub fn take(&mut self, samples: Samples, age: Duration, now: Instant) {
        let heard = now.checked_sub(age).unwrap_or(now);
        let at_s = samples.at.as_nanosecond() as f64 / 1e9;
        let earlier = self.nodes.remove(&samples.node);
        if let Some(earlier) = earlier.as_ref().filter(|it| it.heard > heard) {
            tracing::debug!(node = %samples.node, at_s, newer = earlier.at_s, "a late round is left out");
        }
        let (is_late, mut before) = match earlier {
            Some(it) if it.heard > heard => (Some(it), BTreeMap::new()),
            Some(it) => (None, it.containers),
            None => (None, BTreeMap::new()),
        };
        if let Some(newer) = is_late {
            self.nodes.insert(samples.node, newer);
            return;
        }
        let node = samples.node.clone();
        let mut containers = BTreeMap::new();
        if samples.away.is_some() {
            containers.append(&mut before);
        }
        for id in &samples.unread {
            containers.extend(before.remove_entry(id));
        }
        let unmeasured = samples.unread.len() as u64 + samples.left_out;
        for sample in samples.containers {
            if !self.gone.contains_key(&sample.id) {
                let labels = labels(&sample, &node);
                containers.insert(sample.id.clone(), Held { sample, labels, seen_s: at_s, measured: heard });
            }
        }
        let newest = Node {
            heard,
            every: Duration::from_millis(samples.every_ms),
            at_s,
            took_s: samples.took_us as f64 / 1e6,
            away: samples.away,
            machine: samples.machine,
            unmeasured,
            containers,
        };
        self.nodes.insert(node, newest);
    }

    /// A container is gone, says the log.
    pub fn remove(&mut self, id: &str, now: Instant) {
        self.gone.insert(id.to_owned(), now);
        for node in self.nodes.values_mut() {
            node.containers.remove(id);
        }
    }

    /// Drops what does not count any more.
    pub fn tidy(&mut self, now: Instant) {
        self.gone.retain(|_, since| now.duration_since(*since) < TOMBSTONE);
        self.nodes.retain(|_, node| now.duration_since(node.heard) < FORGET);
        for node in self.nodes.values_mut() {
            let stale = node.every * ROUNDS;
            node.containers.retain(|_, it| now.duration_since(it.measured) <= stale);
        }
    }

    /// Every node in the order of their names, and whether it is up.
    pub fn all(&self, now: Instant) -> impl Iterator<Item = (&NodeName, &Node, bool)> {
        self.nodes.iter().map(move |(name, node)| {
            let is_up = node.away.is_none() && now.duration_since(node.heard) <= node.every * ROUNDS;
            (name, node, is_up)
        })
    }

    /// Every container that counts, node by node.
    pub fn containers(&self, now: Instant) -> impl Iterator<Item = (&NodeName, &Held)> {
        self.nodes.iter().flat_map(move |(name, node)| {
            let stale = node.every * ROUNDS;
            let fresh = node.containers.values().filter(move |it| now.duration_since(it.measured) <= stale);
            fresh.map(move |it| (name, it))
        })
    }
}

impl Node {
    /// How many containers it measured.
    pub fn count(&self) -> usize {
        self.containers.len()
    }
}

/// cAdvisor's labels, and ours. A fleet is what compose calls a project, a descriptor what it calls a service.
fn labels(sample: &Sample, node: &NodeName) -> String {
    let mut labels = String::with_capacity(384);
    label(&mut labels, "id", &format!("/docker/{}", sample.id));
    label(&mut labels, "name", &sample.name);
    label(&mut labels, "image", &sample.image);
    label(&mut labels, "container_label_com_docker_compose_project", &resource_name(&sample.fleet, None));
    label(&mut labels, "container_label_com_docker_compose_service", sample.part.name().as_str());
    label(&mut labels, "owner", sample.fleet.owner.as_str());
    label(&mut labels, "fleet", sample.fleet.name.as_str());
    label(&mut labels, "node", node.as_str());
    labels
}

#[cfg(test)]
#[path = "nodes/tests.rs"]
mod tests;
