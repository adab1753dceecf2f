//! Looks whether the database's file is still the one that it was: SQLite goes on without a word with one that was removed,
//! and long with one that was cut.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;

/// A file that nobody else may touch.
#[derive(Debug)]
pub(super) struct Guard {
    path: PathBuf,
    /// Device and number; none: it was not there to begin with.
    file: Option<(u64, u64)>,
    /// The most bytes that it had: a database grows only.
    bytes: AtomicU64,
}

impl Guard {
    /// Of the file that is there now.
    pub fn new(path: &Path) -> Self {
        let now = fs::metadata(path).ok();
        let bytes = AtomicU64::new(now.as_ref().map_or(0, fs::Metadata::len));
        Self { path: path.to_owned(), file: now.map(|it| (it.dev(), it.ino())), bytes }
    }

    /// Refuses a file that was removed, replaced or cut.
    pub fn look(&self) -> Result<(), StoreError> {
        let unfit = |why: String| StoreError::Unfit { path: self.path.clone(), why };
        let now = fs::metadata(&self.path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => unfit("was removed while it was in use".to_owned()),
            _ => StoreError::File { what: "look at", path: self.path.clone(), source },
        })?;
        if self.file != Some((now.dev(), now.ino())) {
            return Err(unfit("was replaced while it was in use".to_owned()));
        }
        let most = self.bytes.fetch_max(now.len(), Ordering::Relaxed);
        if now.len() < most {
            return Err(unfit(format!("was cut from {most} to {} bytes while it was in use", now.len())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_cut_replaced_or_removed_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("database");
        let said = |guard: &Guard| guard.look().unwrap_err().to_string();
        fs::write(&path, "12345").unwrap();
        let guard = Guard::new(&path);
        guard.look().unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_len(9).unwrap();
        guard.look().unwrap();
        fs::File::options().append(true).open(&path).unwrap().set_len(4).unwrap();
        assert!(said(&guard).contains("was cut from 9 to 4 bytes"), "{}", said(&guard));
        let other = home.path().join("other");
        fs::write(&other, "1234567890").unwrap();
        fs::rename(other, &path).unwrap();
        assert!(said(&guard).contains("was replaced"), "{}", said(&guard));
        fs::remove_file(&path).unwrap();
        assert!(said(&guard).contains("was removed"), "{}", said(&guard));
    }
}
