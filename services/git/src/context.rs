//! What every verb has at hand: the bus, the folder, the repositories, the pushes under way, and how far we are.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::event::{Event, RefUpdate};
use schemas::names::FleetId;
use streams::{Bus, ReadError, with_causes};
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::Config;
use crate::error::SettleError;
use crate::fullness::Fullness;
use crate::guards::Policies;
use crate::launch::Launcher;
use crate::layout::{self, Layout};
use crate::push::Push;
use crate::repository::{Repository, State};
use crate::settle::{drop_strangers, settle};
use crate::settler::Behind;
use crate::tally::Tally;

/// Rollout events kept for pushes that are slow to read them, in events.
const NEWS: usize = 4_096;

/// What every verb has at hand.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) layout: Layout,
    pub(crate) launcher: Launcher,
    pub(crate) bus: Bus,
    pub(crate) shutdown: CancellationToken,
    /// Every task of ours; awaited when the service ends.
    pub(crate) tasks: TaskTracker,
    /// Turns of pushes and of fetches.
    pub(crate) pushing: Arc<Semaphore>,
    pub(crate) fetching: Arc<Semaphore>,
    /// Rollout events as they come.
    pub(crate) news: broadcast::Sender<Arc<Event>>,
    /// Position of the last event that the follower took.
    pub(crate) position: watch::Sender<u64>,
    /// Some branch has moved: open pull requests may have to be looked at again.
    pub(crate) stale: Notify,
    /// What each owner forbids.
    pub(crate) policies: Policies,
    /// Whether the log has room.
    pub(crate) fullness: Fullness,
    /// How many refusals the log still remembers.
    pub(crate) tally: Tally,
    /// Fleets whose disk is behind the log.
    pub(crate) behind: Behind,
    /// Told when there may be packs to make one of.
    pub(crate) many_packs: Notify,
    /// The pack that is being made of others: stored, and not yet in any event.
    pub(crate) repacking: Mutex<Option<Uuid>>,
    /// Why refs no longer follow the log.
    pub(crate) stopped: Mutex<Option<Arc<ReadError>>>,
    repositories: Mutex<BTreeMap<FleetId, Used>>,
    pushes: Mutex<HashMap<Uuid, Arc<Push>>>,
}

#[derive(Debug)]
struct Used {
    repository: Arc<Repository>,
    by: usize,
}

/// A repository that does not go away while this lives.
pub(crate) struct InUse {
    context: Arc<Context>,
    repository: Arc<Repository>,
}

/// Why the refs are not at the head of the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAtHead {
    #[error("the event log does not answer, try again")]
    Log(#[source] ReadError),
    #[error("the event log does not answer in time, try again")]
    Silent,
    #[error("the refs are at position {seen} of {wanted}, try again")]
    Behind { seen: u64, wanted: u64 },
    #[error("the refs no longer follow the log: {0}")]
    Stopped(String),
}

impl Context {
    pub(crate) fn new(
        config: Config,
        layout: Layout,
        launcher: Launcher,
        bus: Bus,
        shutdown: CancellationToken,
    ) -> Self {
        let turns = |n| Arc::new(Semaphore::new(n));
        let (pushing, fetching) = (turns(config.limits.pushes), turns(config.limits.fetches));
        Self {
            config,
            layout,
            launcher,
            bus,
            shutdown,
            tasks: TaskTracker::new(),
            pushing,
            fetching,
            news: broadcast::Sender::new(NEWS),
            position: watch::Sender::new(0),
            stale: Notify::new(),
            policies: Policies::default(),
            fullness: Fullness::default(),
            tally: Tally::default(),
            behind: Behind::default(),
            many_packs: Notify::new(),
            repacking: Mutex::default(),
            stopped: Mutex::default(),
            repositories: Mutex::default(),
            pushes: Mutex::default(),
        }
    }

    /// The fleet's repository, whether the log knows it or not.
    pub(crate) fn enter(self: &Arc<Self>, fleet: &FleetId) -> InUse {
        let mut all = lock(&self.repositories);
        let used = all.entry(fleet.clone()).or_insert_with(|| {
            let path = self.layout.repository(fleet);
            Used { repository: Arc::new(Repository::new(fleet.clone(), path)), by: 0 }
        });
        used.by += 1;
        InUse { context: Arc::clone(self), repository: Arc::clone(&used.repository) }
    }

