//! `fleetlog replay PROJECTION`: makes a projection anew from the log; exit status 1 where the one that grew was not equal.

use std::time::Duration;

use schemas::query::ReplayAnswer;
use serde_json::json;

use super::failure::Failure;
use super::out;
use super::remote::Remote;
use crate::cli::ReplayOptions;

/// How long it may take: a million events are read in less.
const WITHIN: Duration = Duration::from_secs(600);

/// Has it made, and says what came of it.
pub fn run(options: &ReplayOptions) -> Result<(), Failure> {
    let body = json!({ "projection": options.projection.as_str(), "verify": options.verify });
    let answer: ReplayAnswer = Remote::find()?.send_within("POST", "/v1/replay", Some(&body), WITHIN)?.read()?;
    if options.json {
        out::json(&answer)?;
    } else {
        show(&answer)?;
    }
    if answer.equal { Ok(()) } else { Err(Failure::Said) }
}

fn show(it: &ReplayAnswer) -> Result<(), Failure> {
    out::line(&format!(
        "{}: {} events in {:.2} s ({:.0} a second), compared at position {}",
        it.projection, it.events, it.seconds, it.events_per_second, it.position
    ))?;
    out::line(&format!("  grown    {}", it.grown.as_deref().unwrap_or("cannot be read")))?;
    out::line(&format!("  rebuilt  {}", it.rebuilt))?;
    let put = if it.swapped { "the new one is in its place" } else { "the one that grew stays" };
    let equal = if it.equal { "equal" } else { "NOT equal" };
    out::line(&format!("{equal}; {put}"))
}
