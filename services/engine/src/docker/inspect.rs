//! What Docker shows of a container, in our words.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, DeviceMapping,
    EndpointSettings, HealthConfig, HealthStatusEnum, HostConfig, HostConfigLogConfig, MountType, ResourcesUlimits,
    RestartPolicyNameEnum,
};
use jiff::Timestamp;
use schemas::descriptors::{Capabilities, Ipc, Limits, Log, Mount, OnUnhealthy, Pid, Restart, Runtime, Stop, Ulimit};
use schemas::spec::{HealthCheck, Port, Protocol, Spec};
use schemas::units::{Size, Span};

use crate::error::EngineError;
use crate::seen::{Container, Health, HealthStatus, State};

/// Docker's own defaults where a container carries none.
const GRACE: Span = Span::seconds(10);
const CHECK_TIME: Span = Span::seconds(30);
const CHECK_RETRIES: u32 = 3;

/// Reads Docker's answer.
pub(super) fn container(answer: ContainerInspectResponse) -> Result<Container, EngineError> {
    let id = answer.id.unwrap_or_default();
    let docker_state = answer.state.unwrap_or_default();
    let config = answer.config.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
    let networks = answer.network_settings.and_then(|it| it.networks).unwrap_or_default();
    let created_ns = answer.created.as_deref().and_then(nanoseconds).ok_or_else(|| EngineError::Refused {
        what: format!("inspect container `{id}`"),
        status: 0,
        message: format!("the time {:?} of its creation cannot be read", answer.created),
    })?;
    let state = state(&docker_state);
    let ended = matches!(state, State::Exited | State::Dead | State::Restarting);
    let runs = matches!(state, State::Running | State::Paused);
    Ok(Container {
        id,
        name: answer.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: config.labels.clone().unwrap_or_default().into_iter().collect(),
        image: answer.image.unwrap_or_default(),
        state,
        exit_code: docker_state.exit_code.filter(|_| ended),
        out_of_memory: ended && docker_state.oom_killed == Some(true),
        created_ns,
        started_ns: docker_state.started_at.as_deref().and_then(nanoseconds),
        finished_ns: docker_state.finished_at.as_deref().and_then(nanoseconds),
        has_healthcheck: config.healthcheck.as_ref().is_some_and(is_check),
        health: docker_state.health.as_ref().filter(|_| runs).and_then(health),
        restarts: answer.restart_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
        restart: restart(&host),
        addresses: networks.iter().filter_map(|(name, it)| Some((name.clone(), address(it)?))).collect(),
        aliases: networks.iter().map(|(name, it)| (name.clone(), it.aliases.clone().unwrap_or_default())).collect(),
        shown: shown(config, &host),
    })
}

/// Docker's time in nanoseconds since 1970; none for its "never", which is in the year 1.
pub(super) fn nanoseconds(time: &str) -> Option<i64> {
    let time = time.parse::<Timestamp>().ok()?;
    i64::try_from(time.as_nanosecond()).ok().filter(|&ns| ns > 0)
}

/// Whether Docker runs this check: an image's own is switched off by `NONE`.
pub(super) fn is_check(check: &HealthConfig) -> bool {
    check.test.as_ref().and_then(|test| test.first()).is_some_and(|kind| kind != "NONE")
}

fn state(state: &ContainerState) -> State {
    match state.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => State::Running,
        Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
        Some(ContainerStateStatusEnum::REMOVING) => State::Removing,
        Some(ContainerStateStatusEnum::EXITED) => State::Exited,
        Some(ContainerStateStatusEnum::DEAD) => State::Dead,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => State::Created,
    }
}

fn health(health: &bollard::models::Health) -> Option<Health> {
    let status = match health.status? {
        HealthStatusEnum::STARTING => HealthStatus::Starting,
        HealthStatusEnum::HEALTHY => HealthStatus::Healthy,
        HealthStatusEnum::UNHEALTHY => HealthStatus::Unhealthy,
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => return None,
    };
    let newest = health.log.as_ref().and_then(|log| log.last());
    Some(Health {
        status,
        checked_ns: newest.and_then(|check| check.end.as_deref()).and_then(nanoseconds),
        failing_streak: health.failing_streak.and_then(|streak| u64::try_from(streak).ok()).unwrap_or_default(),
    })
}

