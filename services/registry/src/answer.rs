//! Answers the questions of the other services, each at the position that it asks for or later.

use std::time::Duration;

use schemas::query::{Fault, FaultCode, FleetAnswer, FleetRequest, FleetsAnswer, FleetsRequest};
use streams::{Asked, Question, Questions, View};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::fleets::{Fleets, line};

/// How long a question waits for the position that it names.
const WITHIN: Duration = Duration::from_secs(5);
/// Questions of one kind that are answered at the same time; the next waits until one of them is.
const AT_ONCE: usize = 256;
/// Fleets in one answer.
const MAX_PAGE: u32 = 1_000;

/// A question about fleets.
pub(crate) trait AboutFleets: Question + Send + Sync + 'static {
    /// The position that it wants.
    fn min_position(&self) -> u64;
    /// The answer, at a position.
    fn look_up(&self, view: &View<Fleets>) -> Self::Answer;
}

impl AboutFleets for FleetRequest {
    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, view: &View<Fleets>) -> FleetAnswer {
        let (fleet, position) = view.read(|fleets, position| (fleets.get(&self.fleet), position));
        FleetAnswer { position, fleet: fleet.map(|it| (*it).clone()) }
    }
}

impl AboutFleets for FleetsRequest {
    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, view: &View<Fleets>) -> FleetsAnswer {
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        let ((fleets, more), position) =
            view.read(|fleets, position| (fleets.page(self.after.as_ref(), limit), position));
        FleetsAnswer { position, fleets: fleets.iter().map(|it| line(it)).collect(), more }
    }
}

/// Answers every question of one kind until it is told to stop.
pub(crate) async fn all<Q>(
    mut questions: Questions<Q>,
    view: &View<Fleets>,
    shutdown: &CancellationToken,
) -> Result<(), Error>
where
    Q: AboutFleets,
    Q::Answer: Send,
{
    let subject = Q::SUBJECT;
    let mut under_way = JoinSet::new();
    loop {
        // Every arm is cancel-safe: a cancelled `next` has taken no question, a cancelled `join_next` no result.
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(end) = under_way.join_next() => {
                if let Err(error) = end {
                    tracing::error!(subject, %error, "an answer ended before it was given");
                }
            }
            asked = questions.next(), if under_way.len() < AT_ONCE => {
                let Some(asked) = asked else { return Err(Error::Closed { subject }) };
                under_way.spawn(answer(asked, view.clone()));
            }
        }
    }
    // Who still waits for a position is not kept waiting for a registry that goes.
    under_way.shutdown().await;
    Ok(())
}

async fn answer<Q>(asked: Asked<Q>, view: View<Fleets>)
where
    Q: AboutFleets,
    Q::Answer: Send,
{
    let answer = match ready_for(&asked.question, &view).await {
        Ok(()) => Ok(asked.question.look_up(&view)),
        Err(fault) => Err(fault),
    };
    if let Err(error) = asked.reply(answer).await {
        // The asker's own deadline tells it; here it is only worth a line.
        tracing::warn!(subject = Q::SUBJECT, error = &error as &dyn std::error::Error, "an answer was not delivered");
    }
}

/// Waits for the wanted position. A fold that has stopped answers nothing: what it knows may be wrong by now.
async fn ready_for<Q: AboutFleets>(question: &Q, view: &View<Fleets>) -> Result<(), Fault> {
    let stopped = || view.stopped().map(|why| Fault { code: FaultCode::Stopped, message: why });
    if let Some(fault) = stopped() {
        return Err(fault);
    }
    let wanted = question.min_position();
    view.at_least(wanted, WITHIN).await.map_err(|_| {
        stopped().unwrap_or_else(|| Fault {
            code: FaultCode::Behind,
            message: format!(
                "the registry is at position {} and did not reach {wanted} within {} s",
                view.position(),
                WITHIN.as_secs()
            ),
        })
    })
}
