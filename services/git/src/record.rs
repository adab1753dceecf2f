//! Appends events that no `git push` brings: pull requests, merges, forks, rollbacks. The refs follow.

use schemas::event::{Data, Draft, Event};
use schemas::query::{Fault, FaultCode};
use streams::{AppendError, with_causes};

use crate::context::{Context, InUse};
use crate::follow::catch_up;
use crate::repository::State;

/// Appends what `make` makes of the state, all of it or nothing, and lets the disk follow; again, where somebody was
/// first and `make` still wants it. Answers the position of the last event.
pub(crate) async fn record(
    context: &Context,
    repository: &InUse,
    make: impl FnMut(&State) -> Result<Vec<Draft>, Fault>,
) -> Result<u64, Fault> {
    if let Some(reason) = context.fullness.refusal() {
        return Err(Fault { code: FaultCode::Full, message: reason });
    }
    undo(context, repository, make).await
}

/// The same for what undoes something: the room that is left while the log is nearly full is for that.
pub(crate) async fn undo(
    context: &Context,
    repository: &InUse,
    mut make: impl FnMut(&State) -> Result<Vec<Draft>, Fault>,
) -> Result<u64, Fault> {
    let mut state = repository.state.lock().await;
    loop {
        let drafts = make(&state)?;
        let Some((first, rest)) = drafts.split_first() else { return Ok(state.applied) };
        match context.bus.append_all(first, rest, state.applied).await {
            Ok(position) => {
                for (position, draft) in (position..).zip(&drafts) {
                    state.take(&Event { position, draft: draft.clone() });
                }
                repository.note(&state);
                if let Err(error) = context.settle(repository, &mut state).await {
                    // Tried again whenever somebody asks for this repository, and at the next start.
                    let error = with_causes(&error);
                    tracing::error!(fleet = %repository.fleet, error, "a repository does not follow the log");
                }
                context.stale.notify_one();
                return Ok(state.applied);
            }
            Err(AppendError::Refused { last }) => {
                let caught = catch_up(context, repository, &mut state, last).await;
                caught.map_err(|error| unavailable(&error))?;
            }
            Err(error) => return Err(unavailable(&error)),
        }
    }
}

/// An event about one thing of a fleet, now.
pub(crate) fn draft(repository: &InUse, id: uuid::Uuid, subject: String, actor: &str, data: Data) -> Draft {
    Draft {
        id,
        scope: repository.scope(),
        subject,
        time: streams::clock::now(),
        actor: actor.to_owned(),
        cause: None,
        data,
    }
}

/// It cannot be done now, for this reason.
pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Fault {
    Fault { code: FaultCode::Unavailable, message: with_causes(error) }
}
