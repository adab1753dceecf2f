//! `POST …/update`: asks the coordinator, which has the node look and writes the event.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::Response;
use schemas::event::ImageMove;
use schemas::names::{FleetId, Name};
use schemas::query::{UpdateAnswer, UpdateImages};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Api;
use crate::ask::ask;
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// How long it may take: registries that do not answer are asked again.
const WITHIN: Duration = Duration::from_secs(55);

/// A reason has at most so many characters.
const REASON: usize = 500;

/// Which container, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    container: Option<Name>,
    reason: Option<String>,
    #[serde(default)]
    only_plan: bool,
}

/// What came of it. The names are the contract's.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    fleet: &'a FleetId,
    event: Option<Uuid>,
    rollout: Option<Uuid>,
    images: BTreeMap<Name, ImageMove>,
    unchanged: u32,
}

/// Updates, or only says what would change. Asked again with the same key, it is the same update.
pub(crate) async fn make(api: Api, call: Call) -> Result<Response, Problem> {
    let Wanted { container, reason, only_plan } = call.json()?;
    let fleet = call.fleet()?;
    let reason = reason.filter(|it| !it.is_empty());
    if let Some(bad) = reason.as_ref().filter(|it| it.chars().count() > REASON || it.chars().any(char::is_control)) {
        let seen = bad.chars().count();
        return Err(Problem::bad_request(format!(
            "`reason` has {seen} characters: expected one line of at most {REASON}"
        )));
    }
    let of = container.as_ref().map(ToString::to_string).unwrap_or_default();
    let id = call.event_id(&format!("update {fleet} {of}"))?;
    let actor = call.who()?.name.to_string();
    let question = UpdateImages { fleet: fleet.clone(), container, reason, only_plan, id, actor };
    let UpdateAnswer { position, event, rollout, images, unchanged } = ask(&api, "shazam", &question, WITHIN).await?;
    reply::json_at(position, &Shown { position, fleet: &fleet, event, rollout, images, unchanged })
}
