//! What people are told of a rollout that failed: the last lines of its container, and what they can do now. The words
//! are those of a push.

use std::time::Duration;

use jiff::Timestamp;
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::logs::Stream;
use schemas::names::{FleetId, Name, Oid};
use schemas::outcome::{LAST_LINES, advice, last_good, last_lines, place};
use serde_json::Value;

use super::failure::Failure;
use super::remote::Remote;
use super::state;

/// So long after its end a container's lines still belong to the rollout.
const AFTER: Duration = Duration::from_millis(2_500);
/// The time between two looks for them.
const LOOK: Duration = Duration::from_millis(300);

/// The lines behind a rollout that failed; none for one that did not. `all` are the fleet's newest rollouts, the newest
/// first; `named` is the fleet, where it was named and not found in the clone.
pub fn told(
    remote: &Remote,
    fleet: &FleetId,
    named: Option<&FleetId>,
    all: &[Rollout],
    rollout: &Rollout,
) -> Result<Vec<String>, Failure> {
    if rollout.status != RolloutStatus::Failed {
        return Ok(Vec::new());
    }
    let failed = rollout.steps.iter().find(|it| it.error.is_some());
    let mut lines = match failed {
        Some(step) => said(remote, fleet, &step.step.container, rollout)?,
        None => Vec::new(),
    };
    let state = state::fetch(remote, fleet, 0)?;
    let is_newest = all.first().is_some_and(|newest| newest.id == rollout.id);
    // An older one has been left behind: there is nothing to be done about it.
    if is_newest && state["commit"].as_str() == Some(rollout.commit.as_str()) {
        let deploy = state["deploy"].as_str().unwrap_or("main");
        let good: Option<&Oid> = last_good(all, rollout);
        lines.extend(advice(&rollout.commit, good, deploy, named.map(ToString::to_string).as_deref()));
    }
    Ok(lines)
}

/// Why it failed, and where, in a line.
pub fn why(rollout: &Rollout) -> String {
    let why = rollout.error.as_deref().unwrap_or("it does not say why");
    match place(rollout).as_str() {
        "" => why.to_owned(),
        place => format!("{why} ({place})"),
    }
}

/// What a container wrote last while the rollout was under way.
fn said(remote: &Remote, fleet: &FleetId, container: &Name, rollout: &Rollout) -> Result<Vec<String>, Failure> {
    let took = Duration::from_millis(rollout.duration_ms.unwrap_or_default());
    let mut query = vec![
        ("fleet", fleet.to_string()),
        ("container", container.to_string()),
        ("from", rollout.planned.to_string()),
        ("limit", LAST_LINES.to_string()),
    ];
    let end = rollout.planned.checked_add(took + AFTER);
    query.extend(end.as_ref().ok().map(|end: &Timestamp| ("to", end.to_string())));
    let look = || -> Result<Vec<Value>, Failure> {
        let mut page: Value = remote.get("/v1/logs", &query, 0)?.read()?;
        Ok(page["lines"].as_array_mut().map(std::mem::take).unwrap_or_default())
    };
    let mut lines = look()?;
    // Of what has just ended they are still on their way: until there is something and nothing is added to it any more.
    while end.as_ref().is_ok_and(|end| streams::clock::now() < *end) {
        std::thread::sleep(LOOK);
        let before = std::mem::replace(&mut lines, look()?);
        if !lines.is_empty() && before == lines {
            break;
        }
    }
    // The newest come first; a task of the same name has lines of its own.
    let lines: Vec<(Stream, &str)> = lines
        .iter()
        .rev()
        .filter(|it| it["run"].is_null())
        .map(|it| {
            let stream = it["stream"].as_str().and_then(|it| it.parse().ok()).unwrap_or(Stream::Stdout);
            (stream, it["text"].as_str().unwrap_or_default())
        })
        .collect();
    Ok(last_lines(container, lines.into_iter()))
}
