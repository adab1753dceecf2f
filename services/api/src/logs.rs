//! `GET /v1/logs`: lines by pages, and as they come.

mod tail;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use schemas::access::{Action, Resource, allow};
use schemas::logs::{Filter, Found, Place};
use schemas::names::{FleetId, NodeName};
use schemas::query::LogsRequest;
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::tail::tail;
use crate::Api;
use crate::ask::ask;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// How long a search may take, and its answer be on its way.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(25);
/// Where a page has no `limit`.
const DEFAULT_LIMIT: u32 = 100;
/// What `limit` is at most.
const MAX_LIMIT: u32 = 5_000;

/// A page of lines. The names are the contract's.
#[derive(Serialize)]
struct Lines {
    lines: Vec<Line>,
    next: Option<String>,
    tail: u64,
}

/// A line. The names are the contract's.
#[derive(Serialize)]
struct Line {
    time: String,
    fleet: FleetId,
    container: String,
    stream: &'static str,
    text: String,
    node: NodeName,
    run: Option<Uuid>,
    step: Option<u32>,
    cut: bool,
    place: String,
}

/// A page of lines, the newest first where the request does not say otherwise.
pub(crate) async fn page(api: Api, call: Call) -> Result<Response, Problem> {
    const LIMIT: &str = "a whole number from 1 to 5000";
    let filter = filter(&call)?;
    let newest_first = match call.text("order") {
        None | Some("backward") => true,
        Some("forward") => false,
        Some(other) => return Err(Problem::bad_parameter("order", other, "`forward` or `backward`")),
    };
    let after: Option<Place> = call.parsed("cursor", "`next` of the page before")?;
    let limit: u32 = call.parsed("limit", LIMIT)?.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_parameter("limit", &limit.to_string(), LIMIT));
    }
    let answer = ask(&api, "logger", &LogsRequest { filter, newest_first, after, limit }, WITHIN).await?;
    let next = if answer.more { answer.lines.last().map(|it| it.place.to_string()) } else { None };
    let lines = answer.lines.into_iter().map(Line::from).collect();
    reply::json(StatusCode::OK, &Lines { lines, next, tail: answer.applied })
}

/// Which lines the request wants and may see.
fn filter(call: &Call) -> Result<Filter, Problem> {
    const TIME: &str = "an RFC 3339 time, such as 2030-01-31T12:00:00Z";
    let time = |name| -> Result<Option<i64>, Problem> {
        let time: Option<Timestamp> = call.parsed(name, TIME)?;
        Ok(time.map(|it| i64::try_from(it.as_nanosecond()).unwrap_or(i64::MAX)))
    };
    let fleet: Option<FleetId> = call.parsed("fleet", "an owner and a fleet, such as `acme/shop`")?;
    if let Some(fleet) = &fleet
        && !allow(call.who()?, Action::See, Resource::Fleet(fleet))
    {
        return Err(Problem::not_allowed(call.who()?, Action::See));
    }
    let filter = Filter {
        query: call.text("query").unwrap_or_default().to_owned(),
        fleet,
        container: call.text("container").map(str::to_owned),
        from: time("from")?,
        to: time("to")?,
        owners: call.owners(Action::See)?,
    };
    match filter.expr() {
        Ok(_) => Ok(filter),
        Err(error) => Err(Problem::bad_query(&error)),
    }
}

impl From<Found> for Line {
    fn from(it: Found) -> Self {
        let time = Timestamp::from_nanosecond(i128::from(it.place.ns)).unwrap_or_default();
        Self {
            time: format!("{time:.9}"),
            fleet: it.origin.fleet,
            container: it.origin.container,
            stream: it.stream.as_str(),
            text: it.text,
            node: it.node,
            run: it.origin.run,
            step: it.origin.step,
            cut: it.cut,
            place: it.place.to_string(),
        }
    }
}
