//! The parts of an answer, and how they go together.

use std::ops::Range;

use schemas::descriptors::{FleetFile, Kind as Folder, Path};
use schemas::fleet::Fleet;
use schemas::images::History;
use schemas::names::Oid;
use schemas::query::{ContainerState, ImageState};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::super::read::FleetRow;
use crate::fold::{Head, Identity, stored_sighting};

/// What a name and what all that stands around takes in an answer, roughly and in bytes.
const A_NAME: usize = 32;
const AROUND: usize = 1 << 10;

/// What the answer is made of.
pub(super) struct Parts {
    head: Head,
    /// Where the text of each lies in `texts`.
    files: Vec<(Path, Range<usize>)>,
    texts: String,
    /// The members of three objects, as they go out.
    containers: Vec<u8>,
    tasks: Vec<u8>,
    images: Vec<u8>,
}

impl Parts {
    /// Of a fleet that has nothing yet.
    pub fn new(fleet: &FleetRow) -> Self {
        let head = Head::of(&Fleet::new(fleet.id.clone()));
        let (containers, tasks, images) = (Vec::new(), Vec::new(), Vec::new());
        Self { head, files: Vec::new(), texts: String::new(), containers, tasks, images }
    }

    /// Takes what is desired since when.
    pub fn head(&mut self, value: &str) -> Result<(), serde_json::Error> {
        self.head = serde_json::from_str(value)?;
        Ok(())
    }

    /// Takes a descriptor.
    pub fn file(&mut self, name: &str, value: &str) -> Result<(), serde_json::Error> {
        let from = self.texts.len();
        self.texts.push_str(value);
        self.files.push((name.parse().map_err(serde_json::Error::custom)?, from..self.texts.len()));
        Ok(())
    }

    /// Takes what came of a task.
    pub fn task(&mut self, name: &str, value: &str) -> Result<(), serde_json::Error> {
        member(&mut self.tasks, name)?;
        self.tasks.extend_from_slice(value.as_bytes());
        Ok(())
    }

    /// Takes the images that a container had.
    pub fn image(&mut self, name: &str, value: &str) -> Result<(), serde_json::Error> {
        let history: History = serde_json::from_str(value)?;
        let Some(shown) = ImageState::of(&history) else { return Ok(()) };
        member(&mut self.images, name)?;
        serde_json::to_writer(&mut self.images, &shown)
    }

