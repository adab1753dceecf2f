//! The projection: every fleet of the log, at one position.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use schemas::event::Event;
use schemas::fleet::{Fleet, HealthState, State};
use schemas::names::FleetId;
use schemas::query::FleetLine;
use streams::Projection;

/// Every fleet, by its name. A fleet is shared with the answers that are being written from it, and copied only when
/// an event changes it meanwhile: reading holds the view's lock for as long as a pointer takes to copy.
#[derive(Debug, Clone, Default)]
pub struct Fleets(BTreeMap<FleetId, Arc<Fleet>>);

impl Projection for Fleets {
    fn apply(&mut self, event: &Event) {
        let Some(id) = event.scope.fleet() else { return };
        let fleet = self.0.entry(id.clone()).or_insert_with(|| Arc::new(Fleet::new(id.clone())));
        Arc::make_mut(fleet).apply(event);
    }
}

impl Fleets {
    /// One fleet.
    pub fn get(&self, id: &FleetId) -> Option<Arc<Fleet>> {
        self.0.get(id).cloned()
    }

    /// At most `limit` fleets after `after` in the order of their names, and whether there are more.
    pub fn page(&self, after: Option<&FleetId>, limit: usize) -> (Vec<Arc<Fleet>>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.0.range::<FleetId, _>((from, Bound::Unbounded)).map(|(_, fleet)| fleet.clone());
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        (page, rest.next().is_some())
    }
}

/// A fleet as a list shows it.
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
