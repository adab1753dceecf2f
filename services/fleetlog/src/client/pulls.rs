//! `fleetlog pr …`: pull requests, as people read them.

use schemas::check::Fault;
use schemas::names::FleetId;
use serde_json::{Value, json};

use super::failure::Failure;
use super::out::{self, row};
use super::remote::Remote;
use super::{check, here};
use crate::cli::{CreateOptions, FleetOptions, ListOptions, OneOptions, PrCommand, SeenOptions};

/// Does what was asked.
pub fn run(command: &PrCommand) -> Result<(), Failure> {
    match command {
        PrCommand::Create(options) => create(options),
        PrCommand::List(options) => list(options),
        PrCommand::Show(options) => show(options),
        PrCommand::Diff(options) => diff(options),
        PrCommand::Approve(options) => seen(options, "approve", "approved"),
        PrCommand::Merge(options) => seen(options, "merge", "merged"),
        PrCommand::Close(options) => close(options),
    }
}

fn create(options: &CreateOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    let own = here::fleet(options.fleet.fleet.as_ref())?;
    let upstream = if options.upstream || options.sync { Some(upstream(&remote, &own)?) } else { None };
    let (from, into, branch) = match (&upstream, options.sync) {
        // What is deployed there is what there is to take.
        (Some((fleet, deploy)), true) => (fleet.clone(), own.clone(), Some(deploy.clone())),
        (Some((fleet, _)), false) => (own.clone(), fleet.clone(), None),
        (None, _) => (own.clone(), own.clone(), None),
    };
    let branch = options
        .from
        .clone()
        .or(branch)
        .or_else(here::branch)
        .ok_or_else(|| Failure::Usage("which branch? say --from BRANCH, or check it out".to_owned()))?;
    let source = if branch.contains(':') { branch } else { format!("{from}:{branch}") };
    let title = options
        .title
        .clone()
        .or_else(|| if options.sync { Some(format!("Sync from {from}")) } else { here::subject() });
    let title = title.ok_or_else(|| Failure::Usage("what is it for? say --title TEXT".to_owned()))?;
    let mut body = json!({ "from": source, "title": title });
    if let Some(into) = &options.into {
        body["into"] = json!(into);
    }
    let pull: Value = remote.send("POST", &format!("/v1/fleets/{into}/pulls"), Some(&body))?.read()?;
    tell(&into, &pull, &options.fleet)
}

/// What a fork was copied from, and its deploy branch.
fn upstream(remote: &Remote, fleet: &FleetId) -> Result<(FleetId, String), Failure> {
    let state: Value = remote.get(&format!("/v1/fleets/{fleet}"), &[], 0)?.read()?;
    let upstream = state["upstream"].as_str().and_then(|it| it.parse::<FleetId>().ok());
    let upstream = upstream.ok_or_else(|| Failure::Failed(format!("`{fleet}` is no fork")))?;
    let its: Value = remote.get(&format!("/v1/fleets/{upstream}"), &[], 0)?.read()?;
    Ok((upstream, its["deploy"].as_str().unwrap_or("main").to_owned()))
}

