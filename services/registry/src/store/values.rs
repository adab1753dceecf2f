//! Every value of a fleet at a position, and one value through time: from ranges, never by folding events.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use schemas::query::{Range, Variable};
use serde_json::Value;

use super::StoreError;
use super::read::{FleetRow, Snapshot};
use crate::facts;
use crate::row::Kind;

/// The kinds of objects that have facts.
const WITH_FACTS: [Kind; 3] = [Kind::File, Kind::Container, Kind::Task];

/// What one event says about all that is so since it.
#[derive(Debug, Clone)]
struct Origin {
    time: Timestamp,
    by: String,
    commit: Option<String>,
}

/// A range without its origin: value, from, to.
type Bare = (Option<Value>, u64, Option<u64>);

impl Snapshot<'_> {
    /// Every value after `position`, by path.
    pub fn variables(&self, fleet: &FleetRow, position: u64) -> Result<BTreeMap<String, Variable>, StoreError> {
        let objects = self.objects(fleet.row, position, &WITH_FACTS).map_err(self.failed())?;
        // Much is so since the same event.
        let mut origins = HashMap::new();
        let mut variables = BTreeMap::new();
        for object in objects {
            let Some((folder, name, its)) = object.all_facts().map_err(self.unreadable())? else { continue };
            for (fact, (value, since)) in its.0 {
                let Some(value) = value else { continue };
                let origin = match origins.get(&since) {
                    Some(origin) => origin,
                    None => {
                        let origin = self.origin(fleet.row, since).map_err(self.failed())?;
                        origins.entry(since).or_insert(origin)
                    }
                };
                let Origin { time, by, commit } = origin.clone();
                variables.insert(facts::path_of(folder, &name, &fact), Variable { value, since, time, commit, by });
            }
        }
        Ok(variables)
    }

    /// What one path was up to `position`, the newest first: at most `limit` ranges that begin before `before`, and
    /// whether there are older ones. None: it never had a value.
    pub fn history(
        &self,
        fleet: &FleetRow,
        path: &str,
        position: u64,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Option<(Vec<Range>, bool)>, StoreError> {
        let Some((kind, name, fact)) = object_of(path) else { return Ok(None) };
        let Some(object) = self.object(fleet.row, kind, &name).map_err(self.failed())? else { return Ok(None) };
        let mut bare: Vec<Bare> = Vec::new();
        let mut to = before;
        let mut at = before.map_or(position, |before| position.min(before.saturating_sub(1)));
        let mut ended = false;
        while bare.len() <= limit + 1 {
            let version = self.newest(object, kind, name.clone(), at).map_err(self.failed())?;
            let Some(version) = version else {
                ended = true;
                break;
            };
            let facts = version.all_facts().map_err(self.unreadable())?;
            let fact = facts.and_then(|(_, _, mut its)| its.0.remove(fact));
            let (value, from) = fact.unwrap_or((None, version.position));
            match bare.last_mut() {
                // Absent for longer than one version tells.
                Some((None, earlier, _)) if value.is_none() => *earlier = from,
                _ => bare.push((value, from, to)),
            }
            to = Some(from);
            at = from.saturating_sub(1);
        }
        // Before it ever had a value it had none.
        if ended && matches!(bare.last(), Some((None, ..))) {
            bare.pop();
        }
        if bare.is_empty() && before.is_none() {
            return Ok(None);
        }
        let more = bare.len() > limit;
        bare.truncate(limit);
        let ranges = bare.into_iter().map(|(value, from, to)| {
            let Origin { time, by, commit } = self.origin(fleet.row, from)?;
            Ok(Range { value: value.unwrap_or_default(), from, to, time, commit, by })
        });
        Ok(Some((ranges.collect::<rusqlite::Result<_>>().map_err(self.failed())?, more)))
    }

    fn object(&self, fleet: i64, kind: Kind, name: &str) -> rusqlite::Result<Option<i64>> {
        let mut id = self.db.prepare_cached("SELECT id FROM objects WHERE fleet = ?1 AND kind = ?2 AND name = ?3")?;
        id.query_row(params![fleet, kind as u8, name], |row| row.get(0)).optional()
    }

    fn origin(&self, fleet: i64, position: u64) -> rusqlite::Result<Origin> {
        let mut event = self.db.prepare_cached(
            "SELECT e.time, a.name FROM events e JOIN actors a ON a.id = e.actor WHERE e.position = ?1",
        )?;
        let (time, by): (i64, String) = event.query_row([position], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut desired = self.db.prepare_cached(
            "SELECT oid FROM pushes WHERE fleet = ?1 AND position <= ?2 ORDER BY position DESC LIMIT 1",
        )?;
        let commit = desired.query_row(params![fleet, position], |row| row.get(0)).optional()?;
        // Nanoseconds of 64 bits are always inside of what a time can be.
        let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or_default();
        Ok(Origin { time, by, commit })
    }
}

/// The object that a path is a fact of: its kind, its name in the database, the fact.
fn object_of(path: &str) -> Option<(Kind, String, &str)> {
    let (folder, rest) = path.split_once('.')?;
    let (name, fact) = rest.split_once('.')?;
    if !facts::is_name(name) {
        return None;
    }
    Some(match folder {
        "variables" => (Kind::File, format!("variables/{name}.json"), fact),
        "containers" if fact == "host" || fact.starts_with("ports.") => {
            (Kind::File, format!("containers/{name}.json"), fact)
        }
        "containers" => (Kind::Container, name.to_owned(), fact),
        "tasks" => (Kind::Task, name.to_owned(), fact),
        _ => return None,
    })
}
