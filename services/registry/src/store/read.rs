//! Reads: the database as it was at one moment, whatever is written meanwhile.

use std::path::Path;

use rusqlite::{OptionalExtension, Row, Transaction, params};
#[cfg(test)]
use schemas::fleet::Fleet;
use schemas::fleet::Lines;
use schemas::names::FleetId;
use uuid::Uuid;

use super::key::{self, key};
use super::{SHAPE, StoreError, sqlite};
use crate::fold::{Fold, Ids, LoadError, Loaded, LoadedFleet, Stored, StoredRollout};
use crate::row::Kind;

/// So many of a fleet's newest rollouts belong to its state: as many as the fold keeps.
const ROLLOUTS_KEPT: u32 = 100;

/// The newest version up to a key, and not before another: of one object, at a position.
pub(crate) const NEWEST: &str = "SELECT id, value, since, shared FROM versions
     WHERE id <= ?1 AND id >= ?2 ORDER BY id DESC LIMIT 1";
/// A text that many versions share.
pub(super) const SHARED: &str = "SELECT value FROM shared WHERE id = ?1";

/// One moment of the database.
pub(crate) struct Snapshot<'a> {
    pub(crate) db: &'a Transaction<'a>,
    path: &'a Path,
}

/// A fleet's row.
#[derive(Debug, Clone)]
pub(crate) struct FleetRow {
    pub row: i64,
    pub id: FleetId,
    /// Position of its first event.
    pub first: u64,
    position: u64,
    lines: Lines,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(db: &'a Transaction<'a>, path: &'a Path) -> Self {
        Self { db, path }
    }

    pub(super) fn failed(&self) -> impl FnOnce(rusqlite::Error) -> StoreError {
        sqlite("read", self.path)
    }

    pub(super) fn unreadable(&self) -> impl FnOnce(LoadError) -> StoreError {
        move |source| StoreError::Content { path: self.path.to_owned(), source }
    }

