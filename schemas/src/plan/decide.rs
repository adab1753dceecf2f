//! Decides what has to be done, container by container, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Plan, Reason, Step, files, held, impact, reasons};
use crate::descriptors::{Container, Desired, NetworkMode, Restart, Runtime, VolumeClass};
use crate::fleet::{Fleet, HealthState, ObservedContainer, State};
use crate::names::{Name, NodeName};
use crate::spec::{self, DigestKey, Digests, Placing, Port, RenderFault, Spec};
use crate::template::{self, Part, Reference};

/// The code of what lies on another node than the one that the fleet is bound to.
const ELSEWHERE: &str = "elsewhere";

/// Why there is no plan: a descriptor that was accepted cannot be rendered, or not without moving what is on a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("containers/{container}.json cannot be {}: {}", if fault.code == ELSEWHERE { "moved" } else { "rendered" }, fault.message)]
pub struct PlanError {
    /// Which container.
    pub container: Name,
    /// Its first fault.
    pub fault: Box<RenderFault>,
}

/// What has to be done so that `desired` runs where `fleet` was observed: the plan of a push before it is accepted.
pub fn plan(fleet: &Fleet, desired: &Desired, key: &DigestKey) -> Result<Plan, PlanError> {
    plan_after(fleet, &fleet.desired, desired, key)
}

/// The same where the fleet has taken the push already; `before` is what was desired until then, and tells what changed.
pub fn plan_after(fleet: &Fleet, before: &Desired, desired: &Desired, key: &DigestKey) -> Result<Plan, PlanError> {
    elsewhere(fleet, desired)?;
    let mut ports = BTreeMap::new();
    let mut unchanged = Vec::new();
    let mut wanted = Vec::new();
    for (name, container) in &desired.containers {
        let fault = |fault: RenderFault| PlanError { container: name.clone(), fault: Box::new(fault) };
        let spec = spec::render(&fleet.id, name, desired).map_err(|mut faults| fault(faults.swap_remove(0)))?;
        let files = spec::placings(container, desired, key).map_err(fault)?;
        let worlds = Worlds { fleet, before, desired };
        match decide(worlds, (name, container), (&spec, &spec::digests(key, &spec), &files)) {
            Some(step) => {
                wanted.push(step);
                ports.insert(name, spec.ports);
            }
            None => unchanged.push(name.clone()),
        }
    }
    let mut removals: Vec<Step> = fleet
        .observed
        .containers
        .iter()
        .filter(|(name, seen)| seen.state != State::Removed && !desired.containers.contains_key(name))
        .map(|(name, _)| step(name, Action::Remove, Vec::new()))
        .collect();
    let held = held::take_out(fleet, &mut removals, &mut wanted, &mut unchanged);
    join(desired, &mut wanted, &mut unchanged);
    restart_with(fleet, desired, &mut wanted, &mut unchanged);
    let mut steps = order(fleet, before, desired, &ports, removals, wanted);
    steps.extend(impact::destroyed(fleet, before, desired, &steps));
    let (new_volumes, kept_volumes) = impact::volumes(fleet, before, desired, &steps);
    let down = impact::down(fleet, before, &steps);
    let ephemeral = |name: &&Name| before.volumes.get(*name).is_some_and(|it| it.class == VolumeClass::Ephemeral);
    Ok(Plan {
        ephemeral_volumes: kept_volumes.iter().filter(ephemeral).cloned().collect(),
        observed: fleet.position,
        network: impact::network(fleet, desired, &steps),
        live: impact::live(before, desired, &unchanged),
        needed_by: impact::needed_by(desired, &down),
        keep_removed: desired.fleet.keeps_removed().filter(|_| steps.iter().any(|it| it.action == Action::Remove)),
        containers: impact::containers(fleet, desired),
        down,
        steps,
        unchanged,
        new_volumes,
        kept_volumes,
        held,
    })
}

