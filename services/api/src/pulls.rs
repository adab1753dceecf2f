//! `…/pulls[/{number}[/diff|/approve|/merge|/close]]`: asks Git.

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use schemas::check::Fault;
use schemas::names::Oid;
use schemas::pulls::{Pull, PullStatus, Source};
use schemas::query::{PullAnswer, PullAsk, PullNow, PullRequest, PullsAnswer, PullsRequest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Api;
use crate::ask::{READ, WRITE, ask};
use crate::call::Call;
use crate::problem::Problem;
use crate::reply;

/// Who answers.
const SERVICE: &str = "git";

/// A pull request that is to be opened.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: Source,
    into: Option<String>,
    title: String,
}

/// What was looked at.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    plan: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    #[serde(flatten)]
    line: Line<'a>,
    /// What a merge would do now; null where there will be none.
    now: Option<Now<'a>>,
}

/// A pull request in a list. The names are the contract's.
#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    title: &'a str,
    status: PullStatus,
    author: &'a str,
    opened: Timestamp,
    from: &'a Source,
    into: &'a str,
    head: &'a Oid,
    base: &'a Oid,
    commit: Option<&'a Oid>,
    conflicts: &'a [String],
    fault_codes: &'a [String],
    plan: Option<&'a str>,
    approvals: Vec<Approved<'a>>,
    approvals_needed: u32,
}

#[derive(Serialize)]
struct Approved<'a> {
    by: &'a str,
    time: Timestamp,
    plan: Option<&'a str>,
    /// Whether it was given to the commit and the plan that are there now, by somebody whose word counts.
    counts: bool,
}

#[derive(Serialize)]
struct Now<'a> {
    mergeable: bool,
    conflicts: &'a [String],
    faults: &'a [Fault],
    /// Also what only a merge is refused for.
    warnings: Vec<&'a Fault>,
    plan: Option<&'a str>,
    text: &'a str,
    approved: u32,
}

#[derive(Serialize)]
struct Page<'a> {
    position: u64,
    pulls: Vec<Line<'a>>,
    next: Option<String>,
}

/// The newest first. The cursor is the number of the last one.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let status = match call.text("status") {
        None => None,
        Some(text) => {
            let known = [PullStatus::Open, PullStatus::Merged, PullStatus::Closed];
            let read = known.into_iter().find(|it| it.as_str() == text);
            Some(read.ok_or_else(|| Problem::bad_parameter("status", text, "`open`, `merged` or `closed`"))?)
        }
    };
    let question = PullsRequest {
        fleet: call.fleet()?,
        status,
        before: call.parsed("cursor", "`next` of the page before, such as `17`")?,
        limit: u32::try_from(call.limit()?).unwrap_or(u32::MAX),
    };
    let PullsAnswer { position, pulls, needed, more } = ask(&api, SERVICE, &question, READ).await?;
    let next = pulls.last().filter(|_| more).map(|it| it.number.to_string());
    let pulls = pulls.iter().map(|it| line(it, needed, it.tip.verdict.plan.as_deref())).collect();
    reply::json_at(position, &Page { position, pulls, next })
}

/// Opens one. Asked again with the same key, it is the same one.
pub(crate) async fn open(api: Api, call: Call) -> Result<Response, Problem> {
    let Wanted { from, into, title } = call.json()?;
    let id = call.event_id(&format!("pull {} {from} {}", call.fleet()?, into.as_deref().unwrap_or_default()))?;
    tell(&api, &call, StatusCode::CREATED, PullAsk::Open { id, from, into, title }).await
}

/// Shows one.
pub(crate) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    let number = number(&call)?;
    tell(&api, &call, StatusCode::OK, PullAsk::Show { number }).await
}

/// Approves one.
pub(crate) async fn approve(api: Api, call: Call) -> Result<Response, Problem> {
    let (number, Seen { plan }) = (number(&call)?, call.json()?);
    let id = event_id(&call, "approve", number)?;
    tell(&api, &call, StatusCode::OK, PullAsk::Approve { id, number, plan }).await
}

/// Merges one.
pub(crate) async fn merge(api: Api, call: Call) -> Result<Response, Problem> {
    let (number, Seen { plan }) = (number(&call)?, call.json()?);
    let id = event_id(&call, "merge", number)?;
    tell(&api, &call, StatusCode::OK, PullAsk::Merge { id, number, plan }).await
}

/// Closes one.
pub(crate) async fn close(api: Api, call: Call) -> Result<Response, Problem> {
    let number = number(&call)?;
    let id = event_id(&call, "close", number)?;
    tell(&api, &call, StatusCode::OK, PullAsk::Close { id, number }).await
}

/// What one changes.
pub(crate) async fn diff(api: Api, call: Call) -> Result<Response, Problem> {
    let answer = asked(&api, &call, PullAsk::Diff { number: number(&call)? }).await?;
    let diff = reply::bytes(StatusCode::OK, "text/x-diff; charset=utf-8", answer.diff.unwrap_or_default());
    Ok(reply::at(answer.position, diff))
}

async fn tell(api: &Api, call: &Call, status: StatusCode, what: PullAsk) -> Result<Response, Problem> {
    let PullAnswer { position, pull, now, diff: _, needed } = asked(api, call, what).await?;
    let plan = match &now {
        Some(now) => now.plan.as_deref(),
        None => pull.tip.verdict.plan.as_deref(),
    };
    let line = line(&pull, needed, plan);
    let now = now.as_ref().map(|now| Now {
        mergeable: mergeable(now, needed),
        conflicts: &now.conflicts,
        faults: &now.faults,
        warnings: now.warnings.iter().chain(&now.refused).collect(),
        plan: now.plan.as_deref(),
        text: &now.text,
        approved: now.approved,
    });
    Ok(reply::at(position, reply::json(status, &Shown { position, line, now })?))
}

async fn asked(api: &Api, call: &Call, what: PullAsk) -> Result<PullAnswer, Problem> {
    let question = PullRequest { fleet: call.fleet()?, who: call.who()?.clone(), ask: what };
    ask(api, SERVICE, &question, WRITE).await
}

fn event_id(call: &Call, what: &str, number: u64) -> Result<Uuid, Problem> {
    call.event_id(&format!("{what} pull {} {number}", call.fleet()?))
}

fn mergeable(now: &PullNow, needed: u32) -> bool {
    now.conflicts.is_empty() && now.faults.is_empty() && now.refused.is_empty() && now.approved >= needed
}

fn number(call: &Call) -> Result<u64, Problem> {
    let text = call.part("number");
    text.parse()
        .map_err(|_| Problem::not_found(format!("there is no pull request `{text}`: they have numbers, such as 1")))
}

fn line<'a>(pull: &'a Pull, needed: u32, plan: Option<&str>) -> Line<'a> {
    let verdict = &pull.tip.verdict;
    let approved = |it: &'a schemas::pulls::Approval| Approved {
        by: &it.by,
        time: it.time,
        plan: it.plan.as_deref(),
        counts: pull.counts(it, plan),
    };
    Line {
        number: pull.number,
        title: &pull.title,
        status: pull.status,
        author: &pull.author,
        opened: pull.opened,
        from: &pull.from,
        into: &pull.into,
        head: &pull.tip.head,
        base: &pull.tip.base,
        commit: pull.commit.as_ref(),
        conflicts: &verdict.conflicts,
        fault_codes: &verdict.codes,
        plan: verdict.plan.as_deref(),
        approvals: pull.approvals.iter().map(approved).collect(),
        approvals_needed: needed,
    }
}
