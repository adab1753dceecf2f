//! Figures of running containers.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerBlkioStatEntry, ContainerInspectResponse, ContainerNetworkStats, ContainerStatsResponse, ContainerSummary,
    ContainerSummaryHealthStatusEnum, HostConfig,
};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions, StatsOptions};
use futures_util::TryStreamExt;
use schemas::sample::{Allowed, Cpu, Disk, Memory, Network, Traffic, Used};

use super::connection::CALL;
use super::containers::label_filter;
use super::{Docker, classify, inspect};
use crate::error::EngineError;
use crate::seen::{HealthStatus, Scope};
use crate::stats::{Run, Running};

impl Docker {
    /// See [`crate::Engine::running`].
    pub async fn running(&self, scope: &Scope) -> Result<Vec<Running>, EngineError> {
        let what = "list running containers";
        let options = &ListContainersOptions { filters: Some(label_filter(scope)), ..Default::default() };
        let call = move |client: bollard::Docker| async move { client.list_containers(Some(options.clone())).await };
        let found = self.connection.call(what, CALL, call, classify::refused(what)).await?;
        let mut running: Vec<Running> = found.into_iter().map(running).collect();
        running.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(running)
    }

    /// See [`crate::Engine::run_of`].
    pub async fn run_of(&self, container: &str) -> Result<Option<Run>, EngineError> {
        let what = format!("inspect container `{container}`");
        let call = move |client: bollard::Docker| async move {
            client.inspect_container(container, None::<InspectContainerOptions>).await
        };
        let found = self.connection.call(&what, CALL, call, classify::missing(&what, container)).await;
        Ok(classify::optional(found)?.and_then(run))
    }

    /// See [`crate::Engine::stats`].
    pub async fn stats(&self, container: &str) -> Result<Option<Used>, EngineError> {
        let what = format!("read the figures of container `{container}`");
        // Without `one-shot` Docker waits a second for a second sample.
        let options = &StatsOptions { stream: false, one_shot: true };
        let call = move |client: bollard::Docker| async move {
            Box::pin(client.stats(container, Some(options.clone()))).try_next().await
        };
        let found = self.connection.call(&what, CALL, call, classify::missing(&what, container)).await;
        Ok(classify::optional(found)?.flatten().and_then(used))
    }
}

fn running(it: ContainerSummary) -> Running {
    // A container that others are linked to has more names, each with a slash inside.
    let names = it.names.unwrap_or_default();
    let name = names.iter().map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/'));
    let networks = it.network_settings.and_then(|it| it.networks).unwrap_or_default();
    let health = match it.health.and_then(|it| it.status) {
        Some(ContainerSummaryHealthStatusEnum::STARTING) => Some(HealthStatus::Starting),
        Some(ContainerSummaryHealthStatusEnum::HEALTHY) => Some(HealthStatus::Healthy),
        Some(ContainerSummaryHealthStatusEnum::UNHEALTHY) => Some(HealthStatus::Unhealthy),
        // Engines before 29 tell it only in the words of the status.
        _ => it.status.as_deref().and_then(health_in),
    };
    Running {
        id: it.id.unwrap_or_default(),
        name: name.unwrap_or_default().to_owned(),
        labels: it.labels.unwrap_or_default().into_iter().collect(),
        image: it.image.unwrap_or_default(),
        addresses: networks.iter().filter_map(|(name, it)| Some((name.clone(), inspect::address(it)?))).collect(),
        health,
    }
}

/// Health out of `Up 3 minutes (healthy)`.
fn health_in(status: &str) -> Option<HealthStatus> {
    let (_, word) = status.strip_suffix(')')?.rsplit_once('(')?;
    match word {
        "healthy" => Some(HealthStatus::Healthy),
        "unhealthy" => Some(HealthStatus::Unhealthy),
        "health: starting" => Some(HealthStatus::Starting),
        _ => None,
    }
}

fn run(answer: ContainerInspectResponse) -> Option<Run> {
    let state = answer.state.filter(|it| it.running == Some(true))?;
    Some(Run {
        pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid > 0),
        started_ns: state.started_at.as_deref().and_then(inspect::nanoseconds),
        restarts: answer.restart_count.and_then(|it| u64::try_from(it).ok()).unwrap_or_default(),
        limits: answer.host_config.map(|it| limits(&it)).unwrap_or_default(),
    })
}

fn limits(host: &HostConfig) -> Allowed {
    /// What `cpus` is shared out in where nobody says otherwise.
    const PERIOD_US: u64 = 100_000;
    let positive = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok()).filter(|&it| it > 0);
    let nano = positive(host.nano_cpus);
    let period = positive(host.cpu_period).or_else(|| nano.map(|_| PERIOD_US));
    Allowed {
        memory_bytes: positive(host.memory),
        cpu_period_us: period,
        cpu_quota_us: positive(host.cpu_quota).or_else(|| nano.map(|nano| nano / (1_000_000_000 / PERIOD_US))),
        cpu_shares: positive(host.cpu_shares),
    }
}