    /// The fleet's repository, if the log knows it.
    pub(crate) fn enter_known(self: &Arc<Self>, fleet: &FleetId) -> Option<InUse> {
        let repository = self.enter(fleet);
        repository.is_known().then_some(repository)
    }

    /// Every fleet that the log knows.
    pub(crate) fn known(&self) -> Vec<FleetId> {
        let all = lock(&self.repositories);
        all.iter().filter(|(_, used)| used.repository.is_known()).map(|(fleet, _)| fleet.clone()).collect()
    }

    /// Where they lie.
    pub(crate) fn known_paths(&self) -> Vec<PathBuf> {
        self.known().iter().map(|fleet| self.layout.repository(fleet)).collect()
    }

    /// A push begins.
    pub(crate) fn begin(&self, push: Arc<Push>) {
        lock(&self.pushes).insert(push.id, push);
    }

    /// The push that a hook speaks of.
    pub(crate) fn push(&self, id: Uuid) -> Option<Arc<Push>> {
        lock(&self.pushes).get(&id).cloned()
    }

    /// A push has ended.
    pub(crate) fn end(&self, id: Uuid) {
        lock(&self.pushes).remove(&id);
    }

    /// Packs of pushes under way, and of a repack: stored, and not yet in any event.
    pub(crate) fn packs_under_way(&self) -> Vec<Uuid> {
        let repacking = *lock(&self.repacking);
        lock(&self.pushes).values().filter_map(|push| push.pack()).chain(repacking).collect()
    }

    /// Makes the disk show the state.
    pub(crate) async fn settle(&self, repository: &Repository, state: &mut State) -> Result<(), SettleError> {
        settle(&self.bus, &self.launcher, repository, state).await
    }

    /// Waits until what is known of the refs is where the log was when this was called. Whether a repository's disk shows
    /// it is another matter: that is settled with the repository.
    pub(crate) async fn at_head(&self) -> Result<(), NotAtHead> {
        let within = self.config.limits.head;
        let wanted = self.head(within).await?;
        let mut position = self.position.subscribe();
        let reached = tokio::time::timeout(within, position.wait_for(|seen| *seen >= wanted)).await;
        if reached.is_ok() {
            return Ok(());
        }
        if let Some(reason) = self.stop_reason() {
            return Err(NotAtHead::Stopped(reason));
        }
        let seen = *self.position.borrow();
        Err(NotAtHead::Behind { seen, wanted })
    }

    async fn head(&self, within: Duration) -> Result<u64, NotAtHead> {
        if let Some(reason) = self.stop_reason() {
            return Err(NotAtHead::Stopped(reason));
        }
        match tokio::time::timeout(within, self.bus.head()).await {
            Ok(head) => head.map_err(NotAtHead::Log),
            Err(_) => Err(NotAtHead::Silent),
        }
    }

    /// Why refs no longer follow the log, for people.
    pub(crate) fn stop_reason(&self) -> Option<String> {
        let stopped = lock(&self.stopped).clone()?;
        let cause = std::error::Error::source(&*stopped).map(|cause| format!(": {cause}")).unwrap_or_default();
        Some(format!("{stopped}{cause}"))
    }

    /// Lets go of a repository. With the last user go one that the log does not know, and what refused pushes left.
    fn leave(&self, repository: &Repository) {
        let mut all = lock(&self.repositories);
        let Some(used) = all.get_mut(&repository.fleet) else { return };
        used.by -= 1;
        if used.by > 0 {
            return;
        }
        // Nobody can enter while `all` is locked, so nobody can be writing there.
        let done = if !repository.is_known() {
            all.remove(&repository.fleet);
            layout::remove(&repository.path)
        } else if repository.take_litter() {
            drop_strangers(&repository.path)
        } else {
            Ok(())
        };
        if let Err(error) = done {
            tracing::warn!(fleet = %repository.fleet, error = with_causes(&error), "left-overs stay until the next start");
        }
    }
}

impl std::ops::Deref for InUse {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.context.leave(&self.repository);
    }
}

/// A lock that a panic elsewhere does not take from us: what it holds is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The refs of a push, in one line for the log.
pub(crate) fn names(updates: &[RefUpdate]) -> String {
    updates.iter().map(|update| update.name.as_str()).collect::<Vec<_>>().join(" ")
}
