//! `POST …/forks`: asks Git to begin a fleet as a copy of another one.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use schemas::names::{FleetId, FleetName, Oid, Owner};
use schemas::query::{ForkAnswer, ForkRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Api;
use crate::ask::ask;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// How long it may take: a whole history is copied.
const DEADLINE: Duration = Duration::from_secs(120);

/// What is to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    owner: Owner,
    name: FleetName,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
}

/// What was made. The names are the contract's.
#[derive(Serialize)]
struct Made {
    position: u64,
    fleet: FleetId,
    upstream: FleetId,
    commit: Oid,
    deploy: String,
}

/// Forks. Asked again with the same key, it is the same fork.
pub(crate) async fn fork(api: Api, call: Call) -> Result<Response, Problem> {
    let upstream = call.fleet()?;
    let Wanted { owner, name, parameters } = call.json()?;
    let fork = FleetId { owner, name };
    let id = call.event_id(&format!("fork {upstream} {fork}"))?;
    let question = ForkRequest { id, upstream, fork, parameters, who: call.who()?.clone() };
    let ForkAnswer { position, fork, upstream, commit, deploy } = ask(&api, "git", &question, DEADLINE).await?;
    let made = Made { position, fleet: fork, upstream, commit, deploy };
    Ok(reply::at(position, reply::json(StatusCode::CREATED, &made)?))
}
