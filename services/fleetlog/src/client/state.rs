//! `fleetlog state`: what a fleet should be, and what it is.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use schemas::fleet::{CRASH_LOOP, LASTING};
use schemas::image::short;
use schemas::names::FleetId;
use schemas::operate::Hold;
use schemas::plan::Reason;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::here;
use super::out::{self, row};
use super::remote::Remote;
use crate::cli::StateOptions;

/// Shows it.
pub fn run(options: &StateOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let state = fetch_at(&Remote::find()?, &fleet, options.at.as_deref().and_then(here::moment), 0)?;
    if options.fleet.json {
        return out::json(&state);
    }
    let commit = out::short(state["commit"].as_str());
    let deploy = state["deploy"].as_str().unwrap_or("?");
    out::line(&format!("{fleet}  {commit} of {deploy}  position {}", state["position"]))?;
    let rows = containers(&state);
    if !rows.is_empty() {
        let mut table = vec![row(["CONTAINER", "STATE", "HEALTH", "NODE"])];
        table.extend(rows);
        out::table("  ", &table)?;
    }
    [archived(&state), holds(&state), drift(&state), outdated(&state)]
        .iter()
        .flatten()
        .try_for_each(|line| out::line(&format!("  {line}")))?;
    for kind in ["volumes", "tasks", "variables"] {
        let names: Vec<_> = members(&state["desired"][kind]).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            out::line(&format!("  {kind}: {}", names.join(", ")))?;
        }
    }
    Ok(())
}

/// The state as the platform tells it, at `at_least` or later.
pub fn fetch(remote: &Remote, fleet: &FleetId, at_least: u64) -> Result<Value, Failure> {
    fetch_at(remote, fleet, None, at_least)
}

/// The state as it was; none: as it is.
pub fn fetch_at(remote: &Remote, fleet: &FleetId, at: Option<String>, at_least: u64) -> Result<Value, Failure> {
    let query: Vec<_> = at.map(|at| ("at", at)).into_iter().collect();
    remote.get(&format!("/v1/fleets/{fleet}"), &query, at_least)?.read()
}

/// A line for every container that another hand has changed.
pub fn drift(state: &Value) -> Vec<String> {
    let told = |it: &Value| serde_json::from_value::<Reason>(it.clone()).map(|it| it.told()).unwrap_or_default();
    let line = |(name, it): (&String, &Value)| {
        let reasons = it["reasons"].as_array().into_iter().flatten().map(told);
        let action = it["action"].as_str().unwrap_or("?");
        format!("drift: {name}: {} ({action}), since position {}", reasons.collect::<Vec<_>>().join("; "), it["since"])
    };
    members(&state["drift"]).map(line).collect()
}

/// A line for every container that is kept for a while although its descriptor is gone.
pub fn archived(state: &Value) -> Vec<String> {
    let line = |(name, it): (&String, &Value)| {
        let text = |key: &str| it[key].as_str().unwrap_or("?").to_owned();
        format!("kept: {} as `{name}` on {}, stopped, until {}", text("container"), text("node"), text("until"))
    };
    members(&state["archived"]).map(line).collect()
}

/// A line for every container that is left alone.
pub fn holds(state: &Value) -> Vec<String> {
    let told = |it: &Value| serde_json::from_value::<Hold>(it.clone()).map(|it| it.told()).unwrap_or_default();
    members(&state["holds"]).map(|(name, it)| format!("hold: {name}: {}", told(it))).collect()
}

/// A line for every container whose tag leads to another image by now.
pub fn outdated(state: &Value) -> Vec<String> {
    let short = |value: &Value| short(value.as_str().unwrap_or("?")).to_owned();
    let line = |(name, it): (&String, &Value)| {
        let to = it["outdated"]["to"].as_str()?;
        let runs = if it["digest"].is_null() { &it["id"] } else { &it["digest"] };
        let (reference, since) = (it["reference"].as_str().unwrap_or("?"), &it["outdated"]["since"]);
        let (runs, to) = (short(runs), short(&Value::from(to)));
        Some(format!(
            "outdated: {name}: {reference} leads to {to}, runs {runs}, since position {since}: `fleetlog update {name}`"
        ))
    };
    members(&state["images"]).filter_map(line).collect()
}

/// A row for every container that should be or is: name, state, health, node.
pub fn containers(state: &Value) -> Vec<Vec<String>> {
    let (desired, observed) = (&state["desired"]["containers"], &state["observed"]["containers"]);
    let names: BTreeSet<_> = members(desired).chain(members(observed)).map(|(name, _)| name).collect();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut rows = Vec::new();
    for name in names {
        let seen = &observed[name.as_str()];
        let word = match seen["state"].as_str() {
            None => "missing".to_owned(),
            Some("exited") => format!("exited ({})", seen["exit_code"]),
            Some(state) => state.to_owned(),
        };
        let word = if is_crash_loop(seen) { format!("{word}, crash loop") } else { word };
        let wanted = !desired[name.as_str()].is_null();
        let word = if wanted { word } else { format!("{word}, not wanted") };
        rows.push(vec![name.clone(), word, text(&seen["health"]), text(&seen["node"])]);
    }
    rows
}

/// A line for every container whose runs end soon, again and again.
pub fn crash_loops(state: &Value) -> Vec<String> {
    let looping = members(&state["observed"]["containers"]).filter(|(_, it)| is_crash_loop(it));
    let line = |(name, it): (&String, &Value)| {
        let code = it["exit_code"].as_i64().map_or_else(String::new, |code| format!(", the last one with code {code}"));
        format!(
            "crash loop: {name}: {} runs in a row ended soon{code}: `fleetlog logs --container {name}`",
            it["crashes"]
        )
    };
    looping.map(line).collect()
}

/// Whether its runs end soon, again and again. One that has run for a while since is none, however often it ended before.
fn is_crash_loop(seen: &Value) -> bool {
    let started = seen["started"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
    let since = started.and_then(|at| Duration::try_from(streams::clock::now().duration_since(at)).ok());
    let lasts = seen["state"] == "running" && since.is_some_and(|it| it >= Duration::from(LASTING));
    seen["crashes"].as_u64().is_some_and(|it| it >= CRASH_LOOP) && !lasts
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
