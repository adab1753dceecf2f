//! How much of the node a container may use, in the old keys and in `deploy`.

use serde_json::Value as Json;

use super::super::short;
use super::super::yaml::{Entry, Node};
use super::Carrier;
use schemas::units::Size;

impl Carrier<'_, '_> {
    pub(super) fn limit(&mut self, entry: &Entry) {
        let (key, node) = (entry.key.as_str(), &entry.node);
        match key {
            "mem_limit" => self.memory(key, node),
            "cpus" => self.cpus(key, node),
            "pids_limit" => self.pids(key, node),
            "blkio_config" => {
                for entry in node.entries() {
                    match (entry.key.as_str(), entry.node.text().and_then(|it| it.parse::<u16>().ok())) {
                        ("weight", Some(weight)) => self.set_in("limits", "io_weight", weight),
                        (key, _) => self.left(&entry.place, &format!("blkio_config.{key}"), "not carried"),
                    }
                }
            }
            // Those are read once everything is there.
            _ => {}
        }
    }

    pub(super) fn deploy(&mut self, entry: &Entry) {
        let limits = entry.node.get("resources").and_then(|it| it.get("limits"));
        for limit in limits.map(Node::entries).unwrap_or_default() {
            let key = format!("deploy.resources.limits.{}", limit.key);
            match limit.key.as_str() {
                "memory" => self.memory(&key, &limit.node),
                "cpus" => self.cpus(&key, &limit.node),
                "pids" => self.pids(&key, &limit.node),
                _ => self.left(&limit.place, &key, "not carried"),
            }
        }
        for entry in entry.node.entries() {
            let key = format!("deploy.{}", entry.key);
            match entry.key.as_str() {
                "replicas" => self.scale(&entry.node, &key),
                "resources" => {
                    for other in entry.node.entries().iter().filter(|it| it.key != "limits") {
                        let text = "nothing is set aside for a container, `limits` only say the most";
                        self.left(&other.place, &format!("{key}.{}", other.key), text);
                    }
                }
                "restart_policy" => self.restart_policy(&entry.node),
                other if other.starts_with("x-") => {}
                _ => self.left(&entry.place, &key, "of Swarm: not carried"),
            }
        }
    }

    fn restart_policy(&mut self, policy: &Node) {
        for entry in policy.entries() {
            let word = match (entry.key.as_str(), entry.node.text()) {
                ("condition", Some("none")) => "no",
                ("condition", Some("on-failure")) => "on-failure",
                ("condition", Some("any")) => "always",
                (key, _) => {
                    self.left(
                        &entry.place,
                        &format!("deploy.restart_policy.{key}"),
                        "not carried: Docker's own times hold",
                    );
                    continue;
                }
            };
            if self.service.node.get("restart").is_none() {
                self.set("restart", word);
            }
        }
    }

    fn memory(&mut self, key: &str, node: &Node) {
        match node.text().and_then(short::size) {
            Some(Size(0)) => {}
            Some(size) => self.set_in("limits", "memory", size.to_string()),
            None => self.left(&node.place, key, "expected a size such as 512m"),
        }
    }

    fn cpus(&mut self, key: &str, node: &Node) {
        match node.text().and_then(|it| it.parse::<f64>().ok()) {
            Some(cpus) if cpus > 0.0 => self.set_in("limits", "cpus", cpus),
            Some(_) => {}
            None => self.left(&node.place, key, "expected a number of processors such as 0.5"),
        }
    }

    fn pids(&mut self, key: &str, node: &Node) {
        match node.text().and_then(|it| it.parse::<i64>().ok()) {
            Some(pids) if pids > 0 => self.set_in("limits", "pids", pids),
            Some(_) => {}
            None => self.left(&node.place, key, "expected a number of processes"),
        }
    }

    /// What only makes sense together: swap beside the memory, a quota of a period.
    pub(super) fn limits_settled(&mut self) {
        let service = self.service;
        let number = |key: &str| service.node.get(key).and_then(Node::text).and_then(|it| it.parse::<f64>().ok());
        if let (Some(quota), None) = (number("cpu_quota").filter(|it| *it > 0.0), service.node.get("cpus")) {
            self.set_in("limits", "cpus", quota / number("cpu_period").unwrap_or(100_000.0));
        }
        let memory = self.out.0.get("limits").and_then(|it| it.get("memory")).and_then(Json::as_str);
        let memory = memory.and_then(|it| it.parse::<Size>().ok());
        let place = |key: &str| service.node.entry(key).map(|it| it.place.clone());
        match (memory, service.node.entry("memswap_limit")) {
            (Some(memory), Some(entry)) => match entry.node.text().and_then(short::size) {
                Some(both) if both.0 == 0 => {}
                Some(both) if both >= memory => {
                    if both > memory {
                        self.set_in("limits", "swap", Size(both.0 - memory.0).to_string());
                    }
                }
                _ => self.left(
                    &entry.place,
                    "memswap_limit",
                    "swap without an end cannot be said: `limits.swap` says how much",
                ),
            },
            (None, Some(entry)) => self.left(&entry.place, "memswap_limit", "without `mem_limit` it says nothing"),
            (Some(_), None) => {
                let (key, place) = match place("mem_limit") {
                    Some(place) => ("mem_limit", place),
                    None => {
                        ("deploy.resources.limits.memory", place("deploy").unwrap_or_else(|| service.place.clone()))
                    }
                };
                self.note(&place, key, "no swap beside it here, Docker allows as much again: say `limits.swap`");
            }
            (None, None) => {}
        }
    }
}
