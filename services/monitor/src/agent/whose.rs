//! Whose a container is, by its labels.

use engine::Labels;
use schemas::names::{FleetId, Name};
use schemas::sample::Part;

/// The label that says which installation made it.
pub const INSTALLATION: &str = "fleetlog.installation";
/// The label of a fleet's container.
const FLEET: &str = "fleetlog.fleet";
/// The label with the descriptor's name.
const NAME: &str = "fleetlog.name";
/// The label of a task's container: `owner/fleet/task`.
const TASK: &str = "fleetlog.task";
/// The label with the run's id.
const RUN: &str = "fleetlog.run";

/// The fleet, and which part of it. None: ours, but no fleet's.
pub fn whose(labels: &Labels) -> Option<(FleetId, Part)> {
    if let Some(fleet) = labels.get(FLEET) {
        let name: Name = labels.get(NAME)?.parse().ok()?;
        return Some((fleet.parse().ok()?, Part::Container(name)));
    }
    let (fleet, task) = labels.get(TASK)?.rsplit_once('/')?;
    let run = labels.get(RUN)?.parse().ok()?;
    Some((fleet.parse().ok()?, Part::Task { task: task.parse().ok()?, run }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn containers_and_runs_are_told_apart() {
        let container = whose(&labels(&[(FLEET, "acme/shop"), (NAME, "api")])).unwrap();
        assert_eq!(container, ("acme/shop".parse().unwrap(), Part::Container("api".parse().unwrap())));
        let id = "0198c0de-0000-7000-8000-000000000000";
        let run = whose(&labels(&[(TASK, "acme/shop/count"), (RUN, id)])).unwrap();
        let part = Part::Task { task: "count".parse().unwrap(), run: id.parse().unwrap() };
        assert_eq!(run, ("acme/shop".parse().unwrap(), part));
        for neither in [&[][..], &[(FLEET, "acme/shop")], &[(TASK, "count"), (RUN, id)], &[(TASK, "acme/shop/count")]] {
            assert_eq!(whose(&labels(neither)), None, "{neither:?}");
        }
    }
}
