//! Containers that are updated `start-first`: for a while two of them run, and so what only one can have is refused.

use super::fault::{Fault, quote};
use super::tree::{Source, Tree};
use crate::descriptors::{Kind, VolumeClass};
use crate::json::{Member, Node};

const START_FIRST: &str = "start-first";

/// Tells all faults of a container's `update` and `drain`.
pub(super) fn read(tree: &Tree, source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let mut fault = |node: &Node, seen: String, expected: &str, hint: String| {
        faults.push(Fault::new(source.place(node.spot), "bad-update", seen, expected).hint(hint));
    };
    if root.get("update").and_then(Node::text) != Some(START_FIRST) {
        if let Some(drain) = root.get("drain") {
            let (seen, expected) = ("`drain` without \"update\": \"start-first\"", "`drain` beside `start-first` only");
            fault(drain, seen.to_owned(), expected, "take it out, or add \"update\": \"start-first\"".to_owned());
        }
        return;
    }
    if let Some(ports) = root.get("ports").filter(|it| !it.items().is_empty()) {
        let expected = "no `ports`: the old one has them until it is stopped";
        let hint = "publish them from a proxy that finds this container by its name in the fleet's network";
        fault(ports, beside("ports"), expected, hint.to_owned());
    }
    if let Some(network) = root.get("network") {
        let expected = "the fleet's network, where both are found by the name";
        fault(network, beside("network"), expected, "take `network` out, or `update`".to_owned());
    }
    for member in root.get("volumes").map(Node::members).unwrap_or_default() {
        if let Some(hint) = writers(tree, member) {
            let seen = format!("{} would have two writers while both run", quote(&member.key));
            fault(&member.node, seen, "what is mounted read-only, or a volume of the class `shared`", hint);
        }
    }
}

fn beside(key: &str) -> String {
    format!("`{key}` beside \"update\": \"start-first\"")
}

/// What to do about a mount that two containers would write to; none: it is none, or not known.
fn writers(tree: &Tree, member: &Member) -> Option<String> {
    if member.node.get("read_only").is_some_and(|it| it.value == crate::json::Value::Bool(true)) {
        return None;
    }
    if member.node.get("host").is_some() {
        return Some("add \"read_only\": true beside `host`, or take `update` out".to_owned());
    }
    let name = member.node.get("volume").unwrap_or(&member.node).text()?;
    let named = tree.desired.volumes.iter().find(|(it, _)| it.as_str() == name && tree.has(Kind::Volume, name));
    (named?.1.class != VolumeClass::Shared).then(|| {
        format!(
            "write {{ \"volume\": \"{name}\", \"read_only\": true }}; or \"class\": \"shared\" in volumes/{name}.json, \
             where two may write to it at once"
        )
    })
}
