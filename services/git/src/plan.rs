//! `req.git.plan`: what a pushed commit, or a tree of descriptors, would change. The words are those of a push.
//!
//! Reads a repository's objects and asks the registry for the fleet; writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::check::{Broken as BrokenTree, Checked, Content, EntryKind, MAX_BYTES, TreeFile, check, may_take};
use schemas::descriptors::{Blob, Guards};
use schemas::fleet::Fleet;
use schemas::names::{FleetId, Oid};
use schemas::plan::{describe, plan};
use schemas::query::{Candidate, Fault as Broken, FaultCode, FleetRequest, PlanAnswer, PlanRequest, Planned};
use schemas::rollback::Withdrawn;
use streams::{AskError, with_causes};

use crate::ask::{AT_ONCE, serve};
use crate::candidate::{self, CandidateError};
use crate::context::Context;
use crate::guards::{self, Applied};
use crate::inspect::deploy_changed;
use crate::losses;
use crate::neighbours::Neighbours;
use crate::withdrawn;

/// Digits of a shortened commit at least.
const DIGITS: usize = 4;

/// Answers until the service ends.
pub(crate) async fn answer(context: &Arc<Context>) {
    serve(context, AT_ONCE, |context, question: PlanRequest| async move { work_out(&context, &question).await }).await;
}

async fn work_out(context: &Arc<Context>, request: &PlanRequest) -> Result<PlanAnswer, Broken> {
    let behind = |message: String| Broken { code: FaultCode::Behind, message };
    context.at_head().await.map_err(|error| behind(with_causes(&error)))?;
    let repository = context.enter_known(&request.fleet);
    let (mut applied, mut deploy, mut refs) = (0, None, BTreeMap::new());
    let (mut withdrawn, mut last, mut guards) = (Withdrawn::default(), None, Guards::default());
    if let Some(repository) = &repository {
        let mut state = repository.state.lock().await;
        context.settle(repository, &mut state).await.map_err(|error| behind(with_causes(&error)))?;
        (applied, deploy, refs) = (state.applied, state.deploy.clone(), state.refs.clone());
        (withdrawn, last, guards) = (state.withdrawn.clone(), state.desired.clone(), state.accepted.guards.clone());
    }
    let (commit, checked) = match (&request.candidate, &repository) {
        (Candidate::Files(files), _) => (None, check_files(files.clone(), request.contents.clone()).await?),
        (Candidate::Commit(_), None) => {
            return Ok(PlanAnswer::Unknown { what: format!("there is no fleet `{}`", request.fleet) });
        }
        (Candidate::Commit(text), Some(repository)) => {
            match check_commit(repository.path.join("objects"), text.clone(), refs).await? {
                Ok((commit, checked)) => (Some(commit), checked),
                Err(answer) => return Ok(answer),
            }
        }
    };
    let checked = match checked {
        Ok(checked) => checked,
        Err(BrokenTree { faults, warnings }) => return Ok(PlanAnswer::Faults { faults, warnings }),
    };
    if let Some(fault) = deploy.and_then(|deploy| deploy_changed(&deploy, &checked)) {
        return Ok(PlanAnswer::Faults { faults: vec![fault], warnings: checked.warnings });
    }
    let at = applied.max(request.min_position);
    let trees = std::iter::once(&checked);
    let (now, neighbours) =
        tokio::join!(now(context, &request.fleet, at), Neighbours::ask(context, &request.fleet, trees, at));
    let (position, fleet) = now?;
    let neighbours = neighbours.map_err(|error| silent(&error))?;
    let in_force = repository.is_some().then_some((&guards, &fleet.desired));
    let hits = guards::hit(context, &request.fleet, in_force, &checked, Applied::Now);
    let mut refused = neighbours.clashes(&checked, request.by.as_ref());
    refused.extend(hits);
    if let (Some(repository), Some(commit)) = (&repository, &commit) {
        refused.extend(withdrawn::of_commit(context, repository, commit, (&withdrawn, last.as_ref())).await);
    }
    refused.sort();
    Ok(match plan(&fleet, &checked.desired, &context.config.digest_key) {
        Err(error) => PlanAnswer::Refused { why: with_causes(&error) },
        Ok(plan) => PlanAnswer::Planned(Box::new(Planned {
            warnings: [checked.warnings.clone(), losses::warnings(context, &fleet, &plan, &checked).await].concat(),
            position,
            commit,
            text: describe(&plan),
            plan,
            refused,
        })),
    })
}

/// The fleet as it is now; an empty one where there is none yet.
pub(crate) async fn now(context: &Context, fleet: &FleetId, min_position: u64) -> Result<(u64, Fleet), Broken> {
    let question = FleetRequest { fleet: fleet.clone(), min_position };
    let answer = context.bus.ask(&question, context.config.limits.ask).await;
    let answer = answer.map_err(|error| silent(&error))?;
    Ok((answer.position, answer.fleet.unwrap_or_else(|| Fleet::new(fleet.clone()))))
}

pub(crate) fn silent(error: &AskError) -> Broken {
    Broken { code: FaultCode::Behind, message: format!("the registry does not tell: {}", with_causes(error)) }
}

type Verdict = Result<Checked, BrokenTree>;

fn broke_down(_: tokio::task::JoinError) -> Broken {
    Broken { code: FaultCode::Behind, message: "the check broke down, try again".to_owned() }
}

async fn check_files(files: BTreeMap<String, String>, contents: BTreeMap<String, Blob>) -> Result<Verdict, Broken> {
    let look = move || {
        let kind = |path: &str| match contents.get(path).is_some_and(|it| it.executable) {
            true => EntryKind::Executable,
            false => EntryKind::File,
        };
        let known = contents.iter().filter(|(path, _)| !files.contains_key(*path)).map(|(path, it)| {
            let content = Content::Known { blob: &it.blob, size: it.size };
            TreeFile { path, kind: kind(path), content }
        });
        let told = files.iter().map(|(path, text)| {
            let content = match text.len() as u64 {
                size if size > MAX_BYTES => Content::TooLarge(size),
                _ => Content::Bytes(text.as_bytes()),
            };
            TreeFile { path, kind: kind(path), content }
        });
        check(told.chain(known.filter(|it| may_take(it.path))))
    };
    tokio::task::spawn_blocking(look).await.map_err(broke_down)
}

/// Looks a commit up and checks its tree; else the answer.
async fn check_commit(
    store: std::path::PathBuf,
    text: String,
    refs: BTreeMap<String, Oid>,
) -> Result<Result<(Oid, Verdict), PlanAnswer>, Broken> {
    let look = move || {
        let refused = |error: CandidateError| PlanAnswer::Refused { why: with_causes(&error) };
        let unknown = |why: &str| PlanAnswer::Unknown {
            what: format!(
                "there is no pushed commit `{text}`{why}: expected its id, the first digits of it, or a branch"
            ),
        };
        let objects = candidate::open(None, &store).map_err(refused)?;
        let commit = match refs.get(&format!("refs/heads/{text}")) {
            Some(head) => head.clone(),
            None if text.len() < DIGITS => return Err(unknown("")),
            None => match objects.find(&text) {
                Some(Ok(commit)) => commit,
                Some(Err(())) => return Err(unknown(" (several begin like this)")),
                None => return Err(unknown("")),
            },
        };
        match candidate::inspect(&objects, &commit) {
            Ok(checked) => Ok((commit, checked)),
            Err(CandidateError::Object { expected: "commit", .. }) => Err(unknown("")),
            Err(error) => Err(refused(error)),
        }
    };
    tokio::task::spawn_blocking(look).await.map_err(broke_down)
}
