//! Images: whether they are here, what their registries have, fetching and removing them.

use std::time::Duration;

use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions};
use futures_util::TryStreamExt;

use super::connection::CALL;
use super::inspect::is_check;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::ImageInfo;

/// How the labels begin that say whose a container is.
const OUR_LABELS: &str = "fleetlog.";
/// How long a registry may take to tell a digest, in seconds.
const REGISTRY: Duration = Duration::from_secs(20);
/// How long a pull may be silent, in seconds. It has no limit as a whole: that depends on size and network.
const PULL_SILENCE: Duration = Duration::from_secs(120);

impl Docker {
    /// See [`crate::Engine::image`].
    pub async fn image(&self, name: &str) -> Result<Option<ImageInfo>, EngineError> {
        if !fits_a_path(name) {
            return Ok(None);
        }
        let (what, thing) = (format!("inspect image `{name}`"), format!("image `{name}`"));
        let call = move |client: bollard::Docker| async move { client.inspect_image(name).await };
        let found = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        let Some(image) = classify::optional(found)? else { return Ok(None) };
        let config = image.config.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let claims = labels.into_keys().find(|it| it.starts_with(OUR_LABELS));
        let has_healthcheck = config.healthcheck.is_some_and(|check| is_check(&check));
        let variant = image.variant.filter(|it| !it.is_empty());
        let platform = [image.os, image.architecture, variant].into_iter().flatten().collect::<Vec<_>>().join("/");
        let (id, digests) = (image.id.unwrap_or_default(), image.repo_digests.unwrap_or_default());
        Ok(Some(ImageInfo { id, digests, platform, has_healthcheck, claims }))
    }

    /// See [`crate::Engine::registry_digest`].
    pub async fn registry_digest(&self, name: &str) -> Result<String, EngineError> {
        if !fits_a_path(name) {
            let message = "that is no image's name".to_owned();
            return Err(EngineError::PullRefused { image: name.to_owned(), message });
        }
        let (what, full) = (format!("ask the registry of image `{name}`"), &with_tag(name));
        let call = move |client: bollard::Docker| async move { client.inspect_registry_image(full, None).await };
        let found = self.connection.call(&what, REGISTRY, call, |error| classify::pull(name, error)).await?;
        found.descriptor.digest.ok_or_else(|| {
            let message = "its registry tells no digest".to_owned();
            EngineError::PullRefused { image: name.to_owned(), message }
        })
    }

    /// See [`crate::Engine::remove_image`].
    pub async fn remove_image(&self, id: &str) -> Result<bool, EngineError> {
        let (what, thing) = (format!("remove image `{id}`"), format!("image `{id}`"));
        let options = RemoveImageOptions { force: false, noprune: false, ..Default::default() };
        let call = &options;
        let call =
            move |client: bollard::Docker| async move { client.remove_image(id, Some(call.clone()), None).await };
        let gone = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        Ok(classify::optional(gone)?.is_some())
    }

    /// See [`crate::Engine::pull`].
    pub async fn pull(&self, name: &str, platform: Option<&str>) -> Result<(), EngineError> {
        let platform = platform.unwrap_or_default().to_owned();
        let options = CreateImageOptions { from_image: Some(with_tag(name)), platform, ..Default::default() };
        let mut progress = self.connection.client().await?.create_image(Some(options), None, None);
        loop {
            match tokio::time::timeout(PULL_SILENCE, progress.try_next()).await {
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(error)) => {
                    let error = classify::pull(name, error);
                    if error.is_away() {
                        self.connection.forget();
                    }
                    return Err(error);
                }
                Err(_) => {
                    let message = format!("no progress for {PULL_SILENCE:?}");
                    return Err(EngineError::PullPassing { image: name.to_owned(), message });
                }
            }
        }
    }
}

/// Whether a name may stand in the path of a request. One that may not is no image's name: a pull tells so.
fn fits_a_path(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte)) && !name.contains("..")
}

/// The name with a tag or digest: without one Docker would fetch every tag that there is.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::with_tag;

    #[test]
    fn a_name_without_a_tag_means_the_latest() {
        for (name, expected) in [
            ("a", "a:latest"),
            ("r:5000/a", "r:5000/a:latest"),
            ("r:5000/a:1", "r:5000/a:1"),
            ("a@sha256:00", "a@sha256:00"),
        ] {
            assert_eq!(with_tag(name), expected);
        }
    }
}
