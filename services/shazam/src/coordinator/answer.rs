//! Answers `req.shazam.nodes`.

use std::time::Instant;

use schemas::query::NodesRequest;
use streams::Bus;
use tokio_util::sync::CancellationToken;

use super::nodes::Nodes;
use crate::error::CoordinatorError;

/// Answers until it is told to stop.
pub async fn nodes(bus: Bus, nodes: Nodes, shutdown: CancellationToken) -> Result<(), CoordinatorError> {
    let mut questions = bus.answer::<NodesRequest>().await?;
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            asked = questions.next() => asked,
        };
        let Some(asked) = asked else { return Ok(()) };
        if let Err(error) = asked.reply(Ok(nodes.answer(Instant::now()))).await {
            // Who asked has a deadline and sees that nobody answered.
            tracing::warn!(%error, "an answer about nodes was not sent");
        }
    }
}
