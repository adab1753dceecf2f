//! The container of a step in Docker's words, and files in and out of it as archives.

use std::collections::HashMap;
use std::io::Read as _;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, MountVolumeOptions, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{CreateContainerOptions, DownloadFromContainerOptions, RemoveContainerOptions};
use futures_util::TryStreamExt;

use super::connection::CALL;
use super::containers::whole_seconds;
use super::create::{log_options, volume_mount};
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::Labels;
use crate::step::{Content, Step};

/// Bytes of an archive around the file that is in it.
const AROUND: usize = 16 << 10;

impl Docker {
    /// See [`crate::Engine::create_step`].
    pub async fn create_step(&self, name: &str, step: &Step, labels: &Labels) -> Result<String, EngineError> {
        let what = format!("create container `{name}`");
        let options = &CreateContainerOptions { name: Some(name.to_owned()), ..Default::default() };
        let body = &body(step, labels);
        let call = move |client: bollard::Docker| async move {
            client.create_container(Some(options.clone()), body.clone()).await
        };
        let made = self.connection.call(&what, CALL, call, |error| classify::create(name, &step.image, error)).await?;
        for warning in made.warnings {
            tracing::warn!(container = name, warning, "Docker made the container with a warning");
        }
        Ok(made.id)
    }

    /// See [`crate::Engine::put_file`].
    pub async fn put_file(&self, container: &str, folder: &str, name: &str) -> Result<(), EngineError> {
        self.unpack(&format!("put a file into container `{container}`"), container, folder, archive(name)).await
    }

    /// See [`crate::Engine::get_file`].
    pub async fn get_file(&self, container: &str, path: &str, limit: u64) -> Result<Option<Content>, EngineError> {
        let (what, thing) = (format!("read `{path}` of container `{container}`"), format!("`{path}`"));
        let options = &DownloadFromContainerOptions { path: path.to_owned() };
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(AROUND);
        let call = move |client: bollard::Docker| async move {
            let mut archive = Vec::new();
            let mut chunks = std::pin::pin!(client.download_from_container(container, Some(options.clone())));
            // What comes after the limit is never read: the connection is dropped with it.
            while archive.len() < most
                && let Some(chunk) = chunks.try_next().await?
            {
                archive.extend_from_slice(&chunk);
            }
            Ok(archive)
        };
        let archive = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        let Some(archive) = classify::optional(archive)? else { return Ok(None) };
        let content = first_file(&archive, limit);
        content.map(Some).map_err(|error| EngineError::Refused { what, status: 0, message: error.to_string() })
    }

    /// See [`crate::Engine::ended`].
    pub async fn ended(&self, container: &str, within: Duration) -> Result<bool, EngineError> {
        match self.wait(container, "not-running", within).await {
            Ok(()) => Ok(true),
            Err(EngineError::Slow { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// See [`crate::Engine::remove_step`].
    pub async fn remove_step(&self, container: &str) -> Result<bool, EngineError> {
        self.remove_with(container, RemoveContainerOptions { force: true, v: true, link: false }).await
    }
}

/// An archive with one empty file that anybody can write.
fn archive(name: &str) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o666);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, std::io::empty())?;
    archive.into_inner()
}

/// The one file that Docker's archive holds.
fn first_file(archive: &[u8], limit: u64) -> std::io::Result<Content> {
    let mut archive = tar::Archive::new(archive);
    let Some(entry) = archive.entries()?.next() else { return Ok(Content::NoFile) };
    let mut entry = entry?;
    if !entry.header().entry_type().is_file() {
        return Ok(Content::NoFile);
    }
    if entry.size() > limit {
        return Ok(Content::TooLarge(entry.size()));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    Ok(Content::Bytes(content))
}

fn body(step: &Step, labels: &Labels) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(step.image.clone()),
        cmd: Some(step.command.clone()),
        env: Some(step.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        user: Some(step.user.clone()),
        labels: Some(labels.clone().into_iter().collect()),
        stop_signal: Some(format!("SIG{}", step.stop.signal.trim_start_matches("SIG"))),
        stop_timeout: Some(i64::from(whole_seconds(step.stop.grace.into()))),
        host_config: Some(host(step, labels)),
        ..Default::default()
    }
}

fn host(step: &Step, labels: &Labels) -> HostConfig {
    let memory = i64::try_from(step.limits.memory.0).ok();
    let scratch = Mount {
        typ: Some(MountType::VOLUME),
        target: Some(step.scratch.clone()),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let named = step.volumes.iter().map(|(path, volume)| volume_mount(path, volume));
    // Where the image has such a folder, Docker takes over its mode: so it is its user's, who can write to it whatever that is.
    let (uid, gid) = step.user.split_once(':').map_or((step.user.as_str(), "0"), |(uid, gid)| (uid, gid));
    let options = |size: u64| format!("size={size},mode=1777,uid={uid},gid={gid}");
    let tmpfs = step.tmpfs.iter().map(|(path, size)| (path.clone(), options(size.0)));
    let largest = step.largest_file.and_then(|bytes| i64::try_from(bytes).ok());
    HostConfig {
        network_mode: Some(step.network.clone().unwrap_or_else(|| "none".to_owned())),
        mounts: Some(named.chain([scratch]).collect()),
        tmpfs: Some(tmpfs.collect::<HashMap<_, _>>()),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        readonly_rootfs: Some(!step.writable),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        memory,
        // Memory and swap together: the limit holds.
        memory_swap: memory,
        nano_cpus: Some((step.limits.cpus * 1e9).round() as i64),
        pids_limit: Some(i64::from(step.limits.pids)),
        ulimits: largest.map(|bytes| {
            let name = Some("fsize".to_owned());
            vec![ResourcesUlimits { name, soft: Some(bytes), hard: Some(bytes) }]
        }),
        log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(log_options()) }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_comes_back_as_its_file() {
        let archive = archive("output").unwrap();
        assert_eq!(first_file(&archive, 10).unwrap(), Content::Bytes(Vec::new()));
        let mut header = tar::Header::new_ustar();
        header.set_size(1_000);
        let mut large = tar::Builder::new(Vec::new());
        large.append_data(&mut header, "output", [b'x'; 1_000].as_slice()).unwrap();
        let large = large.into_inner().unwrap();
        // Cut off, as a reader does that has seen enough.
        assert_eq!(first_file(&large[..600], 10).unwrap(), Content::TooLarge(1_000));
        assert_eq!(first_file(&large, 1_000).unwrap(), Content::Bytes(vec![b'x'; 1_000]));
        assert!(first_file(b"no archive", 10).is_err());
    }
}
