//! How far each named reader of this process has come, for whoever measures how far it is behind.
//!
//! One table a process, like the recorder of the figures themselves: a reader and who measures it do not know each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

static TABLE: Mutex<Vec<Weak<Entry>>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Entry {
    name: &'static str,
    stream: &'static str,
    position: AtomicU64,
}

/// A reader's entry in the table; gone with it.
#[derive(Debug)]
pub struct Progress(Arc<Entry>);

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The reader.
    pub name: &'static str,
    /// The stream that it reads.
    pub stream: &'static str,
    /// The last sequence that it is done with.
    pub position: u64,
}

impl Progress {
    /// Enters the reader `name` of `stream`, done with everything up to `position`.
    pub fn new(name: &'static str, stream: &'static str, position: u64) -> Self {
        let entry = Arc::new(Entry { name, stream, position: AtomicU64::new(position) });
        let mut table = table();
        table.retain(|it| it.strong_count() > 0);
        table.push(Arc::downgrade(&entry));
        Self(entry)
    }

    /// It is done with everything up to `position`.
    pub fn reach(&self, position: u64) {
        self.0.position.store(position, Ordering::Relaxed);
    }

    /// Every reader of this process.
    pub fn all() -> Vec<Reached> {
        let entries = table().iter().filter_map(Weak::upgrade).collect::<Vec<_>>();
        let reached = |it: Arc<Entry>| Reached {
            name: it.name,
            stream: it.stream,
            position: it.position.load(Ordering::Relaxed),
        };
        entries.into_iter().map(reached).collect()
    }
}

fn table() -> MutexGuard<'static, Vec<Weak<Entry>>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_in_the_table_as_long_as_it_is_there() {
        let here = || Progress::all().into_iter().find(|it| it.name == "of-this-test");
        let reader = Progress::new("of-this-test", "EVENTS", 3);
        reader.reach(7);
        assert_eq!(here(), Some(Reached { name: "of-this-test", stream: "EVENTS", position: 7 }));
        drop(reader);
        assert_eq!(here(), None);
    }
}
