//! Answers what the coordinator asks about this node's images.

use std::sync::Arc;

use schemas::query::{Fault, FaultCode, ImagesAnswer, ImagesRequest, PruneRequest};
use streams::AtEnd;

use super::host::Host;
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
