//! Volumes: made once by name, shown with their labels, removed when nothing has them.

use bollard::models::{Volume as Found, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptions, RemoveVolumeOptions};

use super::connection::CALL;
use super::containers::label_filter;
use super::{Docker, classify};
use crate::error::EngineError;
use crate::seen::{Ensured, Labels, Scope, Volume};

impl Docker {
    /// See [`crate::Engine::ensure_volume`].
    pub async fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        if let Some(there) = self.volume(name).await? {
            return Ok(Ensured { made: false, labels: there.labels });
        }
        let what = format!("create volume `{name}`");
        let request = &VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        let call = move |client: bollard::Docker| async move { client.create_volume(request.clone()).await };
        // Docker answers with the one that is there, should somebody else have been first: its labels tell.
        let volume = volume(self.connection.call(&what, CALL, call, classify::refused(&what)).await?);
        Ok(Ensured { made: volume.labels == *labels, labels: volume.labels })
    }

    /// See [`crate::Engine::volume`].
    pub async fn volume(&self, name: &str) -> Result<Option<Volume>, EngineError> {
        let (what, thing) = (format!("inspect volume `{name}`"), format!("volume `{name}`"));
        let call = move |client: bollard::Docker| async move { client.inspect_volume(name).await };
        let found = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        Ok(classify::optional(found)?.map(volume))
    }

    /// See [`crate::Engine::remove_volume`].
    pub async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        let (what, thing) = (format!("remove volume `{name}`"), format!("volume `{name}`"));
        let call =
            move |client: bollard::Docker| async move { client.remove_volume(name, None::<RemoveVolumeOptions>).await };
        let removed = self.connection.call(&what, CALL, call, classify::missing(&what, &thing)).await;
        Ok(classify::optional(removed)?.is_some())
    }

    /// See [`crate::Engine::volumes`].
    pub async fn volumes(&self, scope: &Scope) -> Result<Vec<Volume>, EngineError> {
        let options = &ListVolumesOptions { filters: Some(label_filter(scope)) };
        let call = move |client: bollard::Docker| async move { client.list_volumes(Some(options.clone())).await };
        let found = self.connection.call("list volumes", CALL, call, classify::refused("list volumes")).await?;
        let mut volumes: Vec<Volume> = found.volumes.unwrap_or_default().into_iter().map(volume).collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }
}

fn volume(found: Found) -> Volume {
    Volume { name: found.name, labels: found.labels.into_iter().collect() }
}
