//! The fold: each event changes the fleets in memory, and says in rows what that changes in the database.
//!
//! Pure: no clock, no file. The same events give the same rows, ids included, however they were cut into batches.

mod head;
mod load;
mod track;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use schemas::event::{Data, Event};
use schemas::fleet::{Fleet, Lines};
use schemas::names::{FleetId, Owner};
use schemas::neighbours::{self, Held, Part};

pub(crate) use self::head::Head;
pub(crate) use self::load::{LoadError, Loaded, LoadedFleet, Stored, StoredRollout, stored_sighting};
pub(crate) use self::track::Identity;
use self::track::Track;
use crate::row::Row;

/// Every fleet at a position, with the ids that its rows have in the database.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    position: u64,
    /// The newest time of any event so far, in nanoseconds since 1970.
    newest: i64,
    actors: HashMap<String, i64>,
    fleets: BTreeMap<FleetId, Known>,
    ids: Ids,
}

#[derive(Debug)]
struct Known {
    id: i64,
    /// A fleet is shared with the answers that are being written from it, and copied only when an event changes it
    /// meanwhile.
    fleet: Arc<Fleet>,
    track: Track,
    /// Whether its lines moved since they were last written.
    touched: bool,
    /// The host ports that it publishes; worked out when somebody asks, and again after its desired state or its node
    /// may have changed.
    held: OnceLock<Vec<Held>>,
}

/// The newest id of each kind of row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub actor: i64,
    pub fleet: i64,
    pub object: i64,
    pub shared: i64,
}

fn next(id: &mut i64) -> i64 {
    *id += 1;
    *id
}

impl Fold {
    /// Position of the last event that it took.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next event; what it changes is added to `rows`. One that it has taken already changes nothing.
    pub fn apply(&mut self, event: &Event, rows: &mut Vec<Row>) {
        if event.position <= self.position {
            return;
        }
        self.position = event.position;
        self.note(event, rows);
        let Some(name) = event.scope.fleet() else { return };
        if !self.fleets.contains_key(name) {
            let id = next(&mut self.ids.fleet);
            rows.push(Row::Fleet { id, name: name.to_string(), first: event.position });
            let fleet = Arc::new(Fleet::new(name.clone()));
            self.fleets.insert(
                name.clone(),
                Known { id, fleet, track: Track::default(), touched: false, held: OnceLock::new() },
            );
        }
        let Some(known) = self.fleets.get_mut(name) else { return };
        known.touched = true;
        if matches!(event.data, Data::GitPushed(_) | Data::DesiredRolledBack(_) | Data::RolloutPlanned(_)) {
            known.held = OnceLock::new();
        }
        let fleet = Arc::make_mut(&mut known.fleet);
        known.track.apply(known.id, fleet, event, &mut self.ids, rows);
    }

    /// Ends a batch: where the subjects of the fleets end that it touched.
    pub fn end_batch(&mut self, rows: &mut Vec<Row>) {
        for known in self.fleets.values_mut().filter(|it| it.touched) {
            known.touched = false;
            let (fleet, lines) = (known.id, known.fleet.lines);
            let position = known.fleet.position;
            let Lines { git, rollout, run, hold } = lines;
            rows.push(Row::Lines { fleet, position, git, rollout, run, hold });
        }
    }

    /// When the event was, and who appended it.
    fn note(&mut self, event: &Event, rows: &mut Vec<Row>) {
        let actor = match self.actors.get(event.actor.as_str()) {
            Some(id) => *id,
            None => {
                let id = next(&mut self.ids.actor);
                self.actors.insert(event.actor.clone(), id);
                rows.push(Row::Actor { id, name: event.actor.clone() });
                id
            }
        };
        let time = nanoseconds(event.time);
        self.newest = self.newest.max(time);
        rows.push(Row::Event { position: event.position, time, ahead: self.newest.saturating_sub(time), actor });
    }

    /// One fleet.
    pub fn get(&self, id: &FleetId) -> Option<Arc<Fleet>> {
        self.fleets.get(id).map(|it| it.fleet.clone())
    }

    /// What other fleets than `asker` have of these parts of a node, at most `most`.
    pub fn in_the_way(&self, asker: &FleetId, parts: &[Part], most: usize) -> Vec<Held> {
        let others = self.fleets.iter().filter(|(id, _)| *id != asker);
        let held = others.flat_map(|(_, known)| known.held.get_or_init(|| neighbours::held(&known.fleet)));
        neighbours::in_the_way(parts, held).into_iter().take(most).cloned().collect()
    }

    /// At most `limit` fleets after `after` in the order of their names, and whether there are more.
    pub fn page(&self, after: Option<&FleetId>, limit: usize, owners: Option<&[Owner]>) -> (Vec<Arc<Fleet>>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.fleets.range::<FleetId, _>((from, Bound::Unbounded));
        let theirs = all.filter(|(id, _)| owners.is_none_or(|it| it.contains(&id.owner)));
        let mut rest = theirs.map(|(_, known)| known.fleet.clone());
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        (page, rest.next().is_some())
    }
}

/// A time as the database has it. What lies outside of the years 1677 to 2262 is moved to their edge.
pub(crate) fn nanoseconds(time: jiff::Timestamp) -> i64 {
    let ns = time.as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}
