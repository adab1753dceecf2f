//! Which containers serve figures of their own, for Prometheus' HTTP service discovery.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use schemas::access::{Action, Resource, Who, allow};
use schemas::names::{FleetId, Name, NodeName};
use schemas::query::ScrapeTarget;
use schemas::sample::Part;
use streams::AskError;

use super::Shared;

/// Every running container whose descriptor has `metrics` and that `who` may scrape.
pub async fn targets(shared: &Shared, who: &Who) -> Result<Vec<ScrapeTarget>, AskError> {
    let running = running(shared, who);
    let fleets: BTreeSet<FleetId> = running.iter().map(|it| it.0.clone()).collect();
    shared.know(fleets.into_iter()).await?;
    let known = shared.fleets();
    let target = |(fleet, container, node, address): (FleetId, Name, NodeName, IpAddr)| {
        let metrics = known.metrics(&fleet, &container)?;
        let address = SocketAddr::new(address, metrics.port);
        Some(ScrapeTarget { address, path: metrics.path.clone(), fleet, container, node })
    };
    let mut targets: Vec<_> = running.into_iter().filter_map(target).collect();
    targets.sort_by(|a, b| (&a.fleet, &a.container, &a.node).cmp(&(&b.fleet, &b.container, &b.node)));
    Ok(targets)
}

fn running(shared: &Shared, who: &Who) -> Vec<(FleetId, Name, NodeName, IpAddr)> {
    let nodes = shared.nodes();
    let one = nodes.containers(Instant::now()).filter_map(|(node, it)| {
        let Part::Container(name) = &it.sample.part else { return None };
        let may = allow(who, Action::Scrape, Resource::Fleet(&it.sample.fleet));
        may.then_some((it.sample.fleet.clone(), name.clone(), node.clone(), it.sample.address?))
    });
    one.collect()
}
