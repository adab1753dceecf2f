//! Networks: one for the whole fleet here, in which each container is reached by its name.

use std::collections::BTreeMap;

use super::super::names::Hosts;
use super::super::report::Report;
use super::super::yaml::{Entry, Node};
use super::{Carrier, Fleet};

/// Keys that a container with another's network cannot have, and those that one on the node's cannot have.
const OF_ITS_OWN: [&str; 4] = ["ports", "hostname", "extra_hosts", "dns"];

/// Every name under which services reach each other and that is gone.
pub(super) fn hosts(services: &[&Entry], names: &BTreeMap<String, String>) -> Hosts {
    let mut hosts = BTreeMap::new();
    for service in services {
        let Some(name) = names.get(&service.key) else { continue };
        let container = service.node.get("container_name").and_then(Node::text).map(str::to_owned);
        let networks = service.node.get("networks").map(Node::entries).unwrap_or_default();
        let aliases = networks.iter().filter_map(|it| it.node.get("aliases")).flat_map(Node::each);
        let aliases = aliases.filter_map(Node::text).map(str::to_owned);
        let other = services.iter().flat_map(|it| it.node.get("links").map(Node::each).unwrap_or_default());
        let linked = other.filter_map(|it| it.text()?.split_once(':')).filter(|(to, _)| *to == service.key);
        let linked = linked.map(|(_, alias)| alias.to_owned());
        for old in [service.key.clone()].into_iter().chain(container).chain(aliases).chain(linked) {
            if old != *name && !old.is_empty() && !names.values().any(|it| *it == old) {
                hosts.insert(old, name.clone());
            }
        }
    }
    Hosts(hosts)
}

impl Carrier<'_, '_> {
    pub(super) fn container_name(&mut self, entry: &Entry) {
        let Some(text) = self.text("container_name", &entry.node) else { return };
        if text != self.name {
            let text = format!("Docker shows it as OWNER.FLEET.{} here, and others reach it as `{0}`", self.name);
            self.note(&entry.node.place, "container_name", text);
        }
    }

    pub(super) fn links(&mut self, entry: &Entry) {
        for item in entry.node.each() {
            let Some(text) = self.text("links", item) else { continue };
            let service = text.split(':').next().unwrap_or_default();
            match self.fleet.names.get(service).cloned() {
                Some(name) => {
                    // A link says, too, that the other one comes first.
                    if self.out.0.get("needs").is_none_or(|it| it.get(&name).is_none()) {
                        self.set_in("needs", &name, "started");
                    }
                    if let Some((_, alias)) = text.split_once(':').filter(|(_, alias)| *alias != name) {
                        self.note(&item.place, "links", format!("it is reached as `{name}` here, not as `{alias}`"));
                    }
                }
                None => self.left(&item.place, "links", format!("`{service}` is not carried")),
            }
        }
    }

    pub(super) fn networks(&mut self, entry: &Entry) {
        for network in entry.node.entries() {
            self.fleet.networks.insert(network.key.clone());
            for entry in network.node.entries() {
                let key = format!("networks.{}.{}", network.key, entry.key);
                let name = self.name.to_owned();
                match entry.key.as_str() {
                    "aliases" => {
                        for alias in entry.node.each().iter().filter(|it| it.text() != Some(&name)) {
                            let text = alias.text().unwrap_or_default();
                            self.note(&alias.place, &key, format!("it is reached as `{name}` here, not as `{text}`"));
                        }
                    }
                    "ipv4_address" | "ipv6_address" => {
                        self.left(
                            &entry.place,
                            &key,
                            format!("addresses are Docker's choice here: use the name `{name}`"),
                        );
                    }
                    "priority" | "gw_priority" => {}
                    key_ if key_.starts_with("x-") => {}
                    _ => self.left(&entry.place, &key, "not carried"),
                }
            }
        }
    }

    pub(super) fn network_mode(&mut self, entry: &Entry) {
        let Some(text) = self.text("network_mode", &entry.node) else { return };
        let network = match text.as_str() {
            "host" | "none" => text,
            "bridge" | "default" => {
                return self.note(
                    &entry.node.place,
                    "network_mode",
                    "it is in the fleet's network, with all the others",
                );
            }
            _ => match text.strip_prefix("service:").and_then(|it| self.fleet.names.get(it)) {
                Some(name) => format!("container:{name}"),
                None => {
                    let text = format!("`{text}` is outside of this fleet: it is in the fleet's network");
                    return self.left(&entry.node.place, "network_mode", text);
                }
            },
        };
        self.set("network", network);
    }