/// What is on a node stays there: nobody has confirmed that it stopped, and its volumes do not move.
fn elsewhere(fleet: &Fleet, desired: &Desired) -> Result<(), PlanError> {
    let Some(agent) = desired.agent() else { return Ok(()) };
    let fault = |container: &Name, what: String, node: &NodeName| {
        let message =
            format!("{what} is on node `{node}`, and the fleet is bound to `{agent}`: moving is not built yet");
        let expected = format!("`\"agent\": \"{node}\"` in the descriptor under `nodes/`");
        let hint = format!("take the containers out in a push of their own, bound to `{node}`, before they come back");
        let pointer = String::new();
        let fault = RenderFault { pointer, code: ELSEWHERE, message, expected, hint: Some(hint) };
        Err(PlanError { container: container.clone(), fault: Box::new(fault) })
    };
    for (name, seen) in &fleet.observed.containers {
        if seen.state != State::Removed && seen.node != *agent {
            return fault(name, format!("container `{name}`"), &seen.node);
        }
    }
    for (name, container) in &desired.containers {
        for volume in container.mounted() {
            let seen = fleet.observed.volumes.get(&spec::resource_name(&fleet.id, Some(volume)));
            if let Some(seen) = seen.filter(|seen| seen.exists && seen.node != *agent) {
                return fault(name, format!("volume `{volume}`"), &seen.node);
            }
        }
    }
    Ok(())
}

fn step(name: &Name, action: Action, reasons: Vec<Reason>) -> Step {
    Step { container: name.clone(), action, reasons, after: Vec::new() }
}

/// Containers in the network of one that is made anew lose it, and so are made anew as well.
fn join(desired: &Desired, wanted: &mut Vec<Step>, unchanged: &mut Vec<Name>) {
    let made: BTreeSet<Name> = wanted.iter().filter(|it| it.makes()).map(|it| it.container.clone()).collect();
    let host = |name: &Name| match desired.containers.get(name).and_then(|it| it.network.as_ref()) {
        Some(NetworkMode::Container(other)) => made.get(other),
        _ => None,
    };
    let because = |other: &Name| Reason { field: format!("network of {other}"), from: None, to: None };
    let stays = |action| in_place(action) || matches!(action, Action::Restart | Action::Wait);
    for step in wanted.iter_mut().filter(|it| stays(it.action)) {
        if let Some(other) = host(&step.container) {
            step.action = Action::Recreate;
            step.reasons.push(because(other));
        }
    }
    let joined = unchanged.extract_if(.., |name| host(name).is_some());
    wanted.extend(joined.map(|name| {
        let reasons = host(&name).map(because).into_iter().collect();
        step(&name, Action::Recreate, reasons)
    }));
    wanted.sort_by(|a, b| a.container.cmp(&b.container));
}

/// Containers that say so are started again once what they need is made anew: now, or since they were started.
fn restart_with(fleet: &Fleet, desired: &Desired, wanted: &mut Vec<Step>, unchanged: &mut Vec<Name>) {
    let made: BTreeSet<Name> = wanted.iter().filter(|it| it.makes()).map(|it| it.container.clone()).collect();
    let seen = |name: &Name| fleet.observed.containers.get(name);
    let newer = |name: &Name| {
        let own = seen(name).filter(|it| it.state == State::Running).map_or(0, |it| it.started_ns);
        let needs = desired.containers.get(name).into_iter().flat_map(|it| &it.needs.0);
        let anew =
            |needed: &&Name| made.contains(*needed) || (own > 0 && seen(needed).is_some_and(|it| it.created_ns > own));
        needs.filter(|(_, need)| need.restart_with).map(|(needed, _)| needed).find(anew)
    };
    let because = |other: &Name| Reason { field: format!("{other} is made anew"), from: None, to: None };
    for step in wanted.iter_mut().filter(|it| in_place(it.action) || it.action == Action::Wait) {
        if let Some(other) = newer(&step.container) {
            step.action = Action::Restart;
            step.reasons.push(because(other));
        }
    }
    let started = unchanged.extract_if(.., |name| newer(name).is_some());
    wanted.extend(started.map(|name| {
        let reasons = newer(&name).map(because).into_iter().collect();
        step(&name, Action::Restart, reasons)
    }));
    wanted.sort_by(|a, b| a.container.cmp(&b.container));
}

/// Whether a container goes on running meanwhile.
const fn in_place(action: Action) -> bool {
    matches!(action, Action::Update | Action::Place | Action::Reload)
}

/// What was observed, what was desired, and what is.
#[derive(Clone, Copy)]
struct Worlds<'a> {
    fleet: &'a Fleet,
    before: &'a Desired,
    desired: &'a Desired,
}

