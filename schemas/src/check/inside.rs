//! Rules inside one descriptor that a schema cannot say: health, mounts, environment, needs.

use super::fault::{Fault, Place, quote};
use super::nearest::{MAX_HINTED, did_you_mean, one_of};
use super::tree::{Source, Tree};
use super::{judge, rule};
use crate::descriptors::{Kind, ONE_OF, Path, Restart};
use crate::json::{Node, Spot, Value};

/// Tells all faults of one descriptor.
pub(super) fn read(tree: &Tree, source: &Source, faults: &mut Vec<Fault>) {
    if let Some((name, root)) = source.of(Kind::Container) {
        health(source, root, faults);
        mounts(tree, source, root, faults);
        environment(source, root, faults);
        needs(tree, source, name.as_str(), root, faults);
        super::images::policy(source, root, faults);
        super::network::read(tree, source, name.as_str(), root, faults);
        super::update::read(tree, source, root, faults);
        reserved(source, root, faults);
        super::amounts::read(source, root, faults);
    }
    if let Some((_, root)) = source.of(Kind::Task) {
        environment(source, root, faults);
        mounts(tree, source, root, faults);
        super::amounts::memory(source, root, faults);
        super::task::read(source, root, faults);
    }
    if source.of(Kind::Node).is_some() {
        only_node(tree, source, faults);
    }
    if let (Path::Fleet, Some(root)) = (&source.at, &source.root) {
        super::fleet::read(tree, source, root, faults);
    }
    if let Some(root) = &source.root {
        without_nul(source, root, faults);
    }
}

/// One rollout has one node; a fleet over several comes later.
fn only_node(tree: &Tree, source: &Source, faults: &mut Vec<Fault>) {
    let mut nodes = tree.sources.iter().filter(|it| matches!(it.at, Path::Named(Kind::Node, _)));
    let Some(first) = nodes.next().filter(|first| first.path != source.path) else { return };
    let seen = "a second node: a fleet over several nodes is not built yet";
    let fault = Fault::new(source.place(Spot::START), "not-yet", seen, "at most one descriptor in `nodes/`");
    faults.push(fault.also(vec![first.place(Spot::START)]));
}

fn health(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some(health) = root.get("health").filter(|it| it.text().is_none()) else { return };
    let as_wanted = rule::rule(Kind::Container).properties.get("health").is_some_and(|it| judge::is_sound(it, health));
    if !as_wanted {
        return;
    }
    let mut fault = |node: &Node, seen: &str, expected: &str, hint: &str| {
        let fault = Fault::new(source.place(node.spot), "bad-health", seen, expected);
        faults.push(fault.hint(hint.to_owned()));
    };
    match (health.get("command"), health.get("http"), health.get("port")) {
        (None, None, _) => fault(
            health,
            "`health` without `command` and `http`",
            "exactly one of `command`, `http`",
            "`command` runs inside the container, `http` is asked for at its address",
        ),
        (Some(_), Some(http), _) => {
            fault(
                http,
                "`health` with both `command` and `http`",
                "exactly one of `command`, `http`",
                "take one of them out",
            );
        }
        (None, Some(http), None) => {
            fault(http, "`http` without `port`", "`port`, the container's port that answers", "such as \"port\": 80");
        }
        (Some(_), None, Some(port)) => {
            fault(port, "`port` beside `command`", "`port` beside `http` only", "take it out, or use `http`");
        }
        _ => {}
    }
    if let (Some(_), Some(period)) = (health.get("http"), health.get("start_period")) {
        let seen = "`start_period` beside `http`";
        fault(period, seen, "`start_period` beside `command` only", "`within` says how long `http` may take at first");
    }
}

