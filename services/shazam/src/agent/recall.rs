//! What was seen on this host before: the registry knows it, and the agent keeps nothing of its own.

use std::time::Duration;

use schemas::event::StepStatus;
use schemas::fleet::{Fleet, State};
use schemas::query::{FleetRequest, FleetsRequest};
use schemas::work::Command;
use streams::AskError;

use super::host::{Host, Slot, Told};

/// How long the registry may take for an answer.
const WITHIN: Duration = Duration::from_secs(5);

/// The time between two questions, where there was no answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Fleets a page.
const PAGE: u32 = 100;

/// Every fleet of which something was last seen on this host.
pub async fn fleets(host: &Host) -> Result<Vec<Fleet>, AskError> {
    let mut fleets = Vec::new();
    let mut request = FleetsRequest { owners: None, after: None, limit: PAGE, min_position: 0 };
    loop {
        let page = host.bus.ask(&request, WITHIN).await?;
        for line in &page.fleets {
            let question = FleetRequest { fleet: line.fleet.clone(), min_position: 0 };
            let fleet = host.bus.ask(&question, WITHIN).await?.fleet;
            fleets.extend(fleet.filter(|fleet| is_here(host, fleet)));
        }
        match page.fleets.last().filter(|_| page.more) {
            Some(last) => request.after = Some(last.fleet.clone()),
            None => return Ok(fleets),
        }
    }
}

fn is_here(host: &Host, fleet: &Fleet) -> bool {
    let containers = fleet.observed.containers.values().any(|it| it.node == host.node && it.state != State::Removed);
    let things = fleet.observed.volumes.values().chain(fleet.observed.networks.values());
    let archived = fleet.archived.values().any(|it| it.node == host.node);
    containers || archived || things.filter(|it| it.exists).any(|it| it.node == host.node)
}

impl Host {
    /// Whether the log still waits for the answer to a command, and for no later one. None: told to stop before it was
    /// known.
    pub(super) async fn is_wanted(&self, command: &Command) -> Option<bool> {
        let question = FleetRequest { fleet: command.fleet.clone(), min_position: command.position };
        loop {
            match self.bus.ask(&question, WITHIN).await {
                Ok(answer) => return Some(answer.fleet.is_some_and(|fleet| waits_for(&fleet, command))),
                Err(error) => tracing::warn!(%error, "whether a command is still wanted is not known yet"),
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

impl Host {
    /// Takes over what the log says of a command's container, where nothing is known of it yet.
    pub(super) async fn know(&self, command: &Command, slot: &Slot) {
        let is_known = |told: &Told| !told.docker_id.is_empty() || told.floor > 0;
        if is_known(&slot.told()) {
            return;
        }
        let question = FleetRequest { fleet: command.fleet.clone(), min_position: command.position };
        match self.bus.ask(&question, WITHIN).await {
            Ok(answer) => {
                let seen = answer.fleet.and_then(|mut it| it.observed.containers.remove(&command.container));
                if let Some(seen) = seen.filter(|seen| seen.node == self.node) {
                    slot.remember(&seen);
                }
            }
            // Whoever watches asks as well, and every minute again.
            Err(error) => {
                tracing::warn!(%error, container = %command.container, "what was seen of it before is not known")
            }
        }
    }
}

fn waits_for(fleet: &Fleet, command: &Command) -> bool {
    let rollout = fleet.rollouts.iter().rev().find(|it| it.id == command.rollout && !it.status.is_over());
    let step = rollout.and_then(|it| it.steps.get(command.step as usize));
    step.is_some_and(|it| it.status == StepStatus::Started && it.sent == Some(command.cause))
}
