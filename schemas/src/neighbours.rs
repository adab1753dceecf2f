//! Fleets that share a node: who holds which of its host ports, and whom a tree would get in the way of.
//!
//! Decides from what is desired alone; what Docker has is found out by the step that needs it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::access::{Action, Resource, Who, allow};
use crate::check::{Checked, Fault, quote};
use crate::descriptors::Desired;
use crate::fleet::Fleet;
use crate::names::{FleetId, Name, NodeName};
use crate::spec::{Port, resolve};

/// A host port that a container of a fleet publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whose it is.
    pub fleet: FleetId,
    /// Which container.
    pub container: Name,
    /// The port.
    pub port: Port,
    /// On which node; none: nobody knows yet.
    pub node: Option<NodeName>,
}

/// The node that a fleet runs on: the one that it is bound to, else the one of its newest rollout.
pub fn node_of(fleet: &Fleet) -> Option<NodeName> {
    let newest = || fleet.rollouts.last().map(|it| &it.node);
    fleet.desired.agent().or_else(newest).cloned()
}

/// Every host port that a fleet's desired state publishes.
pub fn held(fleet: &Fleet) -> Vec<Held> {
    let node = node_of(fleet);
    let published = published(&fleet.desired);
    let held = published.map(|(name, _, port)| Held {
        fleet: fleet.id.clone(),
        container: name.clone(),
        port,
        node: node.clone(),
    });
    held.collect()
}

/// Those of `held` that want a port that somebody of `wanted` wants too.
pub fn in_the_way<'a>(wanted: &[Port], held: impl IntoIterator<Item = &'a Held>) -> Vec<&'a Held> {
    let mut by_number: BTreeMap<u16, Vec<&Port>> = BTreeMap::new();
    wanted.iter().for_each(|port| by_number.entry(port.host).or_default().push(port));
    let clashes =
        |it: &&Held| by_number.get(&it.port.host).is_some_and(|all| all.iter().any(|p| p.clashes_with(&it.port)));
    held.into_iter().filter(clashes).collect()
}

/// Every host port that a tree publishes.
pub fn wanted(desired: &Desired) -> Vec<Port> {
    published(desired).map(|(_, _, port)| port).collect()
}

/// Container, index in `ports`, port. What cannot be read is told elsewhere.
fn published(desired: &Desired) -> impl Iterator<Item = (&Name, usize, Port)> {
    desired.containers.iter().flat_map(move |(name, container)| {
        let ports = container.ports.iter().enumerate();
        ports.filter_map(move |(index, text)| Some((name, index, resolve(text, desired).ok()?.parse().ok()?)))
    })
}

/// A fault for every port of a tree that another fleet holds on the same node. `node` is where the tree would run; none:
/// nobody knows, and every node counts. Other fleets are named to who may see them.
pub fn clashes(checked: &Checked, node: Option<&NodeName>, held: &[Held], who: Option<&Who>) -> Vec<Fault> {
    let same_node = |it: &&Held| node.is_none() || it.node.is_none() || it.node.as_ref() == node;
    let held: Vec<&Held> = held.iter().filter(same_node).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let fault = |(name, index, port): (&Name, usize, Port)| {
        let mut others = in_the_way(std::slice::from_ref(&port), held.iter().copied());
        let visible = |it: &Held| who.is_some_and(|who| allow(who, Action::See, Resource::Fleet(&it.fleet)));
        others.sort_by_key(|it| (!visible(it), &it.fleet));
        let first = *others.first()?;
        let (whose, theirs) = match visible(first) {
            true => (
                format!("container {} of fleet `{}`", quote(first.container.as_str()), first.fleet),
                format!("`{}`", first.fleet),
            ),
            false => ("a container of another fleet".to_owned(), "the other fleet".to_owned()),
        };
        let more = match others.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let place = checked.places.find(&format!("containers/{name}.json"), &format!("/ports/{index}"));
        let on = first.node.as_ref().or(node).map_or_else(|| "the node".to_owned(), |node| format!("node `{node}`"));
        let seen = format!("host port {}/{} of {on} is published by {whose}{more}", port.host, port.protocol);
        let hint = format!("give it another port before the first `:`, or take it out of {theirs} first");
        Some(Fault::new(place, "port-taken", seen, "a host port that no other fleet publishes there").hint(hint))
    };
    let mut faults: Vec<Fault> = published(&checked.desired).filter_map(fault).collect();
    faults.sort();
    faults
}