/// What has to be done to one container that should be; none: nothing.
fn decide(
    worlds: Worlds<'_>,
    (name, container): (&Name, &Container),
    (spec, digests, files): (&Spec, &Digests, &BTreeMap<String, Placing>),
) -> Option<Step> {
    let Worlds { fleet, before, desired } = worlds;
    let seen = match fleet.observed.containers.get(name) {
        Some(seen) if seen.state != State::Removed => seen,
        gone => {
            let by_another_hand = gone.is_some() && before.containers.get(name) == Some(container);
            let reasons = if by_another_hand { vec![Reason::observed("state", "removed", "running")] } else { vec![] };
            return Some(step(name, Action::Create, reasons));
        }
    };
    let anew = made_anew(container, seen);
    if !digests.name(seen.spec.as_deref()) {
        return Some(step(name, anew, reasons::changed(before, desired, name, seen)));
    }
    if let Some(reason) = reasons::another_image(fleet, name, spec, seen) {
        return Some(step(name, anew, vec![reason]));
    }
    let mut least: Option<Step> = None;
    let live = spec.live();
    if let Some(seen) = seen.live.as_ref().filter(|seen| **seen != live) {
        let action = if seen.leads_to(&live) { Action::Update } else { anew };
        least = Some(step(name, action, reasons::between(seen, &live)));
    }
    if let Some((action, reasons)) = files::decide((before, desired), container, files, &seen.files) {
        // What does not run hears no signal.
        let deaf = action == Action::Reload && seen.state != State::Running;
        let action = if deaf { Action::Place } else { action };
        let is_new = |action| matches!(action, Action::Recreate | Action::Replace);
        least = Some(match least {
            Some(it) if is_new(it.action) || is_new(action) => step(name, anew, [it.reasons, reasons].concat()),
            None if is_new(action) => step(name, anew, reasons),
            Some(it) => step(name, it.action.max(action), [it.reasons, reasons].concat()),
            None => step(name, action, reasons),
        });
    }
    let unwell = not_well(container, seen);
    match (least, unwell) {
        // To put files in place makes nothing run that does not.
        (Some(it), Some(reason)) if matches!(it.action, Action::Place | Action::Reload) => {
            Some(step(name, Action::Restart, [it.reasons, vec![reason]].concat()))
        }
        (Some(it), _) => Some(it),
        (None, _) if seen.state == State::Running && seen.health == Some(HealthState::Starting) => {
            Some(step(name, Action::Wait, vec![Reason::observed("health", "starting", "healthy")]))
        }
        (None, reason) => Some(step(name, Action::Restart, vec![reason?])),
    }
}

/// How a container that is another than it should be is made anew. Where nothing runs, nothing goes on beside it.
fn made_anew(container: &Container, seen: &ObservedContainer) -> Action {
    match container.overlap() {
        Some(_) if seen.state == State::Running => Action::Replace,
        _ => Action::Recreate,
    }
}

/// Why a container that is as it should be is nevertheless not well.
fn not_well(container: &Container, seen: &ObservedContainer) -> Option<Reason> {
    match (seen.state, seen.health) {
        (State::Running, Some(HealthState::Unhealthy)) => Some(Reason::observed("health", "unhealthy", "healthy")),
        (State::Running, _) => None,
        (State::Paused, _) => Some(Reason::observed("state", "paused", "running")),
        // A container that ends with 0 and is not to be started again has done its work.
        (State::Exited, _)
            if seen.exit_code == Some(0) && matches!(container.restart, Restart::No | Restart::OnFailure) =>
        {
            None
        }
        (State::Exited, _) => {
            let code = seen.exit_code.map_or_else(String::new, |code| format!(" with code {code}"));
            Some(Reason::observed("state", &format!("exited{code}"), "running"))
        }
        (State::Created | State::Removed, _) => Some(Reason::observed("state", "created", "running")),
    }
}

/// Puts the steps into an order in which nothing comes before what it has to wait for: removals first, then by `needs`,
/// references and ports that have to become free; otherwise by name.
fn order(
    fleet: &Fleet,
    previous: &Desired,
    desired: &Desired,
    ports: &BTreeMap<&Name, Vec<Port>>,
    removals: Vec<Step>,
    wanted: Vec<Step>,
) -> Vec<Step> {
    let mut steps = removals;
    steps.extend(wanted);
    let index: BTreeMap<Name, usize> = steps.iter().enumerate().map(|(i, step)| (step.container.clone(), i)).collect();
    let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); steps.len()];
    for (i, step) in steps.iter().enumerate() {
        let depends = match step.action {
            // What is removed goes before what it needed: the dependant stops first.
            Action::Remove => continue,
            _ => desired.containers.get(&step.container).map(|it| dependencies(it, desired)).unwrap_or_default(),
        };
        before[i].extend(depends.iter().filter_map(|name| index.get(name)).filter(|j| **j != i));
    }
    for (i, step) in steps.iter().enumerate().filter(|(_, step)| step.action == Action::Remove) {
        let needed = previous.containers.get(&step.container).map(|it| dependencies(it, previous));
        for j in needed.unwrap_or_default().iter().filter_map(|name| index.get(name)) {
            if *j != i && steps[*j].action == Action::Remove {
                before[*j].insert(i);
            }
        }
    }
    for (i, j) in freed_ports(fleet, previous, ports, &steps) {
        if !reaches(&before, j, i) {
            before[i].insert(j);
        }
    }
    sorted(steps, &before)
}

