//! The way back: from what the database holds to the fold that wrote it, and to a fleet as it was.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use schemas::descriptors::{Desired, File, Files, Path};
use schemas::event::StepStatus;
use schemas::fleet::{
    Fleet, HealthState, Lines, ObservedContainer, ObservedTask, ObservedThing, Rollout, RolloutStatus, State,
};
use schemas::images::History;
use schemas::names::{FleetId, Name, Oid};
use schemas::work::Change;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::track::{Container, Identity, Track};
use super::{Fold, Head, Ids, Known};
use crate::facts::{self, Facts};
use crate::row::Kind;

/// An object as the database has it at a position: its newest version there.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub object: i64,
    pub kind: Kind,
    pub name: String,
    pub position: u64,
    pub value: Option<String>,
    pub since: Option<String>,
    pub shared: Option<(i64, String)>,
}

/// A rollout as the database has it at a position: its plan, and its changes in the order of steps and positions.
#[derive(Debug, Clone)]
pub(crate) struct StoredRollout {
    pub plan: String,
    pub changes: Vec<(i64, String)>,
}

/// All that the database has of one fleet at a position.
#[derive(Debug)]
pub(crate) struct LoadedFleet {
    pub row: i64,
    pub id: FleetId,
    pub position: u64,
    pub lines: Lines,
    pub objects: Vec<Stored>,
    /// The newest that are kept, oldest first.
    pub rollouts: Vec<StoredRollout>,
    /// Runs that have not ended: where they were queued, id, task.
    pub runs: Vec<(u64, Uuid, Name)>,
}

/// All that the database has at its position.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub position: u64,
    pub newest: i64,
    pub actors: Vec<(i64, String)>,
    pub fleets: Vec<LoadedFleet>,
    pub ids: Ids,
}

/// The database holds something that nobody wrote there.
#[derive(Debug, thiserror::Error)]
#[error("object {object}, `{name}`, cannot be read")]
#[doc(hidden)]
pub struct LoadError {
    object: i64,
    name: String,
    #[source]
    source: serde_json::Error,
}

impl LoadError {
    /// About an object, by its id and its name.
    pub fn new(object: i64, name: String, source: serde_json::Error) -> Self {
        Self { object, name, source }
    }
}

/// What a container's version holds: state, health, exit code, Docker's time of the newest change and which, and its runs.
type Version = (State, Option<HealthState>, Option<i64>, i64, Change, Ran);
/// When it was made and started, how often Docker started it again, and how many runs ended soon.
type Ran = (i64, i64, u64, u64);
/// What a container's version shows: state, health, exit code, when it was started, how many runs ended soon; none: it is gone.
pub(crate) type Sighting = (State, Option<HealthState>, Option<i64>, i64, u64);

/// Reads what a container's version shows.
pub(crate) fn stored_sighting(value: &str) -> Result<Option<Sighting>, serde_json::Error> {
    let (state, health, exit_code, _, _, (_, started_ns, _, crashes)): Version = serde_json::from_str(value)?;
    Ok((state != State::Removed).then_some((state, health, exit_code, started_ns, crashes)))
}

impl Fold {
    /// The fold that wrote this.
    pub fn load(loaded: Loaded) -> Result<Self, LoadError> {
        let mut fleets = BTreeMap::new();
        for it in loaded.fleets {
            let (row, id) = (it.row, it.id.clone());
            let (fleet, track) = it.build()?;
            fleets.insert(id, Known { id: row, fleet: Arc::new(fleet), track, touched: false, held: OnceLock::new() });
        }
        let actors = loaded.actors.into_iter().map(|(id, name)| (name, id)).collect();
        Ok(Self { position: loaded.position, newest: loaded.newest, actors, fleets, ids: loaded.ids })
    }
}

impl LoadedFleet {
    /// The fleet as it was.
    #[cfg(test)]
    pub fn fleet(self) -> Result<Fleet, LoadError> {
        self.build().map(|(fleet, _)| fleet)
    }

    fn build(self) -> Result<(Fleet, Track), LoadError> {
        let mut fleet = Fleet::new(self.id);
        (fleet.position, fleet.lines) = (self.position, self.lines);
        let (mut track, mut files) = (Track::default(), BTreeMap::new());
        for it in self.objects {
            if it.kind != Kind::Container {
                track.objects.insert((it.kind, it.name.clone()), it.object);
            }
            take(it, &mut fleet, &mut track, &mut files)?;
        }
        fleet.desired = Desired::from(Files(files));
        for (queued, id, task) in self.runs {
            track.runs.insert(id, queued);
            fleet.runs_under_way.insert(id, task);
        }
        for it in self.rollouts {
            fleet.rollouts.push(it.build()?);
        }
        Ok((fleet, track))
    }
}

