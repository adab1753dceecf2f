//! `GET /v1/fleets` and `GET /v1/fleets/{owner}/{fleet}`.

use std::collections::BTreeMap;

use axum::response::Response;
use schemas::access::Action;
use schemas::descriptors::Desired;
use schemas::fleet::{Fleet, HealthState, ObservedContainer, ObservedTask, State};
use schemas::names::{FleetId, Name, NodeName, Oid};
use schemas::query::{FleetLine, FleetsAnswer, FleetsRequest, PastAnswer, PastRequest};
use serde::Serialize;

use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::{registry, reply};

/// A page of fleets.
#[derive(Serialize)]
struct Fleets {
    position: u64,
    fleets: Vec<FleetLine>,
    next: Option<String>,
}

/// A fleet's state. The names are the contract's.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    fleet: &'a FleetId,
    commit: Option<&'a Oid>,
    deploy: &'a str,
    desired: &'a Desired,
    observed: ShownObserved<'a>,
}

#[derive(Serialize)]
struct ShownObserved<'a> {
    containers: BTreeMap<&'a Name, ShownContainer<'a>>,
    /// What came of each task's last run.
    tasks: &'a BTreeMap<Name, ObservedTask>,
}

#[derive(Serialize)]
struct ShownContainer<'a> {
    state: State,
    health: Option<HealthState>,
    node: &'a NodeName,
    image: Option<&'a str>,
    docker_id: &'a str,
    commit: Option<&'a Oid>,
    exit_code: Option<i64>,
    since: u64,
}

/// Every fleet, in the order of their names.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let after: Option<FleetId> = call.parsed("cursor", "`next` of the page before, such as `acme/shop`")?;
    let limit = u32::try_from(call.limit()?).unwrap_or(u32::MAX);
    let request = FleetsRequest { owners: call.owners(Action::See)?, after, limit, min_position: call.min_position()? };
    let FleetsAnswer { position, fleets, more } = registry::fleets(&api, &request).await?;
    let next = fleets.last().filter(|_| more).map(|it| it.fleet.to_string());
    reply::json_at(position, &Fleets { position, fleets, next })
}

/// What should be and what was seen, now or then.
pub(crate) async fn state(api: Api, call: Call) -> Result<Response, Problem> {
    if let Some(at) = call.at()? {
        let request = PastRequest { fleet: call.fleet()?, at, min_position: call.min_position()? };
        let PastAnswer { position, fleet } = registry::ask(&api, &request).await?;
        return reply::json_at(position, &show(position, &fleet));
    }
    let (position, fleet) = registry::fleet(&api, call.fleet()?, call.min_position()?).await?;
    reply::json_at(position, &show(position, &fleet))
}

fn show(position: u64, fleet: &Fleet) -> Shown<'_> {
    let there = fleet.observed.containers.iter().filter(|(_, it)| it.state != State::Removed);
    Shown {
        position,
        fleet: &fleet.id,
        commit: fleet.commit.as_ref(),
        deploy: &fleet.deploy,
        desired: &fleet.desired,
        observed: ShownObserved {
            containers: there.map(|(name, it)| (name, show_container(it))).collect(),
            tasks: &fleet.observed.tasks,
        },
    }
}

fn show_container(it: &ObservedContainer) -> ShownContainer<'_> {
    ShownContainer {
        state: it.state,
        health: it.health,
        node: &it.node,
        image: it.image.as_deref(),
        docker_id: &it.docker_id,
        commit: it.commit.as_ref(),
        exit_code: it.exit_code,
        since: it.since,
    }
}