fn mounts(tree: &Tree, source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let members = root.get("volumes").map(Node::members).unwrap_or_default();
    // Without slashes at the end, as written, and where.
    let mut paths: Vec<(&str, &str, _)> = Vec::new();
    // What is the wrong way round has been told as such.
    for member in members.iter().filter(|it| super::hints::turned_round(&it.key, &it.node).is_none()) {
        let path = member.key.as_str();
        let place = source.place(member.spot);
        let parts = || path.split('/').filter(|part| !part.is_empty());
        if !path.starts_with('/') || parts().next().is_none() || parts().any(|part| part == "." || part == "..") {
            let hint = (!path.starts_with('/') && !path.starts_with('.') && !path.is_empty())
                .then(|| format!("write \"/{path}\""));
            let expected = "an absolute path below `/`, without `.` and `..`";
            faults.push(Fault::new(place, "bad-mount", format!("bad mount path {}", quote(path)), expected).hint(hint));
        } else if path.contains("{{") {
            let seen = format!("a reference in the path {}: it would not be looked up", quote(path));
            faults.push(Fault::new(place, "bad-mount", seen, "references in values only, the path written out"));
        } else {
            paths.push((path.trim_end_matches('/'), path, place));
        }
        full_mount(source, &member.node, faults);
        let named = member.node.get("volume").unwrap_or(&member.node);
        if let Some(volume) = named.text()
            && volume.parse::<crate::names::Name>().is_ok()
            && !tree.has(Kind::Volume, volume)
        {
            let known = || tree.names(Kind::Volume);
            let near = if faults.len() < MAX_HINTED { did_you_mean(volume, known()) } else { None };
            let hint = near.unwrap_or_else(|| format!("declare it in `volumes/{volume}.json`"));
            let place = source.place(named.spot);
            faults.push(
                Fault::new(
                    place,
                    "unknown-volume",
                    format!("unknown volume {}", quote(volume)),
                    known_or_none(known()),
                )
                .hint(hint),
            );
        }
    }
    paths.sort();
    for same in paths.chunk_by(|a, b| a.0 == b.0) {
        // Equal keys have been told by the reader.
        for (path, _, place) in same[1..].iter().filter(|it| it.1 != same[0].1) {
            let seen = format!("duplicate mount path {}", quote(path));
            let fault = Fault::new(place.clone(), "duplicate-mount", seen, "each path once");
            faults.push(fault.also(vec![same[0].2.clone()]));
        }
    }
}

/// What an object says that stands for a mount.
fn full_mount(source: &Source, mount: &Node, faults: &mut Vec<Fault>) {
    if !matches!(mount.value, Value::Object(_)) {
        return;
    }
    let kinds = ["volume", "host", "tmpfs"].map(|key| (key, mount.get(key)));
    let mut said = kinds.iter().filter_map(|(key, node)| Some((*key, (*node)?)));
    let mut fault = |node: &Node, seen: String, expected: &str| {
        faults.push(Fault::new(source.place(node.spot), "bad-mount", seen, expected));
    };
    match (said.next(), said.next()) {
        (None, _) => fault(mount, "a mount of nothing".to_owned(), ONE_OF),
        (Some((first, _)), Some((second, node))) => fault(node, format!("`{second}` beside `{first}`"), ONE_OF),
        (Some((kind, _)), None) => {
            for (key, fits) in [("subpath", &["volume"][..]), ("shared", &["host"]), ("read_only", &["volume", "host"])]
            {
                if let Some(node) = mount.get(key).filter(|_| !fits.contains(&kind)) {
                    let expected = format!("`{key}` beside `{}` only", fits.join("` or `"));
                    fault(node, format!("`{key}` beside `{kind}`"), &expected);
                }
            }
        }
    }
}

/// Labels by which we know what is ours.
fn reserved(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    for member in root.get("labels").map(Node::members).unwrap_or_default() {
        if member.key.starts_with("fleetlog.") {
            let seen = format!("the label {}", quote(&member.key));
            let expected = "a label that does not begin with `fleetlog.`: those say whose a container is";
            faults.push(Fault::new(source.place(member.spot), "reserved-label", seen, expected));
        }
    }
}

