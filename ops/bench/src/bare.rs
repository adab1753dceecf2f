//! The bare program: the same Docker calls with the same bodies and nothing around them.

use std::collections::HashMap;

use anyhow::Context;
use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, NetworkCreateRequest, NetworkingConfig,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptions,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tests::descriptors::IMAGE;
use tokio::runtime::Runtime;

/// So many calls are in flight: what fleetlog does by default.
const IN_FLIGHT: usize = 8;
/// The label by which everything is found again.
const LABEL: &str = "fleetlog.bench";

/// The engine, and a runtime to talk to it.
#[derive(Debug)]
pub struct Bare {
    docker: Docker,
    runtime: Runtime,
}

impl Bare {
    /// Connects to the engine that fleetlog uses too.
    pub fn connect() -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let docker = Docker::connect_with_defaults().context("no Docker engine")?;
        Ok(Self { docker, runtime })
    }

    /// What the engine calls itself.
    pub fn version(&self) -> anyhow::Result<String> {
        Ok(self.runtime.block_on(self.docker.version())?.version.unwrap_or_default())
    }

    /// One network, and `count` containers created and started in it.
    pub fn create(&self, prefix: &str, count: usize, command: &Value) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let labels = HashMap::from([(LABEL.to_owned(), prefix.to_owned())]);
            let network = NetworkCreateRequest {
                name: prefix.to_owned(),
                driver: Some("bridge".to_owned()),
                labels: Some(labels),
                ..Default::default()
            };
            self.docker.create_network(network).await?;
            let each = |index| async move { self.create_one(prefix, index, command).await };
            stream::iter(0..count).map(each).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
        })
    }

    /// Stops and removes one of them, and creates and starts it anew.
    pub fn replace(&self, prefix: &str, index: usize, command: &Value) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let name = format!("{prefix}.c{index:02}");
            self.docker.stop_container(&name, None::<StopContainerOptions>).await?;
            self.docker.remove_container(&name, None::<RemoveContainerOptions>).await?;
            self.create_one(prefix, index, command).await
        })
    }

    async fn create_one(&self, prefix: &str, index: usize, command: &Value) -> anyhow::Result<()> {
        let name = format!("{prefix}.c{index:02}");
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        self.docker.create_container(Some(options), body(prefix, index, command)).await?;
        self.docker.start_container(&name, None::<StartContainerOptions>).await?;
        Ok(())
    }

    /// Takes everything away again; not measured.
    pub fn take_away(&self, prefix: &str, count: usize) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let each = |index| async move {
                let options = RemoveContainerOptionsBuilder::new().force(true).build();
                self.docker.remove_container(&format!("{prefix}.c{index:02}"), Some(options)).await
            };
            stream::iter(0..count).map(each).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
        })?;
        let left = tests::docker::remove_all(&format!("{LABEL}={prefix}"));
        anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}

/// What fleetlog's own engine would ask for, with as many labels.
fn body(prefix: &str, index: usize, command: &Value) -> ContainerCreateBody {
    let words = command.as_array().into_iter().flatten().filter_map(Value::as_str);
    let endpoint = EndpointSettings { aliases: Some(vec![format!("c{index:02}")]), ..Default::default() };
    let labels = [
        (LABEL.to_owned(), prefix.to_owned()),
        ("bench.installation".to_owned(), "01890000-0000-7000-8000-000000000000".to_owned()),
        ("bench.name".to_owned(), format!("c{index:02}")),
        ("bench.commit".to_owned(), "0".repeat(40)),
        ("bench.spec".to_owned(), format!("v1:{}", "0".repeat(64))),
    ];
    let log = HashMap::from([("max-size".to_owned(), "10m".to_owned()), ("max-file".to_owned(), "3".to_owned())]);
    ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(words.map(str::to_owned).collect()),
        env: Some(vec!["ROUND=0".to_owned()]),
        labels: Some(labels.into()),
        stop_signal: Some("SIGTERM".to_owned()),
        stop_timeout: Some(10),
        host_config: Some(HostConfig {
            network_mode: Some(prefix.to_owned()),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log) }),
            ..Default::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(prefix.to_owned(), endpoint)])),
        }),
        ..Default::default()
    }
}
