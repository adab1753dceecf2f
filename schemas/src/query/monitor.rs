//! What the monitor is asked.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::access::Who;
use crate::names::{FleetId, Name, NodeName};

/// `req.monitor.scrape`: every figure that `who` may see.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScrapeRequest {
    /// Who asks.
    pub who: Who,
}

/// The answer to [`ScrapeRequest`]. The labels of a container stand in it once, not once a series: as a whole text, some
/// hundred containers are megabytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ScrapeAnswer {
    /// The platform's own figures, in Prometheus' text format 0.0.4.
    pub platform: String,
    /// The labels of each container, as that format has them inside the braces.
    pub containers: Vec<String>,
    /// Every family of the containers' series.
    pub families: Vec<Family>,
}

/// A family of series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `untyped`.
    pub kind: String,
    /// What it tells, in a line.
    pub help: String,
    /// Every series.
    pub series: Vec<Series>,
}

/// One series: the index of its container, labels of its own as the format has them (or none), and its value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Series(pub u32, pub String, pub String);

impl ScrapeAnswer {
    /// The whole, in Prometheus' text format 0.0.4.
    pub fn to_text(&self) -> String {
        /// About what a line of a container takes.
        const LINE: usize = 384;
        let lines: usize = self.families.iter().map(|it| it.series.len() + 2).sum();
        let mut text = String::with_capacity(self.platform.len() + lines * LINE);
        text.push_str(&self.platform);
        for Family { name, kind, help, series } in &self.families {
            for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
                text.push_str(part);
            }
            for Series(container, more, value) in series {
                let Some(labels) = self.containers.get(*container as usize) else { continue };
                let comma = if more.is_empty() { "" } else { "," };
                for part in [name, "{", labels, comma, more, "} ", value, "\n"] {
                    text.push_str(part);
                }
            }
        }
        text
    }
}

/// `req.monitor.targets`: every running container that serves metrics of its own and that `who` may see.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetsRequest {
    /// Who asks.
    pub who: Who,
}

/// The answer to [`TargetsRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetsAnswer {
    /// In the order of their fleets and names.
    pub targets: Vec<ScrapeTarget>,
}

/// A container that serves metrics of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrapeTarget {
    /// Whose it is.
    pub fleet: FleetId,
    /// The descriptor's name.
    pub container: Name,
    /// Where it runs.
    pub node: NodeName,
    /// Its address in the fleet's network, and the port of its descriptor.
    pub address: SocketAddr,
    /// The path of its descriptor.
    pub path: String,
}
