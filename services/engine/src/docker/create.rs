//! A spec in Docker's words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, DeviceMapping, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount, MountTmpfsOptions, MountType, MountVolumeOptions, NetworkingConfig, PortBinding,
    PortMap, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use schemas::descriptors::{Ipc, Limits, Log, Mount as Mounted, Pid, Restart};
use schemas::spec::{HealthCheck, Port, Spec, Updatable, device};
use schemas::units::{Size, Span};

use super::containers::whole_seconds;
use crate::seen::{Labels, NetworkAttachment};

/// Drivers that keep files, which are limited unless somebody says otherwise.
const IN_FILES: [&str; 2] = ["json-file", "local"];

/// The log of a container is kept in files of this size, and so many of them: without a limit it fills the node's disk.
const LOG_OPTIONS: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// How the log of a container is kept.
pub(super) fn log_options() -> HashMap<String, String> {
    LOG_OPTIONS.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The same, where the spec says how.
fn log(log: Option<&Log>) -> HostConfigLogConfig {
    let Some(log) = log else {
        return HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log_options()) };
    };
    let mut options = if IN_FILES.contains(&log.driver.as_str()) { log_options() } else { HashMap::new() };
    options.extend(log.max_size.map(|Size(bytes)| ("max-size".to_owned(), format!("{bytes}b"))));
    options.extend(log.max_files.map(|files| ("max-file".to_owned(), files.to_string())));
    options.extend(log.options.clone());
    HostConfigLogConfig { typ: Some(log.driver.clone()), config: Some(options) }
}

/// What Docker is asked for.
pub(super) fn body(spec: &Spec, labels: &Labels, network: &NetworkAttachment) -> ContainerCreateBody {
    let endpoint = EndpointSettings { aliases: Some(vec![network.alias.clone()]), ..Default::default() };
    let endpoints = HashMap::from([(network.network.clone(), endpoint)]);
    let off = || HealthConfig { test: Some(vec!["NONE".to_owned()]), ..Default::default() };
    let run = &spec.runtime;
    // Ours count, whatever the spec says.
    let labels = run.labels.iter().chain(labels).map(|(key, value)| (key.clone(), value.clone()));
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: spec.command.clone(),
        entrypoint: run.entrypoint.clone().map(|it| if it.is_empty() { vec![String::new()] } else { it }),
        working_dir: run.working_dir.clone(),
        user: run.user.clone(),
        hostname: run.hostname.clone(),
        tty: run.tty.then_some(true),
        env: Some(spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        labels: Some(labels.collect()),
        exposed_ports: Some(spec.ports.iter().map(port_key).collect::<BTreeSet<_>>().into_iter().collect()),
        stop_signal: Some(format!("SIG{}", spec.stop.signal.trim_start_matches("SIG"))),
        stop_timeout: Some(i64::from(whole_seconds(spec.stop.grace.into()))),
        healthcheck: spec.health.as_ref().map(health).or_else(|| spec.unchecked.then(off)),
        host_config: Some(host(spec, network)),
        networking_config: spec.network.is_none().then_some(NetworkingConfig { endpoints_config: Some(endpoints) }),
        ..Default::default()
    }
}

fn host(spec: &Spec, network: &NetworkAttachment) -> HostConfig {
    let run = &spec.runtime;
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    HostConfig {
        network_mode: Some(spec.network.clone().unwrap_or_else(|| network.network.clone())),
        port_bindings: Some(bindings(&spec.ports)),
        mounts: Some(spec.volumes.iter().map(|(path, it)| mount(path, it)).collect()),
        restart_policy: Some(restart(spec.restart)),
        memory: spec.limits.memory.map(bytes),
        memory_swap: memory_swap(&spec.limits),
        nano_cpus: spec.limits.cpus.map(billionths),
        pids_limit: spec.limits.pids.map(i64::from),
        blkio_weight: spec.limits.io_weight,
        privileged: spec.privileged.then_some(true),
        log_config: Some(log(run.log.as_ref())),
        group_add: some(&run.group_add),
        extra_hosts: some(&pairs(&run.extra_hosts)),
        dns: some(&run.dns),
        dns_search: some(&run.dns_search),
        devices: Some(run.devices.iter().filter_map(|it| device_mapping(it)).collect()),
        shm_size: run.shm_size.map(bytes),
        ulimits: Some(run.ulimits.iter().map(|(name, it)| ulimit(name, it.soft, it.hard)).collect()),
        sysctls: (!run.sysctls.is_empty()).then(|| run.sysctls.clone().into_iter().collect()),
        cap_add: some(&run.capabilities.add),
        cap_drop: some(&run.capabilities.drop),
        security_opt: some(&run.security_opt),
        readonly_rootfs: run.read_only.then_some(true),
        init: run.init.then_some(true),
        pid_mode: run.pid.map(|Pid::Host| "host".to_owned()),
        ipc_mode: run.ipc.map(|it| ipc(it).to_owned()),
        ..Default::default()
    }
}

