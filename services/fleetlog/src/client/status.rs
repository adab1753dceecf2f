//! `fleetlog status`: is the platform well, and what runs?

use schemas::query::FleetLine;
use serde_json::{Value, json};

use super::failure::Failure;
use super::out::{self, row};
use super::remote::Remote;
use super::state;
use crate::cli::StatusOptions;

/// Shows it. Exit status 1 while a service is not ready.
pub fn run(options: &StatusOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    let readiness = remote.readiness()?;
    let ready = readiness["ready"] == true;
    let services: Vec<_> = readiness["services"].as_object().into_iter().flatten().collect();
    if !ready && services.iter().any(|(name, _)| *name == "platform") {
        // It is still starting: nothing else would answer.
        return Err(Failure::NotReachable(format!("the platform at `{}` is starting", remote.url())));
    }
    let mut fleets = fleets(&remote)?;
    fleets.retain(|it| options.fleet.as_ref().is_none_or(|fleet| it.fleet == *fleet));
    if let Some(missing) = options.fleet.as_ref().filter(|_| fleets.is_empty()) {
        return Err(Failure::Failed(format!("there is no fleet `{missing}` at `{}`", remote.url())));
    }
    let states: Vec<Value> = fleets.iter().map(|it| state::fetch(&remote, &it.fleet, 0)).collect::<Result<_, _>>()?;

    if options.json {
        let fleets: Vec<_> = fleets.iter().zip(&states).map(|(line, state)| with_observed(line, state)).collect();
        out::json(&json!({ "url": remote.url(), "ready": ready, "version": readiness["version"],
            "services": readiness["services"], "fleets": fleets }))?;
    } else {
        let word = if ready { "ready" } else { "not ready" };
        out::line(&format!("{}  fleetlog {}  {word}", remote.url(), readiness["version"].as_str().unwrap_or("?")))?;
        for (name, service) in services.iter().filter(|(_, it)| it["ready"] != true) {
            out::line(&format!("  {name}: {}", service["reason"].as_str().unwrap_or("not ready")))?;
        }
        if fleets.is_empty() {
            out::line("no fleet yet: `git push -o create http://admin:TOKEN@HOST/git/OWNER/FLEET.git main` makes one")?;
        }
        for (line, state) in fleets.iter().zip(&states) {
            out::line("")?;
            show(line, state)?;
        }
    }
    if ready { Ok(()) } else { Err(Failure::Failed("a service is not ready".to_owned())) }
}

/// Every fleet, page by page.
fn fleets(remote: &Remote) -> Result<Vec<FleetLine>, Failure> {
    #[derive(serde::Deserialize)]
    struct Page {
        fleets: Vec<FleetLine>,
        next: Option<String>,
    }
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = [("limit", "1000".to_owned()), ("cursor", cursor)];
        let page: Page = remote.get("/v1/fleets", &query, 0)?.read()?;
        all.extend(page.fleets);
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(all),
        }
    }
}

fn with_observed(line: &FleetLine, state: &Value) -> Value {
    let mut value = json!(line);
    value["observed"] = state["observed"].clone();
    value["drift"] = state["drift"].clone();
    value["archived"] = state["archived"].clone();
    value["holds"] = state["holds"].clone();
    value["images"] = state["images"].clone();
    value
}

fn show(line: &FleetLine, state: &Value) -> Result<(), Failure> {
    let commit = out::short(line.commit.as_deref());
    let rollout = line.rollout.as_deref().map_or_else(|| "no rollout yet".to_owned(), |it| format!("rollout {it}"));
    let head = format!("{}  {commit}  {rollout}  {} of {} running", line.fleet, line.running, line.containers);
    out::line(head.as_str())?;
    let rows = state::containers(state);
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = vec![row(["CONTAINER", "STATE", "HEALTH", "NODE"])];
    table.extend(rows);
    out::table("  ", &table)?;
    let lines = [
        state::archived(state),
        state::holds(state),
        state::crash_loops(state),
        state::drift(state),
        state::outdated(state),
    ];
    lines.iter().flatten().try_for_each(|line| out::line(&format!("  {line}")))
}
