//! Folds the log into a state in memory, from its first event on, and lets others read the state with its position.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use schemas::event::Event;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::error::{ReadError, with_causes};
use crate::follow::Filter;

/// A state that events change, and nothing else. Ignores events that it does not need.
pub trait Projection: Send + Sync + 'static {
    /// Takes the next event.
    fn apply(&mut self, event: &Event);
}

/// A projection's state with its position. Clones share it.
pub struct View<P> {
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    state: RwLock<At<P>>,
    position: watch::Sender<u64>,
    stopped: watch::Sender<Option<String>>,
}

struct At<P> {
    state: P,
    position: u64,
}

/// Why a view is not where somebody wants it to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Behind {
    /// Not yet.
    #[error("position {position} is reached, {wanted} is not after {within:?}")]
    Late {
        /// Where it is.
        position: u64,
        /// Where it should be.
        wanted: u64,
        /// How long somebody waited.
        within: Duration,
    },
    /// Never, until somebody helps it.
    #[error("stopped at position {position}, before {wanted}: {reason}")]
    Stopped {
        /// Where it is.
        position: u64,
        /// Where it should be.
        wanted: u64,
        /// What stopped it.
        reason: String,
    },
}

impl<P> Clone for View<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P> fmt::Debug for View<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = *self.shared.position.borrow();
        f.debug_struct("View").field("position", &position).finish_non_exhaustive()
    }
}

impl<P: Projection> View<P> {
    /// A view of an empty log.
    pub fn new(state: P) -> Self {
        let shared = Shared {
            state: RwLock::new(At { state, position: 0 }),
            position: watch::Sender::new(0),
            stopped: watch::Sender::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Position of the last event that the state holds.
    pub fn position(&self) -> u64 {
        *self.shared.position.borrow()
    }

    /// Looks at the state and its position. Has to be short: nothing is applied meanwhile.
    pub fn read<R>(&self, look: impl FnOnce(&P, u64) -> R) -> R {
        let at = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        look(&at.state, at.position)
    }

    /// Waits until the state holds the event at `position`.
    pub async fn at_least(&self, position: u64, within: Duration) -> Result<(), Behind> {
        let mut positions = self.positions();
        let mut stopped = self.shared.stopped.subscribe();
        let reached = async {
            tokio::select! {
                biased;
                // Both only look at a value: dropping either loses nothing. Neither sender can be gone, we hold it.
                reached = positions.wait_for(|it| *it >= position) => reached.is_ok(),
                _ = stopped.wait_for(Option::is_some) => false,
            }
        };
        let in_time = timeout(within, reached).await;
        let at = self.position();
        match (in_time, self.stopped()) {
            _ if at >= position => Ok(()),
            (_, Some(reason)) => Err(Behind::Stopped { position: at, wanted: position, reason }),
            _ => Err(Behind::Late { position: at, wanted: position, within }),
        }
    }

    /// The position as it moves on.
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.shared.position.subscribe()
    }

    /// Why the view has stopped, where it has: readiness is red then.
    pub fn stopped(&self) -> Option<String> {
        self.shared.stopped.borrow().clone()
    }

    /// Follows the log until `shutdown`, or until an event that cannot be read.
    pub async fn run(&self, bus: Bus, shutdown: CancellationToken) -> Result<(), ReadError> {
        self.run_on(bus, Filter::All, shutdown).await
    }

    /// Follows a part of the log: the position is then that of the last event of this part.
    pub async fn run_on(&self, bus: Bus, filter: Filter, shutdown: CancellationToken) -> Result<(), ReadError> {
        let mut follow = bus.follow(filter, self.position());
        self.shared.stopped.send_replace(None);
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                next = follow.next() => next, // cancel-safe, and dropped only for good
            };
            match next {
                Ok(event) => self.apply(&event),
                Err(error) => {
                    self.shared.stopped.send_replace(Some(with_causes(&error)));
                    return Err(error);
                }
            }
        }
    }

    fn apply(&self, event: &Event) {
        let mut at = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        at.state.apply(event);
        at.position = event.position;
        drop(at);
        self.shared.position.send_replace(event.position);
    }
}
