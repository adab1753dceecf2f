//! When each token was last used, to the hour: kept beside the log, because nobody needs it for ever and an event a
//! request would be too much. Lost with its file, and then unknown until the next use.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::error::Error;

/// Seconds of an hour: finer than that nobody is told.
const HOUR: i64 = 3_600;

/// The hours.
#[derive(Debug)]
pub(crate) struct Used {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    hours: HashMap<Uuid, Timestamp>,
    changed: bool,
}

impl Used {
    /// Reads what was written last. A file that cannot be read is as good as none.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let fault = |path: &Path, source| Error::Folder { path: path.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(|source| fault(folder, source))?;
        let path = folder.join("last-used.json");
        let hours = match std::fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "when tokens were last used cannot be read: begun anew");
                HashMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => return Err(fault(&path, error)),
        };
        Ok(Self { path, state: Mutex::new(State { hours, changed: false }) })
    }

    /// It was used now.
    pub(crate) fn note(&self, token: Uuid, now: Timestamp) {
        let Ok(hour) = Timestamp::from_second(now.as_second().div_euclid(HOUR) * HOUR) else { return };
        let mut state = self.state();
        if state.hours.insert(token, hour) != Some(hour) {
            state.changed = true;
        }
    }

    /// The hour in which it was last used.
    pub(crate) fn last(&self, token: Uuid) -> Option<Timestamp> {
        self.state().hours.get(&token).copied()
    }

    /// Writes what has changed, and forgets tokens that are not `alive`.
    pub(crate) fn write(&self, alive: impl Fn(Uuid) -> bool) -> io::Result<()> {
        let content = {
            let mut state = self.state();
            if !state.changed {
                return Ok(());
            }
            state.hours.retain(|token, _| alive(*token));
            state.changed = false;
            serde_json::to_vec(&state.hours)?
        };
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, content).and_then(|()| std::fs::rename(&beside, &self.path)).inspect_err(|_| {
            self.state().changed = true;
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_survive_and_what_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let now: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
        let used = Used::open(folder.path()).unwrap();
        used.note(a, now);
        used.note(b, now);
        used.write(|it| it == a).unwrap();
        let used = Used::open(folder.path()).unwrap();
        assert_eq!(used.last(a).unwrap().to_string(), "2030-01-02T03:00:00Z");
        assert_eq!(used.last(b), None);
        std::fs::write(folder.path().join("last-used.json"), "{").unwrap();
        assert_eq!(Used::open(folder.path()).unwrap().last(a), None);
    }
}
