//! `pre-receive`: looks at a push while its objects are in quarantine. Refuses it, or prints the plan and stores its
//! pack.
//!
//! Reads the quarantined objects and asks the registry for the fleet; writes `PACKS`, and `git.refused` for a refusal.
//! Nothing has changed when it returns.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use schemas::check::{Broken, Checked, Fault, Place, report, warned};
use schemas::descriptors::{Desired, Guards};
use schemas::event::{PackRef, RefUpdate};
use schemas::fleet::Fleet;
use schemas::names::{Name, Oid};
use schemas::plan::{describe, destroy, plan};
use schemas::query::FleetRequest;
use schemas::rollback::Withdrawn;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::candidate::{self, CandidateError, Objects};
use streams::with_causes;

use crate::config::Limits;
use crate::context::{Context, names};
use crate::desk::Pen;
use crate::extent::Extent;
use crate::fault::{FaultPoint, pause};
use crate::guards::{self, Applied};
use crate::history::{self, Found};
use crate::hook::wire::Hello;
use crate::layout::entries;
use crate::losses;
use crate::neighbours::Neighbours;
use crate::options::Options;
use crate::push::{Candidate, Inspected, Push};
use crate::refs;
use crate::refuse::{Refused, remember};
use crate::{transaction, withdrawn};

/// Bytes of the list of refs that are read: more than any list that is allowed has.
const REFS: u64 = 4 << 20;

/// What the log says about the fleet, as far as a push is measured by it.
struct Now {
    applied: u64,
    /// The deploy branch; none: there is no such fleet.
    deploy: Option<String>,
    /// The commit that is desired, since which position, and what was taken back before.
    desired: Option<Oid>,
    desired_at: u64,
    withdrawn: Withdrawn,
    /// The guards in force.
    guards: Guards,
}

/// Lets a push pass (0) or not (1).
pub(crate) async fn pre_receive(
    context: &Context,
    push: &Push,
    hello: &Hello,
    input: &mut (impl AsyncRead + Unpin),
    pen: &mut Pen,
) -> u8 {
    push.looking();
    let mut text = Vec::new();
    // A hook's input ends, or its process has ended: then nobody waits for an answer.
    if input.take(REFS).read_to_end(&mut text).await.is_err() {
        return 1;
    }
    let updates = match refs::parse(&text) {
        Ok(updates) => updates,
        Err(refused) => return refuse(context, push, &[], false, refused, pen).await,
    };
    let options = match Options::parse(&hello.options) {
        Ok(options) => options,
        Err(bad) => {
            let refused = Refused::not_allowed("push-option", bad.message);
            return refuse(context, push, &updates, bad.plan, refused, pen).await;
        }
    };
    let only_plan = options.plan;
    match inspect(context, push, hello, updates.clone(), options, pen).await {
        Ok(inspected) => {
            push.inspected(inspected);
            0
        }
        Err(refused) => refuse(context, push, &updates, only_plan, refused, pen).await,
    }
}

async fn refuse(
    context: &Context,
    push: &Push,
    updates: &[RefUpdate],
    only_plan: bool,
    refused: Refused,
    pen: &mut Pen,
) -> u8 {
    pen.say(&refused.message).await;
    if let Some(record) = refused.record.filter(|_| !only_plan) {
        let mut state = push.repository.state.lock().await;
        let remembered = remember(context, &push.repository, &push.actor, &mut state, updates, record).await;
        if let Some(words) = remembered.words() {
            pen.say(&words).await;
        }
    }
    1
}

