//! `fleetlog hold`: what is left alone.

use jiff::Timestamp;
use schemas::operate::Hold;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::Failure;
use super::remote::Remote;
use super::{here, out};
use crate::cli::{EndCommand, EndOptions, FleetOptions, HoldCommand, HoldOptions, PlaceOptions};

/// A hold, as the platform shows it.
#[derive(Deserialize)]
struct Line {
    object: String,
    id: Uuid,
    until: Option<Timestamp>,
    by: String,
    reason: Option<String>,
    stopped: bool,
    since: u64,
}

#[derive(Deserialize)]
struct Page {
    holds: Vec<Line>,
}

impl Line {
    /// `container db: held until …, by …: …`
    fn told(self) -> String {
        let Self { object, id, until, by, reason, stopped, since } = self;
        let name = object.replacen("containers/", "container ", 1);
        format!("{name}: {}", Hold { id, until, by, reason, stopped, since }.told())
    }
}

/// Shows what is held, or places a hold, or ends one.
pub fn run(options: &HoldOptions) -> Result<(), Failure> {
    match &options.command {
        None => list(&options.fleet),
        Some(HoldCommand::Container(it)) => place(it),
        Some(HoldCommand::End(EndCommand::Container(it))) => end(it),
    }
}

fn list(how: &FleetOptions) -> Result<(), Failure> {
    let fleet = here::fleet(how.fleet.as_ref())?;
    let reply = Remote::find()?.get(&format!("/v1/fleets/{fleet}/holds"), &[], 0)?;
    if how.json {
        return out::json(&reply.read::<Value>()?);
    }
    let page: Page = reply.read()?;
    if page.holds.is_empty() {
        return out::line(&format!("nothing of {fleet} is on hold"));
    }
    page.holds.into_iter().try_for_each(|it| out::line(&it.told()))
}

fn place(options: &PlaceOptions) -> Result<(), Failure> {
    let how = &options.fleet;
    let fleet = here::fleet(how.fleet.as_ref())?;
    let object = format!("containers/{}", options.name);
    let body = json!({ "object": object, "for": options.lasts, "reason": options.reason });
    let reply = Remote::find()?.send("POST", &format!("/v1/fleets/{fleet}/holds"), Some(&body))?;
    if how.json {
        return out::json(&reply.read::<Value>()?);
    }
    out::line(&format!("{fleet} {}", reply.read::<Line>()?.told()))
}

fn end(options: &EndOptions) -> Result<(), Failure> {
    let (how, name) = (&options.fleet, &options.name);
    let fleet = here::fleet(how.fleet.as_ref())?;
    let reply = Remote::find()?.send("DELETE", &format!("/v1/fleets/{fleet}/holds/containers/{name}"), None)?;
    if how.json {
        return out::json(&reply.read::<Value>()?);
    }
    out::line(&format!("{fleet} container {name}: the hold is over, and what it kept from being done is rolled out"))
}