/// None for a container that has ended: Docker then answers with zeros and no time.
fn used(it: ContainerStatsResponse) -> Option<Used> {
    let cpu = it.cpu_stats.unwrap_or_default();
    let usage = cpu.cpu_usage.unwrap_or_default();
    let throttling = cpu.throttling_data.unwrap_or_default();
    let total_ns = usage.total_usage.filter(|&it| it > 0)?;
    let pids = it.pids_stats.unwrap_or_default();
    Some(Used {
        cpu: Cpu {
            total_ns,
            user_ns: usage.usage_in_usermode.unwrap_or_default(),
            system_ns: usage.usage_in_kernelmode.unwrap_or_default(),
            periods: throttling.periods.unwrap_or_default(),
            throttled_periods: throttling.throttled_periods.unwrap_or_default(),
            throttled_ns: throttling.throttled_time.unwrap_or_default(),
        },
        memory: it.memory_stats.map(memory).unwrap_or_default(),
        networks: it.networks.iter().flatten().map(|(name, it)| (name.clone(), network(it))).collect(),
        disks: it.blkio_stats.map(|it| disks(&it)).unwrap_or_default(),
        // Docker counts threads under the name of processes, and no processes on Linux.
        processes: None,
        threads: pids.current,
    })
}

fn memory(it: bollard::models::ContainerMemoryStats) -> Memory {
    let stats = it.stats.unwrap_or_default();
    // The words of cgroup v1, else those of v2.
    let one_of = |names: [&str; 2]| names.iter().find_map(|name| stats.get(*name)).copied().unwrap_or_default();
    let usage = it.usage.unwrap_or_default();
    Memory {
        usage,
        working_set: usage.saturating_sub(one_of(["total_inactive_file", "inactive_file"])),
        rss: one_of(["total_rss", "anon"]),
        cache: one_of(["total_cache", "file"]),
        swap: one_of(["total_swap", "swap"]),
        mapped: one_of(["total_mapped_file", "file_mapped"]),
        peak: it.max_usage,
        failures: it.failcnt,
        kills: None,
    }
}

fn network(it: &ContainerNetworkStats) -> Network {
    let direction = |bytes: Option<u64>, packets: Option<u64>, errors: Option<u64>, dropped: Option<u64>| Traffic {
        bytes: bytes.unwrap_or_default(),
        packets: packets.unwrap_or_default(),
        errors: errors.unwrap_or_default(),
        dropped: dropped.unwrap_or_default(),
    };
    Network {
        received: direction(it.rx_bytes, it.rx_packets, it.rx_errors, it.rx_dropped),
        sent: direction(it.tx_bytes, it.tx_packets, it.tx_errors, it.tx_dropped),
    }
}

fn disks(it: &bollard::models::ContainerBlkioStats) -> BTreeMap<String, Disk> {
    let mut disks: HashMap<String, Disk> = HashMap::new();
    let entries = |it: &Option<Vec<ContainerBlkioStatEntry>>| it.clone().unwrap_or_default();
    for (is_bytes, entry) in entries(&it.io_service_bytes_recursive)
        .into_iter()
        .map(|it| (true, it))
        .chain(entries(&it.io_serviced_recursive).into_iter().map(|it| (false, it)))
    {
        let disk = disks
            .entry(format!("{}:{}", entry.major.unwrap_or_default(), entry.minor.unwrap_or_default()))
            .or_default();
        let value = entry.value.unwrap_or_default();
        match (is_bytes, entry.op.unwrap_or_default().to_ascii_lowercase().as_str()) {
            (true, "read") => disk.read_bytes = value,
            (true, "write") => disk.written_bytes = value,
            (false, "read") => disk.reads = value,
            (false, "write") => disk.writes = value,
            _ => {}
        }
    }
    disks.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_read_from_the_words_of_the_status() {
        assert_eq!(health_in("Up 3 minutes (healthy)"), Some(HealthStatus::Healthy));
        assert_eq!(health_in("Up 2 seconds (health: starting)"), Some(HealthStatus::Starting));
        assert_eq!(health_in("Up About an hour (unhealthy)"), Some(HealthStatus::Unhealthy));
        assert_eq!(health_in("Up 2 hours (Paused)"), None);
        assert_eq!(health_in("Up 2 hours"), None);
    }

    #[test]
    fn a_share_of_a_processor_is_a_quota_in_a_period() {
        let half = HostConfig { nano_cpus: Some(500_000_000), memory: Some(64 << 20), ..Default::default() };
        let seen = limits(&half);
        assert_eq!((seen.cpu_period_us, seen.cpu_quota_us), (Some(100_000), Some(50_000)));
        assert_eq!(seen.memory_bytes, Some(64 << 20));
        assert_eq!(limits(&HostConfig::default()), Allowed::default());
    }
}
