//! `POST /v1/replay`: a projection made anew from the log, compared with the one that grew, and put in its place.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use schemas::query::{LogsReplayRequest, ReplayRequest};
use serde::Deserialize;

use crate::Api;
use crate::ask::ask;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// How long it may take: millions of events.
const DEADLINE: Duration = Duration::from_secs(1_800);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    projection: String,
    /// Only compare.
    #[serde(default)]
    verify: bool,
}

/// Answers once it is done.
pub(crate) async fn make(api: Api, call: Call) -> Result<Response, Problem> {
    let Wanted { projection, verify } = call.json()?;
    match projection.as_str() {
        "registry" => {
            let answer = ask(&api, "registry", &ReplayRequest { verify }, DEADLINE).await?;
            reply::json_at(answer.position, &answer)
        }
        "logs" => {
            let answer = ask(&api, "logger", &LogsReplayRequest { verify }, DEADLINE).await?;
            reply::json(StatusCode::OK, &answer)
        }
        other => {
            Err(Problem::bad_parameter("projection", other, "a projection that can be made anew, `registry` or `logs`"))
        }
    }
}