/// What a running container is to have from now on. Docker takes what is absent for "as it is".
pub(super) fn update(to: &Updatable, limits: &Limits) -> ContainerUpdateBody {
    ContainerUpdateBody {
        restart_policy: Some(restart(to.restart)),
        memory: to.limits.memory.map(bytes),
        memory_swap: memory_swap(limits),
        nano_cpus: to.limits.cpus.map(billionths),
        pids_limit: to.limits.pids.map(i64::from),
        ..Default::default()
    }
}

fn bytes(Size(size): Size) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn billionths(cpus: f64) -> i64 {
    (cpus * 1e9).round() as i64
}

/// Memory and swap together: the limit holds, and an update of `memory` alone is not refused for its sake.
fn memory_swap(limits: &Limits) -> Option<i64> {
    let swap = limits.swap.map_or(0, bytes);
    limits.memory.map(|memory| bytes(memory).saturating_add(swap))
}

fn pairs(map: &BTreeMap<String, String>) -> Vec<String> {
    map.iter().map(|(key, value)| format!("{key}:{value}")).collect()
}

fn device_mapping(text: &str) -> Option<DeviceMapping> {
    let (on_node, inside, rights) = device(text)?;
    Some(DeviceMapping {
        path_on_host: Some(on_node.to_owned()),
        path_in_container: Some(inside.to_owned()),
        cgroup_permissions: Some(rights.to_owned()),
    })
}

fn ulimit(name: &str, soft: i64, hard: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) }
}

const fn ipc(ipc: Ipc) -> &'static str {
    match ipc {
        Ipc::None => "none",
        Ipc::Private => "private",
        Ipc::Shareable => "shareable",
        Ipc::Host => "host",
    }
}

/// What is mounted, as a mount and no bind: the path may hold any character.
fn mount(path: &str, it: &Mounted<String>) -> Mount {
    match it {
        Mounted::Volume { volume, subpath, read_only } => Mount {
            read_only: read_only.then_some(true),
            volume_options: subpath
                .clone()
                .map(|subpath| MountVolumeOptions { subpath: Some(subpath), ..Default::default() }),
            ..volume_mount(path, volume)
        },
        Mounted::Host { host, read_only, shared: _ } => Mount {
            typ: Some(MountType::BIND),
            source: Some(host.clone()),
            target: Some(path.to_owned()),
            read_only: read_only.then_some(true),
            ..Default::default()
        },
        Mounted::Tmpfs { tmpfs } => Mount {
            typ: Some(MountType::TMPFS),
            target: Some(path.to_owned()),
            tmpfs_options: Some(MountTmpfsOptions { size_bytes: Some(bytes(*tmpfs)), ..Default::default() }),
            ..Default::default()
        },
    }
}

pub(super) fn volume_mount(path: &str, volume: &str) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.to_owned()),
        target: Some(path.to_owned()),
        ..Default::default()
    }
}

fn port_key(port: &Port) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn bindings(ports: &[Port]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        let binding = PortBinding {
            host_ip: port.address.map(|address| address.to_string()),
            host_port: Some(port.host.to_string()),
        };
        map.entry(port_key(port)).or_default().get_or_insert_default().push(binding);
    }
    map
}

fn restart(restart: Restart) -> RestartPolicy {
    let name = match restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
    };
    RestartPolicy { name: Some(name), maximum_retry_count: None }
}

fn health(check: &HealthCheck) -> HealthConfig {
    let nanoseconds = |span: Span| i64::try_from(span.0).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    HealthConfig {
        test: Some([&["CMD".to_owned()], check.command.as_slice()].concat()),
        interval: Some(nanoseconds(check.interval)),
        timeout: Some(nanoseconds(check.timeout)),
        retries: Some(i64::from(check.retries)),
        start_period: check.start_period.map(nanoseconds),
        ..Default::default()
    }
}
