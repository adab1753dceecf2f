//! What a running container uses: who runs, where its processes are, and Docker's own figures.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemas::sample::{Allowed, Used};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::seen::{HealthStatus, Labels, Scope};

/// A running container, as one call shows all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Docker's id.
    pub id: String,
    /// Its name, without Docker's leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// The image as it was asked for.
    pub image: String,
    /// Its address in each network.
    pub addresses: BTreeMap<String, IpAddr>,
    /// What its health check says; none: it has none.
    pub health: Option<HealthStatus>,
}

/// One run of a container, as only an inspection shows it: the same until the container is started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its first process, as the engine's own machine counts them; none: the engine has no processes.
    pub pid: Option<u32>,
    /// When it was started, in nanoseconds since 1970.
    pub started_ns: Option<i64>,
    /// How often Docker started the container again by itself.
    pub restarts: u64,
    /// What it may use.
    pub limits: Allowed,
}

impl Engine {
    /// The running containers in scope, paused ones included, in the order of their names.
    pub async fn running(&self, scope: &Scope) -> Result<Vec<Running>, EngineError> {
        match self {
            Self::Docker(it) => it.running(scope).await,
            Self::Simulated(it) => it.running(scope).await,
        }
    }

    /// The run of a container; none: it does not run, or is not there.
    pub async fn run_of(&self, container: &str) -> Result<Option<Run>, EngineError> {
        match self {
            Self::Docker(it) => it.run_of(container).await,
            Self::Simulated(it) => it.run_of(container).await,
        }
    }

    /// What a running container used so far, by Docker's own count; none: it does not run, or is not there. Disks are
    /// named by their numbers, such as `8:0`.
    pub async fn stats(&self, container: &str) -> Result<Option<Used>, EngineError> {
        match self {
            Self::Docker(it) => it.stats(container).await,
            Self::Simulated(it) => it.stats(container).await,
        }
    }
}