async fn inspect(
    context: &Context,
    push: &Push,
    hello: &Hello,
    updates: Vec<RefUpdate>,
    options: Options,
    pen: &mut Pen,
) -> Result<Inspected, Refused> {
    let fleet = &push.repository.fleet;
    if push.over.is_cancelled() {
        return Err(Refused::right_ended());
    }
    refs::permitted(&push.who, fleet, &updates)?;
    guards::may_override(&push.who, fleet, &options)?;
    // A refusal that is remembered would be one more event: this one leaves none.
    if let Some(reason) = context.fullness.refusal().filter(|_| !options.plan) {
        return Err(Refused::untold(reason));
    }
    let now = {
        let state = push.repository.state.lock().await;
        if state.deploy.is_none() && !options.create && !options.plan {
            return Err(no_such_fleet(push, &updates));
        }
        refs::allowed(&state, &updates, context.config.limits.refs)?;
        refs::unprotected(&state, &push.who, fleet, &updates)?;
        let (deploy, desired, withdrawn) = (state.deploy.clone(), state.desired.clone(), state.withdrawn.clone());
        let (desired_at, guards) = (state.desired_at, state.accepted.guards.clone());
        Now { applied: state.applied, deploy, desired, desired_at, withdrawn, guards }
    };
    let quarantine = quarantine(push, hello);
    let ahead = async {
        // Not there, it is started when it is needed: that is where an error is told.
        if !options.plan
            && let Ok(idle) = transaction::start(&context.launcher, &push.repository.path).await
        {
            push.keep(idle);
        }
    };
    let (branches, ()) = tokio::join!(check_branches(context, push, quarantine.clone(), &updates), ahead);
    let branches = branches?;
    let deploy = match &now.deploy {
        Some(deploy) => deploy.clone(),
        None => first_deploy(&branches)?,
    };
    let stored = Some(streams::clock::now());
    if !branches.contains_key(&deploy) && !options.allow_destroy.is_empty() {
        let message = format!("`allow-destroy` is for pushes to the deploy branch, and `{deploy}` does not move");
        return Err(Refused::not_allowed("allow-destroy", message));
    }
    // Each waits for another's disk or answer, and none for the other ones.
    let (neighbours, fleet_now, pack) = tokio::join!(
        neighbours(context, push, &branches, &now),
        current(context, push, &now, !branches.is_empty()),
        store(context, push, quarantine.as_deref(), &options)
    );
    let (neighbours, fleet_now) = (neighbours?, fleet_now?);
    let in_force = now.deploy.is_some().then_some((&now.guards, &fleet_now.desired));
    let (mut overridden, mut reinstated) = (None, Vec::new());
    let candidate = match branches.get(&deploy) {
        None => {
            pen.say(&format!("`{deploy}` does not move: nothing is applied")).await;
            if options.override_with.is_some() {
                pen.say(guards::NOTHING_TO_PASS).await;
            }
            if options.reinstate {
                pen.say(withdrawn::NOTHING_TO_REINSTATE).await;
            }
            None
        }
        Some((commit, checked)) => {
            stays(&deploy, checked)?;
            let clashes = neighbours.clashes(checked, Some(&push.who));
            let hits = guards::hit(context, fleet, in_force, checked, Applied::Now);
            overridden = guards::pass(clashes, hits, &options, pen).await?;
            if fleet_now.desired_at != now.desired_at {
                let state = push.repository.state.lock().await;
                return Err(state.moved(&updates).map_or_else(Refused::rolled_back, Refused::race));
            }
            let taken_back = withdrawn::of_push(
                context,
                push,
                quarantine.as_deref(),
                commit,
                (&now.withdrawn, now.desired.as_ref()),
            )
            .await?;
            reinstated = withdrawn::pass(taken_back, &options, pen).await?;
            let mut fleet_then = fleet_now.clone();
            destroys(&mut fleet_then, &checked.desired, &options.allow_destroy)?;
            let plan = plan(&fleet_then, &checked.desired, &context.config.digest_key)
                .map_err(|error| Refused::untold(format!("refused: {}\nnothing changed", with_causes(&error))))?;
            pen.say(&describe(&plan)).await;
            for loss in losses::warnings(context, &fleet_then, &plan, checked).await {
                pen.say(&format!("warning: {loss}")).await;
            }
            let changes = fleet_now.desired.changes_to(&checked.desired);
            let left_alone = plan.held.into_iter().filter(|it| it.action.is_some()).map(|it| it.container).collect();
            Some(Candidate { commit: commit.clone(), base: now.desired_at, changes, steps: plan.steps, left_alone })
        }
    };
    let pack = pack?;
    // Last, where they are seen; Git's client colours a line that begins like this.
    for (branch, (_, checked)) in &branches {
        let is_applied = *branch == deploy;
        let mut doubts = checked.warnings.clone();
        if !is_applied {
            pen.say(&format!("on {branch}, if it were applied:\n{}", if_applied(context, &fleet_now, checked))).await;
            doubts.extend(neighbours.clashes(checked, Some(&push.who)));
            doubts.extend(guards::hit(context, fleet, in_force, checked, Applied::Later));
        }
        let place = if is_applied && branches.len() == 1 { String::new() } else { format!("on {branch}: ") };
        for doubt in doubts {
            pen.say(&format!("warning: {place}{doubt}")).await;
        }
    }
    if options.plan {
        return Err(Refused::untold("plan only: nothing was stored"));
    }
    pause(context, FaultPoint::AfterStore).await;
    tracing::debug!(%fleet, refs = names(&updates), "a push passed its inspection");
    let created = now.deploy.is_none();
    Ok(Inspected { updates, options, created, pack, stored, deploy, candidate, overridden, reinstated })
}

