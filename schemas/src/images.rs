//! Which image the tag of a container led to: recorded when it is first resolved, and used again until somebody asks for
//! it anew. A part of the fold, so that a rollback finds what ran before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::image::short;
use crate::names::{Name, NodeName};
use crate::spec::Spec;

/// A rollback to one of so many versions before the current one finds the images that ran then.
pub const VERSIONS: usize = 5;

/// Images that may go and have not gone yet are remembered at most so many; of more, the oldest stay on their node.
const SPENT: usize = 256;

/// The image that a container's reference was resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The reference of the rendered descriptor, such as `demo/tool:1`.
    pub reference: String,
    /// The descriptor's `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest in its registry, `sha256:…`; none: the image is on its node only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The image's id, `sha256:…`; none: no container was made from it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether we fetched it, and so may remove it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pulled: bool,
}

impl Resolved {
    /// Whether it is what this container asks for.
    pub fn is_of(&self, spec: &Spec) -> bool {
        self.answers(&spec.image, spec.runtime.platform.as_deref())
    }

    /// Whether it is what this reference was resolved to.
    pub fn answers(&self, reference: &str, platform: Option<&str>) -> bool {
        self.reference == reference && self.platform.as_deref() == platform
    }

    /// Whether both are the same image.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (&self.digest, &other.digest) {
            (Some(one), Some(two)) => one == two,
            _ => self.id.is_some() && self.id == other.id,
        }
    }

    /// The image for people: its digest, or else its id, shortened.
    pub fn shown(&self) -> &str {
        self.digest.as_deref().or(self.id.as_deref()).map_or("unknown", short)
    }
}

/// A record, and since when it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Position of the event.
    pub since: u64,
    /// The image; none: from here on the container is not desired any more.
    pub image: Option<Resolved>,
}

/// What a registry has instead of a recorded image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outdated {
    /// What the tag leads to now: a digest, or an image's id.
    pub to: String,
    /// Position of the event that said so.
    pub since: u64,
}

/// The images of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The newest last; as many as the kept versions need.
    pub records: Vec<Recorded>,
    /// The tag leads to another image by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outdated: Option<Outdated>,
}

impl History {
    /// The record in force, whatever the descriptor says now.
    pub fn newest(&self) -> Option<&Resolved> {
        self.records.last()?.image.as_ref()
    }

    /// What was in force at a position for this reference; where it was first resolved later, that.
    fn at(&self, position: u64, reference: &str, platform: Option<&str>) -> Option<&Resolved> {
        let fits = |it: &&Recorded| it.image.as_ref().is_some_and(|it| it.answers(reference, platform));
        let before = self.records.iter().rev().filter(|it| it.since <= position).find(fits);
        before.or_else(|| self.records.iter().find(fits))?.image.as_ref()
    }
}

/// The images of a fleet's containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// By container.
    pub containers: BTreeMap<Name, History>,
    /// What only the fleet as a whole knows.
    #[serde(flatten)]
    pub versions: Versions,
}

/// The versions of a fleet, as far as images have to be known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Positions of the pushes, rollbacks and image updates that made them, the newest last.
    #[serde(default)]
    pub begun: Vec<u64>,
    /// Position of the newest image update of what is desired; 0: there is none.
    #[serde(default)]
    pub updated_at: u64,
    /// Id of an image update whose rollout is not planned yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updating: Option<Uuid>,
    /// Images that we fetched and that no kept version needs: id → node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, NodeName>,
}

impl Images {
    /// The record of a container that still asks for the same.
    pub fn in_force(&self, container: &Name, spec: &Spec) -> Option<&Resolved> {
        self.containers.get(container)?.newest().filter(|it| it.is_of(spec))
    }

    /// What ran before the record in force, where that is known.
    pub fn before(&self, container: &Name) -> Option<&Resolved> {
        let records = &self.containers.get(container)?.records;
        records.iter().rev().skip(1).find_map(|it| it.image.as_ref())
    }

    /// The ids of all images that a kept version needs.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        let records = self.containers.values().flat_map(|it| &it.records);
        records.filter_map(|it| it.image.as_ref()?.id.as_deref())
    }

    /// A container was made from this image, or was seen to be.
    pub(crate) fn ran(&mut self, container: &Name, image: &Resolved, position: u64) {
        let history = self.containers.entry(container.clone()).or_default();
        let known = history.records.last_mut().and_then(|it| it.image.as_mut());
        match known.filter(|it| it.answers(&image.reference, image.platform.as_deref()) && it.is_same_as(image)) {
            Some(known) => {
                let pulled = known.pulled || image.pulled;
                *known = Resolved { pulled, ..image.clone() };
            }
            None => history.records.push(Recorded { since: position, image: Some(image.clone()) }),
        }
        history.forget_outdated();
    }

    /// Its reference leads to this image from now on.
    pub(crate) fn moved(&mut self, container: &Name, to: &Resolved, position: u64) {
        let history = self.containers.entry(container.clone()).or_default();
        history.records.push(Recorded { since: position, image: Some(to.clone()) });
        history.forget_outdated();
    }

    /// The container is not desired any more: should it come again, its tag is resolved anew.
    pub(crate) fn taken_out(&mut self, container: &Name, position: u64) {
        if let Some(history) = self.containers.get_mut(container).filter(|it| it.newest().is_some()) {
            history.records.push(Recorded { since: position, image: None });
            history.outdated = None;
        }
    }

    /// What ran at position `to` is in force again, for these containers. True: that changes something.
    pub(crate) fn back<'a>(
        &mut self,
        to: u64,
        position: u64,
        containers: impl Iterator<Item = (&'a Name, String, Option<&'a str>)>,
    ) -> bool {
        let mut changed = false;
        for (name, reference, platform) in containers {
            let Some(history) = self.containers.get_mut(name) else { continue };
            let Some(then) = history.at(to, &reference, platform).cloned() else { continue };
            if history.newest() != Some(&then) {
                history.records.push(Recorded { since: position, image: Some(then) });
                changed = true;
            }
        }
        changed
    }

    /// A version begins: what only those need that are not kept any more is spent.
    pub(crate) fn begin(&mut self, position: u64, node: Option<&NodeName>) {
        let begun = &mut self.versions.begun;
        begun.push(position);
        begun.drain(..begun.len().saturating_sub(VERSIONS + 1));
        let kept = begun.first().copied().unwrap_or_default();
        let mut old = Vec::new();
        for history in self.containers.values_mut() {
            let later = history.records.iter().skip(1).take_while(|it| it.since <= kept).count();
            old.extend(history.records.drain(..later).filter_map(|it| it.image));
        }
        self.containers.retain(|_, it| it.newest().is_some() || it.records.len() > 1);
        let ids = old.into_iter().filter(|it| it.pulled).filter_map(|it| it.id);
        for (id, node) in ids.zip(std::iter::repeat(node)) {
            if let Some(node) = node.filter(|_| self.versions.spent.len() < SPENT) {
                self.versions.spent.insert(id, node.clone());
            }
        }
    }
}

impl History {
    fn forget_outdated(&mut self) {
        let now = self.newest().map(|it| (it.digest.clone(), it.id.clone()));
        let is_there = |it: &Outdated| now.as_ref().is_some_and(|(a, b)| [a, b].contains(&&Some(it.to.clone())));
        if self.outdated.as_ref().is_some_and(is_there) {
            self.outdated = None;
        }
    }
}
