//! Brings what a service may write in two ways into one, so that it can be merged and carried key by key.

use super::yaml::{Entry, Node, Value};

/// Keys whose list of `NAME=value` is a map.
const PAIRS: [&str; 4] = ["environment", "labels", "sysctls", "annotations"];

/// Turns the lists of a service that are maps in short into maps.
pub fn service(node: &mut Node) {
    let Value::Map(entries) = &mut node.value else { return };
    for entry in entries {
        match entry.key.as_str() {
            key if PAIRS.contains(&key) => listed(&mut entry.node, |text| split(text, &['='])),
            "extra_hosts" => listed(&mut entry.node, |text| split(text, &['=', ':'])),
            "depends_on" | "networks" => listed(&mut entry.node, |text| (text.to_owned(), None)),
            "deploy" => deploy(&mut entry.node),
            _ => {}
        }
    }
}

fn deploy(node: &mut Node) {
    let Value::Map(entries) = &mut node.value else { return };
    if let Some(labels) = entries.iter_mut().find(|it| it.key == "labels") {
        listed(&mut labels.node, |text| split(text, &['=']));
    }
}

fn split(text: &str, at: &[char]) -> (String, Option<String>) {
    match text.split_once(at) {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// Each text of a list as a key with its value. What is named twice counts as it is said last.
fn listed(node: &mut Node, split: impl Fn(&str) -> (String, Option<String>)) {
    let Value::List(items) = &mut node.value else { return };
    let mut entries: Vec<Entry> = Vec::new();
    for item in std::mem::take(items) {
        // What is no text here is told once the key is carried.
        let (key, value) = item.text().map_or_else(|| ("?".to_owned(), None), &split);
        let value = value.map_or(Value::Null, Value::Text);
        entries.retain(|it| it.key != key);
        entries.push(Entry { key, place: item.place.clone(), node: Node { value, ..item } });
    }
    node.value = Value::Map(entries);
}
