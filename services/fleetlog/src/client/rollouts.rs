//! `fleetlog rollouts`: a fleet's newest rollouts.

use schemas::fleet::Rollout;
use schemas::names::FleetId;
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::here;
use super::out::{self, row};
use super::remote::Remote;
use crate::cli::RolloutsOptions;

/// A page of rollouts with the position that it shows.
#[derive(Deserialize)]
pub struct Page {
    /// The newest first.
    pub rollouts: Vec<Rollout>,
    /// The position.
    pub position: u64,
}

/// Shows them.
pub fn run(options: &RolloutsOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let reply = Remote::find()?.get(&path(&fleet), &[("limit", options.limit.to_string())], 0)?;
    if options.fleet.json {
        return out::json(&reply.read::<Value>()?);
    }
    let page: Page = reply.read()?;
    if page.rollouts.is_empty() {
        return out::line(&format!("{fleet} has no rollout yet: a push to its deploy branch makes one"));
    }
    let mut table = vec![row(["PLANNED", "COMMIT", "STATUS", "STEPS", "TOOK", "ID"])];
    for it in &page.rollouts {
        let took = it.duration_ms.map_or_else(|| "-".to_owned(), took);
        let (planned, id) = (format!("{:.0}", it.planned), it.id.to_string());
        let steps = it.steps.len().to_string();
        table.push(row([&planned, it.commit.short(), it.status.as_str(), &steps, &took, &id]));
    }
    out::table("", &table)?;
    match page.rollouts.first().and_then(|it| it.error.as_ref()) {
        Some(error) => out::line(&format!("the newest failed: {error}")),
        None => Ok(()),
    }
}

/// Where a fleet's rollouts are.
pub fn path(fleet: &FleetId) -> String {
    format!("/v1/fleets/{fleet}/rollouts")
}

/// A duration as people read it.
pub fn took(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) }
}
