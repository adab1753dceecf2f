//! What goes wrong with the database, and whether it is lost by that: then it is made anew from the log. What passes is
//! no reason for that: a disk that is full would only be fuller.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::fold::LoadError;

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

impl StoreError {
    /// Whether the database is lost: another try would see the same, and only one that is made anew helps.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Sqlite { source, path, .. } => is_loss(source, path),
            Self::Content { .. } | Self::Unfit { .. } => true,
            Self::File { source, .. } => source.kind() == ErrorKind::NotFound,
        }
    }
}

fn is_loss(error: &rusqlite::Error, path: &Path) -> bool {
    use rusqlite::Error;
    match error {
        Error::SqliteFailure(error, _) | Error::SqlInputError { error, .. } => match error.code {
            // `Unknown` is SQLite's plain error: a table or a column that is not there.
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown => true,
            // Values that contradict each other; a statement that does not fit the tables.
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::SchemaChanged => true,
            // The file was put elsewhere while it was in use.
            ErrorCode::ReadOnly => error.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED,
            // Also said where there are no descriptors left: then the file is still there.
            ErrorCode::CannotOpen => is_missing(path),
            // Also said where less was read than should be there.
            ErrorCode::SystemIoFailure => {
                error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ
                    || error.extended_code == rusqlite::ffi::SQLITE_IOERR_CORRUPTFS
                    || is_missing(path)
            }
            // Busy, locked, full, out of memory, no permission.
            _ => false,
        },
        // What was read is not what we write.
        _ => true,
    }
}

/// Whether it is certain that there is no such file.
fn is_missing(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_what_is_lost_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let (there, gone) = (home.path().join("there"), home.path().join("gone"));
        std::fs::write(&there, "x").unwrap();
        let is_loss = |code, path: &Path| {
            let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            StoreError::Sqlite { what: "read", path: path.to_owned(), source }.is_loss()
        };
        for code in [
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CORRUPT_INDEX,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_ERROR,
            ffi::SQLITE_IOERR_SHORT_READ,
            ffi::SQLITE_READONLY_DBMOVED,
        ] {
            assert!(is_loss(code, &there), "{code}");
        }
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_FULL,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_PERM,
            ffi::SQLITE_INTERRUPT,
        ] {
            assert!(!is_loss(code, &there), "{code}");
        }
        assert!(is_loss(ffi::SQLITE_CANTOPEN, &gone) && is_loss(ffi::SQLITE_IOERR_FSTAT, &gone));
        assert!(!is_loss(ffi::SQLITE_BUSY, &gone));
        let file = |kind: ErrorKind| StoreError::File { what: "open", path: gone.clone(), source: kind.into() };
        assert!(file(ErrorKind::NotFound).is_loss());
        assert!(!file(ErrorKind::PermissionDenied).is_loss() && !file(ErrorKind::StorageFull).is_loss());
        let missing = StoreError::Sqlite { what: "read", path: there, source: rusqlite::Error::QueryReturnedNoRows };
        assert!(missing.is_loss());
    }
}