fn list(options: &ListOptions) -> Result<(), Failure> {
    let remote = Remote::find()?;
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let (mut pulls, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "1000".to_owned())];
        query.extend((!options.all).then(|| ("status", "open".to_owned())));
        query.extend(cursor.take().map(|it| ("cursor", it)));
        let page: Value = remote.get(&format!("/v1/fleets/{fleet}/pulls"), &query, 0)?.read()?;
        pulls.extend(page["pulls"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    if options.fleet.json {
        return out::json(&json!({ "pulls": pulls }));
    }
    let mut table = vec![row(["NUMBER", "STATUS", "FROM", "INTO", "BY", "APPROVED", "TITLE"])];
    for it in &pulls {
        let text = |key: &str| out::value(&it[key]);
        let approved = format!("{}/{}", counting(it), it["approvals_needed"]);
        let (status, from, into, by) = (text("status"), text("from"), text("into"), text("author"));
        table.push(row([&text("number"), &status, &from, &into, &by, &approved, &text("title")]));
    }
    out::table("", &table)
}

fn counting(pull: &Value) -> usize {
    pull["approvals"].as_array().into_iter().flatten().filter(|it| it["counts"] == true).count()
}

fn show(options: &OneOptions) -> Result<(), Failure> {
    let (remote, fleet, path) = one(options.number, &options.fleet)?;
    let pull: Value = remote.get(&path, &[], 0)?.read()?;
    tell(&fleet, &pull, &options.fleet)
}

fn diff(options: &OneOptions) -> Result<(), Failure> {
    let (remote, _, path) = one(options.number, &options.fleet)?;
    let text = remote.get(&format!("{path}/diff"), &[], 0)?.text();
    if options.fleet.json { out::json(&json!({ "diff": text })) } else { out::line(text.trim_end()) }
}

fn seen(options: &SeenOptions, verb: &str, done: &str) -> Result<(), Failure> {
    let (remote, fleet, path) = one(options.number, &options.fleet)?;
    let body = options.plan.as_ref().map_or_else(|| json!({}), |plan| json!({ "plan": plan }));
    let pull: Value = remote.send("POST", &format!("{path}/{verb}"), Some(&body))?.read()?;
    if options.fleet.json {
        return out::json(&pull);
    }
    let number = options.number;
    out::line(&format!("{done} pull request {number} of {fleet}"))?;
    match (verb, pull["commit"].as_str()) {
        ("merge", Some(commit)) => {
            out::line(&format!("its rollout follows: fleetlog wait {}", out::short(Some(commit))))
        }
        _ => out::line(&format!("{} of {} approvals", counting(&pull), pull["approvals_needed"])),
    }
}

fn close(options: &OneOptions) -> Result<(), Failure> {
    let (remote, fleet, path) = one(options.number, &options.fleet)?;
    let pull: Value = remote.send("POST", &format!("{path}/close"), None)?.read()?;
    if options.fleet.json {
        return out::json(&pull);
    }
    out::line(&format!("closed pull request {} of {fleet}", options.number))
}

fn one(number: u64, options: &FleetOptions) -> Result<(Remote, FleetId, String), Failure> {
    let fleet = here::fleet(options.fleet.as_ref())?;
    let path = format!("/v1/fleets/{fleet}/pulls/{number}");
    Ok((Remote::find()?, fleet, path))
}

/// One pull request, as people read it.
fn tell(fleet: &FleetId, pull: &Value, options: &FleetOptions) -> Result<(), Failure> {
    if options.json {
        return out::json(pull);
    }
    let text = |key: &str| out::value(&pull[key]);
    out::line(&format!("pull request {} of {fleet}: {} ({})", text("number"), text("title"), text("status")))?;
    let short = |key: &str| out::short(pull[key].as_str()).to_owned();
    let (from, into, by) = (text("from"), text("into"), text("author"));
    out::line(&format!("  {from} ({}) into {into} ({}), by {by}", short("head"), short("base")))?;
    for it in pull["approvals"].as_array().into_iter().flatten() {
        let counts = if it["counts"] == true { "" } else { ", which does not count any more" };
        out::line(&format!("  approved by {}{counts}", out::value(&it["by"])))?;
    }
    let now = &pull["now"];
    if now.is_null() {
        return Ok(());
    }
    out::line(&format!("  {} of {} approvals", now["approved"], pull["approvals_needed"]))?;
    let faults = |key: &str| serde_json::from_value::<Vec<Fault>>(now[key].clone()).unwrap_or_default();
    check::warn(&faults("warnings"));
    let broken = faults("faults");
    if !broken.is_empty() {
        out::line(&schemas::check::report(&broken))?;
    }
    if let Some(said) = now["text"].as_str().filter(|it| !it.is_empty()) {
        out::line(said)?;
    }
    if now["conflicts"].as_array().is_some_and(|it| !it.is_empty()) {
        out::line(&format!(
            "  hint: take `{into}` into the branch and resolve that, then push it:\n    git fetch origin && git merge origin/{into}"
        ))?;
    }
    let number = text("number");
    if let Some(plan) = now["plan"].as_str() {
        let fleet = format!("--fleet {fleet} --plan {plan}");
        out::line(&format!("  fleetlog pr approve {number} {fleet}\n  fleetlog pr merge {number} {fleet}"))?;
    }
    Ok(())
}
