//! Containers in another network than the fleet's, and what they cannot have there.

use super::fault::{Fault, quote};
use super::inside::known_or_none;
use super::nearest::{MAX_HINTED, did_you_mean};
use super::tree::{Source, Tree};
use crate::descriptors::{Kind, NetworkMode, Update};
use crate::json::Node;

/// Keys that Docker refuses, or does not heed, beside each kind of network.
const OF_ITS_OWN: [&str; 5] = ["ports", "hostname", "extra_hosts", "dns", "metrics"];
const ON_THE_NODE: [&str; 2] = ["ports", "metrics"];
const NOWHERE: [&str; 2] = ["ports", "metrics"];

/// Tells all faults of a container's `network`.
pub(super) fn read(tree: &Tree, source: &Source, name: &str, root: &Node, faults: &mut Vec<Fault>) {
    let Some(node) = root.get("network") else { return };
    let Some(mode) = node.text().and_then(|text| text.parse::<NetworkMode>().ok()) else { return };
    let refused: &[&str] = match &mode {
        NetworkMode::Host => &ON_THE_NODE,
        NetworkMode::None => &NOWHERE,
        NetworkMode::Container(_) => &OF_ITS_OWN,
    };
    for (key, member) in refused.iter().filter_map(|key| Some((key, root.get(key)?))) {
        let seen = format!("`{key}` beside \"network\": \"{mode}\"");
        let expected = format!("`{key}` of a container with a network of its own");
        let hint = match &mode {
            NetworkMode::Container(other) => format!("`{key}` belongs to `{other}`, whose network it is"),
            NetworkMode::Host => format!("it is reached at the node's own address: take `{key}` out"),
            NetworkMode::None => "nobody reaches a container without a network: take it out".to_owned(),
        };
        faults.push(Fault::new(source.place(member.spot), "no-network", seen, expected).hint(hint));
    }
    if let (NetworkMode::None, Some(http)) = (&mode, root.get("health").and_then(|it| it.get("http"))) {
        let fault = Fault::new(
            source.place(http.spot),
            "no-network",
            "`http` beside \"network\": \"none\"",
            "a `command` that runs inside it",
        );
        faults.push(fault.hint("nobody can ask a container without a network".to_owned()));
    }
    let NetworkMode::Container(other) = &mode else { return };
    let other = other.as_str();
    let place = source.place(node.spot);
    if other == name {
        let seen = format!("container {} in its own network", quote(name));
        faults.push(Fault::new(place, "bad-network", seen, "another container").hint("take it out".to_owned()));
        return;
    }
    if !tree.has(Kind::Container, other) {
        let known = || tree.names(Kind::Container).filter(|it| *it != name);
        let seen = format!("unknown container {} in `network`", quote(other));
        let near = if faults.len() < MAX_HINTED { did_you_mean(other, known()) } else { None };
        faults.push(Fault::new(place, "unknown-container", seen, known_or_none(known())).hint(near));
        return;
    }
    let Some((_, theirs)) = tree.desired.containers.iter().find(|(it, _)| it.as_str() == other) else { return };
    if let Some(theirs) = &theirs.network {
        let seen = format!("container {} has no network of its own: it says \"{theirs}\"", quote(other));
        faults.push(Fault::new(place, "bad-network", seen, "a container without `network`"));
    } else if theirs.update == Update::StartFirst {
        let seen = format!("container {} is updated `start-first`: its network goes with the old one", quote(other));
        let fault = Fault::new(place, "bad-network", seen, "a container with \"update\": \"recreate\"");
        faults.push(fault.hint(format!("take `update` out of containers/{other}.json, or `network` out of this file")));
    }
}
