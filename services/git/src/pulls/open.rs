//! Opens a pull request.

use std::sync::Arc;

use schemas::access::{Action, Resource, Who, allow};
use schemas::check::report;
use schemas::event::{Data, PackRef, PullOpened, PullTip};
use schemas::names::{FleetId, Oid};
use schemas::pulls::Source;
use schemas::query::{Fault, FaultCode, PullNow};
use streams::with_causes;
use uuid::Uuid;

use super::judge::{Judged, Way, judge};
use super::sides::{Sides, may_push, visible};
use super::{fault, find};
use crate::candidate;
use crate::context::Context;
use crate::history;
use crate::record::{draft, record, unavailable};
use crate::workbench::Workbench;

/// Characters of a title.
const TITLE: usize = 200;

/// What is to be opened.
pub(super) struct Wanted {
    pub(super) id: Uuid,
    pub(super) from: Source,
    pub(super) into: Option<String>,
    pub(super) title: String,
}

/// Opens one. Answers its number, and what a merge would do.
pub(super) async fn open(
    context: &Arc<Context>,
    who: &Who,
    fleet: &FleetId,
    wanted: Wanted,
) -> Result<(u64, PullNow), Fault> {
    let Wanted { id, from, into, title } = wanted;
    let title = title.trim().to_owned();
    if title.is_empty() || title.chars().count() > TITLE || title.contains(char::is_control) {
        let message = format!("`title` has to be one line of 1 to {TITLE} characters");
        return Err(fault(FaultCode::BadRequest, message));
    }
    let target = visible(context, who, fleet)?;
    drop(visible(context, who, &from.fleet)?);
    // Who may push to the one that takes it in may also ask it to: a fork takes in what is new in its upstream.
    if !allow(who, Action::Push, Resource::Fleet(fleet)) {
        may_push(who, &from.fleet, &format!("a pull request from `{from}`"))?;
    }
    let into = match into {
        Some(into) => into,
        None => target.state.lock().await.deploy.clone().unwrap_or_default(),
    };
    if from.fleet == *fleet && from.branch == into {
        return Err(fault(FaultCode::BadRequest, format!("`{into}` cannot be taken into itself")));
    }
    let sides = Sides::look(context, target, &from, &into, None).await?;
    let bench = sides.workbench(context).map_err(|error| unavailable(&error))?;
    let judged = judge(context, &bench, &sides, Some(who)).await?;
    if judged.way == Way::Nothing {
        return Err(fault(FaultCode::Conflict, judged.now.text));
    }
    let tip = tip(context, &bench, &sides, &judged).await?;
    let mut number = 0;
    record(context, &sides.target, |state| {
        // Asked for again: it is there.
        if let Some(pull) = state.pulls.0.values().find(|it| it.id == id) {
            number = pull.number;
            return Ok(Vec::new());
        }
        if let Some(same) = state.pulls.open().find(|it| it.from == from && it.into == into) {
            let message = format!("pull request {} asks for the same: `{from}` into `{into}`", same.number);
            return Err(fault(FaultCode::Conflict, message));
        }
        number = state.pulls.next_number();
        let (title, tip, into) = (title.clone(), tip.clone(), into.clone());
        let Source { fleet: from, branch } = from.clone();
        let opened = PullOpened { number, title, from, branch, into, tip };
        Ok(vec![draft(&sides.target, id, format!("pulls/{number}"), who.name.as_str(), Data::PullOpened(opened))])
    })
    .await?;
    find(&*sides.target.state.lock().await, number)?;
    Ok((number, judged.now))
}

/// Where both sides stand, with what comes from a fork stored.
pub(super) async fn tip(
    context: &Arc<Context>,
    bench: &Workbench<'_>,
    sides: &Sides,
    judged: &Judged,
) -> Result<PullTip, Fault> {
    let pack = match &sides.fork {
        None => None,
        Some(fork) => brought(context, bench, sides, &fork.path).await?,
    };
    let (head, base, pushed_by) = (sides.head.clone(), sides.base.clone(), sides.pushed_by.clone());
    Ok(PullTip { head, base, pushed_by, pack, verdict: judged.verdict() })
}

/// The pack of what the target does not have, looked through for secrets; none where it has it all.
async fn brought(
    context: &Arc<Context>,
    bench: &Workbench<'_>,
    sides: &Sides,
    fork: &std::path::Path,
) -> Result<Option<PackRef>, Fault> {
    let (theirs, ours, head) = (fork.join("objects"), sides.target.path.join("objects"), sides.head.clone());
    let look = move || {
        let objects = candidate::open(Some(&theirs), &ours)?;
        let new = objects.is_new_commit(&head);
        let found = if new { history::secrets(&objects, std::slice::from_ref(&head))? } else { Vec::new() };
        Ok((new, found))
    };
    let looked = tokio::task::spawn_blocking(look).await;
    let looked = looked.map_err(|_| fault(FaultCode::Unavailable, "the look for secrets broke down, try again"))?;
    let (new, found) =
        looked.map_err(|error: candidate::CandidateError| fault(FaultCode::Conflict, with_causes(&error)))?;
    if !found.is_empty() {
        let told: Vec<String> =
            found.iter().map(|it| format!("in {}:\n{}", &it.commit[..10], report(&it.faults))).collect();
        let message = format!("what it brings holds likely secrets, and would stay for ever:\n{}", told.join("\n"));
        return Err(fault(FaultCode::Conflict, message));
    }
    if !new {
        return Ok(None);
    }
    let known: Vec<Oid> = sides.target.state.lock().await.refs.values().cloned().collect();
    let stored = bench.store(&context.bus, &sides.target.fleet, [&sides.head], &known).await;
    stored.map(Some).map_err(|error| unavailable(&error))
}
