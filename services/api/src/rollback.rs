//! `POST …/rollback`: asks Git, which writes the event.

use axum::response::Response;
use schemas::check::Fault;
use schemas::names::{FleetId, Oid};
use schemas::plan::Step;
use schemas::query::{At, RollbackAnswer, RollbackRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Api;
use crate::ask::{WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// Where to, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    to: Option<Value>,
    reason: Option<String>,
    #[serde(default)]
    only_plan: bool,
}

/// What came of it. The names are the contract's.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    fleet: &'a FleetId,
    event: Option<Uuid>,
    commit: Oid,
    from: Oid,
    to: u64,
    withdrawn: Vec<Oid>,
    steps: Option<Vec<Step>>,
    text: String,
    warnings: Vec<Fault>,
}

/// Rolls back, or only plans it. Asked again with the same key, it is the same rollback.
pub(crate) async fn make(api: Api, call: Call) -> Result<Response, Problem> {
    let Wanted { to, reason, only_plan } = call.json()?;
    let (fleet, to) = (call.fleet()?, to.map(at).transpose()?);
    let place = to.as_ref().map(ToString::to_string).unwrap_or_default();
    let id = call.event_id(&format!("rollback {fleet} {place}"))?;
    let question =
        RollbackRequest { fleet: fleet.clone(), to, reason, only_plan, id, who: call.who()?.clone(), failed: None };
    let RollbackAnswer { position, event, commit, from, to, withdrawn, plan, text, warnings } =
        ask(&api, "git", &question, WRITE).await?;
    let steps = plan.map(|it| it.steps);
    let fleet = &fleet;
    reply::json_at(position, &Shown { position, fleet, event, commit, from, to, withdrawn, steps, text, warnings })
}

/// A position as a number; anything else as a text.
fn at(value: Value) -> Result<At, Problem> {
    let expected = "a position (`17`), a commit (at least 7 digits of its id) or a time (RFC 3339)";
    match value {
        Value::Number(number) => number.as_u64().map(At::Position),
        Value::String(text) => text.parse().ok(),
        other => return Err(Problem::bad_request(format!("`to`: {other} is not {expected}"))),
    }
    .ok_or_else(|| Problem::bad_request(format!("`to` is not {expected}")))
}
