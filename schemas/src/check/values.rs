//! What leads to what: circles through `needs` and references, and texts that grow too long or too deep.
//!
//! Two graphs over the same things. In the first a thing points at what its value is made of; in the second at what has to
//! be there before it. A container may refer to itself, also through a variable: its alias is known before it runs.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Place, quote, thousands};
use super::graph::Graph;
use super::inside::needed;
use super::references::{Text, Variables};
use super::tree::Tree;
use crate::descriptors::{Kind, MAX_FILE, Path};
use crate::json::Spot;
use crate::template::Reference;

/// How many bytes a text may have once its references are resolved: Linux takes no longer argument or variable.
pub(super) const MAX_TEXT: u64 = 128 << 10;

/// How many bytes the texts of one container may have together.
const MAX_CONTAINER: u64 = 1 << 20;

/// How many bytes the texts of all containers may have together.
const MAX_FLEET: u64 = 64 << 20;

/// How many references may lead on to each other.
const MAX_STEPS: u32 = 16;

/// How many things of a circle are named at each end of the line that tells it.
const NAMED: usize = 10;

/// How many circles are told of things that are all connected.
const MAX_CIRCLES: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing<'a> {
    Container(&'a str),
    Variable(&'a str, &'a str),
    /// All `ports` of a container: what `containers.<name>.ports.<port>` is looked up in.
    Ports(&'a str),
}

/// What can be rendered without harm.
#[derive(Default)]
pub(super) struct Renderable<'a> {
    /// Containers of which every text can.
    pub(super) containers: BTreeSet<&'a str>,
    /// Containers of which the ports can.
    pub(super) ports: BTreeSet<&'a str>,
}

/// An edge: where it is said.
type Said = Place;

struct Things<'a> {
    numbers: BTreeMap<Thing<'a>, usize>,
    /// What a value is made of.
    made_of: Graph<Said>,
    /// What has to be there before.
    after: Graph<Said>,
    /// What a value's own text brings.
    own: Vec<Value>,
}

/// How large a value becomes.
#[derive(Debug, Clone, Copy, Default)]
struct Value {
    bytes: u64,
    steps: u32,
    /// It has a fault that has been told.
    broken: bool,
}

/// Tells circles and what grows too large, and answers what is left.
pub(super) fn follow<'a>(
    tree: &'a Tree,
    variables: &'a Variables<'a>,
    texts: &'a [Text<'a>],
    faults: &mut Vec<Fault>,
) -> Renderable<'a> {
    let things = things(tree, variables, texts);
    let names: Vec<&Thing> = {
        let mut names: Vec<_> = things.numbers.iter().collect();
        names.sort_by_key(|(_, number)| **number);
        names.into_iter().map(|(thing, _)| thing).collect()
    };
    order_circles(&things, &names, faults);
    let values = values(&things, &names, variables, tree, faults);
    let value = |thing: &Thing| things.numbers.get(thing).map(|number| values[*number]).unwrap_or_default();
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut broken: BTreeSet<&str> = BTreeSet::new();
    for text in texts {
        let Path::Named(kind @ (Kind::Container | Kind::Task), name) = &text.source.at else { continue };
        let parts = text.references.iter().filter_map(source_of).map(|thing| value(&thing));
        let whole = parts.fold(Value { bytes: text.length, steps: 0, broken: text.broken }, Value::with);
        let limit = if text.elsewhere.is_some() { MAX_FILE } else { MAX_TEXT };
        if whole.bytes > limit && !whole.broken {
            let seen = format!("a text of {} bytes once its references are resolved", whole.bytes);
            faults.push(Fault::new(
                text.place(),
                "too-long",
                seen,
                format!("at most {limit} bytes ({} KiB)", limit >> 10),
            ));
        }
        if *kind == Kind::Container {
            let total = totals.entry(name.as_str()).or_default();
            *total = total.saturating_add(whole.bytes);
            if whole.broken || whole.bytes > limit {
                broken.insert(name.as_str());
            }
        }
    }
    let mut fleet = 0_u64;
    let mut renderable = Renderable::default();
    for source in &tree.sources {
        let Some((name, root)) = source.of(Kind::Container) else { continue };
        let name = name.as_str();
        let total = totals.get(name).copied().unwrap_or_default();
        let sound = !broken.contains(name);
        fleet = if sound { fleet.saturating_add(total) } else { fleet };
        let mut too_long = |seen: &str, limit: u64| {
            let seen = format!("{seen} that are too long once their references are resolved");
            faults.push(Fault::new(
                source.place(root.spot),
                "too-long",
                seen,
                format!("at most {limit} bytes together"),
            ));
        };
        if sound && total > MAX_CONTAINER {
            too_long("the texts of a container", MAX_CONTAINER);
        } else if sound && fleet > MAX_FLEET {
            too_long("the texts of all containers", MAX_FLEET);
            fleet = 0;
        } else if sound {
            renderable.containers.insert(name);
        }
        let ports = value(&Thing::Ports(name));
        if !ports.broken && ports.bytes <= MAX_TEXT {
            renderable.ports.insert(name);
        }
    }
    renderable
}

