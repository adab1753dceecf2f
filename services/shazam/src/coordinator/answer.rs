//! Answers `req.shazam.nodes`.

use std::time::Instant;

use schemas::query::NodesRequest;
use streams::{AtEnd, Bus};
use tokio_util::sync::CancellationToken;

use super::nodes::Nodes;
use crate::error::CoordinatorError;

/// Questions that are answered at the same time: each only looks.
const AT_ONCE: usize = 16;

/// Answers until it is told to stop.
pub async fn nodes(bus: Bus, nodes: Nodes, shutdown: CancellationToken) -> Result<(), CoordinatorError> {
    let questions = bus.answer::<NodesRequest>().await?;
    let served = questions.serve(AT_ONCE, AtEnd::Drop, &shutdown, |_| {
        let answer = nodes.answer(Instant::now());
        async move { Ok(answer) }
    });
    Ok(served.await?)
}
