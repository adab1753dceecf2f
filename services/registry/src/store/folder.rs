//! `DIR/registry`: the databases by generation, and which of them counts.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Names the database that counts.
const CURRENT: &str = "current";
const PREFIX: &str = "registry-";
const SUFFIX: &str = ".db";

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes it where it is not there, and removes what a broken-off rebuild left in it. Nobody else may use it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = Self { path: path.to_owned() };
        fs::create_dir_all(path).map_err(failed("make", path))?;
        let current = folder.current()?;
        folder.keep_only(current.as_deref())?;
        Ok(folder)
    }

    /// The database that counts; none: there is none yet.
    pub fn current(&self) -> Result<Option<PathBuf>, StoreError> {
        let path = self.path.join(CURRENT);
        match fs::read_to_string(&path) {
            // A name of ours and nothing else: what somebody wrote there by hand must not lead anywhere.
            Ok(name) => Ok(generation(name.trim()).map(|it| self.file(it))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => Ok(None),
            Err(source) => Err(failed("read", &path)(source)),
        }
    }

    /// A place for a new database, beside all others.
    pub fn next(&self) -> Result<PathBuf, StoreError> {
        let newest = self.generations()?.into_iter().map(|(it, _)| it).max().unwrap_or(0);
        let current = self.current()?.and_then(|it| generation(it.file_name()?.to_str()?)).unwrap_or(0);
        Ok(self.file(newest.max(current) + 1))
    }

    /// Makes this database the one that counts, durably; the others are removed.
    pub fn make_current(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.file_name().unwrap_or_default();
        let (beside, to) = (self.path.join("current.new"), self.path.join(CURRENT));
        let put = || {
            let mut file = File::create(&beside)?;
            file.write_all(name.as_encoded_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &to)?;
            File::open(&self.path)?.sync_all()
        };
        put().map_err(failed("write", &to))?;
        self.keep_only(Some(path))
    }

    /// Removes a database, with what SQLite keeps beside it.
    pub fn remove(&self, path: &Path) -> Result<(), StoreError> {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            match fs::remove_file(&name) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed("remove", Path::new(&name))(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn keep_only(&self, current: Option<&Path>) -> Result<(), StoreError> {
        for (_, path) in self.generations()? {
            if current != Some(&path) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    fn file(&self, generation: u64) -> PathBuf {
        self.path.join(format!("{PREFIX}{generation}{SUFFIX}"))
    }

    fn generations(&self) -> Result<Vec<(u64, PathBuf)>, StoreError> {
        let list = || {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let name = entry?.file_name();
                // What SQLite keeps beside a database goes with it, also where the database itself is gone.
                let name = name.to_str().unwrap_or_default();
                let base = name.strip_suffix("-wal").or(name.strip_suffix("-shm")).unwrap_or(name);
                if let Some(generation) = generation(base) {
                    found.push((generation, self.file(generation)));
                }
            }
            Ok(found)
        };
        list().map_err(failed("read", &self.path))
    }
}

fn generation(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::File { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_database_counts_and_what_was_broken_off_goes() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(&home.path().join("registry")).unwrap();
        assert_eq!(folder.current().unwrap(), None);
        let first = folder.next().unwrap();
        fs::write(&first, "1").unwrap();
        folder.make_current(&first).unwrap();
        let second = folder.next().unwrap();
        assert_ne!(first, second);
        fs::write(&second, "2").unwrap();
        // Started again in the middle of the rebuild.
        let folder = Folder::open(&home.path().join("registry")).unwrap();
        assert_eq!((folder.current().unwrap(), second.exists()), (Some(first.clone()), false));
        fs::write(&second, "2").unwrap();
        folder.make_current(&second).unwrap();
        assert_eq!((folder.current().unwrap(), first.exists()), (Some(second), false));
        fs::write(home.path().join("registry/current"), "../../etc/passwd").unwrap();
        assert_eq!(folder.current().unwrap(), None);
    }
}
