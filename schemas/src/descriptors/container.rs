//! A container, as a file describes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::needs::Needs;
use crate::names::Name;
use crate::units::{Size, Span};

/// A container: `containers/<name>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Container {
    /// The image, with its tag or digest.
    #[schemars(length(min = 1))]
    pub image: String,
    /// The command as an argv array; the image's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::written::env")]
    #[schemars(with = "super::written::WrittenEnv")]
    pub env: BTreeMap<String, String>,
    /// Published ports, `[address:]host:container[/tcp|udp]`, such as `127.0.0.1:8080:80`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<String>,
    /// Where volumes are mounted: path in the container → name of the volume.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Name>,
    /// Containers that have to be there first: `["db"]` (healthy), or `{ "db": "started" }`.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
    /// When Docker starts the container again by itself.
    #[serde(default)]
    pub restart: Restart,
    /// How the container is stopped.
    #[serde(default)]
    pub stop: Stop,
    /// What "healthy" means; without it the image's own check counts, and without that "running".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// How much of the node the container may use.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Where the container itself serves Prometheus metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Whether it may do everything that the node's root may: every capability, every device.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
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
}

impl Limits {
    pub(crate) fn is_none(&self) -> bool {
        self.memory.is_none() && self.cpus.is_none()
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
