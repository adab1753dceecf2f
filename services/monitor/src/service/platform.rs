//! One scrape: what was recorded, what is looked at now, and the containers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use schemas::access::{Action, Resource, Who, allow};
use schemas::names::{FleetId, NodeName};
use schemas::query::{Family, ScrapeAnswer};
use streams::{Progress, catalog};
use tokio::time::timeout;

use super::families;
use super::text::{Kind, Text, label};
use super::{Shared, process};

/// How long a scrape waits for what others have to be asked for.
const LOOK: Duration = Duration::from_secs(1);

impl Shared {
    /// Everything that `who` may see: the containers of owners with whom it has a role; the platform's own figures, which
    /// name no owner, if it has any.
    pub(super) async fn scrape(&self, who: &Who) -> ScrapeAnswer {
        let mut text = Text::default();
        if allow(who, Action::Scrape, Resource::Platform) {
            text = Text::behind(self.figures.render());
            self.build_and_process(&mut text);
            self.log_and_readers(&mut text);
            self.queues(&mut text).await;
            self.nodes_of(&mut text);
        }
        let (containers, families) = self.containers_of(who).await;
        ScrapeAnswer { platform: text.end(), containers, families }
    }

    fn build_and_process(&self, text: &mut Text) {
        text.family("fleetlog_build_info", Kind::Gauge, "Always 1; the version is in the label.");
        text.series("fleetlog_build_info", "", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        process::write(text);
    }

    /// How far each reader of the log in this process is behind.
    fn log_and_readers(&self, text: &mut Text) {
        let (log, now) = (self.log(), Instant::now());
        text.single("fleetlog_log_position", Kind::Gauge, "Position of the newest event.", log.head() as f64);
        let readers = Progress::all().into_iter().filter(|it| it.stream == catalog::EVENTS);
        let lags: Vec<_> = readers.map(|it| (it.name, log.lag(it.position, now))).collect();
        let (messages, seconds) = ("fleetlog_projection_lag_messages", "fleetlog_projection_lag_seconds");
        if !lags.is_empty() {
            text.family(messages, Kind::Gauge, "Events of the log that a projection has not taken yet.");
        }
        for (name, (behind, _)) in &lags {
            text.series(messages, "", &[("projection", name)], *behind as f64);
        }
        if !lags.is_empty() {
            text.family(seconds, Kind::Gauge, "How long the first of these events has been waiting.");
        }
        for (name, (_, since)) in &lags {
            text.series(seconds, "", &[("projection", name)], since.as_secs_f64());
        }
    }

    /// What waits for agents, by node. Where the log does not answer, these are missing and the rest goes out.
    async fn queues(&self, text: &mut Text) {
        let queues = [("work", catalog::WORK), ("runs", catalog::RUNS)];
        let name = "fleetlog_queue_messages";
        text.family(name, Kind::Gauge, "Commands for a node that are not done: waiting or under way.");
        let nodes: BTreeSet<NodeName> = self.nodes().all(Instant::now()).map(|(node, ..)| node.clone()).collect();
        for (queue, stream) in queues {
            let mut counts = match timeout(LOOK, self.bus.queued(stream)).await {
                Ok(Ok(counts)) => counts,
                Ok(Err(error)) => {
                    tracing::debug!(queue, error = &error as &dyn std::error::Error, "a queue was not counted");
                    continue;
                }
                Err(_) => continue,
            };
            // A queue that is empty is one with 0, not one that is missing.
            let seen: BTreeSet<NodeName> = counts.iter().map(|it| it.0.clone()).collect();
            counts.extend(nodes.difference(&seen).map(|node| (node.clone(), 0)));
            counts.sort();
            for (node, count) in counts {
                text.series(name, "", &[("queue", queue), ("node", node.as_str())], count as f64);
            }
        }
    }

    /// What each node's agent says of itself.
    fn nodes_of(&self, text: &mut Text) {
        let nodes = self.nodes();
        let all: Vec<_> = nodes.all(Instant::now()).collect();
        type Value = fn(&super::nodes::Node, bool) -> Option<f64>;
        let families: [(&str, &str, Value); 7] = [
            ("fleetlog_node_up", "1 where the node's agent measures its containers, else 0.", |_, is_up| {
                Some(f64::from(u8::from(is_up)))
            }),
            ("fleetlog_node_containers", "Containers in the node's newest round.", |it, _| Some(it.count() as f64)),
            (
                "fleetlog_node_unmeasured_containers",
                "Containers that ran in the node's newest round but could not be measured.",
                |it, _| Some(it.unmeasured as f64),
            ),
            ("fleetlog_node_sample_timestamp_seconds", "When the node's newest round began.", |it, _| Some(it.at_s)),
            ("fleetlog_node_sample_duration_seconds", "How long the node's newest round took.", |it, _| {
                Some(it.took_s)
            }),
            ("machine_cpu_cores", "Processors of the node.", |it, _| it.machine.map(|it| it.cores as f64)),
            ("machine_memory_bytes", "Memory of the node.", |it, _| it.machine.map(|it| it.memory_bytes as f64)),
        ];
        for (name, help, value) in families {
            let series: Vec<_> = all.iter().filter_map(|(node, it, up)| Some((node, value(it, *up)?))).collect();
            if !series.is_empty() {
                text.family(name, Kind::Gauge, help);
            }
            for (node, value) in series {
                let mut labels = String::new();
                label(&mut labels, "node", node.as_str());
                text.series(name, &labels, &[], value);
            }
        }
    }

    async fn containers_of(&self, who: &Who) -> (Vec<String>, Vec<Family>) {
        let fleets: BTreeSet<FleetId> =
            self.nodes().containers(Instant::now()).map(|(_, it)| it.sample.fleet.clone()).collect();
        let seen = fleets.into_iter().filter(|it| allow(who, Action::Scrape, Resource::Fleet(it)));
        if let Err(error) = self.know(seen).await {
            // Only the health that agents probe is missing then.
            tracing::debug!(%error, "a scrape goes out without asking the registry");
        }
        let (nodes, fleets) = (self.nodes(), self.fleets());
        let containers: Vec<_> = nodes
            .containers(Instant::now())
            .map(|(_, it)| it)
            .filter(|it| allow(who, Action::Scrape, Resource::Fleet(&it.sample.fleet)))
            .map(|it| (it, it.sample.health.or_else(|| fleets.health(&it.sample.id))))
            .collect();
        families::of(&containers)
    }
}