fn take(it: Stored, fleet: &mut Fleet, track: &mut Track, files: &mut BTreeMap<Path, File>) -> Result<(), LoadError> {
    let Some(value) = it.value.as_deref() else { return Ok(()) };
    match it.kind {
        Kind::Head => it.read::<Head>(value)?.give(fleet),
        Kind::Ref => drop(fleet.refs.insert(it.name.clone(), it.read::<Oid>(value)?)),
        Kind::Volume => drop(fleet.observed.volumes.insert(it.name.clone(), it.read::<ObservedThing>(value)?)),
        Kind::Network => drop(fleet.observed.networks.insert(it.name.clone(), it.read::<ObservedThing>(value)?)),
        Kind::File => {
            let (path, file) = it.file(value)?;
            let facts = it.facts(facts::of_file(&path, &file))?;
            track.facts.insert((Kind::File, it.name), facts);
            files.insert(path, file);
        }
        Kind::Image => drop(fleet.images.containers.insert(it.parsed()?, it.read::<History>(value)?)),
        Kind::Task => {
            let task: ObservedTask = it.read(value)?;
            let facts = it.facts(facts::of_task(&task))?;
            fleet.observed.tasks.insert(it.parsed()?, task);
            track.facts.insert((Kind::Task, it.name), facts);
        }
        Kind::Container => {
            let (name, seen, container) = it.container(value)?;
            fleet.observed.containers.insert(name.clone(), seen);
            track.containers.insert(name, container);
        }
    }
    Ok(())
}

impl Stored {
    fn error(&self, source: serde_json::Error) -> LoadError {
        LoadError::new(self.object, self.name.clone(), source)
    }

    fn read<T: DeserializeOwned>(&self, value: &str) -> Result<T, LoadError> {
        serde_json::from_str(value).map_err(|source| self.error(source))
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&self) -> Result<T, LoadError> {
        self.name.parse().map_err(|error| self.error(serde::de::Error::custom(error)))
    }

    /// A descriptor.
    pub fn file(&self, value: &str) -> Result<(Path, File), LoadError> {
        let path: Path = self.parsed()?;
        let file = File::read(&path, self.read(value)?).map_err(|source| self.error(source))?;
        Ok((path, file))
    }

    /// The facts of a descriptor or a task, where its values are known.
    pub fn facts(&self, now: BTreeMap<String, serde_json::Value>) -> Result<Facts, LoadError> {
        Facts::read(now, self.since.as_deref()).map_err(|source| self.error(source))
    }

    /// An observed container.
    pub(super) fn container(&self, value: &str) -> Result<(Name, ObservedContainer, Container), LoadError> {
        let (state, health, exit_code, at_ns, change, ran): Version = self.read(value)?;
        let (created_ns, started_ns, restarts, crashes) = ran;
        let (shared, text) = self.shared.as_ref().map_or((0, "null"), |(id, text)| (*id, text.as_str()));
        let identity: Identity = self.read(text)?;
        let since = self.read(self.since.as_deref().unwrap_or("[]"))?;
        let it = identity.clone();
        let seen = ObservedContainer {
            state,
            health,
            node: it.node,
            docker_id: it.docker_id,
            image: it.image,
            spec: it.spec,
            commit: it.commit,
            live: it.live,
            files: it.files,
            exit_code,
            restarts,
            crashes,
            created_ns,
            started_ns,
            newest: (at_ns, change),
            since: self.position,
        };
        Ok((self.parsed()?, seen, Container { object: self.object, shared, identity, state, health, exit_code, since }))
    }

    /// The facts of whatever it is: name, value (none: it has none), since when. The folder that their paths begin with
    /// comes first, then the name; none for what has no facts.
    pub fn all_facts(&self) -> Result<Option<(&'static str, String, Facts)>, LoadError> {
        let Some(value) = self.value.as_deref() else { return Ok(None) };
        Ok(match self.kind {
            Kind::File => {
                let (path, file) = self.file(value)?;
                let facts = self.facts(facts::of_file(&path, &file))?;
                match path {
                    Path::Fleet | Path::Blob(_) => None,
                    Path::Named(kind, name) => kind.folder().map(|folder| (folder, name.to_string(), facts)),
                }
            }
            Kind::Task => {
                let facts = self.facts(facts::of_task(&self.read(value)?))?;
                Some(("tasks", self.name.clone(), facts))
            }
            Kind::Container => {
                let (name, seen, container) = self.container(value)?;
                let values = facts::of_container(&seen).into_iter().zip(container.since);
                let named = facts::CONTAINER.into_iter().zip(values);
                let facts =
                    named.map(|(name, (it, since))| (name.to_owned(), (Some(it).filter(|it| !it.is_null()), since)));
                Some(("containers", name.to_string(), Facts(facts.collect())))
            }
            Kind::Head | Kind::Ref | Kind::Volume | Kind::Network | Kind::Image => None,
        })
    }
}

impl StoredRollout {
    fn build(self) -> Result<Rollout, LoadError> {
        let error = |source| LoadError::new(0, "a rollout".to_owned(), source);
        let mut rollout: Rollout = serde_json::from_str(&self.plan).map_err(error)?;
        for (step, value) in self.changes {
            if step < 0 {
                let read: (RolloutStatus, u64, Option<String>, Option<u64>, Option<Uuid>) =
                    serde_json::from_str(&value).map_err(error)?;
                (rollout.status, rollout.epoch, rollout.error, rollout.duration_ms, rollout.retried) = read;
            } else if let Some(it) = usize::try_from(step).ok().and_then(|step| rollout.steps.get_mut(step)) {
                let read: (StepStatus, Option<Uuid>, Option<String>, Option<u64>) =
                    serde_json::from_str(&value).map_err(error)?;
                (it.status, it.sent, it.error, it.duration_ms) = read;
            }
        }
        Ok(rollout)
    }
}
