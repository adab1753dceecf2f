//! The database: one file a generation, state and position always in one transaction.
//!
//! `DIR/registry/current` names the file that counts; a rebuild writes the next one beside it and is made current by one
//! rename. Reads go over connections of their own, each answer from one snapshot.

mod digest;
mod folder;
mod moment;
mod read;
mod values;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub(crate) use self::folder::Folder;
pub(crate) use self::moment::{beyond, not_found};
#[cfg(test)]
pub(crate) use self::read::NEWEST;
pub(crate) use self::read::Snapshot;
pub(crate) use self::write::Writer;
use crate::fold::LoadError;

/// The version of everything that the database holds: its tables, and what the fold writes into them. A database of
/// another version is made anew.
pub(crate) const SHAPE: u32 = 1;

/// Connections that wait for the next reader.
const IDLE: usize = 4;
/// Pages of the database that a reader keeps, in KiB.
const READER_CACHE_KIB: u32 = 4_096;

/// Why the database does not do what it should.
#[derive(Debug, thiserror::Error)]
#[doc(hidden)]
pub enum StoreError {
    #[error("cannot {what} the database `{}`", path.display())]
    Sqlite {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the database `{}` holds something that nobody wrote there", path.display())]
    Content {
        path: PathBuf,
        #[source]
        source: LoadError,
    },
    #[error("cannot {what} `{}`", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the database `{}` {why}", path.display())]
    Unfit { path: PathBuf, why: String },
}

/// A database that is read.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// Connections that nobody uses now; at most [`IDLE`].
    idle: Mutex<Vec<Connection>>,
}

impl Store {
    /// Reads the database at `path`, which has to be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the database as it is now; what is written meanwhile is not seen. Blocks.
    pub fn read<R>(&self, look: impl FnOnce(&Snapshot<'_>) -> Result<R, StoreError>) -> Result<R, StoreError> {
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
