//! Keeps open pull requests at where their branches are: each push of either side has its check and plan anew.

use std::sync::Arc;
use std::time::Duration;

use schemas::event::{Data, PullMerged, PullUpdated};
use schemas::names::FleetId;
use schemas::pulls::Pull;
use schemas::query::{Fault, FaultCode};

use super::judge::{Way, judge};
use super::open::tip;
use super::sides::{Sides, repository};
use super::{fault, find};
use crate::context::Context;
use crate::record::{draft, record, unavailable};

/// After so long it is tried again, where one could not be renewed.
const AGAIN: Duration = Duration::from_secs(5);

/// Who renews, for events that nobody's push is behind.
const ACTOR: &str = "git";

/// Renews until the service ends. Woken by every Git event; nothing it is told is trusted: it compares.
pub(crate) async fn renew(context: &Arc<Context>) {
    let mut again = true;
    while !context.shutdown.is_cancelled() {
        let late = tokio::time::sleep(AGAIN);
        tokio::select! {
            // Cancel-safe: a notice that was not taken stays.
            () = context.stale.notified() => {}
            () = late, if again => {}
            () = context.shutdown.cancelled() => return,
        }
        tokio::select! {
            // Dropped half way, the next start goes on.
            failed = all(context) => again = failed,
            () = context.shutdown.cancelled() => return,
        }
    }
}

/// Renews whatever is stale. Says whether something could not be renewed.
async fn all(context: &Arc<Context>) -> bool {
    let mut failed = false;
    for fleet in context.known() {
        let Some(target) = context.enter_known(&fleet) else { continue };
        let open: Vec<Pull> = target.state.lock().await.pulls.open().cloned().collect();
        for pull in open {
            let number = pull.number;
            if let Err(error) = one(context, &fleet, pull).await
                && !matches!(error.code, FaultCode::Conflict | FaultCode::NotFound)
            {
                tracing::warn!(%fleet, number, %error, "a pull request could not be renewed now");
                failed = true;
            }
        }
    }
    failed
}

async fn one(context: &Arc<Context>, fleet: &FleetId, pull: Pull) -> Result<(), Fault> {
    let target = repository(context, fleet)?;
    let sides = Sides::look(context, target, &pull.from, &pull.into, Some(&pull.tip.head)).await?;
    if (&sides.head, &sides.base) == (&pull.tip.head, &pull.tip.base) {
        return Ok(());
    }
    let bench = sides.workbench(context).map_err(|error| unavailable(&error))?;
    let judged = judge(context, &bench, &sides, None).await?;
    let number = pull.number;
    let data = if judged.way == Way::Nothing {
        // Somebody has taken it in by hand.
        Data::PullMerged(PullMerged { number, commit: sides.base.clone(), plan: None })
    } else {
        Data::PullUpdated(PullUpdated { number, tip: tip(context, &bench, &sides, &judged).await? })
    };
    let actor = sides.pushed_by.as_deref().filter(|_| sides.head != pull.tip.head).unwrap_or(ACTOR);
    record(context, &sides.target, |state| {
        // Another Git service may have been first.
        if find(state, number)? != &pull {
            return Err(fault(FaultCode::Conflict, "renewed meanwhile"));
        }
        let subject = format!("pulls/{number}");
        Ok(vec![draft(&sides.target, streams::clock::new_id(), subject, actor, data.clone())])
    })
    .await
    .map(drop)
}
