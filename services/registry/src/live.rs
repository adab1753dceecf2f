//! What everybody shares: the fleets as they are, in memory, and the database of how they were.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use schemas::event::Event;
use schemas::query::{Fault, FaultCode};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::fold::Fold;
use crate::row::Row;
use crate::store::Store;

/// How long a question waits for the position that it names.
const WITHIN: Duration = Duration::from_secs(5);

/// The registry's state. The memory is at most one batch ahead of the database.
#[derive(Debug)]
pub(crate) struct Live {
    fold: RwLock<Fold>,
    store: watch::Sender<Option<Arc<Store>>>,
    memory: watch::Sender<u64>,
    disk: watch::Sender<u64>,
    stopped: watch::Sender<Option<String>>,
    /// How far the making of a new database is, and how far it has to go, while one is made.
    building: watch::Sender<Option<(u64, u64)>>,
    /// Why the database cannot be written now.
    hindered: watch::Sender<Option<String>>,
    /// Somebody found that the database cannot be used.
    broken: Notify,
}

/// Which of the two a question is answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Memory,
    Disk,
}

impl Live {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            fold: RwLock::default(),
            store: watch::Sender::new(None),
            memory: watch::Sender::new(0),
            disk: watch::Sender::new(0),
            stopped: watch::Sender::new(None),
            building: watch::Sender::new(None),
            hindered: watch::Sender::new(None),
            broken: Notify::new(),
        }
    }

    /// Takes a fold and the database that goes with it, at the same position, in place of what there was.
    pub fn install(&self, fold: Fold, store: Store) {
        let position = fold.position();
        *self.fold.write().unwrap_or_else(PoisonError::into_inner) = fold;
        self.building.send_replace(None);
        self.memory.send_replace(position);
        self.written(position);
        self.store.send_replace(Some(Arc::new(store)));
    }

    /// Takes events into the memory. Answers the rows for the database, and the position that they lead to.
    pub fn apply(&self, events: &[Event]) -> (Vec<Row>, u64) {
        let mut rows = Vec::with_capacity(events.len() * 3);
        let mut fold = self.fold.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            fold.apply(event, &mut rows);
        }
        fold.end_batch(&mut rows);
        let position = fold.position();
        drop(fold);
        self.memory.send_replace(position);
        (rows, position)
    }

    /// The database holds all up to `position`.
    pub fn written(&self, position: u64) {
        self.disk.send_replace(position);
    }

    /// Looks at the fleets and their position. Has to be short: nothing is applied meanwhile.
    pub fn look<R>(&self, look: impl FnOnce(&Fold) -> R) -> R {
        look(&self.fold.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The database; none: it is being made.
    pub fn store(&self) -> Option<Arc<Store>> {
        self.store.borrow().clone()
    }

    /// Waits until there is a database.
    pub async fn has_store(&self) {
        // The sender cannot be gone, we hold it.
        let _ = self.store.subscribe().wait_for(Option::is_some).await;
    }

    /// Where the memory or the database is.
    pub fn position(&self, from: From) -> u64 {
        *self.watch(from).borrow()
    }

    /// The database cannot be used any more: says so once, and has it made anew.
    pub fn give_up(&self, store: &Store, why: &(dyn std::error::Error + 'static)) {
        let ours = |held: &mut Option<Arc<Store>>| held.take_if(|it| it.path() == store.path()).is_some();
        if self.store.send_if_modified(ours) {
            tracing::error!(
                error = why,
                "the registry's database cannot be used any more; making it anew from the log"
            );
            self.broken.notify_one();
        }
    }

    /// Waits until somebody gave the database up.
    pub async fn broken(&self) {
        self.broken.notified().await;
    }

    /// How far a new database is.
    pub fn build_is_at(&self, position: u64, until: u64) {
        self.building.send_replace(Some((position, until)));
    }

    /// None is made any more.
    pub fn build_is_over(&self) {
        self.building.send_replace(None);
    }

    /// How far a new database is, and how far it has to go; none: none is being made.
    pub fn building(&self) -> Option<(u64, u64)> {
        *self.building.borrow()
    }

    /// Why the database cannot be written now; none: it can be. Answers whether that is new.
    pub fn hinder(&self, why: Option<String>) -> bool {
        self.hindered.send_if_modified(|it| {
            let new = it.is_some() != why.is_some();
            *it = why;
            new
        })
    }

    /// Never goes on: what it knows may be wrong by now.
    pub fn stop(&self, why: String) {
        self.stopped.send_replace(Some(why));
    }

    /// Why it has stopped, where it has.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// `None`: it has come to `head`. Else why not, for people.
    pub fn ready(&self, head: u64) -> Option<String> {
        if let Some(why) = self.stopped() {
            return Some(format!("stopped: {why}"));
        }
        if let Some((position, until)) = self.building().filter(|_| self.store().is_none()) {
            return Some(format!("making its database anew from the log: at position {position} of {until}"));
        }
        if let Some(why) = &*self.hindered.borrow() {
            return Some(format!("its database cannot be written now: {why}"));
        }
        let position = self.position(From::Disk);
        let behind = position < head || self.store().is_none();
        behind.then(|| format!("reading the log: at position {position} of {head}"))
    }

    /// Waits for a position, for a while. What has stopped answers nothing: what it knows may be wrong by now.
    pub async fn reach(&self, from: From, wanted: u64) -> Result<(), Fault> {
        let stopped = || self.stopped().map(|why| Fault { code: FaultCode::Stopped, message: why });
        if let Some(fault) = stopped() {
            return Err(fault);
        }
        let (mut positions, mut stops) = (self.watch(from).subscribe(), self.stopped.subscribe());
        let reached = async {
            tokio::select! {
                biased;
                // Both only look at a value: dropping either loses nothing. Neither sender can be gone, we hold it.
                _ = positions.wait_for(|it| *it >= wanted) => {}
                _ = stops.wait_for(Option::is_some) => {}
            }
        };
        let in_time = timeout(WITHIN, reached).await;
        if in_time.is_ok() && self.position(from) >= wanted {
            return Ok(());
        }
        Err(stopped().unwrap_or_else(|| {
            let mut message = format!(
                "the registry is at position {} and did not reach {wanted} within {} s",
                self.position(from),
                WITHIN.as_secs()
            );
            if let Some(why) = &*self.hindered.borrow() {
                message.push_str(&format!(": its database cannot be written now: {why}"));
            }
            Fault { code: FaultCode::Behind, message }
        }))
    }

    fn watch(&self, from: From) -> &watch::Sender<u64> {
        match from {
            From::Memory => &self.memory,
            From::Disk => &self.disk,
        }
    }
}
