//! What the registry knows of fleets that run: which containers serve figures of their own, and the health that only an
//! agent's own probe tells. Asked for once a fleet, and again after a push; in between the log tells.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use schemas::descriptors::Metrics;
use schemas::event::{Data, Event};
use schemas::fleet::{Fleet, HealthState};
use schemas::names::{FleetId, Name};
use schemas::query::FleetRequest;
use streams::AskError;

use super::Shared;

/// How long the registry may take.
const DEADLINE: Duration = Duration::from_secs(3);
/// Questions that are under way.
const QUESTIONS: usize = 8;

/// What is known of fleets.
#[derive(Debug, Default)]
pub struct Fleets {
    known: BTreeMap<FleetId, Known>,
    /// Position of the newest push or rollback that was seen.
    pushed: BTreeMap<FleetId, u64>,
    /// By Docker's id.
    health: BTreeMap<String, HealthState>,
}

#[derive(Debug)]
struct Known {
    position: u64,
    metrics: BTreeMap<Name, Metrics>,
}

impl Fleets {
    /// Takes what an event tells.
    pub fn take(&mut self, event: &Event) {
        match (&event.data, event.scope.fleet()) {
            (Data::GitPushed(_) | Data::DesiredRolledBack(_), Some(fleet)) => {
                self.pushed.insert(fleet.clone(), event.position);
            }
            (Data::ContainerHealthy(it), _) => drop(self.health.insert(it.docker_id.clone(), HealthState::Healthy)),
            (Data::ContainerUnhealthy(it), _) => drop(self.health.insert(it.docker_id.clone(), HealthState::Unhealthy)),
            (Data::ContainerStarted(it), _) if it.checked => {
                self.health.insert(it.docker_id.clone(), HealthState::Starting);
            }
            (Data::ContainerStopped(it) | Data::ContainerDied(it) | Data::ContainerRemoved(it), _) => {
                self.health.remove(&it.docker_id);
            }
            _ => {}
        }
    }

    /// The position that the registry has to be asked for; none: what is known is right.
    fn wanted(&self, fleet: &FleetId) -> Option<u64> {
        let pushed = self.pushed.get(fleet).copied().unwrap_or(0);
        match self.known.get(fleet) {
            Some(known) if known.position >= pushed => None,
            _ => Some(pushed),
        }
    }

    fn learn(&mut self, id: FleetId, position: u64, fleet: Option<Fleet>) {
        let containers = fleet.as_ref().map(|it| &it.desired.containers);
        let metrics = containers.into_iter().flatten();
        let metrics = metrics.filter_map(|(name, it)| Some((name.clone(), it.metrics.clone()?))).collect();
        for it in fleet.iter().flat_map(|it| it.observed.containers.values()) {
            if let Some(health) = it.health {
                // What came in meanwhile is newer.
                self.health.entry(it.docker_id.clone()).or_insert(health);
            }
        }
        self.known.insert(id, Known { position, metrics });
    }

    /// Where a container serves figures of its own.
    pub fn metrics(&self, fleet: &FleetId, container: &Name) -> Option<&Metrics> {
        self.known.get(fleet)?.metrics.get(container)
    }

    /// What is known of a container's health, by Docker's id.
    pub fn health(&self, id: &str) -> Option<HealthState> {
        self.health.get(id).copied()
    }
}

impl Shared {
    /// Asks the registry for those of these fleets that are not known, or not as they are now.
    pub(super) async fn know(&self, fleets: impl Iterator<Item = FleetId>) -> Result<(), AskError> {
        let unknown: Vec<FleetRequest> = {
            let known = self.fleets();
            fleets.filter_map(|fleet| known.wanted(&fleet).map(|at| FleetRequest { min_position: at, fleet })).collect()
        };
        let mut asked = stream::iter(unknown)
            .map(|question| async move { (self.bus.ask(&question, DEADLINE).await, question.fleet) })
            .buffer_unordered(QUESTIONS);
        let mut end = Ok(());
        while let Some((answer, fleet)) = asked.next().await {
            match answer {
                Ok(answer) => self.fleets().learn(fleet, answer.position, answer.fleet),
                Err(error) => end = Err(error),
            }
        }
        end
    }
}