/// What a branch would change that is only kept.
fn if_applied(context: &Context, fleet: &Fleet, checked: &Checked) -> String {
    match plan(fleet, &checked.desired, &context.config.digest_key) {
        Ok(plan) => describe(&plan),
        Err(error) => format!("plan: none: {}", with_causes(&error)),
    }
}

/// Takes what the push may destroy into the fleet that it is planned for; all or nothing.
fn destroys(fleet: &mut Fleet, desired: &Desired, named: &[Name]) -> Result<(), Refused> {
    let wrong = destroy::refused(&fleet.desired, desired, named);
    if !wrong.is_empty() {
        return Err(Refused::not_allowed("allow-destroy", wrong.join("\n")));
    }
    fleet.doomed.extend(named.iter().cloned());
    Ok(())
}

/// The folder of the new objects. Git names it; where it lies we know.
fn quarantine(push: &Push, hello: &Hello) -> Option<PathBuf> {
    let name = Path::new(OsStr::from_bytes(&hello.quarantine)).file_name()?;
    Some(push.repository.path.join("objects").join(name))
}

/// Checks the tree of every branch that gets a new commit, and looks for secrets in all that came with the push.
async fn check_branches(
    context: &Context,
    push: &Push,
    quarantine: Option<PathBuf>,
    updates: &[RefUpdate],
) -> Result<BTreeMap<String, (Oid, Checked)>, Refused> {
    let new = |update: &RefUpdate| Some((refs::branch(&update.name)?.to_owned(), update.new.clone()?));
    let heads: Vec<(String, Oid)> = updates.iter().filter_map(new).collect();
    let tips: Vec<Oid> = updates.iter().filter_map(|update| update.new.clone()).collect();
    let store = push.repository.path.join("objects");
    let limits = context.config.limits.clone();
    let check = move || check_all(quarantine.as_deref(), &store, heads, &tips, &limits);
    let checked = tokio::task::spawn_blocking(check).await;
    checked.map_err(|_| Refused::untold("the check broke down; nothing changed, try again"))?
}

fn check_all(
    quarantine: Option<&Path>,
    store: &Path,
    heads: Vec<(String, Oid)>,
    tips: &[Oid],
    limits: &Limits,
) -> Result<BTreeMap<String, (Oid, Checked)>, Refused> {
    if tips.is_empty() {
        return Ok(BTreeMap::new());
    }
    let unreadable = |error| match error {
        CandidateError::Over(over) => Refused::over(&over),
        CandidateError::TooMuchAtOnce { .. } => Refused::not_allowed("too-much-at-once", with_causes(&error)),
        error => Refused::not_allowed("unreadable", with_causes(&error)),
    };
    let objects: Objects = candidate::open(quarantine, store).map_err(unreadable)?;
    let several = heads.len() > 1;
    let (mut good, mut all) = (BTreeMap::new(), Vec::<Fault>::new());
    let mut reports = Vec::new();
    let mut extent = Extent::new(&objects, limits);
    for (branch, commit) in heads {
        extent.measure(&commit).map_err(unreadable)?;
        match candidate::inspect(&objects, &commit).map_err(unreadable)? {
            Ok(checked) => drop(good.insert(branch, (commit, checked))),
            Err(Broken { faults, warnings }) => {
                let report = format!("{}{}", warned(&warnings), report(&faults));
                reports.push(if several { format!("on {branch}:\n{report}") } else { report });
                all.extend(faults);
            }
        }
    }
    if !all.is_empty() {
        return Err(Refused::faults(reports.join("\n"), &all));
    }
    let found = history::secrets(&objects, tips).map_err(unreadable)?;
    if found.is_empty() { Ok(good) } else { Err(buried(&found)) }
}

/// Secrets that are in the commits of the push and not in what they lead to.
fn buried(found: &[Found]) -> Refused {
    let mut text = String::new();
    for Found { commit, faults } in found {
        text.push_str(&format!("in {}:\n{}\n", &commit[..commit.len().min(10)], report(faults)));
    }
    text.push_str(
        "what is pushed stays for ever, and a later commit does not take it away: rewrite the commits that hold it \
         (`git rebase -i`)",
    );
    let faults: Vec<Fault> = found.iter().flat_map(|it| it.faults.iter().cloned()).collect();
    Refused::faults(text, &faults)
}

