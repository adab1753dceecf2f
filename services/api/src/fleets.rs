//! `GET /v1/fleets` and `GET /v1/fleets/{owner}/{fleet}`.

use axum::response::Response;
use schemas::access::Action;
use schemas::names::FleetId;
use schemas::query::{FleetLine, FleetState, FleetsAnswer, FleetsRequest, PastAnswer, PastRequest};
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

/// Every fleet, in the order of their names.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let after: Option<FleetId> = call.parsed("cursor", "`next` of the page before, such as `acme/shop`")?;
    let limit = u32::try_from(call.limit()?).unwrap_or(u32::MAX);
    let request = FleetsRequest { owners: call.owners(Action::See)?, after, limit, min_position: call.min_position()? };
    let FleetsAnswer { position, fleets, more } = registry::fleets(&api, &request).await?;
    let next = fleets.last().filter(|_| more).map(|it| it.fleet.to_string());
    reply::json_at(position, &Fleets { position, fleets, next })
}

/// What should be and what was seen, now or then. What was comes from the registry as it goes out.
pub(crate) async fn state(api: Api, call: Call) -> Result<Response, Problem> {
    if let Some(at) = call.at()? {
        let request = PastRequest { fleet: call.fleet()?, at, min_position: call.min_position()? };
        let PastAnswer { position, state } = registry::ask(&api, &request).await?;
        return Ok(reply::at(position, reply::written(state)));
    }
    let (position, fleet) = registry::fleet(&api, call.fleet()?, call.min_position()?).await?;
    reply::json_at(position, &FleetState::of(&fleet, position))
}
