//! Files of the fleet's tree in containers: had from Git by their ids, checked against those, and put in place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{EngineError, NewFile};
use schemas::descriptors::{MAX_FILE, Mount};
use schemas::names::Oid;
use schemas::query::{FaultCode, FilesRequest};
use schemas::spec::{Piece, Placed, Placing};
use schemas::work::{Command, Target};
use streams::{AskError, clock, with_causes};
use tokio::sync::SemaphorePermit;

use super::error::StepError;
use super::host::{Host, Slot};

/// How long Git may take for one answer.
const WITHIN: Duration = Duration::from_secs(10);

/// How many KiB of files all steps together hold at a time.
pub const ROOM_KIB: u32 = 64 << 10;

/// What files say, and the room that they take.
#[derive(Default)]
pub(super) struct Contents<'h> {
    bytes: BTreeMap<Oid, Vec<u8>>,
    _room: Option<SemaphorePermit<'h>>,
}

/// What is to be put at the paths of a container.
pub(super) type Placings<'t> = BTreeMap<&'t String, &'t Placing>;

/// All that belongs into a container.
pub(super) fn all(target: &Target) -> Placings<'_> {
    target.files.iter().collect()
}

/// What of it is not in place.
pub(super) fn stale<'t>(target: &'t Target, placed: &BTreeMap<String, Placed>) -> Placings<'t> {
    target.files.iter().filter(|(path, it)| !it.is_as(placed.get(*path))).collect()
}

/// Whether the log knows that all of it is in the container with this id.
pub(super) fn is_logged(target: &Target, docker_id: &str) -> bool {
    let logged = target.placed.as_ref().filter(|it| it.docker_id == docker_id);
    target.files.is_empty() || logged.is_some_and(|it| stale(target, &it.files).is_empty())
}

impl Slot {
    /// What was put into the container with this id, by this agent or as far as the log knows.
    pub(super) fn placed(&self, docker_id: &str, target: &Target) -> BTreeMap<String, Placed> {
        let told = self.told();
        let mut known = told.placed.iter().chain(&target.placed).filter(|it| it.docker_id == docker_id);
        known.next().map(|it| it.files.clone()).unwrap_or_default()
    }

    /// All files are in place in the container with this id: that is news.
    pub(super) fn place(&self, docker_id: &str, target: &Target) {
        let files = target.files.iter().map(|(path, it)| (path.clone(), it.placed())).collect();
        let mut told = self.told();
        told.placed = Some(schemas::work::PlacedIn { docker_id: docker_id.to_owned(), files });
        told.placed_is_news = true;
    }
}

impl Host {
    /// What the files say. Asked for before anything is stopped.
    pub(super) async fn contents(&self, command: &Command, placings: &Placings<'_>) -> Result<Contents<'_>, StepError> {
        let pieces = || placings.values().flat_map(|it| it.files.values());
        let mut wanted: BTreeSet<&Oid> = pieces().map(|it| &it.blob).collect();
        if wanted.is_empty() {
            return Ok(Contents::default());
        }
        let size = |it: &Piece| if it.rendered { MAX_FILE } else { it.size };
        let kib = pieces().map(size).fold(0, u64::saturating_add).div_ceil(1 << 10);
        let room = self.room.acquire_many(u32::try_from(kib).unwrap_or(ROOM_KIB).min(ROOM_KIB)).await;
        let mut contents = Contents { bytes: BTreeMap::new(), _room: room.ok() };
        while !wanted.is_empty() {
            let blobs = wanted.iter().map(|it| (*it).clone()).collect();
            let question = FilesRequest { fleet: command.fleet.clone(), blobs, min_position: command.position };
            let answer = self.bus.ask(&question, WITHIN).await.map_err(|error| unheard(&error))?;
            let before = wanted.len();
            for (blob, text) in answer.contents {
                if wanted.remove(&blob) {
                    let content = STANDARD.decode(text).ok().filter(|it| Oid::of_blob(it) == blob);
                    let content = content.ok_or_else(|| damaged(&blob, "what came is another file"))?;
                    contents.bytes.insert(blob, content);
                }
            }
            if let Some(blob) = wanted.first().filter(|_| wanted.len() == before) {
                return Err(damaged(blob, "it was not told"));
            }
        }
        Ok(contents)
    }

    /// Puts files into a container; of those that are only seeded what is not there yet.
    pub(super) async fn put(
        &self,
        container: &str,
        target: &Target,
        placings: &Placings<'_>,
        contents: &Contents<'_>,
    ) -> Result<(), StepError> {
        let changed = u64::try_from(clock::now().as_second()).unwrap_or_default();
        let mut folders: BTreeMap<&str, Vec<NewFile>> = BTreeMap::new();
        for placing in placings.values() {
            let owner = owner(placing);
            for (path, piece) in &placing.files {
                if placing.digest.is_none() && self.engine.get_file(container, path, 0).await?.is_some() {
                    continue;
                }
                let content = contents.bytes.get(&piece.blob).cloned();
                let content = content.ok_or_else(|| damaged(&piece.blob, "it was not asked for"))?;
                let bytes = piece.fill(content).map_err(|error| damaged(&piece.blob, &error.to_string()))?;
                let folder = folder(path, target);
                let path = path.get(folder.len()..).unwrap_or_default().trim_start_matches('/').to_owned();
                let file = NewFile { path, bytes, executable: piece.executable, owner, changed };
                folders.entry(folder).or_default().push(file);
            }
        }
        for (folder, files) in folders {
            self.engine.put_files(container, folder, &files).await?;
        }
        Ok(())
    }

    /// Tells a container's process that its files are others, each signal once.
    pub(super) async fn signal(&self, container: &str, placings: &Placings<'_>) -> Result<(), EngineError> {
        let signals: BTreeSet<&str> = placings.values().filter_map(|it| it.signal.as_deref()).collect();
        for signal in signals {
            self.engine.signal(container, signal).await?;
        }
        Ok(())
    }
}

/// The numbers of the user and the group whose files are; of both root's where nobody says.
fn owner(placing: &Placing) -> (u32, u32) {
    let text = placing.owner.as_ref().map_or("0", |it| it.0.as_str());
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    // Checked at the push: they are numbers that fit.
    (user.parse().unwrap_or_default(), group.parse().unwrap_or_default())
}

/// The folder of a container below which a file is put: where its volume is mounted, else the root.
fn folder<'t>(path: &str, target: &'t Target) -> &'t str {
    let volumes = target.spec.volumes.iter().filter(|(_, it)| matches!(it, Mount::Volume { .. }));
    let over = volumes.map(|(at, _)| at.trim_end_matches('/')).filter(|at| {
        let rest = path.strip_prefix(at);
        rest.is_some_and(|rest| rest.starts_with('/'))
    });
    over.max_by_key(|at| at.len()).unwrap_or("/")
}

fn unheard(error: &AskError) -> StepError {
    let passing = match error {
        AskError::Fault(fault) => matches!(fault.code, FaultCode::Behind | FaultCode::Unavailable),
        _ => true,
    };
    StepError::NoFiles { why: with_causes(error), passing }
}

fn damaged(blob: &Oid, why: &str) -> StepError {
    StepError::NoFiles { why: format!("{} ({why})", blob.short()), passing: false }
}
