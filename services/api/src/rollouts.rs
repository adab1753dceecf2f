//! `GET …/rollouts`, `GET …/rollouts/{id}` and `POST …/rollouts/{id}/retry`.

use axum::http::StatusCode;
use axum::response::Response;
use schemas::fleet::Rollout;
use schemas::names::FleetId;
use schemas::query::{RetryAnswer, RetryRollout};
use serde::Serialize;

use crate::Api;
use crate::ask::{WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::{registry, reply};

/// A page of rollouts.
#[derive(Serialize)]
struct Rollouts {
    position: u64,
    rollouts: Vec<Rollout>,
    next: Option<String>,
}

/// The newest first. The cursor is the position of the last one's plan, so that a page stays where it is while new
/// rollouts come in.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let before: Option<u64> = call.parsed("cursor", "`next` of the page before, such as `17`")?;
    let limit = call.limit()?;
    let (position, fleet) = registry::fleet(&api, call.fleet()?, call.min_position()?).await?;
    let mut older = fleet.rollouts.into_iter().rev().filter(|it| before.is_none_or(|at| it.planned_at < at));
    let rollouts: Vec<_> = older.by_ref().take(limit).collect();
    let more = older.next().is_some();
    let next = if more { rollouts.last().map(|it| it.planned_at.to_string()) } else { None };
    reply::json_at(position, &Rollouts { position, rollouts, next })
}

/// One rollout with its steps.
pub(crate) async fn one(api: Api, call: Call) -> Result<Response, Problem> {
    let name = call.fleet()?;
    let (position, fleet) = registry::fleet(&api, name.clone(), call.min_position()?).await?;
    let id = call.id();
    let found = fleet.rollouts.iter().find(|it| it.id.to_string() == id);
    reply::json_at(position, found.ok_or_else(|| unknown(&name, id))?)
}

/// Tries a rollout that has failed again: the coordinator decides. Asked again with the same key, it is the same try.
pub(crate) async fn retry(api: Api, call: Call) -> Result<Response, Problem> {
    let fleet = call.fleet()?;
    let rollout = call.id().parse().map_err(|_| unknown(&fleet, call.id()))?;
    let id = call.event_id(&format!("retry {fleet} {rollout}"))?;
    let question = RetryRollout { fleet, rollout, id, actor: call.who()?.name.to_string() };
    let RetryAnswer { position, rollout } = ask(&api, "shazam", &question, WRITE).await?;
    Ok(reply::at(position, reply::json(StatusCode::ACCEPTED, &rollout)?))
}

fn unknown(fleet: &FleetId, id: &str) -> Problem {
    Problem::not_found(format!("`{fleet}` has no rollout `{id}` among its newest: GET …/rollouts lists them"))
}
