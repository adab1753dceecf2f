//! Goes back by itself where a fleet says `"on_failure": "rollback"`: what a push wanted and could not have is undone.
//!
//! Asks `req.git.rollback` beside everything else, as somebody by hand would through the API; Git writes the event. What a
//! rollback made desired is never undone, so that nothing goes back and forth.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use schemas::access::Who;
use schemas::descriptors::OnFailure;
use schemas::event::{Data, Event, RolloutFailed};
use schemas::fleet::{Fleet, RolloutStatus};
use schemas::names::FleetId;
use schemas::query::{FailedRollout, FaultCode, RollbackAnswer, RollbackRequest};
use streams::{AskError, Bus, with_causes};

use super::Coordinator;

/// How long Git may take.
const WITHIN: Duration = Duration::from_secs(20);

/// The time between two tries where nobody can tell, doubled up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(200);

/// The longest such time.
const LONGEST: Duration = Duration::from_secs(30);

/// A question to Git, on its way.
type UnderWay = BoxFuture<'static, (FleetId, Result<RollbackAnswer, AskError>)>;

/// What may have to be undone.
#[derive(Default)]
pub(super) struct Undo {
    /// Position of what each fleet desires, where a push said so.
    pushed: BTreeMap<FleetId, u64>,
    /// The newest rollout of a fleet, where it has failed.
    failed: BTreeMap<FleetId, FailedRollout>,
    /// Fleets for which Git was asked, until something newer happens.
    asked: BTreeSet<FleetId>,
    under_way: FuturesUnordered<UnderWay>,
}

impl Undo {
    /// Takes an event of a fleet.
    pub(super) fn fold(&mut self, id: &FleetId, event: &Event) {
        match &event.data {
            Data::GitPushed(it) if it.commit.is_some() => drop(self.pushed.insert(id.clone(), event.position)),
            Data::DesiredRolledBack(_) => drop(self.pushed.remove(id)),
            Data::RolloutPlanned(_) | Data::RolloutRetried(_) => {}
            Data::RolloutFailed(it) => {
                let failed = FailedRollout { rollout: it.rollout, event: event.id, position: event.position };
                self.failed.insert(id.clone(), failed);
                self.asked.remove(id);
                return;
            }
            _ => return,
        }
        self.failed.remove(id);
    }

    /// The rollout that is to be undone now.
    fn due(&self, fleet: &Fleet) -> Option<FailedRollout> {
        let failed = self.failed.get(&fleet.id).filter(|_| !self.asked.contains(&fleet.id))?;
        undoes(fleet, failed, self.pushed.get(&fleet.id).copied()).then_some(*failed)
    }

    /// How a question ended. Cancel-safe: what was not returned comes with the next call.
    pub(super) async fn next(&mut self) -> (FleetId, Result<RollbackAnswer, AskError>) {
        match self.under_way.next().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }
}

/// Whether a rollout that has failed is undone: it applied what the newest push wanted, and nothing of that ever ran. One
/// that failed later, such as an update of images, stays failed.
fn undoes(fleet: &Fleet, failed: &FailedRollout, pushed: Option<u64>) -> bool {
    let Some(newest) = fleet.rollouts.last() else { return false };
    let ran = |desired| fleet.rollouts.iter().any(|it| it.desired == desired && it.status == RolloutStatus::Succeeded);
    fleet.desired.fleet.on_failure == OnFailure::Rollback
        && newest.id == failed.rollout
        && newest.status == RolloutStatus::Failed
        && newest.desired == fleet.desired_at
        && pushed == Some(newest.desired)
        && !ran(newest.desired)
}

/// Asks until the answer is definite.
async fn ask(bus: &Bus, question: &RollbackRequest) -> Result<RollbackAnswer, AskError> {
    let mut pause = PAUSE;
    loop {
        let error = match bus.ask(question, WITHIN).await {
            Err(error) if may_pass(&error) => error,
            end => return end,
        };
        tracing::warn!(fleet = %question.fleet, error = with_causes(&error), "what failed is not undone yet, trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

fn may_pass(error: &AskError) -> bool {
    match error {
        AskError::Fault(fault) => matches!(fault.code, FaultCode::Unavailable | FaultCode::Behind | FaultCode::Full),
        AskError::NobodyThere { .. } | AskError::Timeout { .. } | AskError::Client { .. } => true,
        _ => false,
    }
}

impl Coordinator {
    /// Asks Git to undo what a fleet's newest push wanted, where that has failed and is to be undone.
    pub(super) fn undo_what_failed(&mut self, id: &FleetId) {
        let Some(failed) = self.fleets.get(id).and_then(|fleet| self.undo.due(fleet)) else { return };
        self.undo.asked.insert(id.clone());
        let question = RollbackRequest {
            fleet: id.clone(),
            to: None,
            reason: Some("on_failure: rollback".to_owned()),
            only_plan: false,
            id: RolloutFailed::leads_to(failed.event),
            who: Who::admin(),
            failed: Some(failed),
        };
        let bus = self.bus.clone();
        self.undo.under_way.push(Box::pin(async move {
            let end = ask(&bus, &question).await;
            (question.fleet, end)
        }));
    }
}

/// What came of it; the event itself comes with the log.
pub(super) fn undone(fleet: &FleetId, end: &Result<RollbackAnswer, AskError>) {
    match end {
        Ok(answer) => tracing::info!(%fleet, to = %answer.commit, "a push that failed was undone"),
        Err(error) => tracing::warn!(%fleet, error = with_causes(error), "a push that failed stays as it is"),
    }
}
