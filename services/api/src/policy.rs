//! `/v1/owners/{owner}/policy`: what no push to a deploy branch of an owner's fleets may bring.

use axum::http::StatusCode;
use axum::response::Response;
use schemas::check::{policy, report};
use schemas::query::{Done, PolicyAnswer, PolicyRequest, SetPolicy};

use crate::Api;
use crate::ask::{READ, WRITE, ask};
use crate::call::Call;
use crate::members::owner;
use crate::problem::Problem;
use crate::profiles::SERVICE;
use crate::reply;

/// The policy.
pub(crate) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    let question = PolicyRequest { owner: owner(&call)?, min_position: call.min_position()? };
    let PolicyAnswer { position, guards } = ask(&api, SERVICE, &question, READ).await?;
    reply::json_at(position, &guards)
}

/// Another policy. Its faults are told as those of a file, with their places in the body.
pub(crate) async fn set(api: Api, call: Call) -> Result<Response, Problem> {
    let guards = policy("policy.json", call.body()).map_err(|faults| Problem::faults(report(&faults), &faults))?;
    let (by, id) = (call.who()?.clone(), call.event_id("set_policy")?);
    let question = SetPolicy { by, id, owner: owner(&call)?, guards: guards.clone() };
    let Done { position } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(reply::at(position, reply::json(StatusCode::OK, &guards)?))
}
