//! Brings repositories to the log's state beside the one who follows the log: a large pack of one fleet keeps nobody of
//! another one waiting.
//!
//! Whoever asks for a repository that is not settled yet settles it, or waits for who does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use schemas::names::FleetId;
use streams::with_causes;
use tokio::sync::Notify;

use crate::context::{Context, lock};

/// Fleets whose disk is behind. As many at most as there are.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    fleets: Mutex<BTreeSet<FleetId>>,
    more: Notify,
}

impl Behind {
    /// This one is.
    pub(crate) fn note(&self, fleet: &FleetId) {
        lock(&self.fleets).insert(fleet.clone());
        self.more.notify_one();
    }

    /// One of them. Cancel-safe: it is taken only as this ends.
    async fn next(&self) -> FleetId {
        loop {
            if let Some(fleet) = lock(&self.fleets).pop_first() {
                return fleet;
            }
            self.more.notified().await;
        }
    }
}

/// Settles one after the other, until the service stops.
pub(crate) async fn settle_all(context: &Arc<Context>) {
    loop {
        let fleet = tokio::select! {
            fleet = context.behind.next() => fleet,
            () = context.shutdown.cancelled() => return,
        };
        let repository = context.enter(&fleet);
        let mut state = repository.state.lock().await;
        if let Err(error) = context.settle(&repository, &mut state).await {
            // Tried again whenever somebody asks for this repository.
            tracing::error!(%fleet, error = with_causes(&error), "a repository does not follow the log");
        }
    }
}