    /// Takes a container, where it is there.
    pub fn container(&mut self, name: &str, value: &str, identity: &str, since: u64) -> Result<(), serde_json::Error> {
        let Some((state, health, exit_code, started_ns, crashes)) = stored_sighting(value)? else { return Ok(()) };
        let owned: Identity;
        let its = match serde_json::from_str::<IdentityText<'_>>(identity) {
            Ok(text) => text,
            // Something in it is written with an escape.
            Err(_) => {
                owned = serde_json::from_str(identity)?;
                IdentityText::of(&owned)
            }
        };
        let IdentityText { node, docker_id, image, commit } = its;
        member(&mut self.containers, name)?;
        let started = ContainerState::began(started_ns);
        let shown =
            ContainerState { state, health, node, image, docker_id, commit, exit_code, started, crashes, since };
        serde_json::to_writer(&mut self.containers, &shown)
    }

    /// Takes what comes behind all that is here, without its head.
    pub fn append(&mut self, behind: Self) {
        let from = self.texts.len();
        self.texts.push_str(&behind.texts);
        self.files.extend(behind.files.into_iter().map(|(path, it)| (path, it.start + from..it.end + from)));
        let all = [
            (&mut self.containers, behind.containers),
            (&mut self.tasks, behind.tasks),
            (&mut self.images, behind.images),
        ];
        for (to, members) in all {
            if !to.is_empty() && !members.is_empty() {
                to.push(b',');
            }
            to.extend_from_slice(&members);
        }
    }

    /// The whole, with its members in the order in which [`FleetState`](schemas::query::FleetState) has them.
    pub fn text(mut self, fleet: &FleetRow, position: u64) -> Result<String, serde_json::Error> {
        let files = self.texts.len() + self.files.len() * A_NAME;
        let mut to = Vec::with_capacity(files + self.containers.len() + self.tasks.len() + self.images.len() + AROUND);
        let Head { deploy, commit, desired_at, upstream, drift, archived, holds, .. } = &self.head;
        to.push(b'{');
        value(&mut to, "position", &position)?;
        value(&mut to, "fleet", &fleet.id)?;
        value(&mut to, "commit", commit)?;
        value(&mut to, "desired_at", desired_at)?;
        value(&mut to, "deploy", deploy)?;
        value(&mut to, "upstream", upstream)?;
        member(&mut to, "desired")?;
        // A descriptor's path is not in the order of its name: `a-b.json` comes before `a.json`.
        self.files.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.desired(&mut to)?;
        member(&mut to, "observed")?;
        to.push(b'{');
        object(&mut to, "containers", &self.containers)?;
        object(&mut to, "tasks", &self.tasks)?;
        to.push(b'}');
        value(&mut to, "drift", drift)?;
        value(&mut to, "archived", archived)?;
        value(&mut to, "holds", holds)?;
        object(&mut to, "images", &self.images)?;
        to.push(b'}');
        String::from_utf8(to).map_err(serde_json::Error::custom)
    }

    /// Files in the order of their paths, by folder.
    fn desired(&self, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default().as_bytes();
        let mut files = self.files.iter().peekable();
        to.push(b'{');
        match files.next_if(|(path, _)| *path == Path::Fleet) {
            Some((_, range)) => {
                member(to, "fleet")?;
                to.extend_from_slice(text(range));
            }
            None => value(to, "fleet", &FleetFile::default())?,
        }
        for kind in Folder::ALL {
            let Some(folder) = kind.folder() else { continue };
            member(to, folder)?;
            to.push(b'{');
            let its = |(path, _): &&(Path, Range<usize>)| matches!(path, Path::Named(it, _) if *it == kind);
            while let Some((Path::Named(_, name), range)) = files.next_if(its) {
                member(to, name.as_str())?;
                to.extend_from_slice(text(range));
            }
            to.push(b'}');
        }
        self.contents(&mut files, to)?;
        to.push(b'}');
        Ok(())
    }

    /// The files that containers take in come last; without any there is no such member.
    fn contents<'a>(
        &'a self,
        files: &mut std::iter::Peekable<impl Iterator<Item = &'a (Path, Range<usize>)>>,
        to: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        let is_one = |(path, _): &&(Path, Range<usize>)| matches!(path, Path::Blob(_));
        if files.peek().is_none_or(|it| !is_one(it)) {
            return Ok(());
        }
        member(to, "contents")?;
        to.push(b'{');
        while let Some((Path::Blob(path), range)) = files.next_if(is_one) {
            member(to, path)?;
            to.extend_from_slice(self.texts.get(range.clone()).unwrap_or_default().as_bytes());
        }
        to.push(b'}');
        Ok(())
    }
}

/// What is shown of a container's identity, where it lies.
#[derive(Deserialize)]
struct IdentityText<'a> {
    node: &'a str,
    docker_id: &'a str,
    image: Option<&'a str>,
    commit: Option<&'a str>,
}

impl<'a> IdentityText<'a> {
    fn of(it: &'a Identity) -> Self {
        let (image, commit) = (it.image.as_deref(), it.commit.as_ref().map(Oid::as_str));
        Self { node: it.node.as_str(), docker_id: &it.docker_id, image, commit }
    }
}

/// Begins a member of an object: a comma where it is not the first one, its name, a colon.
fn member(to: &mut Vec<u8>, name: &str) -> Result<(), serde_json::Error> {
    if to.last().is_some_and(|it| *it != b'{') {
        to.push(b',');
    }
    serde_json::to_writer(&mut *to, name)?;
    to.push(b':');
    Ok(())
}

/// A whole member.
fn value(to: &mut Vec<u8>, name: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
    member(to, name)?;
    serde_json::to_writer(to, value)
}

/// A member that is an object, of the members that it has.
fn object(to: &mut Vec<u8>, name: &str, members: &[u8]) -> Result<(), serde_json::Error> {
    member(to, name)?;
    to.push(b'{');
    to.extend_from_slice(members);
    to.push(b'}');
    Ok(())
}
