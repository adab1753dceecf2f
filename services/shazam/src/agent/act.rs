//! Does what an operator asks for by hand, one container after the other and never beside a step, and answers each
//! exactly when its effect is there, or when nobody knows any more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Container, EngineError, Executed, State};
use schemas::operate::{Operation, Outcome, told_command};
use schemas::query::{ActAnswer, ActOnNode, Fault, SAID, Said};
use streams::{AtEnd, Questions};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::error::StepError;
use super::host::{Host, Slot, container_name};
use super::look::Why;
use crate::error::AgentError;

/// Acts that are done at the same time; the next one waits on the bus.
const AT_ONCE: usize = 32;

/// So many of the newest acts are known again when they are asked for twice.
const KNOWN: usize = 256;

/// Acts until it is told to stop. Who waits then hears that nobody knows.
pub async fn run(host: Arc<Host>, questions: Questions<ActOnNode>) -> Result<(), AgentError> {
    let (known, shutdown) = (Arc::new(Known::default()), host.shutdown.clone());
    let answers = questions.serve(AT_ONCE, AtEnd::Finish, &shutdown, move |question| {
        let (host, known) = (host.clone(), known.clone());
        async move { Ok::<_, Fault>(answer(&host, &known, question).await) }
    });
    answers.await.map_err(AgentError::Closed)
}

/// The newest acts, and what came of them: one whose question came twice is done once.
#[derive(Default)]
struct Known(Mutex<VecDeque<(Uuid, watch::Receiver<Option<ActAnswer>>)>>);

/// Whether an act is asked for for the first time.
enum Begun {
    First(watch::Sender<Option<ActAnswer>>),
    Again(watch::Receiver<Option<ActAnswer>>),
}

impl Known {
    fn begin(&self, cause: Uuid) -> Begun {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, end)) = known.iter().find(|(id, _)| *id == cause) {
            return Begun::Again(end.clone());
        }
        if known.len() == KNOWN {
            known.pop_front();
        }
        let (tell, end) = watch::channel(None);
        known.push_back((cause, end));
        Begun::First(tell)
    }
}

async fn answer(host: &Host, known: &Known, it: ActOnNode) -> ActAnswer {
    if !host.admits(it.incarnation, it.epoch) {
        return failed("nothing was done: another coordinator has taken over; try again");
    }
    match known.begin(it.cause) {
        Begun::First(tell) => {
            let answer = tokio::select! {
                answer = act(host, &it) => answer,
                // Half a volume is worse than an end that takes longer.
                () = host.shutdown.cancelled(), if !it.what.is_of_volume() => {
                    unknown(format!("the agent of node {} was told to stop in the middle of it", host.node))
                }
            };
            let told = host.reported.load(std::sync::atomic::Ordering::Relaxed);
            let answer = ActAnswer { told, ..answer };
            tell.send_replace(Some(answer.clone()));
            answer
        }
        Begun::Again(mut end) => match end.wait_for(Option::is_some).await.map(|it| it.clone()) {
            Ok(Some(answer)) => answer,
            _ => unknown(format!("the agent of node {} broke off in the middle of it", host.node)),
        },
    }
}

/// Waits for its turn at the container, then acts. A command only waits: it may run long, and no step waits for it.
async fn act(host: &Host, it: &ActOnNode) -> ActAnswer {
    if it.what.is_of_volume() {
        return host.act_on_volume(it).await;
    }
    let name = container_name(&it.fleet, &it.container);
    let slot = host.slot(&name);
    let deadline = Instant::now() + it.within.into();
    let Ok(busy) = timeout_at(deadline, slot.busy.lock()).await else {
        return failed("nothing was done: a rollout is still at this container; try again once its step has ended");
    };
    let seen = match host.ours(&name).await {
        Ok(seen) => seen,
        Err(error) => return failed(format!("nothing was done: {error}")),
    };
    if it.what == Operation::Exec {
        drop(busy);
        return host.run_in(&seen, it, deadline).await;
    }
    let end = timeout_at(deadline, host.operate(&seen, it, &slot)).await;
    drop(busy);
    // What happened meanwhile was left to us.
    if slot.missed.load(std::sync::atomic::Ordering::Acquire)
        && let Err(error) = host.look_at(&name).await
    {
        tracing::debug!(%error, container = name, "not looked at after an operation");
    }
    match end {
        Ok(Ok(())) => ActAnswer::of(Outcome::Done, None),
        Ok(Err(error)) => ended_by(&error),
        Err(_) => unknown(format!("Docker had not done it within {}", it.within)),
    }
}

