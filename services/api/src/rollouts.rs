//! `GET …/rollouts` and `GET …/rollouts/{id}`.

use axum::response::Response;
use schemas::fleet::Rollout;
use serde::Serialize;

use crate::Api;
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
    let rollout = found.ok_or_else(|| {
        Problem::not_found(format!("`{name}` has no rollout `{id}` among its newest: GET …/rollouts lists them"))
    })?;
    reply::json_at(position, rollout)
}
