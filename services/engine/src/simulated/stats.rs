//! Figures of simulated containers: they follow from how long a container has run, so that they only grow.

use schemas::sample::{Allowed, Cpu, Memory, Network, Traffic, Used};

use super::Simulated;
use crate::error::EngineError;
use crate::seen::{Scope, State};
use crate::stats::{Run, Running};

/// Memory of every simulated container, in bytes.
const MEMORY: u64 = 8 << 20;

impl Simulated {
    /// See [`crate::Engine::running`].
    pub async fn running(&self, scope: &Scope) -> Result<Vec<Running>, EngineError> {
        let world = self.arrive().await?;
        let runs = world.containers.values().map(|it| &it.seen).filter(|it| it.state == State::Running);
        let running = runs.filter(|it| scope.holds(&it.labels)).map(|it| Running {
            id: it.id.clone(),
            name: it.name.clone(),
            labels: it.labels.clone(),
            image: it.shown.image.clone(),
            addresses: it.addresses.clone(),
            health: it.health.map(|it| it.status),
        });
        Ok(running.collect())
    }

    /// See [`crate::Engine::run_of`].
    pub async fn run_of(&self, container: &str) -> Result<Option<Run>, EngineError> {
        let mut world = self.arrive().await?;
        let found = world.entry(container).ok().map(|it| &it.seen).filter(|it| it.state == State::Running);
        Ok(found.map(|it| Run {
            pid: None,
            started_ns: it.started_ns,
            restarts: it.restarts,
            limits: Allowed {
                memory_bytes: it.shown.limits.memory.map(|it| it.0),
                cpu_period_us: it.shown.limits.cpus.map(|_| 100_000),
                // As much as fits: a processor is a hundred thousand microseconds in each period.
                cpu_quota_us: it.shown.limits.cpus.map(|cpus| (cpus * 100_000.0) as u64),
                cpu_shares: None,
            },
        }))
    }

    /// See [`crate::Engine::stats`].
    pub async fn stats(&self, container: &str) -> Result<Option<Used>, EngineError> {
        let mut world = self.arrive().await?;
        let now = world.now();
        let found = world.entry(container).ok().map(|it| &it.seen).filter(|it| it.state == State::Running);
        let Some(started_ns) = found.and_then(|it| it.started_ns) else { return Ok(None) };
        let ran_ns = u64::try_from(now - started_ns).unwrap_or_default() + 1;
        let traffic = Traffic { bytes: ran_ns / 1_000, packets: ran_ns / 1_000_000, errors: 0, dropped: 0 };
        let network = Network { received: traffic, sent: traffic };
        Ok(Some(Used {
            cpu: Cpu { total_ns: ran_ns, user_ns: ran_ns / 2, system_ns: ran_ns / 2, ..Cpu::default() },
            memory: Memory { usage: MEMORY, working_set: MEMORY / 2, rss: MEMORY / 4, ..Memory::default() },
            networks: [("eth0".to_owned(), network)].into(),
            disks: Default::default(),
            processes: None,
            threads: Some(1),
        }))
    }
}