fn restart(host: &HostConfig) -> Restart {
    match host.restart_policy.as_ref().and_then(|policy| policy.name) {
        Some(RestartPolicyNameEnum::ALWAYS) => Restart::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => Restart::OnFailure,
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => Restart::No,
    }
}

pub(super) fn address(endpoint: &EndpointSettings) -> Option<IpAddr> {
    let read = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    read(&endpoint.ip_address).or_else(|| read(&endpoint.global_ipv6_address))
}

fn shown(config: ContainerConfig, host: &HostConfig) -> Spec {
    let env = config.env.unwrap_or_default();
    let grace = config.stop_timeout.and_then(|seconds| u64::try_from(seconds).ok());
    Spec {
        image: config.image.unwrap_or_default(),
        command: config.cmd.filter(|command| !command.is_empty()),
        env: env.iter().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        ports: ports(host),
        volumes: volumes(host),
        network: network(host),
        restart: restart(host),
        stop: Stop {
            signal: config.stop_signal.as_deref().unwrap_or("TERM").trim_start_matches("SIG").to_owned(),
            grace: grace.map_or(GRACE, Span::seconds),
        },
        health: config.healthcheck.as_ref().filter(|check| is_check(check)).and_then(check),
        unchecked: config.healthcheck.as_ref().is_some_and(|check| check.test.is_some() && !is_check(check)),
        on_unhealthy: OnUnhealthy::Report,
        limits: limits(host),
        privileged: host.privileged == Some(true),
        runtime: Runtime {
            entrypoint: config.entrypoint,
            working_dir: text(config.working_dir),
            user: text(config.user),
            group_add: host.group_add.clone().unwrap_or_default(),
            hostname: text(config.hostname),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            extra_hosts: pairs(host.extra_hosts.as_deref()),
            dns: host.dns.clone().unwrap_or_default(),
            dns_search: host.dns_search.clone().unwrap_or_default(),
            devices: host.devices.iter().flatten().filter_map(device).collect(),
            shm_size: size(host.shm_size),
            ulimits: host.ulimits.iter().flatten().filter_map(ulimit).collect(),
            sysctls: host.sysctls.clone().unwrap_or_default().into_iter().collect(),
            capabilities: Capabilities {
                add: host.cap_add.clone().unwrap_or_default(),
                drop: host.cap_drop.clone().unwrap_or_default(),
            },
            security_opt: host.security_opt.clone().unwrap_or_default(),
            read_only: host.readonly_rootfs == Some(true),
            init: host.init == Some(true),
            pid: (host.pid_mode.as_deref() == Some("host")).then_some(Pid::Host),
            ipc: ipc(host.ipc_mode.as_deref()),
            platform: None,
            tty: config.tty == Some(true),
            log: host.log_config.as_ref().and_then(log),
        },
    }
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn size(bytes: Option<i64>) -> Option<Size> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).filter(|&bytes| bytes > 0).map(Size)
}

/// Docker shows memory and swap together.
fn limits(host: &HostConfig) -> Limits {
    let memory = size(host.memory);
    let swap = size(host.memory_swap).zip(memory).and_then(|(both, memory)| both.0.checked_sub(memory.0));
    Limits {
        memory,
        cpus: host.nano_cpus.filter(|&nano| nano > 0).map(|nano| nano as f64 / 1e9),
        swap: swap.filter(|&swap| swap > 0).map(Size),
        pids: host.pids_limit.and_then(|pids| u32::try_from(pids).ok()).filter(|&pids| pids > 0),
        io_weight: host.blkio_weight.filter(|&weight| weight > 0),
    }
}

/// Another network than one of Docker's that has a name.
fn network(host: &HostConfig) -> Option<String> {
    let mode = host.network_mode.as_deref()?;
    (matches!(mode, "host" | "none") || mode.starts_with("container:")).then(|| mode.to_owned())
}

