//! Why a container is re-created, field by field, in the descriptor's own words.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::Reason;
use crate::descriptors::Desired;
use crate::fleet::{Fleet, ObservedContainer};
use crate::image::short;
use crate::names::Name;
use crate::spec::Spec;
use crate::template::{self, Part, Reference};

/// A value in a reason is cut after so many characters.
const SHOWN: usize = 80;

impl Reason {
    /// Something that was observed, against what should be.
    pub(super) fn observed(field: &str, from: &str, to: &str) -> Self {
        Self { field: field.to_owned(), from: Some(from.to_owned()), to: Some(to.to_owned()) }
    }
}

/// Keys that Docker does not see: they never make a container another one.
const NOT_IN_DOCKER: [&str; 5] = ["needs", "metrics", "image_policy", "update", "drain"];

/// What makes the container another than the one that runs.
pub(super) fn changed(before: &Desired, desired: &Desired, name: &Name, seen: &ObservedContainer) -> Vec<Reason> {
    let value = |desired: &Desired| {
        desired.containers.get(name).and_then(|it| serde_json::to_value(it).ok()).unwrap_or(Value::Null)
    };
    let (old, new) = (value(before), value(desired));
    let mut reasons = Vec::new();
    if !old.is_null() {
        differences("", &old, &new, &mut reasons);
        reasons.retain(|reason| !NOT_IN_DOCKER.iter().any(|key| reason.field.split('.').next() == Some(key)));
        variables(before, desired, &new, &mut reasons);
    }
    if reasons.is_empty() {
        let from = seen.commit.as_ref().map_or("another container".to_owned(), |it| format!("commit {}", it.short()));
        reasons.push(Reason { field: "container".to_owned(), from: Some(from), to: None });
    }
    reasons
}

/// What says that a container is to have another image than the one that it was seen with; nothing where none is recorded.
pub(super) fn another_image(fleet: &Fleet, name: &Name, spec: &Spec, seen: &ObservedContainer) -> Option<Reason> {
    let wanted = fleet.images.in_force(name, spec)?;
    let seen = seen.image.as_deref()?;
    if wanted.id.as_deref() == Some(seen) {
        return None;
    }
    let before = fleet.images.before(name).filter(|it| it.id.as_deref() == Some(seen));
    let from = before.map_or(short(seen), |it| it.shown());
    Some(Reason::observed("image", from, wanted.shown()))
}

/// What is another between two descriptors of the same kind.
pub(super) fn between(before: &impl Serialize, after: &impl Serialize) -> Vec<Reason> {
    // Descriptors are plain structs with string keys: serialising them cannot fail.
    let value = |it: Result<Value, serde_json::Error>| it.unwrap_or_default();
    let mut reasons = Vec::new();
    differences("", &value(serde_json::to_value(before)), &value(serde_json::to_value(after)), &mut reasons);
    reasons
}

fn differences(field: &str, before: &Value, after: &Value, reasons: &mut Vec<Reason>) {
    if before == after {
        return;
    }
    let nothing = serde_json::Map::new();
    let both = match (before, after) {
        (Value::Object(before), Value::Object(after)) => Some((before, after)),
        // What is new, or goes, as a whole is told key by key as well.
        (Value::Null, Value::Object(after)) if !after.is_empty() && !field.is_empty() => Some((&nothing, after)),
        (Value::Object(before), Value::Null) if !before.is_empty() && !field.is_empty() => Some((before, &nothing)),
        _ => None,
    };
    if let Some((before, after)) = both {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let field = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
            let at = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            differences(&field, &at(before), &at(after), reasons);
        }
        return;
    }
    reasons.push(Reason { field: field.to_owned(), from: shown(before), to: shown(after) });
}

/// Variables and addresses of nodes that the container's strings refer to, directly or through each other, and that
/// are others now.
pub(super) fn variables(previous: &Desired, desired: &Desired, container: &Value, reasons: &mut Vec<Reason>) {
    let mut texts = Vec::new();
    strings(container, &mut texts);
    let mut seen = BTreeSet::new();
    while let Some(text) = texts.pop() {
        for part in template::parse(&text).unwrap_or_default() {
            let Part::Ref(reference) = part else { continue };
            if !seen.insert(reference.clone()) {
                continue;
            }
            let (before, after) = (value(previous, &reference), value(desired, &reference));
            if let Some(Value::String(text)) = &after {
                texts.push(text.clone());
            }
            if before != after {
                let shown = |value: Option<Value>| value.and_then(|it| shown(&it));
                reasons.push(Reason { field: reference.to_string(), from: shown(before), to: shown(after) });
            }
        }
    }
}

/// What is written where a reference leads.
fn value(desired: &Desired, reference: &Reference) -> Option<Value> {
    match reference {
        Reference::Variable { group, key } => serde_json::to_value(desired.variables.get(group)?.0.get(key)?).ok(),
        Reference::Node(name) => {
            let (_, node) = desired.nodes.iter().find(|(it, _)| it.as_str() == name.as_str())?;
            node.address.clone().map(Value::String)
        }
        _ => None,
    }
}

pub(super) fn strings(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, texts)),
        Value::Object(map) => map.values().for_each(|item| strings(item, texts)),
        _ => {}
    }
}

fn shown(value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let text = value.to_string();
    Some(if text.chars().count() > SHOWN { text.chars().take(SHOWN).chain(['…']).collect() } else { text })
}
