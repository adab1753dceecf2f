//! A container, as a file describes it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::files::FileSources;
use super::image_policy::ImagePolicy;
use super::is_default;
use super::mount::{Mount, WrittenMount};
use super::needs::Needs;
use super::runtime::Runtime;
use crate::names::{Name, NameError};
use crate::units::{Size, Span};

/// A container: `containers/<name>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The image, with its tag or digest.
    #[schemars(length(min = 1))]
    pub image: String,
    /// What becomes of the container once its tag leads to another image than when it was resolved.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image_policy: ImagePolicy,
    /// The command as an argv array; the image's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::written::env")]
    #[schemars(with = "super::written::WrittenEnv")]
    pub env: BTreeMap<String, String>,
    /// Published ports, `[address:]host:container[/tcp|udp]`, such as `127.0.0.1:8080:80`; both may be ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// What is mounted: path in the container → name of a volume, or an object that says more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, WrittenMount<Name>>")]
    pub volumes: BTreeMap<String, Mount>,
    /// What is put into it from the fleet's own tree: path in the container → where that comes from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: FileSources,
    /// Another network than the fleet's: `host`, `none`, or that of another container of the fleet, `container:db`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkMode>,
    /// Containers that have to be there first: `["db"]` (healthy), or `{ "db": "started" }`.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
    /// When Docker starts the container again by itself.
    #[serde(default)]
    pub restart: Restart,
    /// How the container is stopped.
    #[serde(default)]
    pub stop: Stop,
    /// How a container that is made anew takes the place of the one that runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub update: Update,
    /// With `start-first`: how long both go on once the new one is healthy, before the old one is stopped; at most `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Span>,
    /// What "healthy" means; without it the image's own check counts, and without that "running". `"none"`: no check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Healthcheck>,
    /// How much of the node the container may use.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Where the container itself serves Prometheus metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Whether it may do everything that the node's root may: every capability, every device.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// How it runs.
    #[serde(flatten)]
    pub runtime: Runtime,
}

impl Container {
    /// The volumes that it mounts.
    pub fn mounted(&self) -> impl Iterator<Item = &Name> {
        self.volumes.values().filter_map(Mount::as_volume)
    }

    /// How long the old one and the new one go on together; none: the old one is gone before the new one starts.
    pub fn overlap(&self) -> Option<Span> {
        (self.update == Update::StartFirst).then(|| self.drain.unwrap_or(DRAIN))
    }
}

/// How long both go on where nobody says: whoever keeps the address of a name for a while has looked it up again by then.
const DRAIN: Span = Span::seconds(10);

/// How a container that is made anew takes the place of the one that runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// The old one is stopped and removed before the new one starts.
    #[default]
    Recreate,
    /// The new one is healthy before the old one is stopped.
    StartFirst,
}

/// Another network than the fleet's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkMode {
    /// The node's own.
    Host,
    /// None at all.
    None,
    /// That of another container of the fleet.
    Container(Name),
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::None => f.write_str("none"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

impl FromStr for NetworkMode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let expected = "`host`, `none`, or `container:` and the name of a container of the fleet";
        match text {
            "host" => Ok(Self::Host),
            "none" => Ok(Self::None),
            _ => match text.strip_prefix("container:").map(str::parse) {
                Some(Ok(name)) => Ok(Self::Container(name)),
                _ => Err(NameError { seen: text.to_owned(), expected }),
            },
        }
    }
}

impl Serialize for NetworkMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NetworkMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for NetworkMode {
    fn schema_name() -> Cow<'static, str> {
        "NetworkMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`host`, `none`, or `container:` and the name of a container of the fleet",
            "type": "string",
            "pattern": "^(host|none|container:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$",
        })
    }
}

/// When Docker starts a container again by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never: a container that ends has done its work.
    No,
    /// When it exits with another code than 0.
    OnFailure,
    /// Always, but not after an operator stopped it.
    #[default]
    UnlessStopped,
    /// Always, also after Docker was restarted.
    Always,
}

/// How a container is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Stop {
    /// The signal that asks it to end, with or without `SIG`.
    #[schemars(regex(pattern = r"^(SIG)?[A-Z][A-Z0-9+-]{1,12}$"))]
    pub signal: String,
    /// How long it may take before it is killed.
    pub grace: Span,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: "TERM".to_owned(), grace: Span::seconds(10) }
    }
}

/// A health check, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Healthcheck {
    /// `"none"`: the image's own does not count either.
    Off(Off),
    /// What is looked at.
    On(Health),
}

/// The word for a health check that is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Off {
    /// None.
    None,
}

impl Healthcheck {
    /// What is looked at.
    pub const fn check(&self) -> Option<&Health> {
        match self {
            Self::On(health) => Some(health),
            Self::Off(Off::None) => None,
        }
    }
}

/// What becomes of a container that was healthy and is no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnhealthy {
    /// It is told.
    #[default]
    Report,
    /// It is told, and the container is started again.
    Restart,
}

/// What "healthy" means: a command inside the container, or an HTTP path that the agent asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// A command as an argv array, run inside the container by Docker; exit code 0 is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
    /// A path that the agent asks for at the container's address; a status from 200 to 399 is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/"))]
    pub http: Option<String>,
    /// The container's port for `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// The time between two checks.
    #[serde(default = "default_interval")]
    pub interval: Span,
    /// How long one check may take.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// How long after its start the container may take to become healthy.
    #[serde(default = "default_within")]
    pub within: Span,
    /// So many failures in a row make a healthy container unhealthy.
    #[serde(default = "default_retries")]
    #[schemars(range(min = 1, max = 100))]
    pub retries: u32,
    /// So long after its start failures of `command` do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Span>,
    /// What becomes of the container once it is unhealthy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_unhealthy: OnUnhealthy,
}

const fn default_interval() -> Span {
    Span::seconds(5)
}

const fn default_timeout() -> Span {
    Span::seconds(5)
}

/// How long a container may take to become healthy where its descriptor does not say.
pub(super) const fn default_within() -> Span {
    Span::seconds(60)
}

const fn default_retries() -> u32 {
    3
}

/// How much of the node a container may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Memory; the container is killed above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Processors, in whole or in part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 1024.0))]
    pub cpus: Option<f64>,
    /// Swap beside the memory; none where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<Size>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pids: Option<u32>,
    /// Its share of the disks' time, against the 500 of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10, max = 1000))]
    pub io_weight: Option<u16>,
}

impl Limits {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a container serves its own Prometheus metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metrics {
    /// The container's port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The path.
    #[serde(default = "default_metrics_path")]
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
}

fn default_metrics_path() -> String {
    "/metrics".to_owned()
}
