//! `fleetlog vars [PATH]`: every variable and observed fact of a fleet, or one of them through time.

use std::collections::BTreeMap;

use schemas::query::{Range, Variable};
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::here;
use super::out::{self, row};
use super::remote::Remote;
use crate::cli::VarsOptions;

#[derive(Deserialize)]
struct Variables {
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
struct History {
    position: u64,
    history: Vec<Range>,
    next: Option<String>,
}

/// Shows them.
pub fn run(options: &VarsOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let base = format!("/v1/fleets/{fleet}/variables");
    let query: Vec<_> = options.at.as_deref().and_then(here::moment).map(|at| ("at", at)).into_iter().collect();
    let path = match &options.path {
        None => base,
        Some(path) => format!("{base}/{path}"),
    };
    let reply = Remote::find()?.get(&path, &query, 0)?;
    if options.fleet.json {
        return out::json(&reply.read::<Value>()?);
    }
    if options.path.is_some() { history(&reply.read()?) } else { all(&reply.read()?) }
}

fn all(shown: &Variables) -> Result<(), Failure> {
    let mut table = vec![row(["PATH", "VALUE", "SINCE", "TIME", "COMMIT", "BY"])];
    for (path, it) in &shown.variables {
        let (value, since, time) = (out::value(&it.value), it.since.to_string(), format!("{:.0}", it.time));
        table.push(row([path, &value, &since, &time, out::short(it.commit.as_deref()), &it.by]));
    }
    out::table("", &table)
}

fn history(shown: &History) -> Result<(), Failure> {
    let mut table = vec![row(["VALUE", "FROM", "TO", "TIME", "COMMIT", "BY"])];
    for it in &shown.history {
        let (value, from, time) = (out::value(&it.value), it.from.to_string(), format!("{:.0}", it.time));
        let to = it.to.map_or_else(|| format!("still at {}", shown.position), |to| to.to_string());
        table.push(row([&value, &from, &to, &time, out::short(it.commit.as_deref()), &it.by]));
    }
    out::table("", &table)?;
    if shown.next.is_some() {
        out::note("and older ones: --json has `next`, for `?cursor=`");
    }
    Ok(())
}