fn environment(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    for member in root.get("env").map(Node::members).unwrap_or_default() {
        let key = member.key.as_str();
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) || !key.bytes().all(good) {
            let expected = "letters, digits, `_`, `-` and `.`, not starting with a digit";
            let fault = Fault::new(
                source.place(member.spot),
                "bad-env-name",
                format!("bad name {} of an environment variable", quote(key)),
                expected,
            );
            let hint =
                key.split_once('=').map(|_| "the value stands after the `:`, as in \"NAME\": \"value\"".to_owned());
            faults.push(fault.hint(hint));
        }
    }
}

/// The needed containers: name and where it stands.
pub(super) fn needed(root: &Node) -> impl Iterator<Item = (&str, crate::json::Spot)> {
    let needs = root.get("needs");
    let items = needs.map(Node::items).unwrap_or_default().iter().filter_map(|item| Some((item.text()?, item.spot)));
    let members = needs.map(Node::members).unwrap_or_default().iter().map(|it| (it.key.as_str(), it.spot));
    items.chain(members)
}

fn needs(tree: &Tree, source: &Source, name: &str, root: &Node, faults: &mut Vec<Fault>) {
    for (needed, spot) in needed(root) {
        let place = source.place(spot);
        if needed == name {
            let fault = Fault::new(
                place,
                "needs-itself",
                format!("container {} needs itself", quote(name)),
                "other containers",
            );
            faults.push(fault.hint("take it out".to_owned()));
        } else if needed.parse::<crate::names::Name>().is_ok() && !tree.has(Kind::Container, needed) {
            let known = || tree.names(Kind::Container).filter(|it| *it != name);
            let fault = Fault::new(
                place,
                "unknown-container",
                format!("unknown container {} in `needs`", quote(needed)),
                known_or_none(known()),
            );
            faults.push(fault.hint(if faults.len() < MAX_HINTED { did_you_mean(needed, known()) } else { None }));
        }
    }
}

/// Containers that others want to see completed, and that Docker starts again for ever.
pub(super) fn never_complete(tree: &Tree, faults: &mut Vec<Fault>) {
    for (source, (_, root)) in tree.sources.iter().filter_map(|it| Some((it, it.of(Kind::Container)?))) {
        for member in root.get("needs").map(Node::members).unwrap_or_default() {
            let name = member.key.parse::<crate::names::Name>();
            let Some(needed) = name.ok().and_then(|it| tree.desired.containers.get(&it)) else { continue };
            let again = matches!(needed.restart, Restart::Always | Restart::UnlessStopped);
            if member.node.text() == Some("completed") && again {
                let (key, file) = (quote(&member.key), format!("containers/{}.json", member.key));
                let seen = format!("{key} never completes: Docker starts it again whenever it ends");
                let expected = "`restart` of a container that is to complete: `no` or `on-failure`";
                let fault = Fault::new(source.place(member.node.spot), "never-completes", seen, expected);
                faults.push(fault.hint(format!("add \"restart\": \"on-failure\" to {file}")).also(vec![Place {
                    path: file,
                    line: 1,
                    column: 1,
                }]));
            }
        }
    }
}

/// "one of …", or that there is none.
pub(super) fn known_or_none<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let mut known = known.peekable();
    if known.peek().is_none() { "one that this fleet describes; there is none".to_owned() } else { one_of(known) }
}

/// The character 0 ends every text that the kernel gets.
fn without_nul(source: &Source, node: &Node, faults: &mut Vec<Fault>) {
    match &node.value {
        Value::Text(text) if text.contains('\0') => {
            let seen = format!("the character \\u0000 in {}", quote(text));
            faults.push(Fault::new(source.place(node.spot), "nul-character", seen, "a string without it"));
        }
        Value::List(items) => items.iter().for_each(|item| without_nul(source, item, faults)),
        Value::Object(members) => members.iter().for_each(|member| without_nul(source, &member.node, faults)),
        _ => {}
    }
}
