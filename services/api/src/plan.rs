//! `POST …/plan`: what a pushed commit, or a tree of descriptors, would change. Git works it out, as for a push.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::Response;
use schemas::check::{Fault, report, warned};
use schemas::descriptors::Blob;
use schemas::names::{FleetId, Name, Oid};
use schemas::plan::{Down, Held, Live, Network, Step};
use schemas::query::{Candidate, PlanAnswer, PlanRequest, Planned};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Api;
use crate::ask::ask;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// How long an answer may take: a large tree is checked, and the registry may have to catch up.
const DEADLINE: Duration = Duration::from_secs(20);

/// What is planned: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    commit: Option<String>,
    files: Option<BTreeMap<String, Value>>,
    /// Beside `files`: what containers take in, without what it says.
    #[serde(default)]
    contents: BTreeMap<String, Blob>,
}

/// What would change. The names are the contract's.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    fleet: &'a FleetId,
    commit: Option<Oid>,
    steps: Vec<Step>,
    unchanged: Vec<Name>,
    new_volumes: Vec<Name>,
    kept_volumes: Vec<Name>,
    ephemeral_volumes: Vec<Name>,
    network: Option<Network>,
    live: Vec<Live>,
    down: Vec<Down>,
    needed_by: Vec<Name>,
    containers: u32,
    held: Vec<Held>,
    warnings: Vec<Fault>,
    /// What a push to the deploy branch would be refused for.
    refused: Vec<Fault>,
    text: String,
}

/// Plans, and changes nothing.
pub(crate) async fn make(api: Api, call: Call) -> Result<Response, Problem> {
    let fleet = call.fleet()?;
    let (candidate, contents) = candidate(call.json()?)?;
    let by = Some(call.who()?.clone());
    let request = PlanRequest { fleet: fleet.clone(), candidate, contents, min_position: call.min_position()?, by };
    match ask(&api, "git", &request, DEADLINE).await? {
        PlanAnswer::Planned(planned) => {
            let Planned { position, commit, plan, text, warnings, refused } = *planned;
            let shown = Shown {
                position,
                fleet: &fleet,
                commit,
                steps: plan.steps,
                unchanged: plan.unchanged,
                new_volumes: plan.new_volumes,
                kept_volumes: plan.kept_volumes,
                ephemeral_volumes: plan.ephemeral_volumes,
                network: plan.network,
                live: plan.live,
                down: plan.down,
                needed_by: plan.needed_by,
                containers: plan.containers,
                held: plan.held,
                warnings,
                refused,
                text,
            };
            reply::json_at(position, &shown)
        }
        PlanAnswer::Faults { faults, warnings } => {
            let report = format!("{}{}", warned(&warnings), report(&faults));
            Err(Problem::faults(report, &faults).with("warnings", json!(warnings)))
        }
        PlanAnswer::Refused { why } => Err(Problem::conflict(why)),
        PlanAnswer::Unknown { what } => Err(Problem::not_found(what)),
    }
}

fn candidate(wanted: Wanted) -> Result<(Candidate, BTreeMap<String, Blob>), Problem> {
    match wanted {
        Wanted { commit: Some(commit), files: None, contents } if contents.is_empty() => {
            Ok((Candidate::Commit(commit), contents))
        }
        Wanted { commit: None, files: Some(files), contents } => {
            let text = |(path, value): (String, Value)| match value {
                Value::String(text) => Ok((path, text)),
                value @ Value::Object(_) => Ok((path, format!("{value:#}"))),
                _ => Err(Problem::bad_request(format!(
                    "`files` holds something else than a descriptor at `{path}`: expected its text, or a JSON object"
                ))),
            };
            let files = files.into_iter().map(text).collect::<Result<_, _>>()?;
            Ok((Candidate::Files(files), contents))
        }
        _ => Err(Problem::bad_request("the body has to have exactly one of `commit`, `files`")),
    }
}
