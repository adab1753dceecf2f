//! The facts of an object: what has a value and a path of its own, and since when each is as it is.

use std::collections::BTreeMap;

use schemas::descriptors::{File, Kind, Path};
use schemas::fleet::{ObservedContainer, ObservedTask, State};
use schemas::names::Name;
use serde_json::{Value, json};

/// The facts of an observed container, in the order in which their positions are stored.
pub(crate) const CONTAINER: [&str; 5] = ["state", "health", "exit_code", "image", "node"];

/// Facts by name: the value (none: it has none any more), and the position since which it is so.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts(pub BTreeMap<String, (Option<Value>, u64)>);

impl Facts {
    /// Takes what is now: what is not as it was is so since `position`.
    pub fn become_at(&mut self, now: BTreeMap<String, Value>, position: u64) {
        for (name, (value, since)) in &mut self.0 {
            if value.is_some() && !now.contains_key(name) {
                (*value, *since) = (None, position);
            }
        }
        for (name, value) in now {
            let fact = self.0.entry(name).or_insert((None, 0));
            if fact.0.as_ref() != Some(&value) {
                *fact = (Some(value), position);
            }
        }
    }

    /// The positions as they are stored.
    pub fn since(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let since: BTreeMap<_, _> = self.0.iter().map(|(name, (_, since))| (name, since)).collect();
        // A map from texts to numbers: writing it cannot fail.
        serde_json::to_string(&since).ok()
    }

    /// What was stored: the values now, and the positions.
    pub fn read(mut now: BTreeMap<String, Value>, since: Option<&str>) -> Result<Self, serde_json::Error> {
        let since: BTreeMap<String, u64> = since.map_or(Ok(BTreeMap::new()), serde_json::from_str)?;
        let facts = since.into_iter().map(|(name, since)| {
            let value = now.remove(&name);
            (name, (value, since))
        });
        Ok(Self(facts.collect()))
    }
}

/// The facts of a descriptor: a group's variables; a container's host and ports.
pub(crate) fn of_file(path: &Path, file: &File) -> BTreeMap<String, Value> {
    match (path, file) {
        (Path::Named(Kind::Variables, _), File::Variables(group)) => {
            let value = |it| serde_json::to_value(it).unwrap_or_default();
            group.0.iter().map(|(key, it)| (key.to_string(), value(it))).collect()
        }
        (Path::Named(Kind::Container, name), File::Container(it)) => {
            let mut facts = BTreeMap::from([("host".to_owned(), json!(name))]);
            facts.extend(it.ports.iter().filter_map(|text| port(text)));
            facts
        }
        _ => BTreeMap::new(),
    }
}

/// `127.0.0.1:8080:80/tcp` → `ports.80`: 8080. A host's port that is a reference stays one.
fn port(text: &str) -> Option<(String, Value)> {
    let (host, container) = text.rsplit_once(':')?;
    let container = container.strip_suffix("/tcp").unwrap_or(container);
    let host = if host.ends_with("}}") { host } else { host.rsplit_once(':').map_or(host, |(_, port)| port) };
    let value = host.parse::<u16>().map_or_else(|_| json!(host), |port| json!(port));
    Some((format!("ports.{container}"), value))
}

/// The facts of a task's last run.
pub(crate) fn of_task(task: &ObservedTask) -> BTreeMap<String, Value> {
    let mut facts = BTreeMap::from([("status".to_owned(), json!(task.status)), ("run".to_owned(), json!(task.run))]);
    if let Some(code) = task.exit_code {
        facts.insert("exit_code".to_owned(), json!(code));
    }
    facts.extend(task.outputs.iter().map(|(key, value)| (format!("outputs.{key}"), json!(value))));
    facts
}

/// The facts of an observed container, in the order of [`CONTAINER`]; null: it has none. A container that is gone has
/// none at all.
pub(crate) fn of_container(it: &ObservedContainer) -> [Value; CONTAINER.len()] {
    if it.state == State::Removed {
        return Default::default();
    }
    [json!(it.state), json!(it.health), json!(it.exit_code), json!(it.image), json!(it.node)]
}

/// The path of a fact: the descriptor's name, then the fact's.
pub(crate) fn path_of(folder: &str, name: &str, fact: &str) -> String {
    format!("{folder}.{name}.{fact}")
}

/// Whether a text can be a name in a path.
pub(crate) fn is_name(text: &str) -> bool {
    text.parse::<Name>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_port_is_the_hosts() {
        let read = |text| port(text).map(|(name, value)| format!("{name}={value}"));
        assert_eq!(read("127.0.0.1:8080:80").unwrap(), "ports.80=8080");
        assert_eq!(read("8080:80/tcp").unwrap(), "ports.80=8080");
        assert_eq!(read("53:53/udp").unwrap(), "ports.53/udp=53");
        assert_eq!(read("{{ variables.app.port }}:80").unwrap(), "ports.80=\"{{ variables.app.port }}\"");
        assert_eq!(read("80"), None);
    }

    #[test]
    fn a_fact_is_so_since_it_changed() {
        let now = |pairs: &[(&str, i64)]| pairs.iter().map(|(name, it)| ((*name).to_owned(), json!(it))).collect();
        let mut facts = Facts::default();
        facts.become_at(now(&[("a", 1), ("b", 1)]), 3);
        facts.become_at(now(&[("a", 1), ("b", 2)]), 5);
        facts.become_at(now(&[("a", 1)]), 7);
        facts.become_at(now(&[("a", 1)]), 9);
        assert_eq!(facts.since().unwrap(), r#"{"a":3,"b":7}"#);
        assert_eq!(Facts::read(now(&[("a", 1)]), facts.since().as_deref()).unwrap(), facts);
    }
}
