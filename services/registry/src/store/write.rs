//! Writes: rows and the position that they belong to, in one transaction.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::key::key;
use super::read::Snapshot;
use super::{BUSY, Guard, SHAPE, StoreError, begin, fix_plans, sqlite};
use crate::row::Row;

/// Pages of the database that the writer keeps, in KiB: while it grows by single events, and in a rebuild.
const CACHE_KIB: u32 = 8_192;
const BULK_CACHE_KIB: u32 = 131_072;

const TABLES: &str = "
CREATE TABLE meta (shape INTEGER NOT NULL, incarnation TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE actors (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE events (position INTEGER PRIMARY KEY, time INTEGER NOT NULL, ahead INTEGER NOT NULL, actor INTEGER NOT NULL);
CREATE TABLE fleets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first INTEGER NOT NULL,
  position INTEGER NOT NULL DEFAULT 0, git INTEGER NOT NULL DEFAULT 0, rollout INTEGER NOT NULL DEFAULT 0,
  run INTEGER NOT NULL DEFAULT 0, hold INTEGER NOT NULL DEFAULT 0);
CREATE TABLE pushes (fleet INTEGER NOT NULL, position INTEGER NOT NULL, oid TEXT NOT NULL,
  PRIMARY KEY (fleet, position)) WITHOUT ROWID;
CREATE INDEX pushes_by_oid ON pushes (fleet, oid);
CREATE TABLE objects (fleet INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, id INTEGER NOT NULL,
  first INTEGER NOT NULL, PRIMARY KEY (fleet, kind, name)) WITHOUT ROWID;
CREATE TABLE shared (id INTEGER PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE versions (id INTEGER PRIMARY KEY, value TEXT, since TEXT, shared INTEGER);
CREATE TABLE rollouts (planned_at INTEGER PRIMARY KEY, fleet INTEGER NOT NULL, id TEXT NOT NULL, plan TEXT NOT NULL);
CREATE INDEX rollouts_by_fleet ON rollouts (fleet, planned_at);
CREATE TABLE changes (rollout INTEGER NOT NULL, step INTEGER NOT NULL, position INTEGER NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (rollout, step, position)) WITHOUT ROWID;
CREATE TABLE runs (fleet INTEGER NOT NULL, queued INTEGER NOT NULL, ended INTEGER, id TEXT NOT NULL, task TEXT NOT NULL,
  PRIMARY KEY (fleet, queued)) WITHOUT ROWID;
CREATE INDEX runs_under_way ON runs (fleet) WHERE ended IS NULL;
";

/// The one writer of a database.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    path: PathBuf,
    guard: Guard,
}

impl Writer {
    /// A new database at `path`, in a way that is fast and leaves nothing of use where it breaks off: see
    /// [`settle`](Self::settle).
    pub fn create(path: &Path, incarnation: Uuid) -> Result<Self, StoreError> {
        let create = || {
            let connection = Connection::open(path)?;
            // Nobody reads it before it is settled, and one that broke off is thrown away.
            connection.pragma_update(None, "page_size", 4_096)?;
            connection.pragma_update(None, "journal_mode", "off")?;
            connection.pragma_update(None, "synchronous", "off")?;
            connection.pragma_update(None, "locking_mode", "exclusive")?;
            connection.pragma_update(None, "cache_size", -i64::from(BULK_CACHE_KIB))?;
            fix_plans(&connection)?;
            connection.execute_batch(TABLES)?;
            let meta = "INSERT INTO meta (shape, incarnation, position) VALUES (?1, ?2, 0)";
            connection.execute(meta, params![SHAPE, incarnation.to_string()])?;
            Ok(connection)
        };
        let connection = create().map_err(sqlite("make", path))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned(), guard: Guard::new(path) })
    }

    /// Goes on with a database that is there and was looked at before.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            fix_plans(&connection)?;
            connection.busy_timeout(BUSY)?;
            // A power cut may take the newest transactions: they come again from the log.
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
            Ok(connection)
        };
        let connection = open().map_err(sqlite("open", path))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned(), guard: Guard::new(path) })
    }

    /// Ends the fast way of a new database: all of it is durable after this, and readers may come.
    pub fn settle(self) -> Result<Self, StoreError> {
        let path = self.path.clone();
        let sync = |path: &Path| std::fs::File::open(path)?.sync_all();
        self.connection.close().map_err(|(_, source)| sqlite("close", &path)(source))?;
        sync(&path).map_err(|source| StoreError::File { what: "make durable", path: path.clone(), source })?;
        Self::open(&path)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of all that it holds.
    pub fn digest(&mut self) -> Result<String, StoreError> {
        let transaction = begin(&mut self.connection).map_err(sqlite("read", &self.path))?;
        Snapshot::new(&transaction, &self.path).digest()
    }

    /// Writes rows and the position that they lead to, all of it or nothing.
    pub fn write(&mut self, rows: &[Row], position: u64) -> Result<(), StoreError> {
        self.guard.look()?;
        let write = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            put(&transaction, rows)?;
            transaction.prepare_cached("UPDATE meta SET position = ?1")?.execute([position])?;
            transaction.commit()
        };
        write(&mut self.connection).map_err(sqlite("write", &self.path))?;
        // As long as it is now it has to stay.
        self.guard.look()
    }
}

