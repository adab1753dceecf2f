//! A spec in Docker's words.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
};
use schemas::descriptors::Restart;
use schemas::spec::{HealthCheck, Port, Spec};
use schemas::units::Span;

use super::containers::whole_seconds;
use crate::seen::{Labels, NetworkAttachment};

/// The log of a container is kept in files of this size, and so many of them: without a limit it fills the node's disk.
const LOG_OPTIONS: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// How the log of a container is kept.
pub(super) fn log_options() -> HashMap<String, String> {
    LOG_OPTIONS.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// What Docker is asked for.
pub(super) fn body(spec: &Spec, labels: &Labels, network: &NetworkAttachment) -> ContainerCreateBody {
    let endpoint = EndpointSettings { aliases: Some(vec![network.alias.clone()]), ..Default::default() };
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: spec.command.clone(),
        env: Some(spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        labels: Some(labels.clone().into_iter().collect()),
        exposed_ports: Some(spec.ports.iter().map(port_key).collect::<BTreeSet<_>>().into_iter().collect()),
        stop_signal: Some(format!("SIG{}", spec.stop.signal.trim_start_matches("SIG"))),
        stop_timeout: Some(i64::from(whole_seconds(spec.stop.grace.into()))),
        healthcheck: spec.health.as_ref().map(health),
        host_config: Some(host(spec, network)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.network.clone(), endpoint)])),
        }),
        ..Default::default()
    }
}

fn host(spec: &Spec, network: &NetworkAttachment) -> HostConfig {
    let memory = spec.limits.memory.map(|size| i64::try_from(size.0).unwrap_or(i64::MAX));
    HostConfig {
        network_mode: Some(network.network.clone()),
        port_bindings: Some(bindings(&spec.ports)),
        mounts: Some(spec.volumes.iter().map(|(path, volume)| mount(path, volume)).collect()),
        restart_policy: Some(RestartPolicy { name: Some(restart(spec.restart)), maximum_retry_count: None }),
        memory,
        // Memory and swap together: the limit holds, and an update of `memory` alone is not refused for its sake.
        memory_swap: memory,
        nano_cpus: spec.limits.cpus.map(|cpus| (cpus * 1e9).round() as i64),
        privileged: spec.privileged.then_some(true),
        log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log_options()) }),
        ..Default::default()
    }
}

/// A mount and no bind: the path may hold any character.
pub(super) fn mount(path: &str, volume: &str) -> Mount {
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

fn restart(restart: Restart) -> RestartPolicyNameEnum {
    match restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
    }
}

fn health(check: &HealthCheck) -> HealthConfig {
    let nanoseconds = |span: Span| i64::try_from(span.0).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    HealthConfig {
        test: Some([&["CMD".to_owned()], check.command.as_slice()].concat()),
        interval: Some(nanoseconds(check.interval)),
        timeout: Some(nanoseconds(check.timeout)),
        retries: Some(i64::from(check.retries)),
        ..Default::default()
    }
}
