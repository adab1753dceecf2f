//! `req.git.fork`: a fleet begins as a copy of another one, with its history and values of its own for its parameters.
//!
//! Reads the upstream's repository; writes the fork's pack, its `git.pushed` and `fleet.forked`. Nothing of it is applied
//! before its own first push, so that it cannot clash with what it was copied from.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::access::{Action, Resource, allow};
use schemas::check::{Fault as Broken, report};
use schemas::descriptors::{Changes, Desired, PARAMETERS, VariableValue, fill_parameters};
use schemas::event::{Data, FleetForked, GitPushed, RefUpdate};
use schemas::names::{FleetId, Key, Oid};
use schemas::query::{Fault, FaultCode, ForkAnswer, ForkRequest};
use serde_json::{Map, Value};
use streams::with_causes;
use uuid::Uuid;

use crate::ask::{AT_ONCE, serve};
use crate::candidate;
use crate::context::{Context, InUse};
use crate::error::GitError;
use crate::layout::make_bare;
use crate::record::{draft, record, unavailable};
use crate::repository::State;
use crate::workbench::Workbench;

/// Letters and digits of a value that is made at random.
const RANDOM: usize = 32;

/// What is copied.
struct Upstream {
    repository: InUse,
    refs: BTreeMap<String, Oid>,
    deploy: String,
    head: Oid,
}

/// Answers until the service ends.
pub(crate) async fn answer(context: &Arc<Context>) {
    serve(context, AT_ONCE, |context, question: ForkRequest| async move { fork(&context, question).await }).await;
}

async fn fork(context: &Arc<Context>, question: ForkRequest) -> Result<ForkAnswer, Fault> {
    context.at_head().await.map_err(|error| fault(FaultCode::Behind, with_causes(&error)))?;
    let ForkRequest { id, upstream, fork, parameters, who } = question;
    if !allow(&who, Action::See, Resource::Fleet(&upstream)) {
        return Err(no_fleet(&upstream));
    }
    if !allow(&who, Action::Push, Resource::Fleet(&fork)) {
        let (role, owner, needed) = (who.role_with(&fork.owner), &fork.owner, Action::Push.needed());
        let message = format!("`{}` is `{role}` with `{owner}`: a fork `{fork}` needs {needed}", who.name);
        return Err(fault(FaultCode::NotAllowed, message));
    }
    if let Some(known) = context.enter_known(&fork) {
        return again(&*known.state.lock().await, id, &fork);
    }
    let source = look(context, &upstream).await?;
    let target = context.enter(&fork);
    make_bare(&target.path).map_err(|error| unavailable(&error))?;
    let bench = Workbench::new(&context.launcher, &target.path, &[&source.repository.path]);
    let bench = bench.map_err(|error| unavailable(&error))?;
    let (head, keys) = first_commit(&bench, &source, &parameters, who.name.as_str()).await?;
    let mut refs = source.refs.clone();
    refs.insert(format!("refs/heads/{}", source.deploy), head.clone());
    let pack = bench.store(&context.bus, &fork, refs.values(), []).await.map_err(|error| unavailable(&error))?;

    let pushed_id = Uuid::new_v5(&id, b"git.pushed");
    record(context, &target, |state| {
        if state.deploy.is_some() {
            again(state, id, &fork)?;
            return Ok(Vec::new());
        }
        let refs = refs.iter().map(|(name, oid)| RefUpdate { name: name.clone(), old: None, new: Some(oid.clone()) });
        let pushed = GitPushed {
            created: true,
            refs: refs.collect(),
            pack: Some(pack.clone()),
            deploy: source.deploy.clone(),
            commit: None,
            descriptors: Changes::default(),
            reason: None,
            allow_destroy: Vec::new(),
        };
        let actor = who.name.as_str();
        let pushed = draft(&target, pushed_id, format!("refs/heads/{}", source.deploy), actor, Data::GitPushed(pushed));
        let forked = FleetForked { upstream: upstream.clone(), commit: source.head.clone(), parameters: keys.clone() };
        let mut forked = draft(&target, id, format!("fleets/{upstream}"), actor, Data::FleetForked(forked));
        forked.cause = Some(pushed_id);
        Ok(vec![pushed, forked])
    })
    .await?;
    again(&*target.state.lock().await, id, &fork)
}

/// What is there already: this very fork, or somebody else's fleet.
fn again(state: &State, id: Uuid, fork: &FleetId) -> Result<ForkAnswer, Fault> {
    let Some((_, upstream)) = state.forked.as_ref().filter(|(forked, _)| *forked == id) else {
        return Err(fault(FaultCode::Conflict, format!("there is a fleet `{fork}` already: choose another name")));
    };
    let deploy = state.deploy.clone().unwrap_or_default();
    let head = state.refs.get(&format!("refs/heads/{deploy}"));
    let head = head.ok_or_else(|| fault(FaultCode::Conflict, format!("`{fork}` has lost its branch `{deploy}`")))?;
    let (fork, upstream, commit) = (fork.clone(), upstream.clone(), head.clone());
    Ok(ForkAnswer { position: state.applied, fork, upstream, commit, deploy })
}