    /// Takes out what has no effect in such a network.
    pub(super) fn network_settled(&mut self) {
        let Some(network) = self.out.0.get("network").and_then(|it| it.as_str()).map(str::to_owned) else { return };
        let service = self.service;
        let keys = if network.starts_with("container:") { &OF_ITS_OWN[..] } else { &OF_ITS_OWN[..1] };
        for key in keys {
            if let (Some(_), Some(entry)) = (self.out.0.remove(key), service.node.entry(key)) {
                self.left(&entry.place, key, format!("of no effect in the network \"{network}\""));
            }
        }
    }

    /// Names of others that are not what they were, in every text in which a program may look for them.
    pub(super) fn rename_hosts(&mut self) {
        let service = self.service;
        for (key, said) in
            [("env", "environment"), ("command", "command"), ("entrypoint", "entrypoint"), ("labels", "labels")]
        {
            let Some(mut value) = self.out.0.remove(key) else { continue };
            let place = |name: &str| {
                let file = service.node.get("env_file").and_then(|it| it.entry(name)).filter(|_| key == "env");
                let entry = service.node.get(said).and_then(|it| it.entry(name)).or(file).map(|it| &it.place);
                entry.or_else(|| service.node.entry(said).map(|it| &it.place)).unwrap_or(&service.place)
            };
            let texts: Vec<(String, &mut serde_json::Value)> = match &mut value {
                serde_json::Value::Object(members) => members.iter_mut().map(|(name, it)| (name.clone(), it)).collect(),
                serde_json::Value::Array(items) => items.iter_mut().map(|it| (String::new(), it)).collect(),
                _ => Vec::new(),
            };
            let mut said_of = Vec::new();
            for (name, node) in texts {
                let node = if node.is_object() { &mut node["value"] } else { node };
                let Some(text) = node.as_str() else { continue };
                let (done, doubts) = self.fleet.hosts.replace(&name, text);
                let dot = if name.is_empty() { "" } else { "." };
                let path = format!("{said}{dot}{name}");
                for old in doubts {
                    let new = &self.fleet.hosts.0[old];
                    let text =
                        format!("it names `{old}`, which is reached as `{new}` here: change it if it is the host");
                    said_of.push((place(&name), path.clone(), text));
                }
                if done != text {
                    said_of.push((place(&name), path, "the hosts that it names have their new names here".to_owned()));
                    *node = done.into();
                }
            }
            self.out.0.insert(key, value);
            for (place, path, text) in said_of {
                self.note(place, &path, text);
            }
        }
    }
}

/// Tells that containers that were apart are together, and what networks say that is not carried.
pub(super) fn one_for_all(fleet: &Fleet<'_>, report: &mut Report) {
    let used: Vec<&Entry> = fleet.project.networks.iter().filter(|it| fleet.networks.contains(&it.key)).collect();
    if let (Some(first), true) = (used.first(), fleet.networks.len() > 1) {
        let names: Vec<_> = fleet.networks.iter().map(|it| format!("`{it}`")).collect();
        let text = format!("all containers of a fleet are in one network: {} are no longer apart", names.join(", "));
        report.note(&first.place, "networks", text);
    }
    for network in &used {
        for entry in network.node.entries() {
            let key = format!("networks.{}.{}", network.key, entry.key);
            let text = match entry.key.as_str() {
                "external" if entry.node.truth() != Some(false) => {
                    "it is shared with others, and a fleet's network is its own: publish a port to be reached from outside"
                }
                "internal" if entry.node.truth() == Some(true) => "a fleet's network reaches the outside",
                "driver" if !matches!(entry.node.text(), Some("bridge" | "default")) => "a fleet's network is a bridge",
                "driver_opts" | "ipam" | "enable_ipv6" | "enable_ipv4" | "attachable" => {
                    "not carried: Docker's defaults hold"
                }
                "external" | "internal" | "driver" | "name" | "labels" => continue,
                other if other.starts_with("x-") => continue,
                _ => "unknown key: not carried",
            };
            report.left(&entry.place, key, text);
        }
    }
}