impl Value {
    fn with(self, part: Self) -> Self {
        Self {
            // Each reference costs work, also one to nothing.
            bytes: self.bytes.saturating_add(part.bytes.max(1)),
            steps: self.steps.max(part.steps.saturating_add(1)),
            broken: self.broken || part.broken,
        }
    }
}

/// What a reference's value is made of; a host is just a name.
fn source_of(reference: &Reference) -> Option<Thing<'_>> {
    match reference {
        Reference::Variable { group, key } => Some(Thing::Variable(group.as_str(), key.as_str())),
        Reference::ContainerPort(name, _) => Some(Thing::Ports(name.as_str())),
        _ => None,
    }
}

/// What a reference has to wait for.
fn target_of(reference: &Reference) -> Option<Thing<'_>> {
    match reference {
        Reference::Variable { group, key } => Some(Thing::Variable(group.as_str(), key.as_str())),
        Reference::ContainerHost(name) | Reference::ContainerPort(name, _) => Some(Thing::Container(name.as_str())),
        _ => None,
    }
}

fn things<'a>(tree: &'a Tree, variables: &'a Variables<'a>, texts: &'a [Text<'a>]) -> Things<'a> {
    let mut numbers = BTreeMap::new();
    let mut add = |thing| {
        let number = numbers.len();
        numbers.entry(thing).or_insert(number);
    };
    let containers = || tree.sources.iter().filter_map(|source| Some((source, source.of(Kind::Container)?)));
    for (_, (name, _)) in containers() {
        add(Thing::Container(name.as_str()));
        add(Thing::Ports(name.as_str()));
    }
    for (group, keys) in variables {
        keys.keys().for_each(|key| add(Thing::Variable(group, key)));
    }
    let nodes = numbers.len();
    let mut things =
        Things { numbers, made_of: Graph::new(nodes), after: Graph::new(nodes), own: vec![Value::default(); nodes] };
    for (source, (name, root)) in containers() {
        let network = root.get("network").and_then(|it| Some((it.text()?.strip_prefix("container:")?, it.spot)));
        for (needed, spot) in needed(root).chain(network).filter(|(needed, _)| *needed != name.as_str()) {
            things
                .edge(Order::After, &Thing::Container(name.as_str()), &Thing::Container(needed), || source.place(spot));
        }
    }
    for text in texts {
        let place = || text.place();
        let (owner, waiting) = match &text.source.at {
            Path::Named(Kind::Variables, group) => {
                let variable = Thing::Variable(group.as_str(), text.top);
                (Some(variable.clone()), Some(variable))
            }
            Path::Named(Kind::Container, name) => {
                let ports = (text.top == "ports").then_some(Thing::Ports(name.as_str()));
                (ports, Some(Thing::Container(name.as_str())))
            }
            _ => (None, None),
        };
        if let Some(number) = owner.as_ref().and_then(|owner| things.numbers.get(owner)) {
            let own = &mut things.own[*number];
            own.bytes = own.bytes.saturating_add(text.length);
            own.broken |= text.broken;
        }
        for reference in &text.references {
            if let (Some(owner), Some(part)) = (&owner, source_of(reference)) {
                things.edge(Order::MadeOf, owner, &part, place);
            }
            if let (Some(waiting), Some(target)) = (&waiting, target_of(reference))
                && *waiting != target
            {
                things.edge(Order::After, waiting, &target, place);
            }
        }
    }
    things
}

enum Order {
    MadeOf,
    After,
}

impl Things<'_> {
    /// Adds an edge where both ends exist; what does not has a fault of its own.
    fn edge(&mut self, order: Order, from: &Thing, to: &Thing, place: impl FnOnce() -> Place) {
        if let (Some(from), Some(to)) = (self.numbers.get(from), self.numbers.get(to)) {
            match order {
                Order::MadeOf => self.made_of.add(*from, *to, place()),
                Order::After => self.after.add(*from, *to, place()),
            }
        }
    }
}