fn pairs(lines: Option<&[String]>) -> BTreeMap<String, String> {
    let pair = |line: &String| line.split_once(':').map(|(key, value)| (key.to_owned(), value.to_owned()));
    lines.into_iter().flatten().filter_map(pair).collect()
}

fn device(it: &DeviceMapping) -> Option<String> {
    let DeviceMapping { path_on_host, path_in_container, cgroup_permissions } = it;
    Some(format!("{}:{}:{}", path_on_host.as_ref()?, path_in_container.as_ref()?, cgroup_permissions.as_ref()?))
}

fn ulimit(it: &ResourcesUlimits) -> Option<(String, Ulimit)> {
    Some((it.name.clone()?, Ulimit { soft: it.soft?, hard: it.hard? }))
}

fn ipc(mode: Option<&str>) -> Option<Ipc> {
    match mode? {
        "none" => Some(Ipc::None),
        "shareable" => Some(Ipc::Shareable),
        "host" => Some(Ipc::Host),
        // Docker's own default.
        _ => None,
    }
}

fn log(config: &HostConfigLogConfig) -> Option<Log> {
    let options = config.config.clone().unwrap_or_default().into_iter().collect();
    Some(Log { driver: config.typ.clone()?, max_size: None, max_files: None, options })
}

fn ports(host: &HostConfig) -> Vec<Port> {
    let mut ports = Vec::new();
    for (key, bindings) in host.port_bindings.iter().flatten() {
        let (container, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let Ok(container) = container.parse() else { continue };
        let protocol = if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp };
        for binding in bindings.iter().flatten() {
            // A port that Docker chooses itself is none of a spec's.
            let Some(host) = binding.host_port.as_deref().and_then(|port| port.parse().ok()) else { continue };
            let address = binding.host_ip.as_deref().and_then(|address| address.parse().ok());
            ports.push(Port { address, host, container, protocol });
        }
    }
    ports.sort();
    ports
}

/// What was asked to be mounted; volumes that an image brings are not among it.
fn volumes(host: &HostConfig) -> BTreeMap<String, Mount<String>> {
    let mounts = host.mounts.iter().flatten();
    mounts.filter_map(|it| Some((it.target.clone()?, mount(it)?))).collect()
}

fn mount(it: &bollard::models::Mount) -> Option<Mount<String>> {
    let read_only = it.read_only == Some(true);
    Some(match it.typ? {
        MountType::BIND => Mount::Host { host: it.source.clone()?, read_only, shared: false },
        MountType::TMPFS => Mount::Tmpfs { tmpfs: size(it.tmpfs_options.as_ref()?.size_bytes)? },
        _ => {
            let subpath = it.volume_options.as_ref().and_then(|it| it.subpath.clone());
            Mount::Volume { volume: it.source.clone()?, subpath, read_only }
        }
    })
}

fn check(check: &HealthConfig) -> Option<HealthCheck> {
    let (kind, rest) = check.test.as_ref()?.split_first()?;
    let command = if kind == "CMD-SHELL" {
        ["/bin/sh", "-c"].iter().map(|it| (*it).to_owned()).chain(rest.iter().cloned()).collect()
    } else {
        rest.to_vec()
    };
    let span = |ns: Option<i64>| {
        let ns = ns.and_then(|ns| u64::try_from(ns).ok()).filter(|&ns| ns > 0);
        ns.map_or(CHECK_TIME, |ns| Span(u64::try_from(Duration::from_nanos(ns).as_millis()).unwrap_or(u64::MAX)))
    };
    let retries = check.retries.and_then(|retries| u32::try_from(retries).ok()).filter(|&retries| retries > 0);
    Some(HealthCheck {
        command,
        interval: span(check.interval),
        timeout: span(check.timeout),
        retries: retries.unwrap_or(CHECK_RETRIES),
        start_period: check.start_period.filter(|&ns| ns > 0).map(|ns| span(Some(ns))),
    })
}
