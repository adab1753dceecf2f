//! What is known of a fleet's objects beside the fleet itself: their ids in the database, and since when each fact is so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemas::descriptors::Changes;
use schemas::event::{ContainerChange, Data, Event, GitPushed, PullOpened, PullUpdated, ThingChange};
use schemas::fleet::{Fleet, HealthState, ObservedContainer, ObservedThing, Rollout, State};
use schemas::images::History;
use schemas::names::{Name, NodeName, Oid};
use schemas::pulls::Pull;
use schemas::spec::{Placed, Updatable};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Head, Ids, next};
use crate::facts::{self, Facts};
use crate::row::{Kind, Row};

/// The objects of one fleet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Track {
    /// The ids of all objects but containers.
    pub objects: BTreeMap<(Kind, String), i64>,
    /// The facts of descriptors and tasks.
    pub facts: BTreeMap<(Kind, String), Facts>,
    pub containers: HashMap<Name, Container>,
    /// Where each run that has not ended was queued.
    pub runs: HashMap<Uuid, u64>,
}

/// A container: its version of which only what changes is written each time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Container {
    pub object: i64,
    pub shared: i64,
    pub identity: Identity,
    pub state: State,
    pub health: Option<HealthState>,
    pub exit_code: Option<i64>,
    /// In the order of [`facts::CONTAINER`].
    pub since: [u64; facts::CONTAINER.len()],
}

/// What hardly ever changes while a container lives: written once, and shared by its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub node: NodeName,
    pub docker_id: String,
    pub image: Option<String>,
    pub spec: Option<String>,
    pub commit: Option<Oid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Updatable>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Placed>,
}

impl Identity {
    fn is_of(&self, it: &ObservedContainer) -> bool {
        self.docker_id == it.docker_id
            && self.node == it.node
            && self.image == it.image
            && self.spec == it.spec
            && self.commit == it.commit
            && self.live == it.live
            && self.files == it.files
    }

    fn of(it: &ObservedContainer) -> Self {
        Self {
            node: it.node.clone(),
            docker_id: it.docker_id.clone(),
            image: it.image.clone(),
            spec: it.spec.clone(),
            commit: it.commit.clone(),
            live: it.live.clone(),
            files: it.files.clone(),
        }
    }
}

/// A value as it is stored. All of them are plain structs with text keys: writing them cannot fail.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The rows of one event.
struct Writer<'a> {
    fleet: i64,
    position: u64,
    ids: &'a mut Ids,
    rows: &'a mut Vec<Row>,
}

