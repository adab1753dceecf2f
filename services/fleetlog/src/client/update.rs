//! `fleetlog update`: the tags of images are resolved anew.

use std::collections::BTreeMap;

use schemas::event::ImageMove;
use schemas::images::Resolved;
use schemas::names::Name;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::out::{self, row};
use super::remote::Remote;
use super::{here, state, wait};
use crate::cli::UpdateOptions;

/// What came of it, as far as people read it.
#[derive(Deserialize)]
struct Update {
    images: BTreeMap<Name, ImageMove>,
    unchanged: u32,
}

/// Shows what changes; then waits for the end of its rollout, unless that is not wanted.
pub fn run(options: &UpdateOptions) -> Result<(), Failure> {
    let how = &options.fleet;
    let fleet = here::fleet(how.fleet.as_ref())?;
    let remote = Remote::find()?;
    let body = json!({ "container": options.container, "reason": options.reason, "only_plan": options.plan });
    let reply = remote.send("POST", &format!("/v1/fleets/{fleet}/update"), Some(&body))?;
    let (position, told): (u64, Value) = (reply.position, reply.read()?);
    let update: Update = serde_json::from_value(told.clone())
        .map_err(|error| Failure::Failed(format!("the platform answers in words of another version: {error}")))?;
    let waits = !options.plan && !options.no_wait && !update.images.is_empty();
    if how.json && !waits {
        return out::json(&told);
    }
    if !how.json {
        show(&update)?;
    }
    if options.plan {
        return out::line("plan only: nothing was stored");
    }
    if update.images.is_empty() {
        return Ok(());
    }
    let state = state::fetch(&remote, &fleet, position)?;
    let commit = state["commit"].as_str().unwrap_or_default().to_owned();
    match waits {
        true => wait::planned_after(remote, fleet, (commit, position), how),
        false => out::line(&format!("not waiting; to wait later: fleetlog wait {}", out::short(Some(&commit)))),
    }
}

fn show(update: &Update) -> Result<(), Failure> {
    let Update { images, unchanged } = update;
    let keep = match unchanged {
        1 => "1 container keeps its image".to_owned(),
        _ => format!("{unchanged} containers keep their images"),
    };
    if images.is_empty() {
        return out::line(&format!("nothing to update: {keep}"));
    }
    let mut table = vec![row(["CONTAINER", "IMAGE", "FROM", "TO"])];
    table.extend(images.iter().map(|(name, it)| {
        let from = it.from.as_ref().map_or("not recorded", Resolved::shown);
        row([name.as_str(), &it.to.reference, from, it.to.shown()])
    }));
    out::table("", &table)?;
    if *unchanged > 0 { out::line(&keep) } else { Ok(()) }
}