    /// Refuses a database that is not of this log and this shape, or is not whole. Answers its position.
    pub fn check(&self, incarnation: Uuid, head: u64) -> Result<u64, StoreError> {
        let unfit = |why: String| StoreError::Unfit { path: self.path.to_owned(), why };
        let (shape, its, position): (u32, String, u64) = self
            .db
            .query_row("SELECT shape, incarnation, position FROM meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(self.failed())?;
        if shape != SHAPE {
            return Err(unfit(format!("has shape version {shape}, this fleetlog writes {SHAPE}")));
        }
        if its != incarnation.to_string() {
            return Err(unfit(format!("is of another log: incarnation {its}, the log's is {incarnation}")));
        }
        if position > head {
            return Err(unfit(format!("is at position {position}, but the log ends at {head}")));
        }
        Ok(position)
    }

    /// Looks whether every page can be read, and every index fits its table.
    pub fn is_whole(&self) -> Result<(), StoreError> {
        let said: String = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(self.failed())?;
        if said == "ok" {
            return Ok(());
        }
        Err(StoreError::Unfit { path: self.path.to_owned(), why: format!("is not whole: {said}") })
    }

    /// Its position.
    pub fn position(&self) -> Result<u64, StoreError> {
        self.db
            .prepare_cached("SELECT position FROM meta")
            .and_then(|mut it| it.query_row([], |row| row.get(0)))
            .map_err(self.failed())
    }

    /// One fleet; none: there never was one of that name.
    pub fn find(&self, id: &FleetId) -> Result<Option<FleetRow>, StoreError> {
        let find = || {
            let sql = "SELECT id, name, first, position, git, rollout, run, hold FROM fleets WHERE name = ?1";
            self.db.prepare_cached(sql)?.query_row([id.to_string()], fleet_row).optional()
        };
        find().map_err(self.failed())
    }

    /// What a fleet was after `position`, all of it.
    #[cfg(test)]
    pub fn whole_past(&self, fleet: &FleetRow, position: u64) -> Result<Fleet, StoreError> {
        self.whole(fleet, position).map_err(self.failed())?.fleet().map_err(self.unreadable())
    }

    /// All of it, as the fold that goes on with it needs it.
    pub fn load(&self) -> Result<Fold, StoreError> {
        let load = || {
            let position = self.db.query_row("SELECT position FROM meta", [], |row| row.get(0))?;
            let newest = "SELECT time + ahead FROM events ORDER BY position DESC LIMIT 1";
            let newest = self.db.query_row(newest, [], |row| row.get(0)).optional()?.unwrap_or(0);
            let mut actors = self.db.prepare("SELECT id, name FROM actors")?;
            let actors = actors.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let mut fleets =
                self.db.prepare("SELECT id, name, first, position, git, rollout, run, hold FROM fleets")?;
            let fleets = fleets.query_map([], fleet_row)?.collect::<Result<Vec<_>, _>>()?;
            let fleets = fleets.iter().map(|it| {
                let mut whole = self.whole(it, position)?;
                (whole.position, whole.lines) = (it.position, it.lines);
                Ok(whole)
            });
            let fleets = fleets.collect::<rusqlite::Result<_>>()?;
            let ids = self.db.query_row(
                "SELECT (SELECT coalesce(max(id), 0) FROM actors), (SELECT coalesce(max(id), 0) FROM fleets),
                        (SELECT coalesce(max(id), 0) FROM objects), (SELECT coalesce(max(id), 0) FROM shared)",
                [],
                |row| Ok(Ids { actor: row.get(0)?, fleet: row.get(1)?, object: row.get(2)?, shared: row.get(3)? }),
            )?;
            Ok(Loaded { position, newest, actors, fleets, ids })
        };
        Fold::load(load().map_err(self.failed())?).map_err(self.unreadable())
    }

    fn whole(&self, fleet: &FleetRow, position: u64) -> rusqlite::Result<LoadedFleet> {
        let objects = self.objects(fleet.row, position, &[])?;
        let rollouts = self.rollouts(fleet.row, position)?;
        let runs = self.runs(fleet.row, position)?;
        let (row, id, lines) = (fleet.row, fleet.id.clone(), Lines::default());
        Ok(LoadedFleet { row, id, position, lines, objects, rollouts, runs })
    }

    /// The newest version at `position` of each object that was there: one look into the index an object, however long
    /// its history. Of all kinds, or only of these.
    pub(super) fn objects(&self, fleet: i64, position: u64, kinds: &[Kind]) -> rusqlite::Result<Vec<Stored>> {
        let mut objects =
            self.db.prepare_cached("SELECT id, kind, name FROM objects WHERE fleet = ?1 AND first <= ?2")?;
        let mut rows = objects.query(params![fleet, position])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (object, kind, name): (i64, u8, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let Some(kind) = Kind::from_number(kind).filter(|it| kinds.is_empty() || kinds.contains(it)) else {
                continue;
            };
            found.extend(self.newest(object, kind, name, position)?);
        }
        Ok(found)
    }

    /// The newest version of an object at `position`; none: it was not there yet.
    pub(super) fn newest(
        &self,
        object: i64,
        kind: Kind,
        name: String,
        position: u64,
    ) -> rusqlite::Result<Option<Stored>> {
        let mut version = self.db.prepare_cached(NEWEST)?;
        let found = version.query_row([key(object, position), key(object, 0)], |row| {
            Ok((key::position(row.get(0)?), row.get(1)?, row.get(2)?, row.get::<_, Option<i64>>(3)?))
        });
        let Some((position, value, since, shared)) = found.optional()? else { return Ok(None) };
        let shared = match shared {
            None => None,
            Some(id) => {
                let mut text = self.db.prepare_cached(SHARED)?;
                Some((id, text.query_row([id], |row| row.get(0))?))
            }
        };
        Ok(Some(Stored { object, kind, name, position, value, since, shared }))
    }

    fn rollouts(&self, fleet: i64, position: u64) -> rusqlite::Result<Vec<StoredRollout>> {
        let mut newest = self.db.prepare_cached(
            "SELECT planned_at, plan FROM rollouts WHERE fleet = ?1 AND planned_at <= ?2
             ORDER BY planned_at DESC LIMIT ?3",
        )?;
        let mut changes = self.db.prepare_cached(
            "SELECT step, value FROM changes WHERE rollout = ?1 AND position <= ?2 ORDER BY step, position",
        )?;
        let plans = newest.query_map(params![fleet, position, ROLLOUTS_KEPT], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut found = Vec::new();
        for plan in plans {
            let (planned_at, plan) = plan?;
            let its = changes.query_map([planned_at, position], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.push(StoredRollout { plan, changes: its.collect::<Result<_, _>>()? });
        }
        found.reverse();
        Ok(found)
    }

    /// Runs that had not ended at `position`.
    fn runs(&self, fleet: i64, position: u64) -> rusqlite::Result<Vec<(u64, Uuid, schemas::names::Name)>> {
        let mut runs = self.db.prepare_cached(
            "SELECT queued, id, task FROM runs WHERE fleet = ?1 AND ended IS NULL AND queued <= ?2
             UNION ALL SELECT queued, id, task FROM runs WHERE fleet = ?1 AND ended > ?2 AND queued <= ?2",
        )?;
        runs.query_map(params![fleet, position], |row| Ok((row.get(0)?, parsed(row, 1)?, parsed(row, 2)?)))?.collect()
    }
}

fn fleet_row(row: &Row<'_>) -> rusqlite::Result<FleetRow> {
    let lines = Lines { git: row.get(4)?, rollout: row.get(5)?, run: row.get(6)?, hold: row.get(7)? };
    Ok(FleetRow { row: row.get(0)?, id: parsed(row, 1)?, first: row.get(2)?, position: row.get(3)?, lines })
}

/// A text column as what it has to be.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