/// The deploy branch of a fleet that is to be made: the pushed branch whose own `fleet.json` names it.
fn first_deploy(branches: &BTreeMap<String, (Oid, Checked)>) -> Result<String, Refused> {
    let named: Vec<&String> = branches
        .iter()
        .filter(|(branch, (_, checked))| checked.desired.fleet.deploy == **branch)
        .map(|(branch, _)| branch)
        .collect();
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let wanted = branches.values().next().map_or("main", |(_, checked)| &checked.desired.fleet.deploy);
            Err(Refused::untold(format!(
                "refused: the first push has to bring the deploy branch, `{wanted}` (`deploy` in fleet.json):\n  \
                 git push -o create origin HEAD:{wanted}\nnothing changed"
            )))
        }
        [one, another, ..] => Err(Refused::untold(format!(
            "refused: `{one}` and `{another}` both call themselves the deploy branch in their fleet.json; push one of \
             them first:\n  git push -o create origin {one}\nnothing changed"
        ))),
    }
}

/// The deploy branch was decided by the first push.
fn stays(deploy: &str, checked: &Checked) -> Result<(), Refused> {
    let Some(fault) = deploy_changed(deploy, checked) else { return Ok(()) };
    Err(Refused::faults(report(std::slice::from_ref(&fault)), std::slice::from_ref(&fault)))
}

/// Whom the branches of a push would get in the way of.
async fn neighbours(
    context: &Context,
    push: &Push,
    branches: &BTreeMap<String, (Oid, Checked)>,
    now: &Now,
) -> Result<Neighbours, Refused> {
    let fleet = &push.repository.fleet;
    let trees = branches.values().map(|(_, checked)| checked);
    Neighbours::ask(context, fleet, trees, now.applied).await.map_err(|error| {
        Refused::untold(format!(
            "cannot plan, as the registry does not tell what other fleets have of the node: {}\nnothing changed, try \
             again",
            with_causes(&error)
        ))
    })
}

/// The fault of a tree that wants another deploy branch.
pub(crate) fn deploy_changed(deploy: &str, checked: &Checked) -> Option<Fault> {
    let said = &checked.desired.fleet.deploy;
    let Place { path, line, column } = checked.places.find("fleet.json", "/deploy");
    (said != deploy).then(|| Fault {
        path,
        line,
        column,
        code: "deploy-changed".into(),
        seen: format!("`deploy` is `{said}`, but this fleet's deploy branch is `{deploy}`"),
        expected: format!("`deploy` stays `{deploy}`: the first push decided it, and changing it is not possible yet"),
        hint: None,
        also: Vec::new(),
    })
}

/// The fleet as it is now, from the registry; an empty one where nobody needs it.
async fn current(context: &Context, push: &Push, now: &Now, needed: bool) -> Result<Fleet, Refused> {
    let fleet = push.repository.fleet.clone();
    if now.deploy.is_none() || !needed {
        return Ok(Fleet::new(fleet));
    }
    let question = FleetRequest { fleet: fleet.clone(), min_position: now.applied };
    let answer = context.bus.ask(&question, context.config.limits.ask).await;
    match answer {
        Ok(answer) => Ok(answer.fleet.unwrap_or_else(|| Fleet::new(fleet))),
        Err(error) => Err(Refused::untold(format!(
            "cannot plan, as the registry does not tell about `{fleet}`: {}\nnothing changed, try again",
            with_causes(&error)
        ))),
    }
}

/// Stores the pack in the log's own store, so that our disk is only a cache. Not for a plan.
async fn store(
    context: &Context,
    push: &Push,
    quarantine: Option<&Path>,
    options: &Options,
) -> Result<Option<(PackRef, String)>, Refused> {
    let fault = |error: &dyn std::error::Error| {
        tracing::warn!(fleet = %push.repository.fleet, error = with_causes(error), "a pack was not stored");
        Refused::untold(format!("the pack was not stored: {}\nnothing changed, try again", with_causes(error)))
    };
    let Some(folder) = quarantine.filter(|_| !options.plan).map(|quarantine| quarantine.join("pack")) else {
        return Ok(None);
    };
    let is_pack = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pack");
    let Some(file) = entries(&folder).map_err(|e| fault(&e))?.into_iter().find(is_pack) else { return Ok(None) };
    let name = file.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let reader = tokio::fs::File::open(&file).await.map_err(|e| fault(&e))?;
    let id = streams::clock::new_id();
    let stored = context.bus.store_pack(&push.repository.fleet, id, reader).await.map_err(|e| fault(&e))?;
    Ok(Some((stored, name)))
}

fn no_such_fleet(push: &Push, updates: &[RefUpdate]) -> Refused {
    let fleet = &push.repository.fleet;
    let branch = updates.iter().find_map(|update| refs::branch(&update.name)).unwrap_or("main");
    Refused::untold(format!(
        "there is no fleet `{fleet}`; to make it with this push:\n  git push -o create origin {branch}\nnothing changed"
    ))
}
