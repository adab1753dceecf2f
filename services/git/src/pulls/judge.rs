//! What a merge would be, and what would come of it: conflicts, faults, the plan.

use std::sync::Arc;

use schemas::access::Who;
use schemas::check::{Broken, Checked, Fault as CheckFault};
use schemas::descriptors::Changes;
use schemas::event::Verdict;
use schemas::names::Oid;
use schemas::plan::{describe, plan};
use schemas::pulls::mark;
use schemas::query::{Fault, FaultCode, PullNow};
use streams::with_causes;

use super::fault;
use super::sides::Sides;
use crate::candidate;
use crate::context::Context;
use crate::error::GitError;
use crate::guards::{self, Applied};
use crate::inspect::deploy_changed;
use crate::neighbours::Neighbours;
use crate::plan::{now, silent};
use crate::record::unavailable;
use crate::withdrawn;
use crate::workbench::Workbench;

/// Conflicting files that are told.
const TOLD: usize = 50;

/// What a merge would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing: it is in there already.
    Nothing,
    /// The branch moves on to the commit.
    Forward,
    /// A commit with both behind it, and this tree.
    Merge { tree: Oid },
    /// Both sides changed the same.
    Conflicts,
}

/// What would come of a merge.
pub(super) struct Judged {
    pub(super) way: Way,
    pub(super) now: PullNow,
    /// What it changes of what should be; none where nothing is applied, or something stands in its way.
    pub(super) changes: Option<Changes>,
}

impl Judged {
    /// What the log keeps of it.
    pub(super) fn verdict(&self) -> Verdict {
        let mut codes: Vec<String> = self.now.faults.iter().map(|it| it.code.to_string()).collect();
        codes.sort();
        codes.dedup();
        Verdict { conflicts: self.now.conflicts.clone(), codes, plan: self.now.plan.clone() }
    }
}

/// Works out a merge, and changes nothing. What concerns other fleets is told as `who` may see them.
pub(super) async fn judge(
    context: &Arc<Context>,
    bench: &Workbench<'_>,
    sides: &Sides,
    who: Option<&Who>,
) -> Result<Judged, Fault> {
    let broken = |error: GitError| unavailable(&error);
    let mut judged = Judged { way: Way::Nothing, now: PullNow::default(), changes: None };
    if bench.leads_to(&sides.head, &sides.base).await.map_err(broken)? {
        judged.now.text = format!("nothing to merge: `{}` has it all", sides.into);
        return Ok(judged);
    }
    let tree = if bench.leads_to(&sides.base, &sides.head).await.map_err(broken)? {
        judged.way = Way::Forward;
        tree_of(bench, &sides.head).await.map_err(broken)?
    } else {
        match merge(bench, sides).await? {
            Ok(tree) => {
                judged.way = Way::Merge { tree: tree.clone() };
                tree
            }
            Err(conflicts) => {
                judged.way = Way::Conflicts;
                judged.now.text = format!("both sides changed {}", names(&conflicts));
                judged.now.conflicts = conflicts;
                return Ok(judged);
            }
        }
    };
    match bench.look(move |objects| candidate::inspect_tree(objects, &tree)).await? {
        Err(Broken { faults, warnings }) => (judged.now.faults, judged.now.warnings) = (faults, warnings),
        Ok(checked) => {
            judged.now.faults.extend(taken_back(bench, sides).await?);
            apply(context, sides, who, checked, &mut judged).await?;
        }
    }
    Ok(judged)
}

/// What a tree without faults would change, where it is applied.
async fn apply(
    context: &Arc<Context>,
    sides: &Sides,
    who: Option<&Who>,
    checked: Checked,
    judged: &mut Judged,
) -> Result<(), Fault> {
    let Checked { desired, warnings, .. } = &checked;
    judged.now.warnings.clone_from(warnings);
    if !sides.deploys {
        judged.now.text = format!("`{}` is not the deploy branch: nothing is applied", sides.into);
        return Ok(());
    }
    let (fleet, trees) = (&sides.target.fleet, std::iter::once(&checked));
    let (fleet, neighbours) =
        tokio::join!(now(context, fleet, sides.applied), Neighbours::ask(context, fleet, trees, sides.applied));
    let (_, fleet) = fleet?;
    let neighbours = neighbours.map_err(|error| silent(&error))?;
    judged.now.faults.extend(deploy_changed(&fleet.deploy, &checked));
    // What stands in its way is nobody's mistake: it is told, and only the merge is refused. That is held to the guards
    // as a push is; only a push can be let pass.
    let in_force = Some((&sides.guards, &fleet.desired));
    judged.now.refused = neighbours.clashes(&checked, who);
    judged.now.refused.extend(guards::hit(context, &sides.target.fleet, in_force, &checked, Applied::Now));
    judged.now.refused.sort();
    if !judged.now.faults.is_empty() {
        return Ok(());
    }
    let plan = plan(&fleet, desired, &context.config.digest_key)
        .map_err(|error| fault(FaultCode::Conflict, with_causes(&error)))?;
    judged.now.plan = Some(mark(&plan));
    judged.now.text = describe(&plan);
    judged.changes = Some(fleet.desired.changes_to(desired));
    Ok(())
}

/// The fault of a merge that would bring in again what a rollback withdrew.
async fn taken_back(bench: &Workbench<'_>, sides: &Sides) -> Result<Option<CheckFault>, Fault> {
    if !sides.deploys || sides.withdrawn.is_empty() {
        return Ok(None);
    }
    let added = bench.added(&[&sides.head, &sides.base], sides.desired.as_ref()).await;
    Ok(withdrawn::fault(&sides.withdrawn, &added.map_err(|error| unavailable(&error))?))
}

async fn tree_of(bench: &Workbench<'_>, commit: &Oid) -> Result<Oid, GitError> {
    bench.id("rev-parse", ["--verify", "--quiet", "--end-of-options", &format!("{commit}^{{tree}}")], &[], &[]).await
}

/// The tree of a merge, or the files that stand in its way.
async fn merge(bench: &Workbench<'_>, sides: &Sides) -> Result<Result<Oid, Vec<String>>, Fault> {
    const MERGE_TREE: &str = "merge-tree";
    let arguments = ["--write-tree", "--name-only", "--no-messages", "-z", sides.base.as_str(), sides.head.as_str()];
    let said = bench.run(MERGE_TREE, arguments, &[], &[]).await.map_err(|error| unavailable(&error))?;
    let mut parts = said.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).filter(|it| !it.is_empty());
    let tree = parts.next().and_then(|it| it.trim().parse().ok());
    match (said.status, tree) {
        (Some(0), Some(tree)) => Ok(Ok(tree)),
        (Some(1), Some(_)) => Ok(Err(parts.take(TOLD).map(|it| it.into_owned()).collect())),
        _ if said.stderr.contains("unrelated histories") => {
            let message =
                "the two branches have no commit in common: only a branch that began as the other can be taken in";
            Err(fault(FaultCode::Conflict, message))
        }
        _ => {
            let hint = if said.stderr.contains("usage") { " (it takes Git 2.38 or newer)" } else { "" };
            Err(fault(FaultCode::Unavailable, format!("the branches cannot be merged{hint}: {}", said.stderr)))
        }
    }
}

fn names(files: &[String]) -> String {
    files.iter().map(|it| format!("`{}`", it.escape_debug())).collect::<Vec<_>>().join(", ")
}