/// Containers that a container has to wait for: what it `needs` and what its strings refer to.
pub(super) fn dependencies(container: &Container, desired: &Desired) -> BTreeSet<Name> {
    let mut names: BTreeSet<Name> = container.needs.0.keys().cloned().collect();
    if let Some(NetworkMode::Container(other)) = &container.network {
        names.insert(other.clone());
    }
    let mut texts: Vec<&str> = vec![&container.image];
    texts.extend(container.command.iter().flatten().map(String::as_str));
    texts.extend(container.env.values().map(String::as_str));
    texts.extend(container.ports.iter().map(String::as_str));
    let mut seen = BTreeSet::new();
    let mut texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    texts.extend(spec::references(container, desired));
    if container.runtime != Runtime::default() {
        reasons::strings(&serde_json::to_value(&container.runtime).unwrap_or_default(), &mut texts);
    }
    while let Some(text) = texts.pop() {
        for part in template::parse(&text).unwrap_or_default() {
            match part {
                Part::Ref(Reference::ContainerHost(name) | Reference::ContainerPort(name, _)) => {
                    names.insert(name);
                }
                // A variable may refer on: look into each of them once.
                Part::Ref(Reference::Variable { group, key }) => {
                    let value = desired.variables.get(&group).and_then(|it| it.0.get(&key)).map(ToString::to_string);
                    if let Some(value) = value
                        && seen.insert((group, key))
                    {
                        texts.push(value);
                    }
                }
                _ => {}
            }
        }
    }
    names
}

/// Pairs (step, step that has to come first because it frees a port of the node that the other one wants).
fn freed_ports(
    fleet: &Fleet,
    previous: &Desired,
    ports: &BTreeMap<&Name, Vec<Port>>,
    steps: &[Step],
) -> Vec<(usize, usize)> {
    let mut holders: BTreeMap<u16, Vec<(usize, Port)>> = BTreeMap::new();
    for (j, step) in steps.iter().enumerate() {
        if matches!(step.action, Action::Remove | Action::Recreate | Action::Replace)
            && let Ok(old) = spec::render(&fleet.id, &step.container, previous)
        {
            for port in old.ports {
                holders.entry(port.host).or_default().push((j, port));
            }
        }
    }
    let mut pairs = Vec::new();
    for (i, step) in steps.iter().enumerate().filter(|(_, step)| step.action != Action::Remove) {
        for port in ports.get(&step.container).into_iter().flatten() {
            let clashing =
                holders.get(&port.host).into_iter().flatten().filter(|(j, held)| *j != i && held.clashes_with(port));
            pairs.extend(clashing.map(|(j, _)| (i, *j)));
        }
    }
    pairs
}

/// Whether `from` waits, directly or not, for `to`.
fn reaches(before: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            open.extend(&before[at]);
        }
    }
    false
}

/// A stable topological order. A cycle cannot come through `check`; should one be here, it loses its edges, not its steps.
fn sorted(steps: Vec<Step>, before: &[BTreeSet<usize>]) -> Vec<Step> {
    let mut waiting: Vec<usize> = before.iter().map(BTreeSet::len).collect();
    let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (i, needed) in before.iter().enumerate() {
        needed.iter().for_each(|j| dependants[*j].push(i));
    }
    let mut ready: BTreeSet<usize> = (0..steps.len()).filter(|i| waiting[*i] == 0).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &dependant in &dependants[i] {
            waiting[dependant] -= 1;
            if waiting[dependant] == 0 {
                ready.insert(dependant);
            }
        }
    }
    let placed: BTreeSet<usize> = order.iter().copied().collect();
    order.extend((0..steps.len()).filter(|i| !placed.contains(i)));
    let mut at = vec![0_u32; steps.len()];
    (0..).zip(&order).for_each(|(place, i)| at[*i] = place);
    let mut steps: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let placed = order.iter().filter_map(|i| {
        let mut step = steps[*i].take()?;
        step.after = before[*i].iter().map(|j| at[*j]).filter(|j| *j < at[*i]).collect();
        step.after.sort_unstable();
        Some(step)
    });
    placed.collect()
}
