//! What a rollback took back does not come in again by the way: a push to the deploy branch that has it is refused, unless
//! it reverts it, or says that it is meant.

use std::path::Path;

use schemas::check::Fault;
use schemas::names::Oid;
use schemas::rollback::{Added, Withdrawn, brought_again, told, way_out};
use streams::with_causes;

use crate::ancestry::{AncestryError, REV_LIST, added};
use crate::context::Context;
use crate::desk::Pen;
use crate::options::Options;
use crate::push::Push;
use crate::refuse::Refused;
use crate::repository::Repository;

/// Said where `-o reinstate` was not needed: it leaves no event.
pub(crate) const NOTHING_TO_REINSTATE: &str = "reinstate: this push brings nothing in again that was withdrawn";

/// What a push brings in again.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    commits: Vec<Oid>,
    /// Commands that revert it.
    way_out: Vec<String>,
}

/// Looks for what a push of `commit` to the deploy branch brings in again, while its objects are in quarantine. The log has
/// `withdrawn`, and desires `desired`.
pub(crate) async fn of_push(
    context: &Context,
    push: &Push,
    quarantine: Option<&Path>,
    commit: &Oid,
    (withdrawn, desired): (&Withdrawn, Option<&Oid>),
) -> Result<TakenBack, Refused> {
    if withdrawn.is_empty() {
        return Ok(TakenBack::default());
    }
    let mut command = context.launcher.git(&push.repository.path, [REV_LIST]);
    if let Some(quarantine) = quarantine {
        command.env("GIT_OBJECT_DIRECTORY", quarantine);
        command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", push.repository.path.join("objects"));
    }
    match added(&context.launcher, command, &[commit], desired).await {
        Ok(added) => {
            let commits = brought_again(withdrawn, &added);
            Ok(TakenBack { way_out: way_out(&added, &commits), commits })
        }
        Err(error @ AncestryError::TooMany) => Err(Refused::not_allowed("too-much-at-once", with_causes(&error))),
        Err(error) => Err(Refused::untold(format!(
            "cannot tell whether the push brings in again what was withdrawn: {}\nnothing changed, try again",
            with_causes(&error)
        ))),
    }
}

/// Refuses a push that brings something in again, or takes its word for it: the commits that are not withdrawn any more.
pub(crate) async fn pass(found: TakenBack, options: &Options, pen: &mut Pen) -> Result<Vec<Oid>, Refused> {
    let TakenBack { commits, way_out } = found;
    match (commits.is_empty(), options.reinstate) {
        (true, false) => {}
        (true, true) => pen.say(NOTHING_TO_REINSTATE).await,
        (false, true) => {
            let count = commits.len();
            let (commits, are) = if count == 1 { ("commit", "is") } else { ("commits", "are") };
            pen.say(&format!("reinstate: {count} withdrawn {commits} {are} taken in again")).await;
        }
        (false, false) => {
            let mut message = told(&commits);
            way_out.iter().for_each(|command| message.push_str(&format!("\n  {command}")));
            return Err(Refused::not_allowed("withdrawn", message));
        }
    }
    Ok(commits)
}

/// The same for a commit that was pushed already, of which only a plan is wanted; none where it cannot be told.
pub(crate) async fn of_commit(
    context: &Context,
    repository: &Repository,
    commit: &Oid,
    (withdrawn, desired): (&Withdrawn, Option<&Oid>),
) -> Option<Fault> {
    if withdrawn.is_empty() {
        return None;
    }
    let command = context.launcher.git(&repository.path, [REV_LIST]);
    match added(&context.launcher, command, &[commit], desired).await {
        Ok(added) => fault(withdrawn, &added),
        Err(error) => {
            tracing::warn!(fleet = %repository.fleet, error = with_causes(&error), "what was withdrawn is not told");
            None
        }
    }
}

/// The same for a merge, which cannot say that it is meant: a fault of the tree as a whole.
pub(crate) fn fault(withdrawn: &Withdrawn, added: &[Added]) -> Option<Fault> {
    let commits = brought_again(withdrawn, added);
    let way_out = way_out(added, &commits).join(" && ");
    (!commits.is_empty()).then(|| Fault {
        path: "fleet.json".to_owned(),
        line: 1,
        column: 1,
        code: "withdrawn".into(),
        seen: told(&commits),
        expected: "nothing that was rolled back, but where it is reverted".to_owned(),
        hint: (!way_out.is_empty()).then(|| format!("on the branch: {way_out}")),
        also: Vec::new(),
    })
}