fn put(to: &Transaction<'_>, rows: &[Row]) -> rusqlite::Result<()> {
    let mut event = to.prepare_cached("INSERT INTO events (position, time, ahead, actor) VALUES (?1, ?2, ?3, ?4)")?;
    let mut version =
        to.prepare_cached("INSERT OR REPLACE INTO versions (id, value, since, shared) VALUES (?1, ?2, ?3, ?4)")?;
    let mut change =
        to.prepare_cached("INSERT INTO changes (rollout, step, position, value) VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        match row {
            Row::Event { position, time, ahead, actor } => event.execute(params![position, time, ahead, actor])?,
            Row::Version { object, position, value, since, shared } => {
                version.execute(params![key(*object, *position), value, since, shared])?
            }
            Row::Change { rollout, step, position, value } => {
                change.execute(params![rollout, step, position, value])?
            }
            other => put_rare(to, other)?,
        };
    }
    Ok(())
}

fn put_rare(to: &Transaction<'_>, row: &Row) -> rusqlite::Result<usize> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| to.prepare_cached(sql)?.execute(values);
    match row {
        Row::Actor { id, name } => run("INSERT INTO actors (id, name) VALUES (?1, ?2)", params![id, name]),
        Row::Fleet { id, name, first } => {
            run("INSERT INTO fleets (id, name, first) VALUES (?1, ?2, ?3)", params![id, name, first])
        }
        Row::Lines { fleet, position, git, rollout, run: runs, hold } => run(
            "UPDATE fleets SET position = ?2, git = ?3, rollout = ?4, run = ?5, hold = ?6 WHERE id = ?1",
            params![fleet, position, git, rollout, runs, hold],
        ),
        Row::Push { fleet, position, commit } => {
            run("INSERT INTO pushes (fleet, position, oid) VALUES (?1, ?2, ?3)", params![fleet, position, commit])
        }
        Row::Object { id, fleet, kind, name, first } => run(
            "INSERT INTO objects (fleet, kind, name, id, first) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![fleet, *kind as u8, name, id, first],
        ),
        Row::Shared { id, value } => run("INSERT INTO shared (id, value) VALUES (?1, ?2)", params![id, value]),
        Row::Rollout { fleet, planned_at, id, plan } => run(
            "INSERT INTO rollouts (planned_at, fleet, id, plan) VALUES (?1, ?2, ?3, ?4)",
            params![planned_at, fleet, id.to_string(), plan],
        ),
        Row::Run { fleet, queued, id, task } => run(
            "INSERT INTO runs (fleet, queued, id, task) VALUES (?1, ?2, ?3, ?4)",
            params![fleet, queued, id.to_string(), task],
        ),
        Row::RunEnd { fleet, queued, ended } => {
            run("UPDATE runs SET ended = ?3 WHERE fleet = ?1 AND queued = ?2", params![fleet, queued, ended])
        }
        // Written by `put`: they come often.
        Row::Event { .. } | Row::Version { .. } | Row::Change { .. } => Ok(0),
    }
}
