//! One run, from its first step to its end: what its containers show already is taken over, the rest is done.

use std::collections::{BTreeMap, BTreeSet};

use engine::{EngineError, Listed};
use jiff::Timestamp;
use schemas::event::StepStatus;
use schemas::names::{FleetId, Key, Name};
use schemas::runs::{Run, RunNews, STEP_LABEL};
use schemas::spec::TaskSpec;
use uuid::Uuid;

use super::host::{Host, Slot};
use super::output::MAX_BYTES;
use super::step::{self, Place, StepEnd};

/// What is to be done.
pub struct Errand {
    pub fleet: FleetId,
    pub task: Name,
    pub run: Uuid,
    pub spec: TaskSpec,
    /// Since when it runs.
    pub since: Timestamp,
}

/// How a run ended.
pub enum End {
    Succeeded {
        outputs: BTreeMap<Key, String>,
    },
    Failed {
        step: Option<u32>,
        exit_code: Option<i64>,
        error: String,
    },
    Cancelled {
        by: String,
    },
    /// Told to stop in the middle of it: it goes on, and the next agent sees how it ends.
    Stopped,
}

/// What breaks a run off.
pub enum Broken {
    /// Docker did not do what it was asked for.
    Engine(EngineError),
    /// The agent was told to stop.
    Stopped,
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Does a run, again and again where Docker went away in the middle of it: doing it again adopts what is there.
/// `known` is what the log knows of a run that may have begun before.
pub async fn to_its_end(host: &Host, errand: &Errand, known: Option<&Run>, slot: &Slot) -> End {
    let mut began = BTreeSet::new();
    let mut look = known.is_some();
    loop {
        let end = match steps(host, errand, known, slot, look, &mut began).await {
            // What an earlier agent started may run.
            Ok(End::Cancelled { by }) => {
                stop_all(host, errand).await.map(|()| End::Cancelled { by }).map_err(Broken::Engine)
            }
            end => end,
        };
        match end {
            Ok(end) => return end,
            Err(Broken::Stopped) => return End::Stopped,
            Err(Broken::Engine(error)) if error.is_away() || error.is_slow() => {
                tracing::warn!(%error, run = %errand.run, "a run waits for Docker");
            }
            Err(Broken::Engine(error)) => {
                // Nothing of it may run on once it is told as failed.
                if let Err(error) = stop_all(host, errand).await {
                    tracing::warn!(%error, run = %errand.run, "a failed run is not stopped yet, trying again");
                } else {
                    return End::Failed { step: None, exit_code: None, error: error.to_string() };
                }
            }
        }
        look = true;
        host.pause().await;
        if host.shutdown.is_cancelled() {
            return End::Stopped;
        }
    }
}

/// Ends a run that broke its agent off too often.
pub async fn give_up(host: &Host, errand: &Errand, deliveries: u64) -> End {
    while let Err(error) = stop_all(host, errand).await {
        tracing::warn!(%error, run = %errand.run, "a run that was given up is not stopped yet, trying again");
        host.pause().await;
        if host.shutdown.is_cancelled() {
            return End::Stopped;
        }
    }
    let error = format!("given up after {deliveries} deliveries: it broke off each time");
    End::Failed { step: None, exit_code: None, error }
}

async fn stop_all(host: &Host, errand: &Errand) -> Result<(), EngineError> {
    for listed in host.engine.list(&host.of_run(errand.run)).await? {
        match host.engine.stop(&listed.id, None, errand.spec.stop.grace.into()).await {
            Ok(()) | Err(EngineError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// `look`: there may be containers of this run already. `began` are the steps of which there were.
async fn steps(
    host: &Host,
    errand: &Errand,
    known: Option<&Run>,
    slot: &Slot,
    look: bool,
    began: &mut BTreeSet<u32>,
) -> Result<End, Broken> {
    let there = if look { containers(host, errand).await? } else { BTreeMap::new() };
    let mut outputs = BTreeMap::new();
    for (index, rendered) in (0_u32..).zip(&errand.spec.steps) {
        if let Some(by) = slot.cancelled.borrow().clone() {
            return Ok(End::Cancelled { by });
        }
        let place = Place { host, errand, slot, index, rendered };
        let (container, made) = match there.get(&index) {
            Some(listed) => (listed.name.clone(), false),
            None if was_begun(known, index) || began.contains(&index) => {
                let error = "its container is gone, and nobody knows whether it did its work: start it again";
                return Ok(End::Failed { step: Some(index), exit_code: None, error: error.to_owned() });
            }
            None => {
                if index == 0 {
                    step::prepare(host, errand).await?;
                }
                (place.make().await?, true)
            }
        };
        began.insert(index);
        let end = match place.to_its_end(&container, made).await? {
            Ok(end) => end,
            Err(by) => return Ok(End::Cancelled { by }),
        };
        let StepEnd { exit_code, error, duration_ms, outputs: its } = end;
        outputs.extend(its);
        let size: usize =
            outputs.iter().map(|(key, value): (&Key, &String)| key.as_str().len() + value.len() + 2).sum();
        let too_much = (size as u64 > MAX_BYTES)
            .then(|| format!("the steps together wrote {size} bytes to $FLEETLOG_OUTPUT: at most {MAX_BYTES} fit"));
        let error = error.or(too_much);
        let news = RunNews::StepEnded { step: index, exit_code, error: error.clone(), duration_ms };
        if !host.report(&errand.fleet, errand.run, news).await {
            return Err(Broken::Stopped);
        }
        if let Some(error) = error {
            let error = format!("step {} {error}", index + 1);
            return Ok(End::Failed { step: Some(index), exit_code, error });
        }
    }
    Ok(End::Succeeded { outputs })
}

/// Whether the log says that a step was begun.
fn was_begun(known: Option<&Run>, index: u32) -> bool {
    let step = known.and_then(|run| run.steps.get(index as usize));
    step.is_some_and(|step| step.status != StepStatus::Waiting)
}

/// The run's containers by step.
async fn containers(host: &Host, errand: &Errand) -> Result<BTreeMap<u32, Listed>, EngineError> {
    let found = host.engine.list(&host.of_run(errand.run)).await?;
    Ok(found.into_iter().filter_map(|it| Some((it.labels.get(STEP_LABEL)?.parse().ok()?, it))).collect())
}
