//! What the agent's tasks share: the engine, the bus, and who wants a run to end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{Engine, Labels, Scope};
use schemas::names::{FleetId, NodeName};
use schemas::query::{Fault, FaultCode, RunRequest};
use schemas::runs::{RUN_LABEL, Run, RunNews, RunReport};
use schemas::work::Report;
use streams::{AskError, Bus, SendError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::AgentConfig;

/// The label that says whose a thing in Docker is.
pub const INSTALLATION: &str = "fleetlog.installation";
/// How long the tasker may take to say how a run stands.
const ASK: Duration = Duration::from_secs(6);
/// What could not be done now is tried again after so long.
pub const AGAIN: Duration = Duration::from_secs(1);

pub struct Host {
    pub node: NodeName,
    pub installation: Uuid,
    pub engine: Engine,
    pub bus: Bus,
    pub shutdown: CancellationToken,
    /// Runs that may be under way at once.
    pub turns: Semaphore,
    slots: Mutex<BTreeMap<Uuid, Arc<Slot>>>,
    /// The highest position of a run that was taken; at first, where the log ended when the agent started.
    newest: AtomicU64,
}

/// One run on this host.
pub struct Slot {
    /// Held while somebody is at it: of two deliveries of the same run, one waits for the other.
    pub busy: tokio::sync::Mutex<()>,
    /// Who wants it to end.
    pub cancelled: watch::Sender<Option<String>>,
}

/// How a run stands in the log.
pub enum Stands {
    /// It has not ended.
    Open(Box<Run>),
    /// It has ended, or is not of this log.
    Over,
}

impl Host {
    pub fn new(config: AgentConfig, bus: Bus, head: u64, shutdown: CancellationToken) -> Self {
        Self {
            node: config.node,
            installation: config.installation,
            engine: config.engine,
            bus,
            shutdown,
            turns: Semaphore::new(config.runs_at_once.max(1)),
            slots: Mutex::default(),
            newest: AtomicU64::new(head),
        }
    }

    /// The containers of one run on this host.
    pub fn of_run(&self, run: Uuid) -> Scope {
        let mut labels = self.labels();
        labels.insert(RUN_LABEL.to_owned(), run.to_string());
        Scope(labels)
    }

    /// What everything of ours carries.
    pub fn labels(&self) -> Labels {
        Labels::from([(INSTALLATION.to_owned(), self.installation.to_string())])
    }

    pub fn is_ours(&self, labels: &Labels) -> bool {
        labels.get(INSTALLATION).is_some_and(|it| *it == self.installation.to_string())
    }

    /// What is known here of a run, until it is forgotten.
    pub fn slot(&self, run: Uuid) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = || Arc::new(Slot { busy: tokio::sync::Mutex::default(), cancelled: watch::Sender::new(None) });
        slots.entry(run).or_insert_with(slot).clone()
    }

    /// Whether this agent has the run in hand, and so cleans up behind it itself.
    pub fn has_in_hand(&self, run: Uuid) -> bool {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&run)
    }

    /// A run that has ended needs no slot.
    pub fn forget(&self, run: Uuid) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// Whether a run is newer than everything that this agent, or one before it, may have had.
    pub fn is_fresh(&self, position: u64) -> bool {
        self.newest.fetch_max(position, Ordering::Relaxed) < position
    }

    /// How a run stands in the log. None: told to stop before anybody said.
    pub async fn stands(&self, fleet: &FleetId, run: Uuid) -> Option<Stands> {
        let request = RunRequest { fleet: fleet.clone(), run, min_position: 0 };
        loop {
            let answer = tokio::select! {
                () = self.shutdown.cancelled() => return None,
                answer = self.bus.ask(&request, ASK) => answer,
            };
            match answer {
                Ok(answer) if answer.run.status.is_over() => return Some(Stands::Over),
                Ok(answer) => return Some(Stands::Open(Box::new(answer.run))),
                Err(AskError::Fault(Fault { code: FaultCode::NotFound, .. })) => return Some(Stands::Over),
                Err(error) => tracing::debug!(%error, %run, "the tasker does not say how a run stands, asking again"),
            }
            self.pause().await;
        }
    }

    /// Reports, and tries again until the answer is definite. The same news of a run is stored once, however often it is
    /// sent within two minutes. False: told to stop before that.
    pub async fn report(&self, fleet: &FleetId, run: Uuid, news: RunNews) -> bool {
        let word = match &news {
            RunNews::StepStarted { step } => format!("started {step}"),
            RunNews::StepEnded { step, .. } => format!("ended {step}"),
            RunNews::Succeeded { .. } | RunNews::Failed { .. } | RunNews::Cancelled { .. } => "over".to_owned(),
        };
        let id = Uuid::new_v5(&run, word.as_bytes());
        let report = Report::Run(RunReport { fleet: fleet.clone(), run, news });
        let mut pause = Duration::from_millis(50);
        loop {
            match self.bus.report(&self.node, &report, id).await {
                Ok(_) => return true,
                Err(error @ (SendError::Unavailable { .. } | SendError::Unknown { .. })) => {
                    tracing::warn!(%error, %run, "a report was not sent for sure, trying again");
                }
                // Such as a full stream: it may be emptied, and until then the containers say what is true.
                Err(error) => tracing::error!(%error, %run, "a report was refused, trying again"),
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
            }
        }
    }

    /// A moment, or less where the agent is told to stop.
    pub async fn pause(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}
