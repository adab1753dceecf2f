//! The half that measures: every few seconds all containers of ours that run on its host, in one message.
//!
//! Reads the cgroup and proc files of the kernel where it can, else Docker's own figures; writes `metric.<node>`. Never
//! starts, stops or changes anything; what it cannot measure it names.

mod cgroup;
mod kernel;
mod round;
mod whose;

use std::path::PathBuf;
use std::time::Duration;

use engine::Engine;
use schemas::names::NodeName;
use streams::Bus;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::round::Measurer;
use crate::error::AgentError;

/// What an agent has to know.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// What its host is called.
    pub node: NodeName,
    /// Whose containers are ours: the value of the label `fleetlog.installation`.
    pub installation: Uuid,
    /// Its Docker.
    pub engine: Engine,
    /// The time between two rounds.
    pub every: Duration,
    /// Where the host's `/proc` and `/sys` are.
    pub root: PathBuf,
}

/// The agent: made, then run until it is told to stop.
pub struct Agent {
    measurer: Measurer,
    bus: Bus,
    shutdown: CancellationToken,
}

impl Agent {
    /// Ready at once: without its Docker it says so in every round.
    pub fn new(config: AgentConfig, bus: Bus, shutdown: CancellationToken) -> Self {
        // What does not get through by the next round is told by that one.
        let bus = bus.with_deadline(config.every.max(Duration::from_secs(1)));
        Self { measurer: Measurer::new(config), bus, shutdown }
    }

    /// Measures until it is told to stop.
    pub async fn run(self) -> Result<(), AgentError> {
        let Self { mut measurer, bus, shutdown } = self;
        let mut ticks = interval(measurer.every());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            // A round that is cut off has changed nothing: it only reads.
            let round = async {
                ticks.tick().await;
                let samples = measurer.round().await?;
                if let Err(error) = bus.publish_samples(&samples).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a round of samples was not sent");
                }
                Ok(())
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                end = round => end.map_err(AgentError::Broken)?,
            }
        }
    }
}
