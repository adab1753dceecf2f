//! What a plan leaves alone: the containers on which somebody has placed a hold.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, Step};
use crate::descriptors::{Container, Desired};
use crate::fleet::{Fleet, State};
use crate::names::Name;
use crate::operate::Hold;

/// Takes what would be done to a container on hold out of a plan; says of each what that would have been.
pub(super) fn take_out(
    fleet: &Fleet,
    removals: &mut Vec<Step>,
    wanted: &mut Vec<Step>,
    unchanged: &mut Vec<Name>,
) -> Vec<Held> {
    let is_held = |name: &Name| fleet.holds.contains_key(name);
    unchanged.retain(|name| !is_held(name));
    let out = removals.extract_if(.., |step| is_held(&step.container)).collect::<Vec<_>>();
    let out = out.into_iter().chain(wanted.extract_if(.., |step| is_held(&step.container)));
    let mut would: BTreeMap<Name, Step> = out.map(|step| (step.container.clone(), step)).collect();
    fleet.holds.iter().map(|(name, hold)| held(name, hold, would.remove(name))).collect()
}

fn held(name: &Name, hold: &Hold, would: Option<Step>) -> Held {
    let (action, reasons) = would.map_or((None, Vec::new()), |it| (Some(it.action), it.reasons));
    Held { container: name.clone(), hold: hold.clone(), action, reasons }
}

/// The volumes that containers on hold mount, before and after: nothing else may take them from under them.
pub(super) fn mounted<'a>(fleet: &'a Fleet, before: &'a Desired, desired: &'a Desired) -> BTreeSet<&'a Name> {
    let both = |name: &Name| [before.containers.get(name), desired.containers.get(name)];
    let held = fleet.holds.keys().filter(|name| is_there(fleet, name));
    held.flat_map(both).flatten().flat_map(Container::mounted).collect()
}

/// Whether one of them is there: then the fleet's network stays.
pub(super) fn any_is_there(fleet: &Fleet) -> bool {
    fleet.holds.keys().any(|name| is_there(fleet, name))
}

fn is_there(fleet: &Fleet, name: &Name) -> bool {
    fleet.observed.containers.get(name).is_some_and(|seen| seen.state != State::Removed)
}
