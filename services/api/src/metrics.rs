//! `GET /metrics` and `GET /v1/sd/prometheus`: what the monitor answers, for Prometheus.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use schemas::query::{ScrapeRequest, ScrapeTarget, TargetsRequest};
use serde::Serialize;

use crate::Api;
use crate::ask::ask;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// What Prometheus from version 3 on insists on.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long an answer may take: Prometheus itself waits 10 s where nobody says otherwise.
const DEADLINE: Duration = Duration::from_secs(8);

/// One group of targets, as Prometheus wants it.
#[derive(Serialize)]
struct Group {
    targets: [String; 1],
    labels: Labels,
}

/// What each series of the target carries.
#[derive(Serialize)]
struct Labels {
    #[serde(rename = "__metrics_path__")]
    path: String,
    owner: String,
    fleet: String,
    container: String,
    node: String,
}

/// Every figure that the asker may see.
pub(crate) async fn scrape(api: Api, call: Call) -> Result<Response, Problem> {
    let answer = ask(&api, "monitor", &ScrapeRequest { who: call.who()?.clone() }, DEADLINE).await?;
    Ok(reply::bytes(StatusCode::OK, TEXT, answer.to_text()))
}

/// Every container that serves figures of its own: always the whole list.
pub(crate) async fn targets(api: Api, call: Call) -> Result<Response, Problem> {
    let answer = ask(&api, "monitor", &TargetsRequest { who: call.who()?.clone() }, DEADLINE).await?;
    let groups: Vec<Group> = answer.targets.into_iter().map(group).collect();
    reply::json(StatusCode::OK, &groups)
}

fn group(target: ScrapeTarget) -> Group {
    Group {
        targets: [target.address.to_string()],
        labels: Labels {
            path: target.path,
            owner: target.fleet.owner.to_string(),
            fleet: target.fleet.name.to_string(),
            container: target.container.to_string(),
            node: target.node.to_string(),
        },
    }
}
