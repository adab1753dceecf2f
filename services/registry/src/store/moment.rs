//! Which position somebody means who names a position, a time or a commit.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use schemas::query::{At, Fault, FaultCode};

use super::StoreError;
use super::key::POSITIONS;
use super::read::{FleetRow, Snapshot};
use crate::fold::nanoseconds;

/// What came of looking for a moment.
pub(crate) type Moment = Result<u64, Fault>;

impl Snapshot<'_> {
    /// The position that is meant, for a fleet that was there then.
    pub fn moment(&self, fleet: &FleetRow, at: &At) -> Result<Moment, StoreError> {
        let end = self.position()?;
        let position = match at {
            At::Position(position) if *position <= end => Ok(*position),
            // Beyond the log's end: maybe a commit of nothing but digits.
            At::Position(position) => match self.of_commit(fleet, &position.to_string(), end)? {
                Ok(position) => Ok(position),
                Err(_) => Err(beyond(*position, end)),
            },
            At::Time(time) => Ok(self.of_time(nanoseconds(*time), end).map_err(self.failed())?),
            At::Commit(prefix) => self.of_commit(fleet, prefix, end)?,
        };
        Ok(position.and_then(|position| {
            if position >= fleet.first {
                return Ok(position);
            }
            Err(not_found(format!(
                "there was no fleet `{}` at position {position} yet: its first event is at position {}",
                fleet.id, fleet.first
            )))
        }))
    }

    /// The last position whose running maximum of time is not later: positions are in order, and so is the maximum.
    fn of_time(&self, time: i64, end: u64) -> rusqlite::Result<u64> {
        let mut newest = self.db.prepare_cached("SELECT time + ahead FROM events WHERE position = ?1")?;
        let (mut not_later, mut later) = (0, end + 1);
        while not_later + 1 < later {
            let middle = not_later + (later - not_later) / 2;
            if newest.query_row([middle], |row| row.get::<_, i64>(0))? <= time {
                not_later = middle;
            } else {
                later = middle;
            }
        }
        Ok(not_later)
    }

    /// The last position at which a commit that begins so was the desired one.
    fn of_commit(&self, fleet: &FleetRow, prefix: &str, end: u64) -> Result<Moment, StoreError> {
        let pushes = || {
            let sql = "SELECT position, oid FROM pushes WHERE fleet = ?1 AND oid >= ?2 AND oid < ?2 || 'g'";
            let mut pushes = self.db.prepare_cached(sql)?;
            let found = pushes
                .query_map(params![fleet.row, prefix], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
            found.collect::<rusqlite::Result<Vec<_>>>()
        };
        let pushes = pushes().map_err(self.failed())?;
        let commits: BTreeSet<_> = pushes.iter().map(|(_, oid)| oid.as_str()).collect();
        if commits.len() > 1 {
            let commits: Vec<_> = commits.into_iter().take(3).collect();
            let message = format!("`{prefix}` begins more than one commit of `{}`: {}", fleet.id, commits.join(", "));
            return Ok(Err(Fault { code: FaultCode::BadRequest, message: format!("{message}; give more digits") }));
        }
        let Some(pushed) = pushes.iter().map(|(position, _)| *position).max() else {
            return self.never_deployed(fleet, prefix).map(Err);
        };
        let next = || {
            let sql = "SELECT min(position) FROM pushes WHERE fleet = ?1 AND position > ?2";
            self.db.prepare_cached(sql)?.query_row(params![fleet.row, pushed], |row| row.get::<_, Option<u64>>(0))
        };
        Ok(Ok(next().map_err(self.failed())?.map_or(end, |next| next - 1)))
    }

    /// Why a commit stands for no moment.
    fn never_deployed(&self, fleet: &FleetRow, prefix: &str) -> Result<Fault, StoreError> {
        let elsewhere = || {
            // A ref's value is the commit as JSON text.
            let sql = "SELECT o.name FROM objects o JOIN versions v ON v.id >= o.id * ?3 AND v.id < (o.id + 1) * ?3
                       WHERE o.fleet = ?1 AND o.kind = 1 AND v.value >= '\"' || ?2 AND v.value < '\"' || ?2 || 'g' LIMIT 1";
            self.db
                .prepare_cached(sql)?
                .query_row(params![fleet.row, prefix, POSITIONS], |row| row.get::<_, String>(0))
                .optional()
        };
        let id = &fleet.id;
        Ok(not_found(match elsewhere().map_err(self.failed())? {
            Some(name) => format!(
                "commit `{prefix}` of `{id}` was pushed to `{name}`, but was never the desired one: there is no state of it"
            ),
            None => format!(
                "no push made a commit `{prefix}` the desired one of `{id}`: only the last commit of a push to the deploy \
                 branch is; `fleetlog events --type git.pushed` lists them"
            ),
        }))
    }
}

/// A position that the log has not reached.
pub(crate) fn beyond(position: u64, end: u64) -> Fault {
    let message = format!("position {position} is not there yet: the log ends at position {end}");
    Fault { code: FaultCode::BadRequest, message }
}

pub(crate) fn not_found(message: String) -> Fault {
    Fault { code: FaultCode::NotFound, message }
}
