//! Answers what is asked about this node's images, and what its containers have written.

use std::sync::Arc;

use engine::EngineError;
use schemas::losses::Loss;
use schemas::query::{Fault, FaultCode, ImagesAnswer, ImagesRequest, LossesAnswer, LossesRequest, PruneRequest};
use streams::AtEnd;

use super::host::{Host, container_name};
use crate::error::AgentError;

/// Questions that are answered at the same time.
const AT_ONCE: usize = 4;

/// Answers what references lead to, until it is told to stop.
pub async fn images(host: Arc<Host>) -> Result<(), AgentError> {
    let questions = host.bus.asked_for_images(&host.node).await.map_err(AgentError::Questions)?;
    let served = questions.serve(AT_ONCE, AtEnd::Drop, &host.shutdown, |request: ImagesRequest| {
        let host = host.clone();
        async move {
            let mut images = Vec::with_capacity(request.images.len());
            for asked in &request.images {
                images.push(host.look_up(asked).await.map_err(|error| error.to_string()));
            }
            Ok(ImagesAnswer { images })
        }
    });
    Ok(served.await?)
}

/// Answers what containers have written beside their volumes, until it is told to stop.
pub async fn losses(host: Arc<Host>) -> Result<(), AgentError> {
    let questions = host.bus.asked_for_losses(&host.node).await.map_err(AgentError::Questions)?;
    let served = questions.serve(AT_ONCE, AtEnd::Drop, &host.shutdown, |request: LossesRequest| {
        let host = host.clone();
        async move {
            let losses = host.losses(&request).await;
            let losses = losses.map_err(|error| Fault { code: FaultCode::Unavailable, message: error.to_string() })?;
            Ok(LossesAnswer { losses })
        }
    });
    Ok(served.await?)
}

impl Host {
    async fn losses(&self, request: &LossesRequest) -> Result<Vec<Loss>, EngineError> {
        let mut losses = Vec::new();
        for (container, placed) in request.containers.iter().take(LossesRequest::MOST) {
            let name = container_name(&request.fleet, container);
            let (seen, changes) = tokio::join!(self.engine.inspect(&name), self.engine.changes(&name));
            let Some(seen) = seen?.filter(|it| self.is_ours(&it.labels)) else { continue };
            let mounts: Vec<&str> = seen.shown.volumes.keys().chain(placed).map(String::as_str).collect();
            losses.extend(Loss::of(container, changes?, &mounts));
        }
        Ok(losses)
    }
}

/// Removes images that it is asked to, until it is told to stop.
pub async fn prune(host: Arc<Host>) -> Result<(), AgentError> {
    let questions = host.bus.asked_to_prune(&host.node).await.map_err(AgentError::Questions)?;
    let served = questions.serve(AT_ONCE, AtEnd::Drop, &host.shutdown, |request: PruneRequest| {
        let host = host.clone();
        async move {
            let pruned = host.prune(request).await;
            pruned.map_err(|error| Fault { code: FaultCode::Unavailable, message: error.to_string() })
        }
    });
    Ok(served.await?)
}
