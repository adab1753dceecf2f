//! A container as Docker gets it: the descriptor with every reference resolved, and nothing that Docker does not see.
//!
//! Never in an event: it holds rendered values. Its [`digest`] is keyed, so that an event or a label that carries it
//! tells nothing about a value.

mod digest;
mod files;
mod render;
mod task;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::digest::{DigestKey, Digests, digest, digests};
pub use self::files::{FillError, Piece, Placed, Placing, left_behind, placings};
pub(crate) use self::files::{references, taken};
pub(crate) use self::render::escape;
pub use self::render::{RenderFault, Unresolved, device, readiness, render, resolve, resource_name};
pub use self::task::{OUTPUT_FOLDER, RenderedStep, TaskSpec, render_task};
use crate::descriptors::{Limits, Mount, OnUnhealthy, Restart, Runtime, Stop, is_default};
use crate::units::Span;

/// What Docker is asked for. Every key that is at its default is left out of the JSON, and so of the digest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The image, with its tag or digest.
    pub image: String,
    /// The command; the image's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Published ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Path in the container → what is mounted there; a volume by its name in Docker.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Mount<String>>,
    /// Another network than the fleet's, in Docker's words: `host`, `none`, `container:<name in Docker>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// When Docker starts it again by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart: Restart,
    /// How it is stopped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop: Stop,
    /// Docker's own health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// Whether the image's own health check is switched off.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unchecked: bool,
    /// What becomes of it once it is unhealthy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_unhealthy: OnUnhealthy,
    /// How much of the node it may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Whether it may do everything that the node's root may.
    #[serde(default, skip_serializing_if = "is_default")]
    pub privileged: bool,
    /// How it runs.
    #[serde(flatten)]
    pub runtime: Runtime,
}

/// What Docker changes of a container while it runs, as it shows it: none of it makes another container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Updatable {
    /// When Docker starts it again by itself.
    pub restart: Restart,
    /// How much of the node it may use: `memory`, `cpus` and `pids`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
}

impl Updatable {
    /// Whether Docker can go from `self` to `next`. It takes a limit's absence for "as it is".
    pub const fn leads_to(&self, next: &Self) -> bool {
        let (from, to) = (&self.limits, &next.limits);
        let memory = from.memory.is_none() || to.memory.is_some();
        let cpus = from.cpus.is_none() || to.cpus.is_some();
        memory && cpus && (from.pids.is_none() || to.pids.is_some())
    }
}

impl Spec {
    /// What Docker changes while it runs. Docker counts processors in billionths.
    pub fn live(&self) -> Updatable {
        let Limits { memory, cpus, pids, .. } = self.limits;
        let cpus = cpus.map(|cpus| (cpus * 1e9).round() / 1e9);
        Updatable { restart: self.restart, limits: Limits { memory, cpus, pids, ..Limits::default() } }
    }

    /// All the rest.
    fn fixed(&self) -> Self {
        let Limits { swap, io_weight, .. } = self.limits;
        let limits = Limits { swap, io_weight, ..Limits::default() };
        Self { restart: Restart::default(), limits, ..self.clone() }
    }
}

/// A health check that Docker runs inside the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The command as an argv array.
    pub command: Vec<String>,
    /// The time between two checks.
    pub interval: Span,
    /// How long one check may take.
    pub timeout: Span,
    /// So many failures in a row make it unhealthy.
    pub retries: u32,
    /// So long after its start failures do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Span>,
}

/// How the agent knows that a container is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// What is looked at.
    pub probe: Probe,
    /// How long after its start it may take.
    pub within: Span,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Docker's own health status where the container has a check, else that it runs.
    Docker,
    /// An HTTP path at the container's address; 200 to 399 is healthy.
    Http {
        /// The path.
        path: String,
        /// The container's port.
        port: u16,
        /// The time between two checks.
        interval: Span,
        /// How long one check may take.
        timeout: Span,
        /// So many failures in a row make a healthy container unhealthy.
        retries: u32,
    },
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Port {
    /// The node's address; every address where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The node's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
    /// TCP or UDP.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
}

/// TCP or UDP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl Port {
    /// Whether both want the same port of the node.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let any = |address: &Option<IpAddr>| address.is_none_or(|it| it.is_unspecified());
        self.host == other.host
            && self.protocol == other.protocol
            && (any(&self.address) || any(&other.address) || self.address == other.address)
    }
}

/// The ports of a mapping: one, or as many as both of its ranges have.
pub fn ports(text: &str) -> Result<Vec<Port>, String> {
    let (mapping, protocol) = text.split_once('/').map_or((text, ""), |(mapping, it)| (mapping, it));
    let Some((rest, container)) = mapping.rsplit_once(':').filter(|(_, container)| container.contains('-')) else {
        return text.parse().map(|port| vec![port]);
    };
    let (address, host) = rest.rsplit_once(':').map_or(("", rest), |(address, host)| (address, host));
    let range = |text: &str| {
        let (first, last) = text.split_once('-')?;
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        (0 < first && first <= last).then_some(first..=last)
    };
    let error = || format!("{}; of two ranges each has as many ports as the other", not_a_mapping(text));
    let (Some(host), Some(container)) = (range(host), range(container)) else { return Err(error()) };
    if host.len() != container.len() {
        return Err(error());
    }
    let one = |(host, container)| {
        let address = if address.is_empty() { String::new() } else { format!("{address}:") };
        let protocol = if protocol.is_empty() { String::new() } else { format!("/{protocol}") };
        format!("{address}{host}:{container}{protocol}").parse()
    };
    host.zip(container).map(one).collect()
}

fn not_a_mapping(text: &str) -> String {
    format!(
        "`{text}` is not a port mapping: expected `[address:]host:container[/tcp|udp]`, such as \"127.0.0.1:8080:80\""
    )
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || not_a_mapping(text);
        let (mapping, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((mapping, "tcp")) => (mapping, Protocol::Tcp),
            Some((mapping, "udp")) => (mapping, Protocol::Udp),
            Some(_) => return Err(error()),
        };
        let (rest, container) = mapping.rsplit_once(':').ok_or_else(error)?;
        let (address, host) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some((address, host)) => {
                let address = address.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(address);
                (Some(address.parse().map_err(|_| error())?), host)
            }
        };
        let number = |digits: &str| match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
            _ => Err(error()),
        };
        Ok(Self { address, host: number(host)?, container: number(container)?, protocol })
    }
}