/// The upstream's branches and tags as they are now.
async fn look(context: &Arc<Context>, fleet: &FleetId) -> Result<Upstream, Fault> {
    let repository = context.enter_known(fleet).ok_or_else(|| no_fleet(fleet))?;
    let mut state = repository.state.lock().await;
    context.settle(&repository, &mut state).await.map_err(|error| unavailable(&error))?;
    let mut refs = state.refs.clone();
    refs.retain(|name, _| name.starts_with("refs/heads/") || name.starts_with("refs/tags/"));
    let deploy = state.deploy.clone().unwrap_or_default();
    let head = refs.get(&format!("refs/heads/{deploy}")).cloned().ok_or_else(|| no_fleet(fleet))?;
    // What was rolled back there is no place to begin.
    let head = state.desired.clone().filter(|_| state.withdrawn.contains(&head)).unwrap_or(head);
    drop(state);
    Ok(Upstream { repository, refs, deploy, head })
}

/// Where the fork begins: at the upstream's commit, or at one more that gives the parameters their values.
async fn first_commit(
    bench: &Workbench<'_>,
    source: &Upstream,
    given: &BTreeMap<String, Value>,
    actor: &str,
) -> Result<(Oid, Vec<Key>), Fault> {
    let desired = check(bench, source.head.clone()).await?.map_err(|faults| broken_tree(&faults))?;
    let made: Result<Vec<String>, _> = desired.fleet.parameters.keys().map(|_| random()).collect();
    let mut made = made.map_err(|error| unavailable(&error))?.into_iter();
    let values = fill_parameters(&desired.fleet.parameters, given, || made.next().unwrap_or_default())
        .map_err(|faults| fault(FaultCode::BadRequest, faults.join("\n")))?;
    let keys: Vec<Key> = values.keys().cloned().collect();
    let group = PARAMETERS.parse().ok().and_then(|group| desired.variables.get(&group));
    let same = |(key, value): (&Key, &VariableValue)| group.is_some_and(|group| group.0.get(key) == Some(value));
    if values.iter().all(same) {
        return Ok((source.head.clone(), keys));
    }
    let commit = commit(bench, &source.head, &values, actor).await?;
    check(bench, commit.clone()).await?.map_err(|faults| broken_tree(&faults))?;
    Ok((commit, keys))
}

/// One commit more, which writes `variables/parameters.json`; what else that file says stays.
async fn commit(
    bench: &Workbench<'_>,
    parent: &Oid,
    values: &BTreeMap<Key, VariableValue>,
    actor: &str,
) -> Result<Oid, Fault> {
    let path = format!("variables/{PARAMETERS}.json");
    let made = async {
        let said = bench.run("cat-file", ["blob", &format!("{parent}:{path}")], &[], &[]).await?;
        let mut file: Map<String, Value> = serde_json::from_slice(&said.stdout).unwrap_or_default();
        for (key, value) in values {
            file.insert(key.to_string(), serde_json::to_value(value).unwrap_or_default());
        }
        let text = format!("{:#}\n", Value::Object(file));
        let blob = bench.id("hash-object", ["-w", "--stdin"], &[], text.as_bytes()).await?;
        let index = bench.scratch("index");
        let index = [("GIT_INDEX_FILE", index.as_str())];
        let went_well = |name, said: crate::workbench::Said| match said.status {
            Some(0) => Ok(()),
            _ => Err(GitError::Failed { command: name, stderr: said.stderr }),
        };
        went_well("read-tree", bench.run("read-tree", [parent.as_str()], &index, &[]).await?)?;
        let entry = format!("100644,{blob},{path}");
        let added = bench.run("update-index", ["--add", "--cacheinfo", entry.as_str()], &index, &[]).await?;
        went_well("update-index", added)?;
        let tree = bench.id("write-tree", [""; 0], &index, &[]).await?;
        bench.commit(&tree, &[parent], actor, "Give the parameters of this fork their values\n").await
    };
    made.await.map_err(|error: GitError| unavailable(&error))
}

async fn check(bench: &Workbench<'_>, commit: Oid) -> Result<Result<Desired, Vec<Broken>>, Fault> {
    let checked = bench.look(move |objects| candidate::inspect(objects, &commit)).await?;
    Ok(checked.map(|checked| checked.desired).map_err(|broken| broken.faults))
}

fn broken_tree(faults: &[Broken]) -> Fault {
    fault(FaultCode::BadRequest, format!("with these values the fork would have faults:\n{}", report(faults)))
}

fn no_fleet(fleet: &FleetId) -> Fault {
    fault(FaultCode::NotFound, format!("there is no fleet `{fleet}`"))
}

fn fault(code: FaultCode, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into() }
}

/// Letters and digits, each as likely as any other.
fn random() -> Result<String, getrandom::Error> {
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(SIGNS[usize::from(byte % 32)])).collect())
}
