//! Asks the registry, which knows every fleet.

use schemas::names::FleetId;
use schemas::query::{FleetAnswer, FleetRequest, FleetsAnswer, FleetsRequest};
use streams::Question;

use crate::Api;
use crate::ask::{self, READ};
use crate::problem::Problem;

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
    ask::ask(api, "registry", question, READ).await
}
