//! Fleets that share a node: who holds which of its host ports and writes to which of its paths, and whom a tree would get
//! in the way of.
//!
//! Decides from what is desired alone; what Docker has is found out by the step that needs it.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::access::{Action, Resource, Who, allow};
use crate::check::{Checked, Fault, quote};
use crate::descriptors::{Desired, Mount};
use crate::fleet::Fleet;
use crate::guards::holds_docker;
use crate::names::{FleetId, Name, NodeName};
use crate::spec::{Port, escape, resolve};

/// What only one fleet can have of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A host port.
    Port(Port),
    /// A path that is written to.
    Path {
        /// The path, without anything that says the same twice.
        path: String,
        /// Whether other fleets that say so too may have it as well.
        #[serde(default)]
        shared: bool,
    },
}

/// A part of a node that a container of a fleet has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whose it is.
    pub fleet: FleetId,
    /// Which container.
    pub container: Name,
    /// What it has.
    pub part: Part,
    /// On which node; none: nobody knows yet.
    pub node: Option<NodeName>,
}

/// What a tree wants of its node, and where it says so.
struct Wanted<'a> {
    container: &'a Name,
    pointer: String,
    part: Part,
}

/// The node that a fleet runs on: the one that it is bound to, else the one of its newest rollout.
pub fn node_of(fleet: &Fleet) -> Option<NodeName> {
    let newest = || fleet.rollouts.last().map(|it| &it.node);
    fleet.desired.agent().or_else(newest).cloned()
}

/// Every part of its node that a fleet's desired state has for itself.
pub fn held(fleet: &Fleet) -> Vec<Held> {
    let node = node_of(fleet);
    let held = parts(&fleet.desired).into_iter().map(|it| Held {
        fleet: fleet.id.clone(),
        container: it.container.clone(),
        part: it.part,
        node: node.clone(),
    });
    held.collect()
}

/// Those of `held` that have what somebody of `wanted` wants too.
pub fn in_the_way<'a>(wanted: &[Part], held: impl IntoIterator<Item = &'a Held>) -> Vec<&'a Held> {
    let mut ports: BTreeMap<u16, Vec<&Port>> = BTreeMap::new();
    let mut paths: BTreeMap<&str, bool> = BTreeMap::new();
    for part in wanted {
        match part {
            Part::Port(port) => ports.entry(port.host).or_default().push(port),
            Part::Path { path, shared } => *paths.entry(path).or_insert(true) &= shared,
        }
    }
    let clashes = |it: &&Held| match &it.part {
        Part::Port(port) => ports.get(&port.host).is_some_and(|all| all.iter().any(|it| it.clashes_with(port))),
        Part::Path { path, shared } => overlapping(&paths, path).any(|theirs| !(theirs && *shared)),
    };
    held.into_iter().filter(clashes).collect()
}

/// What is said of those of `paths` that are `path`, lie in it, or hold it.
fn overlapping(paths: &BTreeMap<&str, bool>, path: &str) -> impl Iterator<Item = bool> {
    let above = path.char_indices().filter(|(_, it)| *it == '/').map(|(at, _)| &path[..at]);
    let own = above.chain([path]).filter_map(|it| paths.get(it));
    let inside = format!("{path}/");
    let below = paths.range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded));
    let below = below.take_while(|(it, _)| it.starts_with(&inside)).map(|(_, shared)| shared);
    own.chain(below).copied().collect::<Vec<_>>().into_iter()
}

/// Every part of its node that a tree wants.
pub fn wanted(desired: &Desired) -> Vec<Part> {
    parts(desired).into_iter().map(|it| it.part).collect()
}

/// What cannot be read is told elsewhere.
fn parts(desired: &Desired) -> Vec<Wanted<'_>> {
    let mut parts = Vec::new();
    for (container, it) in &desired.containers {
        let text = |text: &str| resolve(text, desired).ok();
        for (index, port) in it.ports.iter().enumerate() {
            let Some(port) = text(port).and_then(|it| it.parse().ok()) else { continue };
            parts.push(Wanted { container, pointer: format!("/ports/{index}"), part: Part::Port(port) });
        }
        for (path, mount) in &it.volumes {
            let Mount::Host { host, read_only: false, shared } = mount else { continue };
            let Some(host) = text(host).filter(|it| !belongs_to_all(it)) else { continue };
            let part = Part::Path { path: plain(&host), shared: *shared };
            parts.push(Wanted { container, pointer: format!("/volumes/{}", escape(path)), part });
        }
    }
    parts
}

/// The path without anything that says the same twice; the root is the empty one.
fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|it| !it.is_empty() && *it != ".");
    parts.fold(String::new(), |plain, part| plain + "/" + part)
}

/// What is written to without a file being changed: Docker's socket, and what the kernel shows as files.
fn belongs_to_all(path: &str) -> bool {
    let path = plain(path);
    let kernel = |of: &str| path.strip_prefix(of).is_some_and(|it| it.is_empty() || it.starts_with('/'));
    path.ends_with(".sock") && holds_docker(&path) || ["/dev", "/proc", "/sys"].into_iter().any(kernel)
}

/// A fault for every part of its node that a tree wants and another fleet holds there. `node` is where the tree would run;
/// none: nobody knows, and every node counts. Other fleets are named to who may see them.
pub fn clashes(checked: &Checked, node: Option<&NodeName>, held: &[Held], who: Option<&Who>) -> Vec<Fault> {
    let same_node = |it: &&Held| node.is_none() || it.node.is_none() || it.node.as_ref() == node;
    let held: Vec<&Held> = held.iter().filter(same_node).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let fault = |wanted: Wanted<'_>| {
        let mut others = in_the_way(std::slice::from_ref(&wanted.part), held.iter().copied());
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
        let place = checked.places.find(&format!("containers/{}.json", wanted.container), &wanted.pointer);
        let on = first.node.as_ref().or(node).map_or_else(|| "the node".to_owned(), |node| format!("node `{node}`"));
        let by = format!("{whose}{more}");
        Some(match (&wanted.part, &first.part) {
            (Part::Path { path, .. }, Part::Path { path: held, .. }) => {
                let what = if held == path { String::new() } else { format!(" ({})", shown(held)) };
                let seen = format!("path {} of {on} is written to by {by} as well{what}", shown(path));
                let expected = "a path that no other fleet writes to there";
                let hint = format!(
                    "say \"read_only\": true, or where both mean to share it \"shared\": true, also in {theirs}"
                );
                Fault::new(place, "path-taken", seen, expected).hint(hint)
            }
            (Part::Port(Port { host, protocol, .. }), _) | (_, Part::Port(Port { host, protocol, .. })) => {
                let seen = format!("host port {host}/{protocol} of {on} is published by {by}");
                let hint = format!("give it another port before the first `:`, or take it out of {theirs} first");
                Fault::new(place, "port-taken", seen, "a host port that no other fleet publishes there").hint(hint)
            }
        })
    };
    let mut faults: Vec<Fault> = parts(&checked.desired).into_iter().filter_map(fault).collect();
    faults.sort();
    faults
}

fn shown(path: &str) -> String {
    quote(if path.is_empty() { "/" } else { path })
}