impl Host {
    /// A container of ours that is there.
    async fn ours(&self, name: &str) -> Result<Container, StepError> {
        match self.engine.inspect(name).await? {
            Some(seen) if self.is_ours(&seen.labels) => Ok(seen),
            Some(_) => Err(StepError::Stranger { kind: "container", name: name.to_owned() }),
            None => Err(EngineError::NotFound { what: format!("container `{name}`") }.into()),
        }
    }

    /// Stops or starts a container, or one after the other, and tells what happened. Who calls holds its slot.
    async fn operate(&self, seen: &Container, it: &ActOnNode, slot: &Slot) -> Result<(), EngineError> {
        let _turn = self.calls.acquire().await;
        let runs = !matches!(seen.state, State::Created | State::Exited | State::Dead);
        if runs && matches!(it.what, Operation::Restart | Operation::Stop) {
            self.ask_to_end(seen).await?;
            self.tell_as_it_is(seen, it, slot, Why::Asked(it.cause)).await?;
        }
        if matches!(it.what, Operation::Restart | Operation::Start) {
            self.engine.start(&seen.id).await?;
            self.tell_as_it_is(seen, it, slot, Why::Step(it.cause)).await?;
        }
        Ok(())
    }

    async fn tell_as_it_is(&self, seen: &Container, it: &ActOnNode, slot: &Slot, why: Why) -> Result<(), EngineError> {
        if let Some(now) = self.engine.inspect(&seen.id).await? {
            self.tell(slot, &it.fleet, &it.container, &now, why).await;
        }
        Ok(())
    }

    async fn run_in(&self, seen: &Container, it: &ActOnNode, deadline: Instant) -> ActAnswer {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.engine.exec(&seen.id, &it.command, SAID, left).await {
            Ok(executed) => executed_as(executed),
            Err(error) if error.is_slow() => {
                unknown(format!("the command had not ended within {}, and may go on in the container", it.within))
            }
            // Docker names the program in its errors.
            Err(error) if told_command(&it.command) != it.command && !error.is_away() => {
                failed("Docker did not run the command; why is not told, because something in it looks like a secret")
            }
            Err(error) => ended_by(&error),
        }
    }
}

fn executed_as(it: Executed) -> ActAnswer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = Said { stdout: text(&it.stdout), stderr: text(&it.stderr), cut: it.cut };
    let (outcome, error) = match it.exit_code {
        0 => (Outcome::Done, None),
        code => (Outcome::Failed, Some(format!("the command ended with {code}"))),
    };
    ActAnswer { exit_code: Some(it.exit_code), said: Some(said), ..ActAnswer::of(outcome, error) }
}

/// What Docker answered in the middle of it: where it went away, it may have done it all the same.
pub(super) fn ended_by(error: &EngineError) -> ActAnswer {
    if error.is_away() || error.is_slow() { unknown(error) } else { failed(error) }
}

pub(super) fn failed(why: impl ToString) -> ActAnswer {
    ActAnswer::of(Outcome::Failed, Some(why.to_string()))
}

pub(super) fn unknown(why: impl ToString) -> ActAnswer {
    ActAnswer::of(Outcome::Unknown, Some(why.to_string()))
}
