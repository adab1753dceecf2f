//! Renders every container once: ports that two of them want, ports that nobody publishes, and what rendering finds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::fault::{Fault, Place, quote};
use super::references::Text;
use super::tree::{Source, Tree};
use super::values::Renderable;
use crate::descriptors::{Container, Desired, Kind, VALUE, VariableValue, Variables};
use crate::json::{Node, Spot, Value};
use crate::names::{FleetId, Name};
use crate::spec::{self, Port, Protocol, RenderFault};
use crate::template::Reference;

/// Faults of references, which [`super::references`] tells better.
const TOLD_ELSEWHERE: [&str; 6] =
    ["bad-reference", "cycle", "not-yet", "undefined-reference", "unknown-container", "unpublished-port"];

/// A port that a container wants, and where it says so.
struct Wanted {
    port: Port,
    place: Place,
}

/// Tells the faults that rendering shows.
pub(super) fn faults(tree: &Tree, texts: &[Text<'_>], renderable: &Renderable<'_>, faults: &mut Vec<Fault>) {
    let Ok(fleet) = "check/check".parse::<FleetId>() else { return };
    let stand_in = stand_in(tree, renderable);
    let desired = stand_in.as_ref().unwrap_or(&tree.desired);
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut published: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
    let mut spare = Vec::new();
    for (source, (name, root)) in tree.sources.iter().filter_map(|it| Some((it, it.of(Kind::Container)?))) {
        if !renderable.ports.contains(name.as_str()) {
            continue;
        }
        match spec::render(&fleet, name, desired) {
            Ok(spec) => {
                published.insert(name.as_str(), spec.ports.iter().map(|port| port.container).collect());
                wanted.extend(placed(source, root, spec.ports));
            }
            Err(found) => {
                let (told, own): (Vec<_>, Vec<_>) = found.into_iter().partition(|it| TOLD_ELSEWHERE.contains(&it.code));
                let items = root.get("ports").map(Node::items).unwrap_or_default();
                let texts: Vec<Spot> = items.iter().filter(|it| it.text().is_some()).map(|it| it.spot).collect();
                faults.extend(own.into_iter().map(|it| rendered(source, root, &texts, it)));
                spare.extend(told.into_iter().map(|it| rendered(source, root, &texts, it)));
                let literal = |item: &Node| item.text().and_then(|text| spec::ports(text).ok()).unwrap_or_default();
                let ports = items.iter().flat_map(literal).collect();
                wanted.extend(placed(source, root, ports));
            }
        }
    }
    unpublished(texts, &published, faults);
    clashes(wanted, faults);
    if tree.faults.is_empty() && faults.is_empty() {
        faults.extend(spare);
    }
}

/// `texts`: where the ports stand that are texts. What was rendered has no others.
fn rendered(source: &Source, root: &Node, texts: &[Spot], fault: RenderFault) -> Fault {
    let item = fault.pointer.strip_prefix("/ports/").and_then(|it| texts.get(it.parse::<usize>().ok()?));
    let place = source.place(item.copied().unwrap_or_else(|| root.find(&fault.pointer)));
    Fault::new(place, fault.code, fault.message, fault.expected).hint(fault.hint)
}

/// What is desired where some files have faults: of their containers just the ports, of their variables what can be read.
fn stand_in(tree: &Tree, renderable: &Renderable<'_>) -> Option<Desired> {
    let lame = |source: &&Source| match source.of(Kind::Container) {
        Some((name, _)) => !source.sound || !renderable.containers.contains(name.as_str()),
        None => !source.sound,
    };
    let mut lame = tree.sources.iter().filter(lame).peekable();
    lame.peek()?;
    let mut desired = tree.desired.clone();
    for source in lame {
        if let Some((name, root)) = source.of(Kind::Container) {
            let texts = root.get("ports").map(Node::items).unwrap_or_default().iter().filter_map(Node::text);
            let ports = texts.map(str::to_owned).filter(|_| renderable.ports.contains(name.as_str()));
            desired.containers.insert(name.clone(), only_ports(ports.collect()));
        }
        if let Some((name, root)) = source.of(Kind::Variables) {
            desired.variables.insert(name.clone(), readable(root));
        }
    }
    Some(desired)
}

fn only_ports(ports: Vec<String>) -> Container {
    Container {
        image: "image".to_owned(),
        image_policy: crate::descriptors::ImagePolicy::default(),
        command: None,
        env: BTreeMap::new(),
        ports,
        volumes: BTreeMap::new(),
        files: BTreeMap::new(),
        network: None,
        needs: crate::descriptors::Needs::default(),
        restart: crate::descriptors::Restart::default(),
        stop: crate::descriptors::Stop::default(),
        update: crate::descriptors::Update::default(),
        drain: None,
        health: None,
        limits: crate::descriptors::Limits::default(),
        metrics: None,
        privileged: false,
        runtime: crate::descriptors::Runtime::default(),
    }
}

fn readable(root: &Node) -> Variables {
    // What was allowed with a reason is the value inside.
    let value = |node: &Node| match &node.get(VALUE).unwrap_or(node).value {
        Value::Text(text) => Some(VariableValue::Text(text.clone())),
        Value::Number(number) => Some(VariableValue::Number(number.clone())),
        Value::Bool(value) => Some(VariableValue::Bool(*value)),
        _ => None,
    };
    Variables(root.members().iter().filter_map(|it| Some((it.key.parse().ok()?, value(&it.node)?))).collect())
}

/// The ports with their places. A port whose text has references stands at the first such text.
fn placed(source: &Source, root: &Node, ports: Vec<Port>) -> impl Iterator<Item = Wanted> {
    let items = root.get("ports").map(Node::items).unwrap_or_default();
    let mapped = |item: &Node| item.text().and_then(|text| spec::ports(text).ok()).unwrap_or_default();
    let mut literal: Vec<(Option<Port>, &Node)> = Vec::new();
    for item in items {
        let ports = mapped(item);
        literal.extend(ports.is_empty().then_some((None, item)));
        literal.extend(ports.into_iter().map(|port| (Some(port), item)));
    }
    let start = root.find("/ports");
    ports.into_iter().map(move |port| {
        let exact = literal.iter().position(|(it, _)| it.as_ref() == Some(&port));
        let found = exact.or_else(|| literal.iter().position(|(it, _)| it.is_none()));
        let spot = found.map_or(start, |index| literal.remove(index).1.spot);
        Wanted { port, place: source.place(spot) }
    })
}

/// References to a port that its container does not publish.
fn unpublished(texts: &[Text<'_>], published: &BTreeMap<&str, Vec<u16>>, faults: &mut Vec<Fault>) {
    for text in texts {
        for reference in &text.references {
            let Reference::ContainerPort(name, port) = reference else { continue };
            if published.get(name.as_str()).is_some_and(|ports| !ports.contains(port)) {
                let seen = format!(
                    "`{{{{ {reference} }}}}`: container {} does not publish its port {port}",
                    quote(name.as_str())
                );
                let hint = format!("add it to `ports` in containers/{name}.json, such as \"127.0.0.1:8080:{port}\"");
                let fault = Fault::new(text.place(), "unpublished-port", seen, published_ports(name, published));
                faults.push(fault.hint(hint));
            }
        }
    }
}

fn published_ports(name: &Name, published: &BTreeMap<&str, Vec<u16>>) -> String {
    let mut ports = published.get(name.as_str()).cloned().unwrap_or_default();
    ports.sort_unstable();
    ports.dedup();
    match ports.as_slice() {
        [] => "a published port; there is none".to_owned(),
        ports => {
            super::nearest::one_of(ports.iter().map(u16::to_string).collect::<Vec<_>>().iter().map(String::as_str))
        }
    }
}

/// Ports of the node that are wanted more than once: one fault for all that want the same one.
fn clashes(wanted: Vec<Wanted>, faults: &mut Vec<Fault>) {
    for mut group in groups(wanted) {
        group.sort_by(|a, b| a.place.cmp(&b.place));
        let Some(Port { host, protocol, .. }) = group.first().map(|it| it.port.clone()) else { continue };
        let seen = format!("host port {host}/{protocol} is published {} times", group.len());
        let mut places: Vec<Place> = group.into_iter().map(|it| it.place).collect();
        places.dedup();
        let place = places.remove(0);
        let fault = Fault::new(place, "port-clash", seen, "each host port once");
        faults.push(fault.also(places).hint("give all but one of them another port before the first `:`".to_owned()));
    }
}

/// Those that clash with another one, together with all that they clash with. Linear, unlike comparing all pairs with
/// [`Port::clashes_with`]; a test holds that both say the same.
fn groups(wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut by_port: BTreeMap<(u16, Protocol), BTreeMap<Option<IpAddr>, Vec<Wanted>>> = BTreeMap::new();
    for it in wanted {
        let address = it.port.address.filter(|address| !address.is_unspecified());
        by_port.entry((it.port.host, it.port.protocol)).or_default().entry(address).or_default().push(it);
    }
    let mut groups = Vec::new();
    for (_, addresses) in by_port {
        if addresses.contains_key(&None) {
            groups.push(addresses.into_values().flatten().collect());
        } else {
            groups.extend(addresses.into_values());
        }
    }
    groups.retain(|group: &Vec<Wanted>| group.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn groups_are_what_clashes(texts in prop::collection::vec("(127\\.0\\.0\\.[12]:|0\\.0\\.0\\.0:|\\[::\\]:|)8[01]:1(/udp)?", 0..8)) {
            let ports: Vec<Port> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let place = |line: u32| Place::new("", Spot { line, column: 1 });
            let wanted = (0..).zip(&ports).map(|(line, port)| Wanted { port: port.clone(), place: place(line) });
            let groups = groups(wanted.collect());
            for (i, a) in (0..).zip(&ports) {
                let clashes = (0..).zip(&ports).any(|(j, b)| i != j && a.clashes_with(b));
                let grouped = groups.iter().flatten().any(|it| it.place == place(i));
                prop_assert_eq!(clashes, grouped, "{:?}", a);
            }
        }
    }
}
