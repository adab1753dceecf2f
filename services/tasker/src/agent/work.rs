//! Takes orders from the queue and answers each once its effect is in the log's hands.

use std::sync::Arc;
use std::time::Duration;

use schemas::runs::{RunCommand, RunNews, RunOrder};
use streams::{Job, WorkQueue};
use tokio::task::JoinSet;

use super::clean;
use super::host::{Host, Stands};
use super::run::{self, End, Errand};
use crate::error::AgentError;

/// Orders that are taken and not yet answered. Most of them wait for their turn.
pub const IN_FLIGHT: usize = 256;

/// How often the queue is told that an order is still worked on.
const KEEP: Duration = Duration::from_secs(8);

/// An order that broke off so often is given up. Each restart of the platform counts as well.
const MAX_DELIVERIES: u64 = 50;

/// Works until it is told to stop.
pub async fn run(host: &Arc<Host>, mut queue: WorkQueue<RunCommand>) -> Result<(), AgentError> {
    let mut jobs = JoinSet::new();
    jobs.spawn(clean::left_over(host.clone()));
    loop {
        // Both waits are cancel-safe; a job that was taken is spawned at once.
        tokio::select! {
            () = host.shutdown.cancelled() => break,
            Some(end) = jobs.join_next(), if !jobs.is_empty() => end.map_err(AgentError::Broken)?,
            job = queue.next() => {
                let job = job.map_err(AgentError::Queue)?;
                // Judged in the order of the queue, before they go on side by side.
                let fresh = match &job.command.order {
                    RunOrder::Start { position, .. } => host.is_fresh(*position),
                    RunOrder::Cancel { by } => {
                        host.slot(job.command.run).cancelled.send_replace(Some(by.clone()));
                        false
                    }
                };
                jobs.spawn(handle(host.clone(), job, fresh));
            }
        }
    }
    // What is under way stays unanswered: it is delivered again, and its containers tell how far it came.
    jobs.shutdown().await;
    Ok(())
}

async fn handle(host: Arc<Host>, job: Job<RunCommand>, fresh: bool) {
    let RunCommand { incarnation, fleet, task, run, order } = job.command.clone();
    if incarnation != host.bus.incarnation() {
        tracing::info!(%fleet, %run, "an order of another log was not carried out");
        return answered(job.ack().await);
    }
    match order {
        RunOrder::Start { spec, since, .. } => {
            let errand = Errand { fleet, task, run, spec: *spec, since };
            let carried_out = keeping(&job, carry_out(&host, &errand, fresh, job.deliveries)).await;
            if carried_out {
                answered(job.ack().await);
                clean::after(&host, &errand.fleet, run).await;
            }
        }
        RunOrder::Cancel { .. } => {
            let over = async {
                while let Some(Stands::Open(_)) = host.stands(&fleet, run).await {
                    host.pause().await;
                }
            };
            keeping(&job, over).await;
            if !host.shutdown.is_cancelled() {
                host.forget(run);
                answered(job.ack().await);
            }
        }
    }
}

/// Tells the queue now and then that a job is still worked on.
async fn keeping<T>(job: &Job<RunCommand>, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(KEEP) => {
                if let Err(error) = job.keep().await {
                    tracing::debug!(%error, "the queue was not told that a run is still worked on");
                }
            }
        }
    }
}

/// Does a run, or what is left of it. True: how it ended is known to the log, or will be.
async fn carry_out(host: &Host, errand: &Errand, fresh: bool, deliveries: u64) -> bool {
    let slot = host.slot(errand.run);
    let _one_at_a_time = slot.busy.lock().await;
    let Ok(_turn) = host.turns.acquire().await else { return false };
    // Asked with a turn in hand: what the log says now cannot grow old while others are at work.
    let known = if fresh {
        None
    } else {
        match host.stands(&errand.fleet, errand.run).await {
            Some(Stands::Open(run)) => Some(run),
            Some(Stands::Over) => return true,
            None => return false,
        }
    };
    let gave_up_after = (deliveries > MAX_DELIVERIES).then_some(deliveries);
    let end = match gave_up_after {
        Some(deliveries) => run::give_up(host, errand, deliveries).await,
        None => run::to_its_end(host, errand, known.as_deref(), &slot).await,
    };
    let news = match end {
        End::Succeeded { outputs } => RunNews::Succeeded { outputs },
        End::Failed { step, exit_code, error } => RunNews::Failed { step, exit_code, error, gave_up_after },
        End::Cancelled { by } => RunNews::Cancelled { by },
        End::Stopped => return false,
    };
    host.report(&errand.fleet, errand.run, news).await
}

/// An order that is not taken off the queue comes again, and the log says then that it is done.
fn answered(end: Result<(), streams::SendError>) {
    if let Err(error) = end {
        tracing::warn!(%error, "an order was not taken off the queue for sure");
    }
}
