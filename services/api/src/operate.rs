//! `POST …/containers/{name}/restart` and its like, and `…/holds`: asks the coordinator, which has the node's agent act.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use schemas::event::OperatorActed;
use schemas::names::{FleetId, Name};
use schemas::operate::{End, Hold, Operated, Operation, Outcome};
use schemas::query::{HoldAnswer, HoldAsk, HoldRequest, LONGEST_EXEC, Operate, OperateAnswer, Said};
use schemas::units::Span;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Api;
use crate::ask::{WRITE, ask, ask_to_act};
use crate::call::Call;
use crate::problem::Problem;
use crate::{registry, reply};

/// Who answers.
const SERVICE: &str = "shazam";

/// How much longer than it may take is waited for what came of an operation.
const ON_THE_WAY: Duration = Duration::from_secs(15);

/// How it is to be done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    reason: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    within: Option<Span>,
}

/// What was done. The names are the contract's.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    fleet: &'a FleetId,
    container: Name,
    what: Operation,
    /// `operator.acted`
    event: Uuid,
    node: String,
    reason: Option<String>,
    outcome: Outcome,
    error: Option<String>,
    exit_code: Option<i64>,
    duration_ms: u64,
    stdout: Option<String>,
    stderr: Option<String>,
    cut: bool,
}

/// A hold. The names are the contract's.
#[derive(Serialize)]
struct Line {
    object: String,
    id: Uuid,
    until: Option<jiff::Timestamp>,
    by: String,
    reason: Option<String>,
    stopped: bool,
    since: u64,
}

#[derive(Serialize)]
struct Holds {
    position: u64,
    holds: Vec<Line>,
    next: Option<String>,
}

/// What is to be left alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placed {
    object: String,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    reason: Option<String>,
}

/// Does something to a container, and answers once it has ended. Asked again with the same key, it is the same operation.
pub(crate) async fn operate(api: Api, call: Call, what: Operation) -> Result<Response, Problem> {
    let Wanted { reason, command, within } = call.json()?;
    let (fleet, container) = (call.fleet()?, container(&call)?);
    let id = call.event_id(&format!("{what} {fleet} {container}"))?;
    let actor = call.who()?.name.to_string();
    let question = Operate { fleet, container, what, snapshot: None, command, within, reason, id, actor };
    let acted = OperatorActed::after(id);
    let answer = ask_to_act(&api, SERVICE, &question, acted, longest()).await?;
    let OperateAnswer { position, event, operated, said } = answer;
    let Operated { what, container, node, reason, end, .. } = operated;
    let lost = || Problem::unavailable(format!("outcome unknown, event {event}"));
    let End { outcome, error, exit_code, duration_ms, .. } = end.ok_or_else(lost)?;
    let (stdout, stderr, cut) = match said {
        Some(Said { stdout, stderr, cut }) => (Some(stdout), Some(stderr), cut),
        None => (None, None, false),
    };
    let (fleet, node) = (&question.fleet, node.to_string());
    let shown = Shown {
        position,
        fleet,
        container,
        what,
        event,
        node,
        reason,
        outcome,
        error,
        exit_code,
        duration_ms,
        stdout,
        stderr,
        cut,
    };
    reply::json_at(position, &shown)
}

/// What is left alone, all of it: there are as many as somebody placed.
pub(crate) async fn holds(api: Api, call: Call) -> Result<Response, Problem> {
    let (position, fleet) = registry::fleet(&api, call.fleet()?, call.min_position()?).await?;
    let holds = fleet.holds.into_iter().map(|(name, hold)| line(&name, hold)).collect();
    reply::json_at(position, &Holds { position, holds, next: None })
}

/// Leaves a container alone. Asked again with the same key, it is the same hold.
pub(crate) async fn place(api: Api, call: Call) -> Result<Response, Problem> {
    let Placed { object, lasts, reason } = call.json()?;
    let expected = "`object` has to be a container, such as `containers/db`";
    let name = object.strip_prefix("containers/").and_then(|name| name.parse::<Name>().ok());
    let container = name.ok_or_else(|| Problem::bad_request(format!("`{object}` cannot be held: {expected}")))?;
    let ask = HoldAsk::Place { lasts, reason };
    let (position, shown) = hold(&api, &call, container, ask, "hold").await?;
    Ok(reply::at(position, reply::json(StatusCode::CREATED, &shown)?))
}

/// Ends a hold before its time.
pub(crate) async fn end(api: Api, call: Call) -> Result<Response, Problem> {
    let (position, shown) = hold(&api, &call, container(&call)?, HoldAsk::End, "end hold").await?;
    reply::json_at(position, &shown)
}

async fn hold(api: &Api, call: &Call, container: Name, wanted: HoldAsk, word: &str) -> Result<(u64, Line), Problem> {
    let fleet = call.fleet()?;
    let id = call.event_id(&format!("{word} {fleet} {container}"))?;
    let actor = call.who()?.name.to_string();
    let question = HoldRequest { fleet, container, ask: wanted, id, actor };
    let HoldAnswer { position, hold } = ask(api, SERVICE, &question, WRITE).await?;
    Ok((position, line(&question.container, hold)))
}

fn line(name: &Name, hold: Hold) -> Line {
    let Hold { id, until, by, reason, stopped, since } = hold;
    Line { object: format!("containers/{name}"), id, until, by, reason, stopped, since }
}

/// `{name}` of the path. What is no name is no container either.
fn container(call: &Call) -> Result<Name, Problem> {
    let none = |error| Problem::not_found(format!("there is no such container: {error}"));
    call.part("name").parse().map_err(none)
}

/// How long an answer may take: a command its time, and a stop the container's grace.
fn longest() -> Duration {
    Duration::from(LONGEST_EXEC) + ON_THE_WAY
}
