//! Notices when nobody watched a node: what happened there meanwhile is known by its result only, and the log says so.
//!
//! Agents tell again and again since when they watch. Where that begins later than what is known to have been watched,
//! there is a gap. What is known comes from those reports; for what no longer lies in `OBS`, from the events themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemas::event::{ContainerChange, Data, Event, ObservationGap, Scope, Sighting};
use schemas::fleet::State;
use schemas::names::{FleetId, NodeName};
use schemas::work::{Watched, observation_id};

use super::Coordinator;
use crate::error::CoordinatorError;

/// A shorter time is no gap: an agent tells every few seconds only, and may start anew in between.
pub const LONG: SignedDuration = SignedDuration::from_secs(10);

/// Until when each node was watched, as far as anybody knows.
#[derive(Debug)]
pub struct Watches {
    until: BTreeMap<NodeName, Timestamp>,
    /// Nodes that reported to this coordinator.
    heard: BTreeSet<NodeName>,
    /// What is no longer than this is no gap.
    long: SignedDuration,
}

impl Watches {
    /// Nothing is known yet.
    pub const fn new(long: SignedDuration) -> Self {
        Self { until: BTreeMap::new(), heard: BTreeSet::new(), long }
    }

    /// What an event says of its node.
    pub fn fold(&mut self, event: &Event) {
        match &event.data {
            Data::ObservationGap(gap) => self.extend(&gap.node, gap.to),
            data => {
                if let Some(seen) = sighting(data) {
                    // The agent that told it was there when the event was written, or shortly before.
                    let at = Timestamp::from_nanosecond(i128::from(seen.at_ns)).unwrap_or(event.time);
                    self.extend(&seen.node, at.min(event.time));
                }
            }
        }
    }

    /// Takes a report; the gap before it, where there is one.
    pub fn take(&mut self, node: &NodeName, it: &Watched) -> Option<(Timestamp, Timestamp)> {
        let known = self.until.get(node).copied();
        self.extend(node, it.until);
        // Heard of first in the middle of a watch: its beginning lies before what `OBS` keeps, and was judged then.
        let judged = self.heard.insert(node.clone()) && it.until.duration_since(it.since) > self.long;
        known.filter(|known| !judged && it.since.duration_since(*known) > self.long).map(|known| (known, it.since))
    }

    fn extend(&mut self, node: &NodeName, until: Timestamp) {
        let known = self.until.entry(node.clone()).or_insert(until);
        *known = until.max(*known);
    }
}

fn sighting(data: &Data) -> Option<&Sighting> {
    match data {
        Data::ContainerCreated(it)
        | Data::ContainerStarted(it)
        | Data::ContainerUpdated(it)
        | Data::ContainerPaused(it)
        | Data::ContainerUnpaused(it)
        | Data::ContainerHealthy(it)
        | Data::ContainerUnhealthy(it)
        | Data::ContainerStopped(it)
        | Data::ContainerDied(it)
        | Data::ContainerRemoved(it) => Some(seen(it)),
        _ => None,
    }
}

const fn seen(it: &ContainerChange) -> &Sighting {
    &it.seen
}

impl Coordinator {
    /// Takes an agent's word that it watches; a gap before that becomes an event of every fleet that has containers there.
    pub(super) async fn watched(&mut self, node: NodeName, it: Watched) -> Result<(), CoordinatorError> {
        let Some((from, to)) = self.watches.take(&node, &it) else { return Ok(()) };
        let is_there = |fleet: &schemas::fleet::Fleet| {
            fleet.observed.containers.values().any(|seen| seen.node == node && seen.state != State::Removed)
        };
        let concerned: Vec<FleetId> =
            self.fleets.values().filter(|fleet| is_there(fleet)).map(|fleet| fleet.id.clone()).collect();
        tracing::warn!(%node, %from, %to, fleets = concerned.len(), "nobody watched a node: {}", it.before);
        for fleet in concerned {
            // The same gap has the same id, however often it is told.
            let at_ns = i64::try_from(to.as_nanosecond()).unwrap_or_default();
            let id = observation_id(&node, &format!("gap/{fleet}"), at_ns, "gap");
            let gap = ObservationGap { node: node.clone(), from, to, reason: it.before.clone() };
            let scope = Scope::Fleet(fleet);
            self.append_observation(scope, format!("nodes/{node}"), id, None, Data::ObservationGap(gap)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(since: i64, until: i64) -> Watched {
        Watched { since: at(since), until: at(until), before: "the agent was away".to_owned() }
    }

    #[test]
    fn a_gap_is_what_lies_between_two_watches() {
        let (mut watches, node) = (Watches::new(LONG), "n1".parse::<NodeName>().unwrap());
        assert_eq!(watches.take(&node, &report(100, 100)), None, "nothing was watched before the first");
        assert_eq!(watches.take(&node, &report(100, 200)), None);
        assert_eq!(watches.take(&node, &report(210, 210)), None, "no longer than a pause between two reports");
        assert_eq!(watches.take(&node, &report(300, 300)), Some((at(210), at(300))));
        // Told again by whoever reads the reports once more.
        assert_eq!(watches.take(&node, &report(300, 300)), None);
        assert_eq!(watches.take(&node, &report(210, 215)), None, "an old report says nothing new");
        assert_eq!(watches.take(&"n2".parse().unwrap(), &report(900, 900)), None, "each node has its own");
    }

    #[test]
    fn a_watch_that_began_before_all_that_is_kept_is_no_gap() {
        let (mut watches, node) = (Watches::new(LONG), "n1".parse::<NodeName>().unwrap());
        // A quiet fleet: its last event is old, and of the watch since 5,000 only the newest reports are left.
        watches.extend(&node, at(100));
        assert_eq!(watches.take(&node, &report(5_000, 90_000)), None);
        assert_eq!(watches.take(&node, &report(90_100, 90_100)), Some((at(90_000), at(90_100))));
    }
}