/// Containers that wait for each other.
fn order_circles(things: &Things, names: &[&Thing], faults: &mut Vec<Fault>) {
    for component in things.after.components() {
        let is_container = |it: usize| matches!(names[it], Thing::Container(_));
        let members: BTreeSet<usize> = component.iter().copied().collect();
        let mut waiting: Vec<usize> = members.iter().copied().filter(|it| is_container(*it)).collect();
        if waiting.len() < 2 {
            continue;
        }
        waiting.sort_by_key(|it| names[*it]);
        let mut told = BTreeSet::new();
        for start in waiting {
            if told.len() >= MAX_CIRCLES * 2 || told.contains(&start) {
                continue;
            }
            let inside = |it| members.contains(&it);
            let Some((mut way, other)) = things.after.way(start, inside, |it| it != start && is_container(it)) else {
                continue;
            };
            let Some((rest, _)) = things.after.way(other, inside, |it| it == start) else { continue };
            way.extend(rest);
            told.extend(way.iter().map(|(from, _)| *from));
            faults.push(circle(&way, names));
        }
    }
}

/// The values in the order in which they are made; tells circles and too many steps on the way.
fn values(
    things: &Things,
    names: &[&Thing],
    variables: &Variables<'_>,
    tree: &Tree,
    faults: &mut Vec<Fault>,
) -> Vec<Value> {
    let mut values = things.own.clone();
    for component in things.made_of.components() {
        let members: BTreeSet<usize> = component.iter().copied().collect();
        let start = component.iter().copied().min_by_key(|it| names[*it]).unwrap_or_default();
        if let Some((way, _)) = things.made_of.way(start, |it| members.contains(&it), |it| it == start) {
            // Two containers in it wait for each other, which has been told.
            if members.iter().filter(|it| matches!(names[**it], Thing::Ports(_))).count() < 2 {
                faults.push(circle(&way, names));
            }
            component.iter().for_each(|it| values[*it].broken = true);
            continue;
        }
        let whole = things.made_of.next(start).map(|it| values[it]).fold(values[start], Value::with);
        values[start] = whole;
        if whole.steps > MAX_STEPS && !whole.broken {
            values[start].broken = true;
            faults.extend(too_many_steps(names[start], variables, tree));
        }
    }
    values
}

fn too_many_steps(thing: &Thing, variables: &Variables<'_>, tree: &Tree) -> Option<Fault> {
    let (kind, name, spot) = match thing {
        Thing::Variable(group, key) => (Kind::Variables, *group, *variables.get(group)?.get(key)?),
        Thing::Ports(name) | Thing::Container(name) => (Kind::Container, *name, Spot::START),
    };
    let source = tree.sources.iter().find(|it| it.of(kind).is_some_and(|(it, _)| it.as_str() == name))?;
    let seen = format!("more than {MAX_STEPS} references that lead on to each other, from {}", label(thing));
    Some(Fault::new(source.place(spot), "too-many-steps", seen, format!("at most {MAX_STEPS}")))
}

/// A circle, told from the place in it that comes first.
fn circle(way: &[(usize, &Said)], names: &[&Thing]) -> Fault {
    let first = (0..way.len()).min_by_key(|index| way[*index].1).unwrap_or_default();
    let turned: Vec<_> = way[first..].iter().chain(&way[..first]).collect();
    let mut labels: Vec<String> = turned.iter().map(|(from, _)| label(names[*from])).collect();
    labels.extend(labels.first().cloned());
    if labels.len() > 2 * NAMED + 1 {
        let left_out = labels.len() - 2 * NAMED;
        labels.splice(NAMED..NAMED + left_out, [format!("{} more", thousands(left_out))]);
    }
    let mut places: Vec<Place> = turned.iter().map(|(_, place)| (*place).clone()).collect();
    places.dedup();
    let place = places.remove(0);
    Fault::new(place, "cycle", format!("cycle: {}", labels.join(" → ")), "`needs` and references without a cycle")
        .also(places)
        .hint("take one of these `needs` or references out".to_owned())
}

fn label(thing: &Thing) -> String {
    match thing {
        Thing::Container(name) => quote(&format!("containers/{name}")),
        Thing::Variable(group, key) => quote(&format!("variables.{group}.{key}")),
        Thing::Ports(name) => quote(&format!("containers.{name}.ports")),
    }
}