impl Track {
    /// Takes an event into the fleet, and writes what that changed.
    pub fn apply(&mut self, id: i64, fleet: &mut Fleet, event: &Event, ids: &mut Ids, rows: &mut Vec<Row>) {
        let position = event.position;
        let mut to = Writer { fleet: id, position, ids, rows };
        match &event.data {
            Data::ContainerCreated(it)
            | Data::ContainerStarted(it)
            | Data::ContainerUpdated(it)
            | Data::ContainerPaused(it)
            | Data::ContainerUnpaused(it)
            | Data::ContainerHealthy(it)
            | Data::ContainerUnhealthy(it)
            | Data::ContainerStopped(it)
            | Data::ContainerDied(it)
            | Data::ContainerRemoved(it) => {
                fleet.apply(event);
                self.container(fleet, it, &mut to);
            }
            Data::VolumeCreated(it) | Data::VolumeRemoved(it) => {
                let before = fleet.observed.volumes.get(&it.name).cloned();
                let (doomed, snapshots) = (fleet.doomed.clone(), fleet.snapshots.len());
                fleet.apply(event);
                self.thing(Kind::Volume, before, fleet.observed.volumes.get(&it.name), it, &mut to);
                if fleet.doomed != doomed || fleet.snapshots.len() != snapshots {
                    self.head(fleet, &mut to);
                }
            }
            Data::NetworkCreated(it) | Data::NetworkRemoved(it) => {
                let before = fleet.observed.networks.get(&it.name).cloned();
                fleet.apply(event);
                self.thing(Kind::Network, before, fleet.observed.networks.get(&it.name), it, &mut to);
            }
            Data::GitPushed(it) => {
                let before = fleet.images.containers.clone();
                fleet.apply(event);
                self.pushed(fleet, it, &mut to);
                self.images(&before, fleet, &mut to);
            }
            Data::DesiredRolledBack(it) => {
                let before = fleet.images.containers.clone();
                fleet.apply(event);
                self.head(fleet, &mut to);
                self.desires(&it.commit, &it.descriptors, &mut to);
                self.images(&before, fleet, &mut to);
            }
            Data::ImageUpdated(_) => {
                let before = fleet.images.containers.clone();
                fleet.apply(event);
                self.head(fleet, &mut to);
                self.images(&before, fleet, &mut to);
            }
            Data::ImageOutdated(it) => {
                let before = fleet.images.containers.get(&it.container).cloned();
                fleet.apply(event);
                self.image(&it.container, before.as_ref(), fleet, &mut to);
            }
            Data::ImagePruned(_) => {
                fleet.apply(event);
                self.head(fleet, &mut to);
            }
            Data::PullOpened(PullOpened { number, tip, .. }) | Data::PullUpdated(PullUpdated { number, tip }) => {
                fleet.apply(event);
                let object = self.object(Kind::Ref, &Pull::ref_name(*number), &mut to);
                to.version(object, Some(text(&tip.head)), None, None);
            }
            Data::DriftFound(_)
            | Data::DriftEnded(_)
            | Data::ContainerArchived(_)
            | Data::ArchiveRemoved(_)
            | Data::HoldPlaced(_)
            | Data::HoldEnded(_)
            | Data::OperatorAsked(_)
            | Data::OperatorActed(_) => {
                fleet.apply(event);
                self.head(fleet, &mut to);
            }
            Data::FleetForked(_) => {
                fleet.apply(event);
                self.head(fleet, &mut to);
            }
            Data::RolloutPlanned(_) => {
                let (released, updating) = (fleet.released, fleet.images.versions.updating);
                fleet.apply(event);
                if fleet.released != released || updating.is_some() {
                    self.head(fleet, &mut to);
                }
                if let Some(rollout) = fleet.rollouts.last() {
                    let (id, plan) = (event.id, text(rollout));
                    to.rows.push(Row::Rollout { fleet: to.fleet, planned_at: position, id, plan });
                }
            }
            Data::RolloutStep(it) => {
                let of = find(fleet, it.rollout).and_then(|rollout| rollout.steps.get(it.step as usize));
                let container = of.filter(|_| it.image.is_some()).map(|of| of.step.container.clone());
                let before = container.as_ref().and_then(|name| fleet.images.containers.get(name).cloned());
                fleet.apply(event);
                if let Some(container) = container {
                    self.image(&container, before.as_ref(), fleet, &mut to);
                }
                let step = |rollout: &Rollout| {
                    let it = rollout.steps.get(it.step as usize)?;
                    Some(json!([it.status, it.sent, it.error, it.duration_ms]).to_string())
                };
                if let Some(rollout) = find(fleet, it.rollout)
                    && let Some(value) = step(rollout)
                {
                    let (rollout, step) = (rollout.planned_at, i64::from(it.step));
                    to.rows.push(Row::Change { rollout, step, position, value });
                }
            }
            Data::RolloutRetried(it) => rollout(fleet, event, it.rollout, &mut to),
            Data::RolloutStarted(it) => rollout(fleet, event, it.rollout, &mut to),
            Data::RolloutResumed(it) => rollout(fleet, event, it.rollout, &mut to),
            Data::RolloutSucceeded(it) => rollout(fleet, event, it.rollout, &mut to),
            Data::RolloutFailed(it) => rollout(fleet, event, it.rollout, &mut to),
            Data::RolloutSuperseded(it) => rollout(fleet, event, it.rollout, &mut to),
            Data::RunQueued(it) => {
                fleet.apply(event);
                self.runs.insert(event.id, position);
                let task = it.task.to_string();
                to.rows.push(Row::Run { fleet: to.fleet, queued: position, id: event.id, task });
            }
            Data::RunSucceeded(it) => self.ran(fleet, event, it.run, &mut to),
            Data::RunFailed(it) => self.ran(fleet, event, it.run, &mut to),
            Data::RunCancelled(it) => self.ran(fleet, event, it.run, &mut to),
            // Changes nothing that has a value: at most where a subject ends.
            _ => fleet.apply(event),
        }
    }

    fn container(&mut self, fleet: &Fleet, change: &ContainerChange, to: &mut Writer<'_>) {
        let Some(it) = fleet.observed.containers.get(&change.container).filter(|it| it.since == to.position) else {
            return;
        };
        let position = to.position;
        let known = match self.containers.get_mut(&change.container) {
            Some(known) => {
                let gone = |state| state == State::Removed;
                let anew = gone(known.state) != gone(it.state);
                let same = [
                    known.state == it.state,
                    known.health == it.health,
                    known.exit_code == it.exit_code,
                    known.identity.image == it.image,
                    known.identity.node == it.node,
                ];
                for (since, same) in known.since.iter_mut().zip(same) {
                    if !same || anew {
                        *since = position;
                    }
                }
                if !known.identity.is_of(it) {
                    known.identity = Identity::of(it);
                    known.shared = to.shared(text(&known.identity));
                }
                (known.state, known.health, known.exit_code) = (it.state, it.health, it.exit_code);
                known
            }
            None => {
                let identity = Identity::of(it);
                let object = to.object(Kind::Container, change.container.to_string());
                let shared = to.shared(text(&identity));
                let (state, health, exit_code) = (it.state, it.health, it.exit_code);
                let since = [position; facts::CONTAINER.len()];
                let container = Container { object, shared, identity, state, health, exit_code, since };
                self.containers.entry(change.container.clone()).or_insert(container)
            }
        };
        let ran = (it.created_ns, it.started_ns, it.restarts, it.crashes);
        let value = text(&(it.state, it.health, it.exit_code, it.newest.0, it.newest.1, ran));
        to.version(known.object, Some(value), Some(text(&known.since)), Some(known.shared));
    }

