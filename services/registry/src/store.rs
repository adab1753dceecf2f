//! The database: one file a generation, state and position always in one transaction.
//!
//! `DIR/registry/current` names the file that counts; a rebuild writes the next one beside it and is made current by one
//! rename. Reads go over connections of their own, each answer from one snapshot.

mod digest;
mod error;
mod folder;
mod guard;
mod key;
mod moment;
mod read;
mod state;
mod values;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use self::error::StoreError;
pub(crate) use self::folder::Folder;
use self::guard::Guard;
pub(crate) use self::moment::{beyond, not_found};
#[cfg(test)]
pub(crate) use self::read::NEWEST;
pub(crate) use self::read::Snapshot;
pub(crate) use self::state::state;
pub(crate) use self::write::Writer;

/// The version of everything that the database holds: its tables, and what the fold writes into them. A database of
/// another version is made anew.
pub(crate) const SHAPE: u32 = 7;

/// Connections that wait for the next reader. Each keeps its pages.
const IDLE: usize = 2;
/// How long a lock of somebody else's is waited for. Nobody else writes, so it is somebody who looks into the database.
const BUSY: Duration = Duration::from_secs(1);
/// Pages of the database that a reader keeps, in KiB.
const READER_CACHE_KIB: u32 = 16_384;

/// A database that is read.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    guard: Guard,
    /// Connections that nobody uses now; at most [`IDLE`].
    idle: Mutex<Vec<Connection>>,
}

impl Store {
    /// Reads the database at `path`, which has to be there.
    pub fn new(path: PathBuf) -> Self {
        Self { guard: Guard::new(&path), path, idle: Mutex::new(Vec::new()) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the database as it is now; what is written meanwhile is not seen. Blocks.
    pub fn read<R>(&self, look: impl FnOnce(&Snapshot<'_>) -> Result<R, StoreError>) -> Result<R, StoreError> {
        self.guard.look()?;
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match waiting {
            Some(connection) => connection,
            None => self.connect().map_err(sqlite("open", &self.path))?,
        };
        let answer = {
            let transaction = begin(&mut connection).map_err(sqlite("read", &self.path))?;
            look(&Snapshot::new(&transaction, &self.path))?
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        fix_plans(&connection)?;
        connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }
}

/// One plan for each statement, whatever is bound to it: else SQLite makes a new plan for nearly every call, because the
/// bundled one is built with statistics (`SQLITE_ENABLE_STAT4`).
fn fix_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Deferred)
}

/// Says what was tried with which database.
fn sqlite(what: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { what, path: path.to_owned(), source }
}
