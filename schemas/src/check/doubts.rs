//! What is no fault for certain and most likely a mistake: told as warnings. What hangs on a file with
//! faults is not told: nobody knows what it would say without them.

use super::fault::{Fault, quote};
use super::hints;
use super::references::Text;
use super::tree::{Source, Tree};
use crate::descriptors::{Desired, Kind, Path, Update};
use crate::json::Node;
use crate::template::Reference;

/// Tells all of them.
pub(super) fn tell(tree: &Tree, texts: &[Text<'_>], warnings: &mut Vec<Fault>) {
    for source in &tree.sources {
        if let Some((name, root)) = source.of(Kind::Container) {
            warnings.extend(root.get("command").and_then(|it| one_argument(source, it)));
            let health = root.get("health");
            warnings.extend(health.and_then(|it| it.get("command")).and_then(|it| one_argument(source, it)));
            let slow = tree.desired.containers.get(name).and_then(|it| it.health.as_ref()?.check());
            if let (Some(health), Some(node)) = (slow, health)
                && health.command.is_some()
                && health.interval >= health.within
            {
                let seen = format!(
                    "`health`: the first check comes {} after the start, and `within` ends after {}",
                    health.interval, health.within
                );
                let place = node.get("interval").or(node.get("within")).unwrap_or(node).spot;
                let fault =
                    Fault::new(source.place(place), "health-too-late", seen, "`interval` shorter than `within`");
                warnings.push(fault);
            }
        }
        warnings.extend(ready_at_once(source, &tree.desired));
        if let Some((_, root)) = source.of(Kind::Task) {
            let steps = root.get("steps").map(Node::items).unwrap_or_default();
            warnings.extend(steps.iter().filter_map(|step| one_argument(source, step.get("run")?)));
        }
    }
    warnings.extend(texts.iter().filter_map(|text| unreachable(text, &tree.desired)));
}

/// A container that takes over as soon as it runs, unless its image brings a check of its own.
fn ready_at_once(source: &Source, desired: &Desired) -> Option<Fault> {
    let (name, root) = source.of(Kind::Container)?;
    let container = desired.containers.get(name)?;
    let checked = container.health.as_ref().is_some_and(|it| it.check().is_some());
    if container.update != Update::StartFirst || checked {
        return None;
    }
    let seen = "`start-first` without `health`: the new one takes over as soon as it runs";
    let fault =
        Fault::new(source.place(root.get("update")?.spot), "no-health", seen, "`health`, or an image with its own");
    Some(fault.hint("such as \"health\": { \"http\": \"/\", \"port\": 80 }".to_owned()))
}

/// A command of one argument with blanks in it: no program is called that.
fn one_argument(source: &Source, command: &Node) -> Option<Fault> {
    let (argument, hint) = hints::one_argument(command.items())?;
    let seen = format!("a command of one argument with blanks in it: {}", quote(argument.text().unwrap_or_default()));
    Some(Fault::new(source.place(argument.spot), "one-argument", seen, "each argument by itself").hint(hint))
}

/// A task that names a container, and is in no network where that could be found.
fn unreachable(text: &Text<'_>, desired: &Desired) -> Option<Fault> {
    let Path::Named(Kind::Task, name) = &text.source.at else { return None };
    let host = text.references.iter().find_map(|it| match it {
        Reference::ContainerHost(name) => Some(name),
        _ => None,
    })?;
    if desired.tasks.get(name).is_none_or(|task| task.network) {
        return None;
    }
    let seen = format!("container {} cannot be reached: this task is in no network", quote(host.as_str()));
    let fault = Fault::new(text.place(), "no-network", seen, "a task in the fleet's network");
    Some(fault.hint("add \"network\": true".to_owned()))
}
