//! All days that can be searched, and up to which batch.
//!
//! Beside the days lies `manifest.json`: which days there are and up to where all of them are. It is a hint: each day's
//! own commit says what is in it, so a manifest that is old or gone costs time, and no line.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::slice::{Day, Slice};
use crate::error::IndexError;

/// Raised when the files become something else: the old ones are made anew.
pub(super) const FORMAT: u32 = 1;
/// Bytes of the newest days that are read and compared at a start.
const VERIFIED_BYTES: u64 = 256 << 20;

/// The days.
pub(super) struct Shelf {
    folder: PathBuf,
    incarnation: Uuid,
    slices: RwLock<BTreeMap<Day, Arc<Slice>>>,
    /// Sequence of the last batch whose lines can be found.
    applied: watch::Sender<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    incarnation: Uuid,
    position: u64,
    days: Vec<Day>,
}

impl Shelf {
    /// An empty one in `folder`; [`open`](Self::open) fills it.
    pub fn new(folder: PathBuf, incarnation: Uuid) -> Self {
        Self { folder, incarnation, slices: RwLock::default(), applied: watch::Sender::new(0) }
    }

    /// An empty one in a folder inside this one's, to be put in its place.
    pub fn beside(&self) -> Self {
        Self::new(self.folder.join("replay"), self.incarnation)
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the days of `other` for its own; nobody may write to either.
    pub fn replace(&self, other: &Self) -> Result<(), IndexError> {
        let days = other.days_there()?;
        for day in self.days_there()? {
            self.remove_folder(day)?;
        }
        for day in days {
            fs::rename(other.folder.join(day.folder()), self.folder.join(day.folder()))
                .map_err(self.io("move a day in"))?;
        }
        fs::rename(other.manifest(), self.manifest()).map_err(self.io("move the manifest in"))?;
        fs::remove_dir_all(&other.folder).map_err(self.io("clean up"))
    }

    /// Opens every day that is there and whole, and throws away what is not. Answers the sequence of the last batch
    /// that all of them have; `last` is that of `LOGS`.
    pub fn open(&self, last: u64) -> Result<u64, IndexError> {
        fs::create_dir_all(&self.folder).map_err(self.io("make"))?;
        let there = self.days_there()?;
        let manifest = self.read_manifest();
        let mut position = match &manifest {
            Some(manifest) => manifest.position,
            None if there.is_empty() => 0,
            None => {
                tracing::warn!("the index of the log lines has no manifest: reading all lines again");
                0
            }
        };
        if position > last {
            tracing::warn!(
                position,
                last,
                "the index knows lines that `LOGS` has not: it is another log; making it anew"
            );
            return self.empty().map(|()| 0);
        }
        if manifest.as_ref().is_some_and(|it| it.incarnation != self.incarnation || it.format != FORMAT) {
            tracing::warn!("the index is of another log or an older version: making it anew from `LOGS`");
            return self.empty().map(|()| 0);
        }
        let mut slices = BTreeMap::new();
        let mut days = manifest.map(|it| it.days).unwrap_or_default();
        days.extend(there.iter().copied());
        days.sort();
        days.dedup();
        let mut unread = VERIFIED_BYTES;
        for day in days.into_iter().rev() {
            match self.open_one(day, there.contains(&day), &mut unread) {
                Ok(slice) => {
                    slices.insert(day, Arc::new(slice));
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a day of the index is lost: making it anew from `LOGS`"
                    );
                    self.remove_folder(day)?;
                    position = 0;
                }
            }
        }
        *self.slices.write().unwrap_or_else(PoisonError::into_inner) = slices;
        self.applied.send_replace(position);
        Ok(position)
    }

    fn open_one(&self, day: Day, is_there: bool, unread: &mut u64) -> Result<Slice, IndexError> {
        let path = self.folder.join(day.folder());
        if !is_there || !path.join("meta.json").exists() {
            return Err(IndexError::Gone { day: day.to_string(), path });
        }
        let slice = Slice::open(&self.folder, day)?;
        let bytes = bytes_in(&path);
        if bytes <= *unread {
            *unread -= bytes;
            slice.verify()?;
        }
        Ok(slice)
    }

    /// The day, made where it is not there.
    pub fn slice(&self, day: Day) -> Result<Arc<Slice>, IndexError> {
        if let Some(slice) = self.read().get(&day) {
            return Ok(slice.clone());
        }
        let slice = Arc::new(Slice::open(&self.folder, day)?);
        self.slices.write().unwrap_or_else(PoisonError::into_inner).insert(day, slice.clone());
        Ok(slice)
    }

    /// All days, in order.
    pub fn all(&self) -> Vec<Arc<Slice>> {
        self.read().values().cloned().collect()
    }

    /// The sequence of the last batch whose lines can be found.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Every day has everything up to `position`.
    pub fn reached(&self, position: u64) -> Result<(), IndexError> {
        let days = self.read().keys().copied().collect();
        let manifest = Manifest { format: FORMAT, incarnation: self.incarnation, position, days };
        let text = serde_json::to_vec(&manifest).unwrap_or_default();
        let (path, beside) = (self.manifest(), self.folder.join("manifest.new"));
        // Not made durable: after a power cut an old or an empty one only costs time.
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path)).map_err(self.io("write"))?;
        self.applied.send_replace(position);
        Ok(())
    }

    /// The first day of which the files are gone.
    pub fn missing(&self) -> Option<Arc<Slice>> {
        self.read().values().find(|it| !it.is_there()).cloned()
    }

    /// Throws a day away.
    pub fn remove(&self, day: Day) -> Result<(), IndexError> {
        self.slices.write().unwrap_or_else(PoisonError::into_inner).remove(&day);
        self.remove_folder(day)
    }

    /// Throws all days away.
    pub fn empty(&self) -> Result<(), IndexError> {
        self.slices.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.applied.send_replace(0);
        for day in self.days_there()? {
            self.remove_folder(day)?;
        }
        match fs::remove_file(self.manifest()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.io("remove")(error)),
            _ => Ok(()),
        }
    }

    fn remove_folder(&self, day: Day) -> Result<(), IndexError> {
        let path = self.folder.join(day.folder());
        let removed = if path.is_file() { fs::remove_file(&path) } else { fs::remove_dir_all(&path) };
        match removed {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(IndexError::Io { what: "remove", path, source }),
            _ => Ok(()),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Day, Arc<Slice>>> {
        self.slices.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn days_there(&self) -> Result<Vec<Day>, IndexError> {
        let entries = fs::read_dir(&self.folder).map_err(self.io("read"))?;
        Ok(entries.flatten().filter_map(|it| Day::parse(it.file_name().to_str()?)).collect())
    }

    fn manifest(&self) -> PathBuf {
        self.folder.join("manifest.json")
    }

    fn read_manifest(&self) -> Option<Manifest> {
        serde_json::from_slice(&fs::read(self.manifest()).ok()?).ok()
    }

    fn io(&self, what: &'static str) -> impl Fn(std::io::Error) -> IndexError {
        let path = self.folder.clone();
        move |source| IndexError::Io { what, path: path.clone(), source }
    }
}

/// Bytes of the files in a folder.
fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum()
}
