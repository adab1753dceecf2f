//! Refs follow the log: whatever was appended, by us or by somebody else, the repositories show.

use std::sync::Arc;
use std::time::Duration;

use schemas::event::{Event, Topic};
use streams::{Filter, Follow, ReadError, with_causes};

use crate::context::{Context, lock};
use crate::error::SettleError;
use crate::repository::{Repository, State};

/// How long reading what came in between may take.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Takes every event up to `head`, without touching the disk: that is settled once, afterwards.
pub(crate) async fn fold(context: &Arc<Context>, follow: &mut Follow, head: u64) -> Result<(), ReadError> {
    while *context.position.borrow() < head {
        let event = follow.next().await?;
        context.fullness.take(&event);
        context.policies.take(&event);
        if let Some(fleet) = git_event_of(&event) {
            let repository = context.enter(fleet);
            let mut state = repository.state.lock().await;
            state.take(&event);
            repository.note(&state);
        }
        context.position.send_replace(event.position);
    }
    Ok(())
}

/// Follows the log until the service stops, or until an event cannot be read: then refs stay where they are, and
/// readiness says so.
pub(crate) async fn follow(context: &Arc<Context>, mut follow: Follow) {
    loop {
        // Cancel-safe: an event that was not taken is read again by whoever follows next.
        let event = tokio::select! {
            event = follow.next() => event,
            () = context.shutdown.cancelled() => return,
        };
        match event {
            Ok(event) => take(context, event).await,
            Err(error) => {
                tracing::error!(error = with_causes(&error), "refs no longer follow the log");
                *lock(&context.stopped) = Some(Arc::new(error));
                return context.shutdown.cancelled().await;
            }
        }
    }
}

async fn take(context: &Arc<Context>, event: Event) {
    let position = event.position;
    context.fullness.take(&event);
    context.policies.take(&event);
    if let Some(fleet) = git_event_of(&event) {
        let repository = context.enter(fleet);
        let mut state = repository.state.lock().await;
        let to_settle = state.take(&event);
        if !state.spare.is_empty() {
            context.many_packs.notify_one();
        }
        if to_settle {
            repository.note(&state);
            context.behind.note(fleet);
        }
        context.stale.notify_one();
    } else if event.data.topic() == Topic::Rollout {
        // Nobody may be waiting for news.
        let _ = context.news.send(Arc::new(event));
    }
    context.position.send_replace(position);
}

/// Takes what came in between, up to `until`. The caller holds the fleet's lock.
pub(crate) async fn catch_up(
    context: &Context,
    repository: &Repository,
    state: &mut State,
    until: u64,
) -> Result<(), SettleError> {
    let mut follow = context.bus.follow(Filter::Subject(repository.scope(), Topic::Git), state.applied);
    let read = async {
        while state.applied < until {
            let event = follow.next().await?;
            state.take(&event);
        }
        Ok(())
    };
    let read = tokio::time::timeout(CATCH_UP, read).await;
    repository.note(state);
    let fleet = || repository.fleet.clone();
    match read {
        Ok(read) => read.map_err(|source| SettleError::Read { fleet: fleet(), source })?,
        Err(_) => return Err(SettleError::Late { fleet: fleet(), position: until }),
    }
    context.settle(repository, state).await
}

fn git_event_of(event: &Event) -> Option<&schemas::names::FleetId> {
    event.scope.fleet().filter(|_| event.data.topic() == Topic::Git)
}
