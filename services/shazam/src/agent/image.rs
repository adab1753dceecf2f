//! The image of a container: the recorded one where there is a record, else what its tag leads to on this node, or else in
//! its registry. Whatever has to be fetched is fetched before anything is stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Container, EngineError, ImageInfo};
use schemas::image::{digest_of, repository};
use schemas::images::Resolved;
use schemas::query::{AskedImage, Looked, NowImage, PruneAnswer, PruneRequest};
use schemas::work::Target;

use super::error::StepError;
use super::host::Host;

/// A registry that does not answer is asked so many times.
const TRIES: u32 = 3;

/// The time between two tries, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);

/// What a container is made from.
pub(super) struct Chosen {
    /// The name that Docker is asked for.
    pub name: String,
    /// The id that the image has to have; none: nothing is recorded, and any will do that the tag leads to.
    pub id: Option<String>,
    /// Whether it was fetched just now.
    pub pulled: bool,
}

impl Chosen {
    /// What the tag leads to on this node.
    pub fn of_tag(target: &Target) -> Self {
        Self { name: target.spec.image.clone(), id: None, pulled: false }
    }

    /// Whether a container has this image.
    pub fn is_of(&self, seen: &Container) -> bool {
        self.id.as_ref().is_none_or(|id| *id == seen.image)
    }
}

impl Host {
    /// Makes sure that the image is here.
    pub(super) async fn have_image(&self, target: &Target) -> Result<Chosen, StepError> {
        if let Some(recorded) = &target.image {
            return self.have_recorded(recorded).await;
        }
        let (name, platform) = (&target.spec.image, target.spec.runtime.platform.as_deref());
        let is_here = self.image_for(name, platform).await?.is_some();
        if !is_here {
            self.engine.pull(name, platform).await?;
        }
        Ok(Chosen { pulled: !is_here, ..Chosen::of_tag(target) })
    }

    /// The recorded image: by its tag where that leads to it, else by its id, else by its digest.
    async fn have_recorded(&self, recorded: &Resolved) -> Result<Chosen, StepError> {
        let Resolved { reference, platform, digest, id, .. } = recorded;
        let platform = platform.as_deref();
        if let Some(id) = id {
            let tagged = self.engine.image(reference).await?.is_some_and(|it| it.id == *id);
            if tagged || self.engine.image(id).await?.is_some() {
                let name = if tagged { reference } else { id };
                return Ok(Chosen { name: name.clone(), id: Some(id.clone()), pulled: false });
            }
        }
        let Some(digest) = digest else {
            let (image, id) = (reference.clone(), id.clone().unwrap_or_default());
            return Err(StepError::ImageGone { image, id });
        };
        let pinned = format!("{}@{digest}", repository(reference));
        let mut pulled = false;
        if self.image_for(&pinned, platform).await?.is_none() {
            // What an update found is fetched by its tag, as by hand: the tag of this node goes with it.
            if id.is_none() && !reference.contains('@') {
                self.pull_what_is_there(reference, platform).await?;
            }
            if self.image_for(&pinned, platform).await?.is_none() {
                self.engine.pull(&pinned, platform).await?;
            }
            pulled = true;
        }
        let id = self.engine.image(&pinned).await?.map(|it| it.id);
        let tagged = id.is_some() && self.engine.image(reference).await?.map(|it| it.id) == id;
        Ok(Chosen { name: if tagged { reference.clone() } else { pinned }, id, pulled })
    }

    /// Fetches by a tag that may be gone meanwhile.
    async fn pull_what_is_there(&self, reference: &str, platform: Option<&str>) -> Result<(), EngineError> {
        match self.engine.pull(reference, platform).await {
            Err(error @ EngineError::PullRefused { .. }) => {
                tracing::debug!(%error, "fetched by its digest instead");
                Ok(())
            }
            end => end,
        }
    }

    async fn image_for(&self, name: &str, platform: Option<&str>) -> Result<Option<ImageInfo>, EngineError> {
        Ok(self.engine.image(name).await?.filter(|it| it.is_for(platform)))
    }

    /// What a container's image was resolved to; none: to what is recorded already.
    pub(super) async fn resolved(
        &self,
        target: &Target,
        seen: &Container,
        pulled: bool,
    ) -> Result<Option<Resolved>, EngineError> {
        let reference = target.spec.image.clone();
        let wanted = target.image.as_ref().and_then(|it| it.digest.as_deref());
        let digests = self.digests(&seen.image).await?;
        let resolved = Resolved {
            digest: digest_of(&digests, &reference, wanted).map(str::to_owned),
            platform: target.spec.runtime.platform.clone(),
            id: Some(seen.image.clone()),
            pulled: pulled || target.image.as_ref().is_some_and(|it| it.pulled),
            reference,
        };
        Ok(Some(resolved).filter(|it| target.image.as_ref() != Some(it)))
    }

    /// The digests of an image, which are looked up once for all containers that are made from it.
    async fn digests(&self, id: &str) -> Result<Vec<String>, EngineError> {
        if let Some(known) = self.known_digests(id) {
            return Ok(known);
        }
        let digests = self.engine.image(id).await?.map(|it| it.digests).unwrap_or_default();
        self.know_digests(id, &digests);
        Ok(digests)
    }

    /// What a reference leads to now. An image that came from no registry is looked up on the node only.
    pub(super) async fn look_up(&self, asked: &AskedImage) -> Result<Looked, EngineError> {
        let AskedImage { reference, id, .. } = asked;
        let ours = |it: &ImageInfo| digest_of(&it.digests, reference, None).is_some();
        if let Some(here) = self.engine.image(reference).await?.filter(|it| !ours(it)) {
            return Ok(Looked { runs: id.as_ref() == Some(&here.id), now: NowImage::Node(here.id) });
        }
        let digest = self.ask_registry(reference).await?;
        let running = match id {
            Some(id) => self.engine.image(id).await?,
            None => None,
        };
        let has_it = |it: &ImageInfo| digest_of(&it.digests, reference, Some(&digest)) == Some(&*digest);
        Ok(Looked { runs: running.as_ref().is_some_and(has_it), now: NowImage::Registry(digest) })
    }

    async fn ask_registry(&self, reference: &str) -> Result<String, EngineError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.engine.registry_digest(reference).await {
                Err(error) if error.is_passing() && !error.is_away() => {
                    tracing::info!(%error, "asking the registry again");
                }
                end => return end,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.engine.registry_digest(reference).await
    }

    /// Removes images that nothing of ours needs, as far as nobody else has them.
    pub(super) async fn prune(&self, request: PruneRequest) -> Result<PruneAnswer, EngineError> {
        let mut answer = PruneAnswer { removed: Vec::new(), kept: Default::default() };
        let mut spared = BTreeMap::new();
        for reference in request.spare {
            if let Some(image) = self.engine.image(&reference).await? {
                spared.insert(image.id, reference);
            }
        }
        for id in request.ids {
            if let Some(reference) = spared.get(&id) {
                answer.kept.insert(id, format!("a task needs it as `{reference}`"));
                continue;
            }
            match self.engine.remove_image(&id).await {
                Ok(_) => answer.removed.push(id),
                Err(EngineError::Refused { status: 409, message, .. }) => drop(answer.kept.insert(id, message)),
                Err(error) => return Err(error),
            }
        }
        Ok(answer)
    }
}
