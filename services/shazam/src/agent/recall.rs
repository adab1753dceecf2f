//! What was seen on this host before: the registry knows it, and the agent keeps nothing of its own.

use std::time::Duration;

use schemas::fleet::{Fleet, State};
use schemas::query::{FleetRequest, FleetsRequest};
use streams::AskError;

use super::host::Host;

/// How long the registry may take for an answer.
const WITHIN: Duration = Duration::from_secs(5);

/// Fleets a page.
const PAGE: u32 = 100;

/// Every fleet of which something was last seen on this host.
pub async fn fleets(host: &Host) -> Result<Vec<Fleet>, AskError> {
    let mut fleets = Vec::new();
    let mut request = FleetsRequest { after: None, limit: PAGE, min_position: 0 };
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
    containers || things.filter(|it| it.exists).any(|it| it.node == host.node)
}
