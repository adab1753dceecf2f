//! Images: whether they are here, and fetching them.

use std::time::Duration;

use bollard::query_parameters::CreateImageOptions;
use futures_util::TryStreamExt;

use super::connection::CALL;
use super::inspect::is_check;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::ImageInfo;

/// How the labels begin that say whose a container is.
const OUR_LABELS: &str = "fleetlog.";
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
        Ok(Some(ImageInfo { id: image.id.unwrap_or_default(), has_healthcheck, claims }))
    }

    /// See [`crate::Engine::pull`].
    pub async fn pull(&self, name: &str) -> Result<(), EngineError> {
        let options = CreateImageOptions { from_image: Some(with_tag(name)), ..Default::default() };
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
