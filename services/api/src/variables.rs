//! `GET …/variables` and `GET …/variables/{path}`: every value of a fleet, and one value through time.

use std::collections::BTreeMap;

use axum::response::Response;
use jiff::Timestamp;
use schemas::query::{HistoryAnswer, HistoryRequest, Range, Variable, VariablesAnswer, VariablesRequest};
use serde::Serialize;
use serde_json::Value;

use crate::Api;
use crate::call::Call;
use crate::problem::Problem;
use crate::{registry, reply};

/// Every value.
#[derive(Serialize)]
struct Variables {
    position: u64,
    variables: BTreeMap<String, Variable>,
}

/// One value: what it is at the position, and a page of what it was.
#[derive(Serialize)]
struct History {
    position: u64,
    path: String,
    value: Value,
    since: Option<u64>,
    time: Option<Timestamp>,
    commit: Option<String>,
    by: Option<String>,
    history: Vec<Range>,
    next: Option<String>,
}

/// Every value of a fleet, now or then.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let request = VariablesRequest { fleet: call.fleet()?, at: call.at()?, min_position: call.min_position()? };
    let VariablesAnswer { position, variables } = registry::ask(&api, &request).await?;
    reply::json_at(position, &Variables { position, variables })
}

/// One value through time, the newest range first. The cursor is where the last range of the page begins.
pub(crate) async fn one(api: Api, call: Call) -> Result<Response, Problem> {
    let before: Option<u64> = call.parsed("cursor", "`next` of the page before, such as `17`")?;
    let request = HistoryRequest {
        fleet: call.fleet()?,
        path: call.part("path").to_owned(),
        at: call.at()?,
        before,
        limit: u32::try_from(call.limit()?).unwrap_or(u32::MAX),
        min_position: call.min_position()?,
    };
    let HistoryAnswer { position, ranges, more } = registry::ask(&api, &request).await?;
    let next = if more { ranges.last().map(|it| it.from.to_string()) } else { None };
    // What it is at the position stands on the first page only.
    let now = ranges.first().filter(|it| it.to.is_none()).cloned();
    let shown = History {
        position,
        path: request.path,
        value: now.as_ref().map(|it| it.value.clone()).unwrap_or_default(),
        since: now.as_ref().map(|it| it.from),
        time: now.as_ref().map(|it| it.time),
        commit: now.as_ref().and_then(|it| it.commit.clone()),
        by: now.map(|it| it.by),
        history: ranges,
        next,
    };
    reply::json_at(position, &shown)
}
