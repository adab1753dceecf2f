//! Removes the containers of runs that have ended. Not before the log says how: until then they are what is known of a
//! run. And not before their last lines are in the log, where somebody collects them.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{Labels, Listed, Scope};
use futures_util::future::join_all;
use schemas::names::FleetId;
use schemas::runs::{RUN_LABEL, TASK_LABEL};
use uuid::Uuid;

use super::host::{Host, Stands};

/// Once the log says how a run ended, removes what is left of it.
pub async fn after(host: &Host, fleet: &FleetId, run: Uuid) {
    while let Some(Stands::Open(_)) = host.stands(fleet, run).await {
        host.pause().await;
    }
    if host.shutdown.is_cancelled() {
        return;
    }
    host.forget(run);
    let scope = host.of_run(run);
    while let Err(error) = remove(host, &scope).await {
        tracing::debug!(%error, %run, "the containers of a run are not removed yet, trying again");
        host.pause().await;
        if host.shutdown.is_cancelled() {
            // The next start finds them.
            return;
        }
    }
}

async fn remove(host: &Host, scope: &Scope) -> Result<(), engine::EngineError> {
    let found = host.engine.list(scope).await?;
    // Once they are gone, nobody can read what they said last.
    join_all(found.iter().map(|it| have_read(host, it))).await;
    for listed in found {
        host.engine.remove_step(&listed.id).await?;
    }
    Ok(())
}

/// Waits until everything that a step wrote is in the log; not for long, and not where nobody collects it.
async fn have_read(host: &Host, step: &Listed) {
    if let Err(error) = host.bus.lines_drained(&host.node, &step.id).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, container = step.name, "a step is removed although its last lines may be unread");
    }
}

/// Looks once for what an earlier agent of this host left, and removes what belongs to runs that have ended.
pub async fn left_over(host: Arc<Host>) {
    let found = loop {
        match host.engine.list(&Scope(host.labels())).await {
            Ok(found) => break found,
            Err(error) => tracing::debug!(%error, "what earlier runs left is not known yet"),
        }
        host.pause().await;
        if host.shutdown.is_cancelled() {
            return;
        }
    };
    let runs: BTreeMap<Uuid, FleetId> = found.iter().filter_map(|it| run_of(&it.labels)).collect();
    // What began since we did is no left-over, and may be so new that the tasker has not read of it yet.
    let runs: BTreeMap<Uuid, FleetId> = runs.into_iter().filter(|(run, _)| !host.has_in_hand(*run)).collect();
    // As many as there are: each only waits.
    join_all(runs.iter().map(|(run, fleet)| after(&host, fleet, *run))).await;
}

fn run_of(labels: &Labels) -> Option<(Uuid, FleetId)> {
    // A fleet's container is no step, whatever its image says.
    if labels.contains_key("fleetlog.fleet") {
        return None;
    }
    let run = labels.get(RUN_LABEL)?.parse().ok()?;
    let (fleet, _) = labels.get(TASK_LABEL)?.rsplit_once('/')?;
    Some((run, fleet.parse().ok()?))
}
