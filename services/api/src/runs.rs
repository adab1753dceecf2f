//! `…/tasks`, `…/tasks/{name}/runs` and `…/runs[/{id}]`: asks the tasker.

use axum::http::StatusCode;
use axum::response::Response;
use schemas::names::{FleetId, Name};
use schemas::query::{
    CancelRun, RunAnswer, RunRequest, RunsAnswer, RunsRequest, StartRun, TaskLine, TasksAnswer, TasksRequest,
};
use schemas::runs::Run;
use serde::Serialize;
use uuid::Uuid;

use crate::Api;
use crate::ask::{READ, WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// Who answers.
const SERVICE: &str = "tasker";

#[derive(Serialize)]
struct Tasks {
    position: u64,
    tasks: Vec<TaskLine>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Runs {
    position: u64,
    runs: Vec<Run>,
    next: Option<String>,
}

/// A fleet's tasks, all of them: they are as many as its files.
pub(crate) async fn tasks(api: Api, call: Call) -> Result<Response, Problem> {
    let question = TasksRequest { fleet: call.fleet()?, min_position: call.min_position()? };
    let TasksAnswer { position, tasks } = ask(&api, SERVICE, &question, READ).await?;
    reply::json_at(position, &Tasks { position, tasks, next: None })
}

/// Runs a task. Asked again with the same key, it is the same run.
pub(crate) async fn start(api: Api, call: Call) -> Result<Response, Problem> {
    let fleet = call.fleet()?;
    let name = call.part("name");
    let no_task = |error| Problem::not_found(format!("there is no such task: {error}"));
    let task: Name = name.parse().map_err(no_task)?;
    let id = call.event_id(&format!("run {fleet} {task}"))?;
    let question = StartRun { fleet, task, id, actor: call.who()?.name.to_string() };
    let RunAnswer { position, run } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(reply::at(position, reply::json(StatusCode::ACCEPTED, &run)?))
}

/// The newest first. The cursor is the position at which the last one was queued, so that a page stays where it is while
/// new runs come in.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let question = RunsRequest {
        fleet: call.fleet()?,
        task: call.parsed("task", "the name of a task")?,
        before: call.parsed("cursor", "`next` of the page before, such as `17`")?,
        limit: u32::try_from(call.limit()?).unwrap_or(u32::MAX),
        min_position: call.min_position()?,
    };
    let RunsAnswer { position, runs, more } = ask(&api, SERVICE, &question, READ).await?;
    let next = if more { runs.last().map(|it| it.queued_at.to_string()) } else { None };
    reply::json_at(position, &Runs { position, runs, next })
}

/// One run with its steps.
pub(crate) async fn one(api: Api, call: Call) -> Result<Response, Problem> {
    let fleet = call.fleet()?;
    let question = RunRequest { run: run_id(&fleet, &call)?, fleet, min_position: call.min_position()? };
    let RunAnswer { position, run } = ask(&api, SERVICE, &question, READ).await?;
    reply::json_at(position, &run)
}

/// Asks a run to end; the run tells when it has.
pub(crate) async fn cancel(api: Api, call: Call) -> Result<Response, Problem> {
    let fleet = call.fleet()?;
    let question = CancelRun { run: run_id(&fleet, &call)?, fleet, actor: call.who()?.name.to_string() };
    let RunAnswer { position, run } = ask(&api, SERVICE, &question, WRITE).await?;
    Ok(reply::at(position, reply::json(StatusCode::ACCEPTED, &run)?))
}

/// `{id}` of the path. What is no id is no run either.
fn run_id(fleet: &FleetId, call: &Call) -> Result<Uuid, Problem> {
    let id = call.id();
    id.parse().map_err(|_| Problem::not_found(format!("`{fleet}` has no run `{id}`: GET …/runs lists them")))
}
