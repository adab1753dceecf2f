//! Answers whoever is about to remove a container: once everything that it wrote is stored, or there is nothing to read.
//!
//! The question goes the way that lines go, behind the last of them: to the watch, which finds the container's reader,
//! through the reader once it has read to the end, to the store, which answers when all that came before is stored.

use std::time::Duration;

use schemas::query::{DrainAnswer, DrainRequest, Fault, FaultCode};
use streams::DRAIN_STEP;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Removals that wait for their answer at once; more wait on the bus.
pub(super) const AT_ONCE: usize = 256;
/// A question that was dropped on its way, such as where reading began anew, is asked again after so long.
const AGAIN: Duration = Duration::from_millis(50);

/// Somebody waits for a container's end.
#[derive(Debug)]
pub(super) struct Ask {
    /// Docker's whole id.
    pub container: String,
    pub waits: Waits,
}

/// Told once everything is stored; dropped: nobody knows.
#[derive(Debug)]
pub(super) struct Waits(oneshot::Sender<()>);

impl Waits {
    /// Everything is stored.
    pub fn stored(self) {
        // Whoever waited may have gone on without us.
        self.0.send(()).ok();
    }

    /// Whether nobody waits any more.
    pub fn is_over(&self) -> bool {
        self.0.is_closed()
    }
}

/// Answers one question, across readings that begin anew. `moves` grows with everything that is read or stored.
pub(super) async fn answer(
    request: DrainRequest,
    asks: mpsc::Sender<Ask>,
    moves: impl Fn() -> u64,
) -> Result<DrainAnswer, Fault> {
    let before = moves();
    let asking = async {
        loop {
            let (waits, stored) = oneshot::channel();
            let ask = Ask { container: request.container.clone(), waits: Waits(waits) };
            if asks.send(ask).await.is_err() {
                let message = "the collector of lines is stopping".to_owned();
                return Err(Fault { code: FaultCode::Unavailable, message });
            }
            if stored.await.is_ok() {
                return Ok(DrainAnswer::Stored);
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    match timeout(DRAIN_STEP, asking).await {
        Ok(answer) => answer,
        Err(_) if moves() > before => Ok(DrainAnswer::Reading),
        Err(_) => Ok(DrainAnswer::Stuck),
    }
}
