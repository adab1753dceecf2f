//! From a project to descriptors: each key of each service is carried, or said.

mod env;
mod health;
mod left;
mod limits;
mod mounts;
mod network;
mod options;
mod ports;
mod run;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::descriptor::Descriptor;
use super::load::Project;
use super::names::{Hosts, labels};
use super::report::Report;
use super::yaml::{Entry, Node, Place, Value};

/// What the user says of what is carried.
#[derive(Debug, Default)]
pub struct Choices {
    /// The profiles that are wanted; `*`: all.
    pub profiles: Vec<String>,
    /// Names of environment variables that look like secrets and are none → why.
    pub allowed: BTreeMap<String, String>,
}

/// The descriptors of a project by their paths.
pub fn convert(project: &Project, choices: &Choices, report: &mut Report) -> BTreeMap<String, Descriptor> {
    let wanted = wanted(project, choices, report);
    let names = labels(wanted.iter().map(|it| it.key.as_str()));
    let volumes = labels(project.volumes.iter().map(|it| it.key.as_str()));
    let mut fleet = Fleet {
        project,
        choices,
        hosts: network::hosts(&wanted, &names),
        names,
        volumes,
        files: BTreeMap::new(),
        networks: BTreeSet::new(),
    };
    for service in &wanted {
        let name = fleet.names.get(&service.key).cloned().unwrap_or_default();
        if name != service.key {
            let text = format!("called `{name}` here: a name is a DNS label");
            report.note(&service.place, format!("services.{}", service.key), text);
        }
        let mut carried = Carrier { service, name: &name, fleet: &mut fleet, report, out: Descriptor::default() };
        carried.all();
        let out = carried.out;
        fleet.files.insert(format!("containers/{name}.json"), out);
    }
    network::one_for_all(&fleet, report);
    mounts::declared(&mut fleet, report);
    fleet.files
}

/// The services whose profiles are wanted.
fn wanted<'a>(project: &'a Project, choices: &Choices, report: &mut Report) -> Vec<&'a Entry> {
    let is_wanted = |service: &&Entry| {
        let Some(profiles) = service.node.get("profiles").map(Node::each).filter(|it| !it.is_empty()) else {
            return true;
        };
        let names: Vec<&str> = profiles.iter().filter_map(Node::text).collect();
        let wanted = names.iter().any(|name| choices.profiles.iter().any(|it| it == name || it == "*"));
        if !wanted {
            let text =
                format!("left out, it is of the profile `{0}` only: say --profile {0} to have it", names.join("`, `"));
            report.note(&service.place, format!("services.{}", service.key), text);
        }
        wanted
    };
    project.services.iter().filter(is_wanted).collect()
}

/// What the services of a project share.
struct Fleet<'a> {
    project: &'a Project,
    choices: &'a Choices,
    /// Service → container.
    names: BTreeMap<String, String>,
    /// Volume of the project → volume of the fleet.
    volumes: BTreeMap<String, String>,
    hosts: Hosts,
    files: BTreeMap<String, Descriptor>,
    /// The networks that services are in.
    networks: BTreeSet<String>,
}

/// Carries one service.
struct Carrier<'a, 'p> {
    service: &'a Entry,
    /// What it is called here.
    name: &'a str,
    fleet: &'a mut Fleet<'p>,
    report: &'a mut Report,
    out: Descriptor,
}

impl Carrier<'_, '_> {
    fn all(&mut self) {
        let service = self.service;
        if !matches!(service.node.value, Value::Map(_)) {
            self.left(&service.place, "", "expected a map of keys");
            return;
        }
        // A compose file without `restart` means "no"; a descriptor means otherwise.
        self.set("restart", "no");
        for entry in service.node.entries() {
            self.entry(entry);
        }
        self.environment();
        self.image();
        self.mounts();
        self.network_settled();
        self.limits_settled();
        self.rename_hosts();
        self.hide_secrets();
    }

    fn entry(&mut self, entry: &Entry) {
        let null = entry.node.is_null();
        match entry.key.as_str() {
            key if key.starts_with("x-") => {}
            "image" | "build" | "environment" | "env_file" | "volumes" | "tmpfs" | "configs" | "secrets"
            | "profiles" | "expose" | "attach" => {}
            _ if null => {}
            "command" | "entrypoint" => self.argv(entry),
            "ports" => self.ports(entry),
            "networks" => self.networks(entry),
            "network_mode" => self.network_mode(entry),
            "container_name" => self.container_name(entry),
            "links" => self.links(entry),
            "depends_on" => self.needs(entry),
            "restart" => self.restart(entry),
            "stop_signal" | "stop_grace_period" => self.stop(entry),
            "healthcheck" => self.health(entry),
            "deploy" => self.deploy(entry),
            "scale" => self.scale(&entry.node, "scale"),
            "mem_limit" | "memswap_limit" | "cpus" | "cpu_quota" | "cpu_period" | "pids_limit" | "blkio_config" => {
                self.limit(entry);
            }
            "logging" => self.logging(entry),
            _ if self.option(entry) => {}
            _ => self.not_carried(entry),
        }
    }

    fn key(&self, key: &str) -> String {
        let dot = if key.is_empty() { "" } else { "." };
        format!("services.{}{dot}{key}", self.service.key)
    }

    fn left(&mut self, place: &Place, key: &str, text: impl Into<String>) {
        let key = self.key(key);
        self.report.left(place, key, text);
    }

    fn note(&mut self, place: &Place, key: &str, text: impl Into<String>) {
        let key = self.key(key);
        self.report.note(place, key, text);
    }

    fn set(&mut self, key: &'static str, value: impl Into<Json>) {
        self.out.0.insert(key, value.into());
    }

    /// Sets a key of an object.
    fn set_in(&mut self, key: &'static str, inner: &str, value: impl Into<Json>) {
        self.out.0.entry(key).or_insert_with(|| json!({}))[inner] = value.into();
    }

    /// The text of a value; what is none is told.
    fn text(&mut self, key: &str, node: &Node) -> Option<String> {
        if node.text().is_none() {
            self.left(&node.place, key, "expected a text");
        }
        node.text().map(str::to_owned)
    }

    /// The texts of a list, or the one text.
    fn texts(&mut self, key: &str, node: &Node) -> Vec<String> {
        node.each().iter().filter_map(|it| self.text(key, it)).collect()
    }
}
