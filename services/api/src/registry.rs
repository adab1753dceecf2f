//! Asks the registry over the bus, and tells its faults as problems.

use std::time::Duration;

use schemas::names::FleetId;
use schemas::query::{Fault, FaultCode, FleetAnswer, FleetRequest, FleetsAnswer, FleetsRequest};
use streams::{AskError, Question};

use crate::Api;
use crate::problem::Problem;

/// How long an answer may take: the registry's own wait for a position, and a second for the way.
const DEADLINE: Duration = Duration::from_secs(6);

/// One fleet and the position of the answer; 404 where there is none.
pub(crate) async fn fleet(
    api: &Api,
    fleet: FleetId,
    min_position: u64,
) -> Result<(u64, schemas::fleet::Fleet), Problem> {
    let name = fleet.to_string();
    let FleetAnswer { position, fleet } = ask(api, &FleetRequest { fleet, min_position }).await?;
    let hint = "`git push … -o create` makes one; GET /v1/fleets lists them";
    fleet.map(|it| (position, it)).ok_or_else(|| Problem::not_found(format!("there is no fleet `{name}`: {hint}")))
}

/// A page of fleets.
pub(crate) async fn fleets(api: &Api, request: &FleetsRequest) -> Result<FleetsAnswer, Problem> {
    ask(api, request).await
}

/// Asks, and waits as long as a read may take.
pub(crate) async fn ask<Q: Question>(api: &Api, question: &Q) -> Result<Q::Answer, Problem> {
    ask_within(api, question, DEADLINE).await
}

/// Asks, and waits so long.
pub(crate) async fn ask_within<Q: Question>(api: &Api, question: &Q, deadline: Duration) -> Result<Q::Answer, Problem> {
    api.bus.ask(question, deadline).await.map_err(|error| match error {
        AskError::Fault(Fault { code, message }) => match code {
            FaultCode::Behind => Problem::behind(message),
            FaultCode::BadRequest => Problem::bad_request(message),
            FaultCode::NotFound => Problem::not_found(message),
            FaultCode::NotAllowed => Problem::forbidden(message),
            FaultCode::Conflict => Problem::conflict(message),
            FaultCode::Unavailable => Problem::unavailable(message),
            FaultCode::Stopped => Problem::unavailable(format!("the registry has stopped: {message}")),
        },
        other => Problem::unavailable(format!("the registry does not answer: {other}")),
    })
}
