//! `fleetlog rollouts`: a fleet's newest rollouts, or one of them.

use schemas::event::StepStatus;
use schemas::fleet::{Rollout, RolloutStatus, RolloutStepState};
use schemas::names::FleetId;
pub use schemas::outcome::duration as took;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::failure::Failure;
use super::out::{self, row};
use super::remote::Remote;
use super::{failed, here, wait};
use crate::cli::{RolloutsCommand, RolloutsOptions, ShowOptions};

/// A page of rollouts with the position that it shows.
#[derive(Deserialize)]
pub struct Page {
    /// The newest first.
    pub rollouts: Vec<Rollout>,
    /// The position.
    pub position: u64,
}

impl Page {
    /// As many as the platform keeps at hand.
    pub fn newest(remote: &Remote, fleet: &FleetId) -> Result<Self, Failure> {
        remote.get(&path(fleet), &[("limit", "1000".to_owned())], 0)?.read()
    }

    /// The one with this id, or the newest one of this commit.
    pub fn find(&self, fleet: &FleetId, target: &str) -> Result<&Rollout, Failure> {
        if let Ok(id) = target.parse::<Uuid>() {
            let found = self.rollouts.iter().find(|it| it.id == id);
            let none = || format!("{fleet} has no rollout `{id}` among its newest: `fleetlog rollouts` lists them");
            return found.ok_or_else(|| Failure::Failed(none()));
        }
        let commit = wait::commit(target)?;
        let none =
            || format!("{fleet} has no rollout of commit `{commit}` among its newest: `fleetlog rollouts` lists them");
        wait::newest(&self.rollouts, &commit)?.ok_or_else(|| Failure::Failed(none()))
    }
}

/// Shows them.
pub fn run(options: &RolloutsOptions) -> Result<(), Failure> {
    match &options.command {
        Some(RolloutsCommand::Show(show)) => one(show),
        None => list(options),
    }
}

/// Shows one: its steps, and where it failed the same as a push says.
fn one(options: &ShowOptions) -> Result<(), Failure> {
    let named = options.fleet.fleet.as_ref();
    let fleet = here::fleet(named)?;
    let remote = Remote::find()?;
    let page = Page::newest(&remote, &fleet)?;
    let it = page.find(&fleet, &options.target)?;
    if options.fleet.json {
        return out::json(it);
    }
    let after = it.duration_ms.map(|ms| format!(" after {}", took(ms))).unwrap_or_default();
    out::line(&format!("rollout {} of {fleet}: {}{after}", it.id, it.status.as_str()))?;
    out::line(&format!("commit {}, desired since position {}", it.commit, it.desired))?;
    out::line(&format!("planned {:.0} at position {}, on node {}", it.planned, it.planned_at, it.node))?;
    if let Some(failed) = it.retries {
        out::line(&format!("tries rollout {failed} again"))?;
    }
    if it.heals {
        out::line("puts right what another hand changed")?;
    }
    if it.steps.is_empty() {
        out::line("nothing had to be done")?;
    } else {
        let mut table = vec![row(["STEP", "WHAT", "STATUS", "TOOK", "WHY"])];
        table.extend((1..).zip(&it.steps).map(|(number, step)| step_row(number, it.steps.len(), step)));
        out::table("", &table)?;
    }
    for line in failed::told(&remote, &fleet, named, &page.rollouts, it)? {
        out::line(&line)?;
    }
    match it.status {
        RolloutStatus::Failed => out::line(&format!("error: rollout failed: {}", failed::why(it))),
        _ => Ok(()),
    }
}

fn step_row(number: usize, of: usize, it: &RolloutStepState) -> Vec<String> {
    let what = format!("{} {}", it.step.action.words().1, it.step.container);
    let status = match it.status {
        StepStatus::Waiting => "waiting",
        StepStatus::Started => "started",
        StepStatus::Succeeded => "succeeded",
        StepStatus::Failed => "failed",
        StepStatus::Held => "on hold",
    };
    let took = it.duration_ms.map_or_else(|| "-".to_owned(), took);
    let reasons = it.step.reasons.iter().map(schemas::plan::Reason::told).collect::<Vec<_>>().join("; ");
    let why = it.error.clone().unwrap_or(reasons);
    row([&format!("{number}/{of}"), &what, status, &took, &why])
}

fn list(options: &RolloutsOptions) -> Result<(), Failure> {
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
        Some(error) => out::line(&format!(
            "the newest failed: {error}\nto see more: fleetlog rollouts show {}",
            page.rollouts[0].id
        )),
        None => Ok(()),
    }
}

/// Where a fleet's rollouts are.
pub fn path(fleet: &FleetId) -> String {
    format!("/v1/fleets/{fleet}/rollouts")
}
