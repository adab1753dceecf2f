//! A fleet's past as it goes out: put together from the texts that are stored, most of which nobody reads on the way.

mod parts;

use std::panic::resume_unwind;
use std::thread;

use rusqlite::{CachedStatement, Row, params};
use serde_json::value::RawValue;

use self::parts::Parts;
use super::key::{self, key};
use super::read::{FleetRow, NEWEST, SHARED, Snapshot};
use super::{Store, StoreError};
use crate::fold::LoadError;
use crate::row::Kind;

/// The objects that are shown: head, files, containers, tasks, images, each kind in the order of its names.
const SHOWN: &str = "SELECT id, kind, name FROM objects WHERE fleet = ?1 AND kind IN (0, 2, 3, 6, 7) AND first <= ?2
     ORDER BY kind, name";
/// Objects that one thread looks for faster than two.
const FEW: usize = 400;

/// An object's id, kind and name.
type Object = (i64, Kind, String);

/// A fleet after `position`, as JSON of the shape [`FleetState`](schemas::query::FleetState). Of a large one, half is
/// looked for over another connection at the same time: what was before a position is the same in every snapshot.
pub(crate) fn state(
    store: &Store,
    snapshot: &Snapshot<'_>,
    fleet: &FleetRow,
    position: u64,
) -> Result<Box<RawValue>, StoreError> {
    let objects = snapshot.shown(fleet, position).map_err(snapshot.failed())?;
    let (ours, theirs) = objects.split_at(half(&objects));
    let parts = if theirs.is_empty() {
        snapshot.parts(fleet, ours, position)?
    } else {
        thread::scope(|scope| {
            let other = scope.spawn(|| store.read(|it| it.parts(fleet, theirs, position)));
            let ours = snapshot.parts(fleet, ours, position);
            let theirs = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            let mut parts = ours?;
            parts.append(theirs?);
            Ok::<_, StoreError>(parts)
        })?
    };
    // Looks at it once: what nobody of us wrote into the database is found out here, and not by who asked.
    let state = parts.text(fleet, position).and_then(RawValue::from_string);
    state.map_err(|source| snapshot.unreadable()(LoadError::new(0, fleet.id.to_string(), source)))
}

/// Where half of the work is done: a container has more history than anything else, and a second text.
fn half(objects: &[Object]) -> usize {
    if objects.len() <= FEW {
        return objects.len();
    }
    let work = |it: &Object| if it.1 == Kind::Container { 3 } else { 1 };
    let all: usize = objects.iter().map(work).sum();
    let mut done = 0;
    objects
        .iter()
        .take_while(|it| {
            done += work(it);
            done <= all / 2
        })
        .count()
}

impl Snapshot<'_> {
    fn shown(&self, fleet: &FleetRow, position: u64) -> rusqlite::Result<Vec<Object>> {
        let mut objects = self.db.prepare_cached(SHOWN)?;
        let mut objects = objects.query(params![fleet.row, position])?;
        let mut found = Vec::new();
        while let Some(object) = objects.next()? {
            if let Some(kind) = Kind::from_number(object.get(1)?) {
                found.push((object.get(0)?, kind, object.get(2)?));
            }
        }
        Ok(found)
    }

    fn parts(&self, fleet: &FleetRow, objects: &[Object], position: u64) -> Result<Parts, StoreError> {
        let mut parts = Parts::new(fleet);
        let collected = self.collect(objects, position, &mut parts);
        collected.map_err(self.failed())?.map_err(self.unreadable())?;
        Ok(parts)
    }

    /// One look into the index an object, however long its history.
    fn collect(&self, objects: &[Object], position: u64, parts: &mut Parts) -> rusqlite::Result<Result<(), LoadError>> {
        let (mut newest, mut shared) = (self.db.prepare_cached(NEWEST)?, self.db.prepare_cached(SHARED)?);
        for (id, kind, name) in objects {
            let mut versions = newest.query([key(*id, position), key(*id, 0)])?;
            let Some(version) = versions.next()? else { continue };
            // Gone by then.
            let Some(value) = text(version, 1)? else { continue };
            let taken = match kind {
                Kind::Head => parts.head(value),
                Kind::File => parts.file(name, value),
                Kind::Task => parts.task(name, value),
                Kind::Image => parts.image(name, value),
                Kind::Container => {
                    let (since, identity) = (key::position(version.get(0)?), version.get(3)?);
                    with_shared(&mut shared, identity, |identity| parts.container(name, value, identity, since))?
                }
                Kind::Ref | Kind::Volume | Kind::Network => Ok(()),
            };
            if let Err(source) = taken {
                return Ok(Err(LoadError::new(*id, name.clone(), source)));
            }
        }
        Ok(Ok(()))
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

fn with_shared<R>(shared: &mut CachedStatement<'_>, id: i64, then: impl FnOnce(&str) -> R) -> rusqlite::Result<R> {
    let mut rows = shared.query([id])?;
    let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(then(text(row, 0)?.unwrap_or("null")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_fleet_is_cut_in_two_and_a_small_one_is_not() {
        let of = |kind, count| (0..count).map(move |it| (it, kind, String::new()));
        let objects: Vec<_> = of(Kind::File, 300).chain(of(Kind::Container, 300)).collect();
        assert_eq!((half(&objects), half(&objects[..FEW])), (400, FEW));
    }
}
