//! A fleet as a list shows it.

use schemas::fleet::{Fleet, HealthState, State};
use schemas::query::FleetLine;

/// The line of a fleet.
pub(crate) fn line(fleet: &Fleet) -> FleetLine {
    let runs = |name| {
        fleet
            .observed
            .containers
            .get(name)
            .is_some_and(|it| it.state == State::Running && it.health != Some(HealthState::Unhealthy))
    };
    let names = fleet.desired.containers.keys();
    FleetLine {
        fleet: fleet.id.clone(),
        description: fleet.desired.fleet.description.clone(),
        commit: fleet.commit.as_ref().map(ToString::to_string),
        containers: count(names.len()),
        running: count(names.filter(|name| runs(name)).count()),
        rollout: fleet.rollouts.last().map(|it| it.status.as_str().to_owned()),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
