//! Takes commands, one container after the other and different ones at once, and answers each exactly when its effect is
//! there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use schemas::images::Resolved;
use schemas::work::{Command, Report, StepReport};
use streams::{Job, WorkQueue};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::error::StepError;
use super::host::{Host, Slot, container_name};
use crate::error::AgentError;

/// Commands that are taken and not yet answered. Most of them wait: for what they need, or for their turn at Docker.
pub const IN_FLIGHT: usize = 256;

/// How often the queue is told that a command is still worked on.
const KEEP: Duration = Duration::from_secs(8);

/// A cause that can pass is given so many tries.
const TRIES: u32 = 3;

/// The time between two tries, doubled each time: three tries fit into half a minute.
const PAUSE: Duration = Duration::from_secs(2);

/// Works until it is told to stop.
pub async fn run(host: Arc<Host>, mut queue: WorkQueue) -> Result<(), AgentError> {
    let mut jobs = JoinSet::new();
    loop {
        // Both waits are cancel-safe; a job that was taken is spawned at once.
        tokio::select! {
            () = host.shutdown.cancelled() => break,
            Some(end) = jobs.join_next(), if !jobs.is_empty() => end.map_err(AgentError::Broken)?,
            job = queue.next() => {
                let job = job.map_err(AgentError::Work)?;
                // Judged in the order of the queue, before they go on side by side.
                let fresh = host.is_fresh(job.command.position);
                jobs.spawn(handle(host.clone(), job, fresh));
            }
        }
    }
    // What is under way stays unanswered: it is delivered again, and doing it twice is harmless.
    jobs.shutdown().await;
    Ok(())
}

async fn handle(host: Arc<Host>, job: Job, fresh: bool) {
    let command = &job.command.clone();
    if !host.admits(command.incarnation, command.epoch) {
        tracing::info!(fleet = %command.fleet, step = command.step, epoch = command.epoch, "a command of an earlier coordinator was refused");
        return answered(job.ack().await);
    }
    if job.last_delivery {
        match host.is_wanted(command).await {
            Some(true) => {}
            Some(false) => return left_over(command, job).await,
            None => return,
        }
        // Whatever breaks us off at it every time: better said than tried for ever, or dropped without a word.
        let error = format!("given up after {} deliveries: it broke off each time", job.deliveries);
        if host
            .report(&ended(command, Some(error), None, Duration::ZERO, Some(job.deliveries)), answer_id(command))
            .await
        {
            answered(job.give_up().await);
        }
        return;
    }
    let started = Instant::now();
    let mut outcome = std::pin::pin!(carry_out(&host, command, fresh));
    let outcome = loop {
        tokio::select! {
            outcome = &mut outcome => break outcome,
            () = tokio::time::sleep(KEEP) => {
                if let Err(error) = job.keep().await {
                    tracing::debug!(%error, "the queue was not told that a command is still worked on");
                }
            }
        }
    };
    let (error, image) = match outcome {
        Outcome::Done(image) => (None, image),
        Outcome::Failed(error) => (Some(error.to_string()), None),
        Outcome::LeftOver => return left_over(command, job).await,
        Outcome::Stopped => return,
    };
    let report = ended(command, error, image, started.elapsed(), None);
    if host.report(&report, answer_id(command)).await {
        answered(job.ack().await);
    }
}

fn ended(
    command: &Command,
    error: Option<String>,
    image: Option<Resolved>,
    took: Duration,
    gave_up_after: Option<u64>,
) -> Report {
    Report::Step(StepReport {
        fleet: command.fleet.clone(),
        rollout: command.rollout,
        step: command.step,
        error,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        image,
        gave_up_after,
    })
}

/// Nobody waits for its answer: it is taken off the queue, and nothing is said.
async fn left_over(command: &Command, job: Job) {
    let Command { fleet, step, position, .. } = command;
    tracing::info!(%fleet, step, position, "a command that the world has left behind was not carried out");
    answered(job.ack().await);
}

/// However often a command is done, it is answered once.
fn answer_id(command: &Command) -> Uuid {
    Uuid::new_v5(&command.cause, b"ended")
}

/// A command that is not taken off the queue comes again, and doing it twice is harmless.
fn answered(end: Result<(), streams::SendError>) {
    if let Err(error) = end {
        tracing::warn!(%error, "a command was not taken off the queue for sure");
    }
}

/// What came of a command.
enum Outcome {
    /// Docker is as it says; which image the container has, where that is news.
    Done(Option<Resolved>),
    /// It could not be done.
    Failed(StepError),
    /// It is no longer wanted: another coordinator, or another rollout, has gone on. Nobody waits for its answer.
    LeftOver,
    /// Told to stop in the middle of it.
    Stopped,
}

/// Does what a command says while nobody else is at its container, and tells what happened to it meanwhile.
async fn carry_out(host: &Arc<Host>, command: &Command, fresh: bool) -> Outcome {
    let name = container_name(&command.fleet, &command.container);
    let slot = host.slot(&name);
    let busy = slot.busy.lock().await;
    if !host.admits(command.incarnation, command.epoch) {
        return Outcome::LeftOver;
    }
    if !fresh {
        match host.is_wanted(command).await {
            Some(true) => {}
            Some(false) => return Outcome::LeftOver,
            None => return Outcome::Stopped,
        }
    }
    let outcome = try_again(host, command, &slot).await;
    if matches!(outcome, Outcome::Failed(_)) {
        slot.missed.store(true, Ordering::Release);
    }
    drop(busy);
    // Docker may be away now: then everything is looked at once it is back.
    if slot.missed.load(Ordering::Acquire)
        && let Err(error) = host.look_at(&name).await
    {
        tracing::debug!(%error, container = name, "not looked at after a step");
    }
    outcome
}

/// Again and again where Docker went away in the middle of it, and some times where the cause can pass.
async fn try_again(host: &Arc<Host>, command: &Command, slot: &Slot) -> Outcome {
    let mut tries = 0;
    let mut pause = PAUSE;
    loop {
        let error = match host.apply(command, slot).await {
            Ok(image) => return Outcome::Done(image),
            Err(error) => error,
        };
        if error.is_away() {
            super::beat::ping(host).await;
            if host.away.borrow().is_none() {
                // It came back in between; a pause keeps a door that opens and shuts from becoming a storm.
                tokio::select! {
                    () = host.shutdown.cancelled() => return Outcome::Stopped,
                    () = tokio::time::sleep(Duration::from_millis(200)) => {}
                }
            } else if !host.back().await {
                return Outcome::Stopped;
            }
            continue;
        }
        tries += 1;
        if !error.is_passing() || tries >= TRIES {
            return Outcome::Failed(error);
        }
        tracing::info!(fleet = %command.fleet, container = %command.container, %error, "trying again");
        tokio::select! {
            () = host.shutdown.cancelled() => return Outcome::Stopped,
            () = tokio::time::sleep(pause) => pause *= 2,
        }
    }
}
