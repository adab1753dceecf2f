//! Copies of volumes. Docker has no call for that: the files go out of one container that is never started, and into
//! another one, as an archive with owners, modes and times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, DownloadFromContainerOptions, RemoveContainerOptions,
    UploadToContainerOptions,
};
use futures_util::TryStreamExt;

use super::connection::CALL;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::{Labels, Scope};

/// An image with nothing in it: made where a copy needs one and it is not there.
const NOTHING: &str = "fleetlog/nothing:1";

/// The label of a container that carries files, and its value.
const CARRIER: &str = "fleetlog.carrier";
const CARRIES: &str = "files";

/// An archive with nothing in it.
const EMPTY_ARCHIVE: [u8; 1_024] = [0; 1_024];

/// Where a volume is in the containers that carry files.
const AT: &str = "/volume";

impl Docker {
    /// See [`crate::Engine::copy_volume`].
    pub async fn copy_volume(
        &self,
        from: &str,
        to: &str,
        labels: &Labels,
        within: Duration,
    ) -> Result<u64, EngineError> {
        self.have_nothing().await?;
        let labels = &labels.clone().into_iter().chain([(CARRIER.to_owned(), CARRIES.to_owned())]).collect();
        let source = self.carrier(from, "ro", labels).await?;
        let copied = match self.carrier(to, "rw", labels).await {
            Ok(target) => {
                let copied = self.carry((from, &source), (to, &target), within).await;
                self.drop_carrier(&target).await.and(copied)
            }
            Err(error) => Err(error),
        };
        self.drop_carrier(&source).await.and(copied)
    }

    /// See [`crate::Engine::drop_carriers`].
    pub async fn drop_carriers(&self, labels: &Labels) -> Result<(), EngineError> {
        for left in self.list(&Scope::label(CARRIER, CARRIES)).await? {
            if labels.iter().all(|(key, value)| left.labels.get(key) == Some(value)) {
                self.drop_carrier(&left.id).await?;
            }
        }
        Ok(())
    }

    async fn carry(
        &self,
        (from, source): (&str, &str),
        (to, target): (&str, &str),
        within: Duration,
    ) -> Result<u64, EngineError> {
        let what = format!("copy volume `{from}` to `{to}`");
        let out = &DownloadFromContainerOptions { path: AT.to_owned() };
        // As the folder that it is, over the other one: so its own owner and mode come along.
        let into = &UploadToContainerOptions { path: "/".to_owned(), ..Default::default() };
        let call = move |client: bollard::Docker| async move {
            let bytes = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&bytes);
            let files = client.download_from_container(source, Some(out.clone()));
            let files = files.map_err(std::io::Error::other).inspect_ok(move |chunk| {
                counted.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            });
            client.upload_to_container(target, Some(into.clone()), bollard::body_try_stream(files)).await?;
            Ok(bytes.load(Ordering::Relaxed))
        };
        self.connection.call(&what, within, call, classify::refused(&what)).await
    }

    /// A container that has a volume and is never started.
    async fn carrier(&self, volume: &str, access: &str, labels: &Labels) -> Result<String, EngineError> {
        let what = format!("create a container that has volume `{volume}`");
        let body = &ContainerCreateBody {
            image: Some(NOTHING.to_owned()),
            cmd: Some(vec!["never started".to_owned()]),
            labels: Some(labels.clone().into_iter().collect()),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                binds: Some(vec![format!("{volume}:{AT}:{access}")]),
                ..Default::default()
            }),
            ..Default::default()
        };
        let call = move |client: bollard::Docker| async move {
            client.create_container(None::<CreateContainerOptions>, body.clone()).await
        };
        Ok(self.connection.call(&what, CALL, call, classify::refused(&what)).await?.id)
    }

    async fn drop_carrier(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptions { force: true, v: false, link: false };
        self.remove_with(id, options).await.map(|_| ())
    }

    async fn have_nothing(&self) -> Result<(), EngineError> {
        if self.image(NOTHING).await?.is_some() {
            return Ok(());
        }
        let what = format!("make image `{NOTHING}`");
        let (repo, tag) = NOTHING.split_once(':').unwrap_or((NOTHING, "latest"));
        let options = &CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(repo.to_owned()),
            tag: Some(tag.to_owned()),
            ..Default::default()
        };
        let call = move |client: bollard::Docker| async move {
            let body = bollard::body_full(EMPTY_ARCHIVE.to_vec().into());
            client.create_image(Some(options.clone()), Some(body), None).try_collect::<Vec<_>>().await.map(|_| ())
        };
        self.connection.call(&what, CALL, call, classify::refused(&what)).await
    }
}
