//! Images of the simulated engine, and the registry that they come from.

use std::collections::BTreeMap;

use super::{PLATFORM, Simulated};
use crate::error::EngineError;
use crate::seen::ImageInfo;

/// The images that the engine has: those that a tag leads to, and those that it once led to.
#[derive(Debug, Default)]
pub(super) struct Images {
    by_id: BTreeMap<String, ImageInfo>,
    /// Name with tag → id.
    tags: BTreeMap<String, String>,
}

impl Images {
    /// Takes an image; the tag leads to it from now on. A name with a digest is no tag.
    pub(super) fn take(&mut self, name: &str, image: ImageInfo) {
        if !name.contains('@') {
            self.tags.insert(name.to_owned(), image.id.clone());
        }
        let digests = image.digests.clone();
        let known = self.by_id.entry(image.id.clone()).or_insert(image);
        known.digests.extend(digests);
        known.digests.sort();
        known.digests.dedup();
    }

    /// The image that a tag, an id or a name with a digest leads to.
    pub(super) fn find(&self, name: &str) -> Option<&ImageInfo> {
        let id = self.tags.get(name).map_or(name, String::as_str);
        self.by_id.get(id).or_else(|| self.by_id.values().find(|it| it.digests.iter().any(|digest| digest == name)))
    }

    fn remove(&mut self, id: &str) -> Result<bool, String> {
        if self.tags.values().filter(|it| *it == id).count() > 1 {
            return Err("image is referenced in multiple repositories".to_owned());
        }
        self.tags.retain(|_, it| it != id);
        Ok(self.by_id.remove(id).is_some())
    }
}

impl Simulated {
    /// See [`crate::Engine::image`].
    pub async fn image(&self, name: &str) -> Result<Option<ImageInfo>, EngineError> {
        Ok(self.arrive().await?.images.find(name).cloned())
    }

    /// See [`crate::Engine::pull`].
    pub async fn pull(&self, name: &str, platform: Option<&str>) -> Result<(), EngineError> {
        let mut world = self.arrive().await?;
        let image = world.published(name, platform)?;
        world.images.take(name, image);
        Ok(())
    }

    /// See [`crate::Engine::registry_digest`].
    pub async fn registry_digest(&self, name: &str) -> Result<String, EngineError> {
        let image = self.arrive().await?.published(name, None)?;
        let digest = image.digests.first().and_then(|it| it.split_once('@'));
        Ok(digest.map(|(_, digest)| digest.to_owned()).unwrap_or_default())
    }

    /// See [`crate::Engine::remove_image`].
    pub async fn remove_image(&self, id: &str) -> Result<bool, EngineError> {
        let mut world = self.arrive().await?;
        let refused = |message| EngineError::Refused { what: format!("remove image `{id}`"), status: 409, message };
        if let Some(holder) = world.containers.values().find(|it| it.seen.image == id) {
            return Err(refused(format!("image is being used by container {}", holder.seen.id)));
        }
        world.images.remove(id).map_err(refused)
    }
}

impl super::world::World {
    /// The newest image that was published under this name, for the platform; or the one with the digest.
    fn published(&self, name: &str, platform: Option<&str>) -> Result<ImageInfo, EngineError> {
        let image = || name.to_owned();
        if let Some(message) = self.registry_fault.clone() {
            return Err(EngineError::PullPassing { image: image(), message });
        }
        let is_meant = |it: &&(String, ImageInfo)| {
            let named = it.0 == name || it.1.digests.iter().any(|digest| digest == name);
            named && it.1.is_for(platform.or(Some(PLATFORM)))
        };
        let found = self.registry.iter().rev().find(is_meant).map(|(_, it)| it.clone());
        found.ok_or_else(|| {
            let message = format!("manifest for {name} not found: manifest unknown");
            EngineError::PullRefused { image: image(), message }
        })
    }
}
