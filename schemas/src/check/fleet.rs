//! Rules of `fleet.json` that a schema cannot say: the deploy branch, the parameters.

use super::fault::{Fault, quote};
use super::tree::{Source, Tree};
use crate::descriptors::{Parameter, ParameterType};
use crate::json::{Node, Spot};

/// Tells all faults of `fleet.json`.
pub(super) fn read(tree: &Tree, source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    branch(source, root, faults);
    if let Some(guards) = root.get("guards") {
        super::guards::read(&source.path, guards, faults);
    }
    for (key, parameter) in &tree.desired.fleet.parameters {
        let node = root.get("parameters").and_then(|it| it.get(key.as_str()));
        let spot = |inner: &str| node.and_then(|it| it.get(inner)).or(node).map_or(Spot::START, |it| it.spot);
        faults.extend(misfit(parameter).map(|(inner, seen, expected)| {
            let seen = format!("parameter {}: {seen}", quote(key.as_str()));
            Fault::new(source.place(spot(inner)), "bad-parameter", seen, expected)
        }));
    }
}

/// What is wrong with a parameter: at which key, what was seen, what was expected.
fn misfit(parameter: &Parameter) -> Option<(&'static str, String, String)> {
    let is = |kind| parameter.kind == kind;
    if parameter.pattern.is_some() && !is(ParameterType::String) {
        return Some((
            "pattern",
            "`pattern` without `type` `string`".to_owned(),
            "a pattern of a string only".to_owned(),
        ));
    }
    if let Err(error) = parameter.whole() {
        return Some(("pattern", format!("`pattern` cannot be read: {error}"), "a regular expression".to_owned()));
    }
    if is(ParameterType::Choice) == parameter.choices.is_empty() {
        let seen =
            if is(ParameterType::Choice) { "a `choice` without `choices`" } else { "`choices` of something else" };
        return Some(("choices", seen.to_owned(), "`choices` with `type` `choice`, at least one".to_owned()));
    }
    let default = parameter.default.as_ref()?;
    let expected = parameter.misfit(default)?;
    Some(("default", "its `default` does not fit".to_owned(), expected.trim_start_matches("expected ").to_owned()))
}

/// What the schema's pattern cannot say of a branch's name (git-check-ref-format).
fn branch(source: &Source, root: &Node, faults: &mut Vec<Fault>) {
    let Some((node, name)) = root.get("deploy").and_then(|node| Some((node, node.text()?))) else { return };
    let bad = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if name.contains("..") || name.ends_with('.') || name.split('/').any(bad) {
        let seen = format!("`deploy` is no branch name: {}", quote(name));
        faults.push(Fault::new(source.place(node.spot), "bad-branch", seen, "the name of a branch, such as `main`"));
    }
}
