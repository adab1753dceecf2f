//! Signs of life: whether Docker answers, told at every change and every few seconds.

use std::sync::Arc;
use std::time::Duration;

use schemas::work::Beat;

use super::host::Host;
use crate::error::AgentError;

/// The time between two signs of life.
const EVERY: Duration = Duration::from_secs(2);

/// Asks Docker whether it is there, and tells those who wait for it.
pub async fn ping(host: &Host) {
    let away = host.engine.ping().await.err().map(|error| error.to_string());
    host.away.send_if_modified(|known| {
        if *known == away {
            return false;
        }
        match &away {
            Some(why) => tracing::warn!(node = %host.node, "{why}; rollouts wait for it"),
            None => tracing::info!(node = %host.node, "Docker answers again"),
        }
        known.clone_from(&away);
        true
    });
}

/// Beats until it is told to stop.
pub async fn run(host: Arc<Host>) -> Result<(), AgentError> {
    let mut changes = host.away.subscribe();
    loop {
        ping(&host).await;
        let beat = Beat { node: host.node.clone(), away: host.away.borrow().clone() };
        if let Err(error) = host.bus.beat(&beat).await {
            // Silence says it as well: whoever listens notices.
            tracing::debug!(%error, "a sign of life was not sent");
        }
        changes.mark_unchanged();
        tokio::select! {
            () = host.shutdown.cancelled() => return Ok(()),
            _ = changes.changed() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
