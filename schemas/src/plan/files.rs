//! What other files of a container make necessary: nothing, that they are put in place, a signal, a restart, or another
//! container.

use std::collections::BTreeMap;

use super::{Action, Reason};
use crate::descriptors::{Container, Desired, OnChange};
use crate::spec::{self, Placed, Placing};

/// So many files that are others are named.
const NAMED: usize = 8;

/// The least that makes a container's files what they should be, and why; none: they are.
pub(super) fn decide(
    (before, desired): (&Desired, &Desired),
    container: &Container,
    wanted: &BTreeMap<String, Placing>,
    seen: &BTreeMap<String, Placed>,
) -> Option<(Action, Vec<Reason>)> {
    let gone = gone(wanted, seen);
    if !gone.is_empty() {
        // Nothing can be taken out of a container that is there.
        return Some((Action::Recreate, shortened(gone)));
    }
    let differs = |path: &&String| wanted.get(*path).is_some_and(|it| !it.is_as(seen.get(*path)));
    let others: Vec<&String> = wanted.keys().filter(differs).collect();
    let reaction = |path: &&String| match container.files.get(*path).map(|it| it.on_change) {
        Some(OnChange::None) => Action::Place,
        Some(OnChange::Signal) => Action::Reload,
        Some(OnChange::Restart) | None => Action::Restart,
    };
    // In the order of how much it does to what runs.
    let action = others.iter().map(reaction).max()?;
    Some((action, shortened(others.into_iter().flat_map(|path| changed(before, desired, container, path)).collect())))
}

/// Files that lie in the container because they were put there, and should not.
fn gone(wanted: &BTreeMap<String, Placing>, seen: &BTreeMap<String, Placed>) -> Vec<Reason> {
    let gone = spec::left_behind(wanted, seen);
    gone.map(|path| Reason { field: format!("files.{path}"), from: Some("there".to_owned()), to: None }).collect()
}

/// Which files at a path are others than before, and what they refer to; where that is not known, just the path.
fn changed(before: &Desired, desired: &Desired, container: &Container, path: &str) -> Vec<Reason> {
    let Some(source) = container.files.get(path) else { return Vec::new() };
    let mut reasons = Vec::new();
    for (rest, file) in spec::taken(source, desired) {
        let at = format!("{}{rest}", source.from);
        let old = before.contents.get(&at);
        if old.is_some_and(|old| old.blob == file.blob && old.executable == file.executable) {
            continue;
        }
        let (from, to) = (old.map(|it| it.blob.short().to_owned()), Some(file.blob.short().to_owned()));
        let mode =
            |it: &crate::descriptors::Blob| if it.executable { "executable" } else { "not executable" }.to_owned();
        reasons.push(match old.filter(|old| old.blob == file.blob) {
            Some(old) => Reason { field: at, from: Some(mode(old)), to: Some(mode(file)) },
            None => Reason { field: at, from, to },
        });
    }
    if source.render {
        let texts = spec::references(container, desired).into_iter().map(serde_json::Value::String);
        super::reasons::variables(before, desired, &serde_json::Value::Array(texts.collect()), &mut reasons);
    }
    if reasons.is_empty() {
        reasons.push(Reason { field: format!("files.{path}"), from: None, to: None });
    }
    reasons
}

/// The first ones; the others are counted.
fn shortened(mut reasons: Vec<Reason>) -> Vec<Reason> {
    if reasons.len() > NAMED {
        let rest = reasons.len() - NAMED;
        reasons.truncate(NAMED);
        reasons.push(Reason { field: format!("{rest} more"), from: None, to: None });
    }
    reasons
}
