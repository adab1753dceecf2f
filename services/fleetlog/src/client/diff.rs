//! `fleetlog diff A B`: what a fleet should be and was, at two moments, path by path.

use std::collections::{BTreeMap, BTreeSet};

use schemas::names::FleetId;
use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::out::{self, row};
use super::remote::Remote;
use super::{here, state};
use crate::cli::DiffOptions;

/// Observed members that say how we know, not what is.
const NOT_COMPARED: [&str; 3] = ["since", "docker_id", "run"];

/// What is not the same.
#[derive(Serialize)]
struct Diff<'a> {
    fleet: &'a FleetId,
    from: u64,
    to: u64,
    desired: Vec<Change>,
    observed: Vec<Change>,
}

/// A path that is not the same; null: it is not there.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    path: String,
    from: Value,
    to: Value,
}

/// Shows it.
pub fn run(options: &DiffOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let remote = Remote::find()?;
    let (from, to) = (at(&remote, &fleet, &options.from)?, at(&remote, &fleet, &options.to)?);
    let position = |state: &Value| state["position"].as_u64().unwrap_or(0);
    let diff = Diff {
        fleet: &fleet,
        from: position(&from),
        to: position(&to),
        desired: changes(&from["desired"], &to["desired"]),
        observed: changes(&from["observed"], &to["observed"]),
    };
    if options.fleet.json {
        return out::json(&diff);
    }
    let commit = |state: &Value| out::short(state["commit"].as_str()).to_owned();
    out::line(&format!("{fleet}  position {} at {} → {} at {}", diff.from, commit(&from), diff.to, commit(&to)))?;
    for (title, changes) in [("desired", &diff.desired), ("observed", &diff.observed)] {
        if changes.is_empty() {
            out::line(&format!("{title}: the same"))?;
            continue;
        }
        out::line(&format!("{title}:"))?;
        let shown = |it: &Change| row([&it.path, &out::value(&it.from), "→", &out::value(&it.to)]);
        out::table("  ", &changes.iter().map(shown).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn at(remote: &Remote, fleet: &FleetId, when: &str) -> Result<Value, Failure> {
    state::fetch_at(remote, fleet, here::moment(when), 0)
}

fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(String::new(), from, &mut before);
    leaves(String::new(), to, &mut after);
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
    let change = |path: String| {
        let (from, to) = (before.remove(&path).unwrap_or_default(), after.remove(&path).unwrap_or_default());
        (from != to).then_some(Change { path, from, to })
    };
    paths.into_iter().filter_map(change).collect()
}

/// Every value that holds no other: an array counts as one value, because a command reads as a whole.
fn leaves(path: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    let Value::Object(members) = value else {
        found.insert(path, value.clone());
        return;
    };
    for (name, value) in members.iter().filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str())) {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        leaves(below, value, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_what_went_and_what_changed() {
        let from = json!({ "containers": { "a": { "image": "x:1", "command": ["a", "b"], "since": 3 }, "b": { "image": "y:1" } } });
        let to = json!({ "containers": { "a": { "image": "x:2", "command": ["a", "b"], "since": 9 } }, "tasks": { "t": { "exit_code": 0 } } });
        let change = |path: &str, from: Value, to: Value| Change { path: path.to_owned(), from, to };
        assert_eq!(
            changes(&from, &to),
            [
                change("containers.a.image", json!("x:1"), json!("x:2")),
                change("containers.b.image", json!("y:1"), Value::Null),
                change("tasks.t.exit_code", Value::Null, json!(0)),
            ]
        );
        assert_eq!(changes(&to, &to), []);
    }
}
