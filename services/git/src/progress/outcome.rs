//! The end of a rollout that failed: what its container said last, what can be done now, and, as the last line, why.
//!
//! Asks the registry for the rollout and the logger for the lines; nothing of it goes into an event.

use std::time::Duration;

use jiff::Timestamp;
use schemas::descriptors::OnFailure;
use schemas::fleet::{Fleet, Rollout};
use schemas::logs::Filter;
use schemas::names::{FleetId, Name, Oid};
use schemas::outcome::{LAST_LINES, advice, last_good, last_lines, place};
use schemas::query::{FleetRequest, LogsRequest};
use streams::with_causes;
use tokio::time::Instant;
use uuid::Uuid;

use crate::context::Context;

/// How long is waited for the last lines of a container: they are on their way when its step has failed.
const LINES: Duration = Duration::from_millis(2_500);
/// The time between two looks for them.
const LOOK: Duration = Duration::from_millis(300);

/// A rollout that has failed, as far as the push knows it.
pub(super) struct Failed<'a> {
    pub(super) fleet: &'a FleetId,
    pub(super) commit: &'a Oid,
    pub(super) rollout: Option<Uuid>,
    /// Where the log was when it was told.
    pub(super) position: u64,
}

/// What there is to say of it.
pub(super) struct Told {
    /// What its container wrote last.
    pub(super) said: Vec<String>,
    /// What can be done now, and why it failed.
    pub(super) now_what: Vec<String>,
    /// Why it failed, alone.
    pub(super) why: String,
    /// How to come back to it once it is undone.
    pub(super) fix: String,
    /// Whether the platform may be about to undo it.
    pub(super) may_be_undone: bool,
}

/// Asks for all of it. `began` tells when a step had begun.
pub(super) async fn told(context: &Context, failed: Failed<'_>, began: impl Fn(u32) -> Option<Timestamp>) -> Told {
    let Failed { fleet, commit, rollout: id, position } = failed;
    let question = FleetRequest { fleet: fleet.clone(), min_position: position };
    let answer = context.bus.ask(&question, context.config.limits.ask).await;
    let known = match &answer {
        Ok(answer) => answer.fleet.as_ref().and_then(|it| Some((it, it.rollouts.iter().rfind(|r| Some(r.id) == id)?))),
        Err(error) => {
            tracing::warn!(%fleet, error = with_causes(error), "why a rollout failed is not told in full");
            None
        }
    };
    let Some((known, rollout)) = known else {
        let why = format!("error: rollout failed; to see why: fleetlog wait {}", commit.short());
        return Told { said: Vec::new(), now_what: vec![why.clone()], why, fix: String::new(), may_be_undone: false };
    };
    let said = match step(rollout) {
        Some((index, container)) => {
            let since = began(index).unwrap_or(rollout.planned);
            said(context, fleet, container, since).await
        }
        None => Vec::new(),
    };
    let is_left_behind = known.desired_at > rollout.desired;
    let undoes = known.desired.fleet.on_failure == OnFailure::Rollback || is_left_behind;
    Told {
        said,
        now_what: now_what(known, rollout),
        why: why(rollout),
        fix: format!("hint: to fix it:     commit on top of it, then git push -o reinstate origin {}", known.deploy),
        may_be_undone: undoes && last_good(&known.rollouts, rollout).is_some(),
    }
}

/// The step that failed first, and of which container.
fn step(rollout: &Rollout) -> Option<(u32, &Name)> {
    let failed = (0..).zip(&rollout.steps).find(|(_, it)| it.error.is_some());
    failed.map(|(index, it)| (index, &it.step.container))
}

fn why(rollout: &Rollout) -> String {
    let why = rollout.error.as_deref().unwrap_or("no reason given");
    let place = place(rollout);
    let place = if place.is_empty() { place } else { format!(" ({place})") };
    format!("error: rollout failed: {why}{place}")
}

fn now_what(fleet: &Fleet, rollout: &Rollout) -> Vec<String> {
    let end = why(rollout);
    // A newer push, or a rollback, has its own rollout: nothing is to be done about this one.
    if fleet.desired_at > rollout.desired {
        return vec!["a newer push or a rollback is on its way".to_owned(), end];
    }
    let mut lines = advice(&rollout.commit, last_good(&fleet.rollouts, rollout), &fleet.deploy, None);
    lines.push(end);
    lines
}

/// What a container wrote last, since its step began. Asked for until there is something and nothing is added to it any
/// more; not for long.
async fn said(context: &Context, fleet: &FleetId, container: &Name, since: Timestamp) -> Vec<String> {
    let filter = Filter {
        fleet: Some(fleet.clone()),
        container: Some(container.to_string()),
        from: i64::try_from(since.as_nanosecond()).ok(),
        ..Filter::default()
    };
    let question = LogsRequest { filter, newest_first: true, after: None, limit: LAST_LINES };
    let until = Instant::now() + LINES;
    let mut last = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match context.bus.ask(&question, left).await {
            Ok(answer) => {
                let again = !last.is_empty() && last == answer.lines;
                last = answer.lines;
                if again {
                    break;
                }
            }
            Err(error) => {
                tracing::debug!(%fleet, %container, error = with_causes(&error), "its last lines are not told");
                break;
            }
        }
        tokio::time::sleep_until((Instant::now() + LOOK).min(until)).await;
    }
    // A task of the same name has lines of its own.
    let mine = last.iter().rev().filter(|it| it.origin.run.is_none());
    let mine: Vec<_> = mine.map(|it| (it.stream, it.text.as_str())).collect();
    last_lines(container, mine.into_iter())
}
