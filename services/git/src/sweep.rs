//! Erases packs that no event refers to, such as those of pushes that were refused late: at a start, then hourly.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use streams::with_causes;

use crate::context::Context;

/// How often.
const EVERY: Duration = Duration::from_secs(3_600);

/// Sweeps until the service stops. An error is not fatal: what was left is found the next time.
pub(crate) async fn sweep(context: &Arc<Context>) {
    while !context.shutdown.is_cancelled() {
        tokio::select! {
            // Dropped half way, it has erased some of what it would have erased.
            () = once(context) => {}
            () = context.shutdown.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = context.shutdown.cancelled() => return,
        }
    }
}

async fn once(context: &Arc<Context>) {
    // Only where every reference is known.
    if let Err(error) = context.at_head().await {
        tracing::warn!(error = with_causes(&error), "unreferenced packs are not swept now");
        return;
    }
    let mut referenced: HashSet<Uuid> = context.packs_under_way().into_iter().collect();
    for fleet in context.known() {
        let repository = context.enter(&fleet);
        let mut state = repository.state.lock().await;
        referenced.extend(state.kept(streams::clock::now(), context.config.limits.orphan));
    }
    match context.bus.sweep_packs(&referenced, context.config.limits.orphan).await {
        Ok(0) => {}
        Ok(erased) => tracing::info!(erased, "erased packs that no event refers to"),
        Err(error) => tracing::warn!(error = with_causes(&error), "unreferenced packs are not swept now"),
    }
}
