//! Answers `req.git.pulls` and `req.git.pull`.

use std::sync::Arc;

use schemas::access::Who;
use schemas::names::FleetId;
use schemas::pulls::PullStatus;
use schemas::query::{Fault, FaultCode, PullAnswer, PullAsk, PullNow, PullRequest, PullsAnswer, PullsRequest};
use streams::with_causes;

use super::act::Act;
use super::judge::judge;
use super::open::{Wanted, open};
use super::sides::{Sides, repository, visible};
use super::{fault, find, needed};
use crate::ask::{AT_ONCE, serve};
use crate::context::Context;
use crate::record::unavailable;

/// Pull requests in one answer.
const PAGE: u32 = 1_000;

/// Answers until the service ends.
pub(crate) async fn answer(context: &Arc<Context>) {
    tokio::join!(
        serve(context, AT_ONCE, |context, question: PullsRequest| async move { page(&context, question).await }),
        serve(context, AT_ONCE, |context, question: PullRequest| async move { one(&context, question).await }),
    );
}

async fn page(context: &Arc<Context>, question: PullsRequest) -> Result<PullsAnswer, Fault> {
    at_head(context).await?;
    let repository = repository(context, &question.fleet)?;
    let state = repository.state.lock().await;
    let lower = state.pulls.0.range(..question.before.unwrap_or(u64::MAX)).rev().map(|(_, pull)| pull);
    let mut wanted = lower.filter(|pull| question.status.is_none_or(|status| pull.status == status));
    let pulls = wanted.by_ref().take(question.limit.clamp(1, PAGE) as usize).cloned().collect();
    let needed = state.accepted.protect.approvals;
    Ok(PullsAnswer { position: state.applied, pulls, needed, more: wanted.next().is_some() })
}

async fn one(context: &Arc<Context>, question: PullRequest) -> Result<PullAnswer, Fault> {
    at_head(context).await?;
    let PullRequest { fleet, who, ask } = question;
    drop(visible(context, &who, &fleet)?);
    let act = |id, number| Act { context, who: &who, fleet: &fleet, id, number };
    match ask {
        PullAsk::Open { id, from, into, title } => {
            let (number, now) = open(context, &who, &fleet, Wanted { id, from, into, title }).await?;
            shown(context, &fleet, number, Some(now), None).await
        }
        PullAsk::Show { number } => {
            let now = now(context, &who, &fleet, number).await?;
            shown(context, &fleet, number, now, None).await
        }
        PullAsk::Diff { number } => {
            let diff = diff(context, &fleet, number).await?;
            shown(context, &fleet, number, None, Some(diff)).await
        }
        PullAsk::Approve { id, number, plan } => {
            let now = act(id, number).approve(plan).await?;
            shown(context, &fleet, number, Some(now), None).await
        }
        PullAsk::Merge { id, number, plan } => {
            act(id, number).merge(plan).await?;
            shown(context, &fleet, number, None, None).await
        }
        PullAsk::Close { id, number } => {
            act(id, number).close().await?;
            shown(context, &fleet, number, None, None).await
        }
    }
}

async fn at_head(context: &Arc<Context>) -> Result<(), Fault> {
    context.at_head().await.map_err(|error| fault(FaultCode::Behind, with_causes(&error)))
}

async fn shown(
    context: &Arc<Context>,
    fleet: &FleetId,
    number: u64,
    now: Option<PullNow>,
    diff: Option<String>,
) -> Result<PullAnswer, Fault> {
    let repository = repository(context, fleet)?;
    let state = repository.state.lock().await;
    let pull = find(&state, number)?.clone();
    let needed = needed(&state, &pull.into);
    let now = now.map(|now| {
        let approved = u32::try_from(pull.approved(now.plan.as_deref())).unwrap_or(u32::MAX);
        PullNow { approved, ..now }
    });
    Ok(PullAnswer { position: state.applied, pull, now, diff, needed })
}

/// What a merge would do now; none where there will be none.
async fn now(context: &Arc<Context>, who: &Who, fleet: &FleetId, number: u64) -> Result<Option<PullNow>, Fault> {
    let target = repository(context, fleet)?;
    let pull = find(&*target.state.lock().await, number)?.clone();
    if pull.status != PullStatus::Open {
        return Ok(None);
    }
    let sides = Sides::look(context, target, &pull.from, &pull.into, Some(&pull.tip.head)).await?;
    let bench = sides.workbench(context).map_err(|error| unavailable(&error))?;
    Ok(Some(judge(context, &bench, &sides, Some(who)).await?.now))
}

/// What it brings, against where both sides parted.
async fn diff(context: &Arc<Context>, fleet: &FleetId, number: u64) -> Result<String, Fault> {
    let target = repository(context, fleet)?;
    let pull = find(&*target.state.lock().await, number)?.clone();
    let sides = Sides::look(context, target, &pull.from, &pull.into, Some(&pull.tip.head)).await?;
    let bench = sides.workbench(context).map_err(|error| unavailable(&error))?;
    // Once merged, both sides are as they were then.
    let (base, head) = match pull.status {
        PullStatus::Open => (sides.base, sides.head),
        PullStatus::Merged | PullStatus::Closed => (pull.tip.base, pull.tip.head),
    };
    let range = format!("{base}...{head}");
    let arguments = ["--no-color", "--no-ext-diff", "--no-textconv", range.as_str(), "--"];
    let said = bench.run("diff", arguments, &[], &[]).await.map_err(|error| unavailable(&error))?;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}