    fn thing(
        &mut self,
        kind: Kind,
        before: Option<ObservedThing>,
        after: Option<&ObservedThing>,
        it: &ThingChange,
        to: &mut Writer<'_>,
    ) {
        if let Some(after) = after.filter(|it| before.as_ref() != Some(it)) {
            let object = self.object(kind, &it.name, to);
            to.version(object, Some(text(after)), None, None);
        }
    }

    fn pushed(&mut self, fleet: &Fleet, pushed: &GitPushed, to: &mut Writer<'_>) {
        for update in &pushed.refs {
            let object = self.object(Kind::Ref, &update.name, to);
            to.version(object, update.new.as_ref().map(text), None, None);
        }
        self.head(fleet, to);
        if let Some(commit) = &pushed.commit {
            self.desires(commit, &pushed.descriptors, to);
        }
    }

    /// Another commit is desired from here on, and so are these descriptors.
    fn desires(&mut self, commit: &Oid, changes: &Changes, to: &mut Writer<'_>) {
        to.rows.push(Row::Push { fleet: to.fleet, position: to.position, commit: commit.to_string() });
        for path in &changes.removed {
            let name = path.to_string();
            // Set by the same push after all: the fold takes what is removed first.
            if !changes.set.0.contains_key(path) {
                let object = self.object(Kind::File, &name, to);
                self.facts.remove(&(Kind::File, name));
                to.version(object, None, None, None);
            }
        }
        for (path, file) in &changes.set.0 {
            let name = path.to_string();
            let object = self.object(Kind::File, &name, to);
            let facts = self.facts.entry((Kind::File, name)).or_default();
            facts.become_at(facts::of_file(path, file), to.position);
            to.version(object, Some(text(file)), facts.since(), None);
        }
    }

    /// The images of every container that had others before.
    fn images(&mut self, before: &BTreeMap<Name, History>, fleet: &Fleet, to: &mut Writer<'_>) {
        let names: BTreeSet<&Name> = before.keys().chain(fleet.images.containers.keys()).collect();
        for name in names {
            self.image(name, before.get(name), fleet, to);
        }
    }

    fn image(&mut self, name: &Name, before: Option<&History>, fleet: &Fleet, to: &mut Writer<'_>) {
        let now = fleet.images.containers.get(name);
        if now != before {
            let object = self.object(Kind::Image, name.as_str(), to);
            to.version(object, now.map(text), None, None);
        }
    }

    fn head(&mut self, fleet: &Fleet, to: &mut Writer<'_>) {
        let head = self.object(Kind::Head, "", to);
        to.version(head, Some(text(&Head::of(fleet))), None, None);
    }

    fn ran(&mut self, fleet: &mut Fleet, event: &Event, run: Uuid, to: &mut Writer<'_>) {
        let task = fleet.runs_under_way.get(&run).cloned();
        fleet.apply(event);
        if let Some(queued) = self.runs.remove(&run) {
            to.rows.push(Row::RunEnd { fleet: to.fleet, queued, ended: to.position });
        }
        let Some((name, task)) = task.and_then(|name| Some((name.to_string(), fleet.observed.tasks.get(&name)?)))
        else {
            return;
        };
        let object = self.object(Kind::Task, &name, to);
        let facts = self.facts.entry((Kind::Task, name)).or_default();
        facts.become_at(facts::of_task(task), to.position);
        to.version(object, Some(text(task)), facts.since(), None);
    }

    /// The object's id; a new one where it is new.
    fn object(&mut self, kind: Kind, name: &str, to: &mut Writer<'_>) -> i64 {
        *self.objects.entry((kind, name.to_owned())).or_insert_with(|| to.object(kind, name.to_owned()))
    }
}

fn find(fleet: &Fleet, id: Uuid) -> Option<&Rollout> {
    fleet.rollouts.iter().rev().find(|it| it.id == id)
}

/// An event about a rollout as a whole.
fn rollout(fleet: &mut Fleet, event: &Event, id: Uuid, to: &mut Writer<'_>) {
    fleet.apply(event);
    if let Some(it) = find(fleet, id) {
        let value = json!([it.status, it.epoch, it.error, it.duration_ms, it.retried]).to_string();
        to.rows.push(Row::Change { rollout: it.planned_at, step: -1, position: to.position, value });
    }
}

impl Writer<'_> {
    fn object(&mut self, kind: Kind, name: String) -> i64 {
        let (id, fleet, first) = (next(&mut self.ids.object), self.fleet, self.position);
        self.rows.push(Row::Object { id, fleet, kind, name, first });
        id
    }

    fn shared(&mut self, value: String) -> i64 {
        let id = next(&mut self.ids.shared);
        self.rows.push(Row::Shared { id, value });
        id
    }

    fn version(&mut self, object: i64, value: Option<String>, since: Option<String>, shared: Option<i64>) {
        self.rows.push(Row::Version { object, position: self.position, value, since, shared });
    }
}
