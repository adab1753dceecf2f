//! What a plan means for what runs: what goes down and for how long, who needs it, what changes without a step.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::dependencies;
use super::destroy::is_doomed;
use super::{Action, Down, Live, Network, Step, held, reasons};
use crate::descriptors::{Container, Desired};
use crate::event::StepStatus;
use crate::fleet::{Fleet, RolloutStatus, State};
use crate::names::Name;
use crate::spec;

/// So many of the newest times that a step was done are asked how long it takes.
const MEASURED: usize = 3;

/// Volumes that come with the plan's containers, and those that stay although their descriptor is gone.
pub(super) fn volumes(fleet: &Fleet, before: &Desired, desired: &Desired, steps: &[Step]) -> (Vec<Name>, Vec<Name>) {
    let there = |name: &Name| {
        let docker = spec::resource_name(&fleet.id, Some(name));
        fleet.observed.volumes.get(&docker).is_some_and(|volume| volume.exists)
    };
    let mounted: BTreeSet<&Name> = steps
        .iter()
        .filter(|step| step.makes())
        .filter_map(|step| desired.containers.get(&step.container))
        .flat_map(Container::mounted)
        .collect();
    let new = mounted.into_iter().filter(|name| !there(name)).cloned().collect();
    let stays = |name: &&Name| !desired.volumes.contains_key(*name) && !is_doomed(fleet, desired, name) && there(name);
    let gone = before.volumes.keys().filter(stays);
    (new, gone.cloned().collect())
}

/// The removal of every volume that is there and doomed, once whatever may mount it is another or gone.
pub(super) fn destroyed(fleet: &Fleet, before: &Desired, desired: &Desired, steps: &[Step]) -> Vec<Step> {
    let held = held::mounted(fleet, before, desired);
    let there = |name: &Name| {
        let docker = spec::resource_name(&fleet.id, Some(name));
        fleet.observed.volumes.get(&docker).is_some_and(|volume| volume.exists)
    };
    let takes_away = |step: &Step| matches!(step.action, Action::Remove | Action::Recreate | Action::Replace);
    let after: Vec<u32> = (0..).zip(steps).filter(|(_, step)| takes_away(step)).map(|(index, _)| index).collect();
    let free = |name: &Name| !held.contains(name);
    let doomed = fleet.doomed.iter().filter(|name| is_doomed(fleet, desired, name) && there(name) && free(name));
    doomed
        .map(|name| Step {
            container: name.clone(),
            action: Action::Destroy,
            reasons: Vec::new(),
            after: after.clone(),
        })
        .collect()
}

/// The fleet's network is made with its first container and goes with its last one.
pub(super) fn network(fleet: &Fleet, desired: &Desired, steps: &[Step]) -> Option<Network> {
    let name = spec::resource_name(&fleet.id, None);
    let exists = fleet.observed.networks.get(&name).is_some_and(|network| network.exists);
    let in_it = |step: &Step| desired.containers.get(&step.container).is_some_and(|it| it.network.is_none());
    let made = !exists && steps.iter().any(|step| step.makes() && in_it(step));
    let goes = exists
        && !held::any_is_there(fleet)
        && desired.containers.values().all(|it| it.network.is_some())
        && steps.iter().any(|step| step.action == Action::Remove);
    (made || goes).then_some(Network { name, made })
}

/// How many containers there are or will be.
pub(super) fn containers(fleet: &Fleet, desired: &Desired) -> u32 {
    let there = fleet.observed.containers.iter().filter(|(_, seen)| seen.state != State::Removed).map(|(name, _)| name);
    let all: BTreeSet<&Name> = desired.containers.keys().chain(there).collect();
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

/// What runs now and is stopped by a step that starts it again.
pub(super) fn down(fleet: &Fleet, before: &Desired, steps: &[Step]) -> Vec<Down> {
    let runs = |step: &&Step| {
        let seen = fleet.observed.containers.get(&step.container);
        matches!(step.action, Action::Recreate | Action::Restart) && seen.is_some_and(|it| it.state == State::Running)
    };
    let took = Took::of(fleet);
    let settled =
        fleet.rollouts.last().is_some_and(|it| it.desired == fleet.desired_at && it.status == RolloutStatus::Succeeded);
    let down = |step: &Step| {
        let times = took.0.get(&(&step.container, step.action)).map(Vec::as_slice).unwrap_or_default();
        let grace = before.containers.get(&step.container).map(|it| it.stop.grace);
        Down {
            container: step.container.clone(),
            about_ms: middle(times),
            measured: u32::try_from(times.len()).unwrap_or(u32::MAX),
            grace: grace.filter(|_| settled),
        }
    };
    steps.iter().filter(runs).map(down).collect()
}

/// How long the newest steps of each kind took for each container.
struct Took<'a>(BTreeMap<(&'a Name, Action), Vec<u64>>);

impl<'a> Took<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        let mut times: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        let steps = fleet.rollouts.iter().rev().flat_map(|rollout| &rollout.steps);
        for it in steps.filter(|it| it.status == StepStatus::Succeeded) {
            let kept = times.entry((&it.step.container, it.step.action)).or_default();
            kept.extend(it.duration_ms.filter(|_| kept.len() < MEASURED));
        }
        Self(times)
    }
}

/// The one in the middle: one image that had to be fetched says nothing of the next time.
fn middle(times: &[u64]) -> Option<u64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Who depends on what goes down, directly or not, and stays up.
pub(super) fn needed_by(desired: &Desired, down: &[Down]) -> Vec<Name> {
    let mut reached: BTreeSet<Name> = down.iter().map(|it| it.container.clone()).collect();
    let stopped = reached.clone();
    if reached.is_empty() {
        return Vec::new();
    }
    let needs: Vec<(&Name, BTreeSet<Name>)> =
        desired.containers.iter().map(|(name, it)| (name, dependencies(it, desired))).collect();
    loop {
        let more: Vec<Name> = needs
            .iter()
            .filter(|(name, needed)| !reached.contains(*name) && needed.iter().any(|it| reached.contains(it)))
            .map(|(name, _)| (*name).clone())
            .collect();
        if more.is_empty() {
            return reached.difference(&stopped).cloned().collect();
        }
        reached.extend(more);
    }
}

/// What is another and needs no step: what Docker does not see of a container, and tasks.
pub(super) fn live(before: &Desired, desired: &Desired, unchanged: &[Name]) -> Vec<Live> {
    let containers = unchanged.iter().filter_map(|name| {
        let (old, new) = (before.containers.get(name)?, desired.containers.get(name)?);
        let reasons = reasons::between(old, new);
        let note = "the container is not touched".to_owned();
        (!reasons.is_empty()).then(|| Live { thing: format!("containers/{name}"), reasons, note })
    });
    let mut live: Vec<Live> = containers.collect();
    let names: BTreeSet<&Name> = before.tasks.keys().chain(desired.tasks.keys()).collect();
    for name in names {
        let (reasons, note) = match (before.tasks.get(name), desired.tasks.get(name)) {
            (Some(old), Some(new)) => (reasons::between(old, new), "from its next run on"),
            (None, Some(_)) => (Vec::new(), "new: it can be run"),
            _ => (Vec::new(), "gone: no further run"),
        };
        if !reasons.is_empty() || !note.starts_with("from") {
            live.push(Live { thing: format!("tasks/{name}"), reasons, note: note.to_owned() });
        }
    }
    live
}
