//! Answers `req.shazam.retry`: a rollout that has failed is tried again, because somebody asked for it.
//!
//! Writes `rollout.retried` with who asked; the plan that follows from it has an id that follows from the event's, so
//! whichever coordinator comes to it, it is planned once.

use schemas::event::{Data, RolloutRetried, Scope};
use schemas::fleet::{Fleet, Rollout, RolloutStatus};
use schemas::query::{Fault, FaultCode, RetryAnswer, RetryRollout};
use streams::{Asked, Expected};
use uuid::Uuid;

use super::Coordinator;
use crate::error::CoordinatorError;

impl Coordinator {
    pub(super) async fn asked_to_retry(&mut self, asked: Asked<RetryRollout>) -> Result<(), CoordinatorError> {
        let answer = self.retry(&asked.question).await?;
        if let Err(error) = asked.reply(answer).await {
            // Who asked has a deadline, and may ask again: the same id is the same try.
            tracing::warn!(%error, "the answer about another try was not delivered");
        }
        Ok(())
    }

    async fn retry(&mut self, it: &RetryRollout) -> Result<Result<RetryAnswer, Fault>, CoordinatorError> {
        loop {
            let Some(fleet) = self.fleets.get(&it.fleet) else {
                let message = format!("there is no fleet `{}`: GET /v1/fleets lists them", it.fleet);
                return Ok(Err(Fault { code: FaultCode::NotFound, message }));
            };
            if let Some(rollout) = led_to(fleet, it.id) {
                return Ok(Ok(RetryAnswer { position: self.position, rollout: rollout.clone() }));
            }
            let failed = match to_retry(fleet, it.rollout, it.id) {
                Ok(failed) => failed.clone(),
                Err(fault) => return Ok(Err(fault)),
            };
            if self.nodes.of(fleet.desired.agent()).is_none() {
                let message = format!("nothing was tried again: node {} has not been heard of yet", failed.node);
                return Ok(Err(Fault { code: FaultCode::Unavailable, message }));
            }
            // Asked for already, by an earlier question with this id whose coordinator did not come to plan it.
            if failed.retried.is_none() {
                let (commit, desired) = (failed.commit.clone(), failed.desired);
                let data = Data::RolloutRetried(RolloutRetried { rollout: failed.id, commit, desired });
                let scope = Scope::Fleet(it.fleet.clone());
                let mut draft = self.draft(scope, format!("rollouts/{}", failed.id), Some(failed.id), data);
                (draft.id, draft.actor) = (it.id, it.actor.clone());
                match self.append(&draft, Expected::At(self.line(&it.fleet))).await? {
                    Ok(position) => self.catch_up(position).await?,
                    Err(last) => {
                        // Something happened to the fleet's rollouts in between: decide anew.
                        self.catch_up(last).await?;
                        continue;
                    }
                }
            }
            self.advance(&it.fleet).await?;
            return Ok(self.tried(it));
        }
    }

    /// What came of it.
    fn tried(&self, it: &RetryRollout) -> Result<RetryAnswer, Fault> {
        let rollout = self.fleets.get(&it.fleet).and_then(|fleet| led_to(fleet, it.id));
        let overtaken = || Fault {
            code: FaultCode::Conflict,
            message: "a newer push came in between, and has a rollout of its own".to_owned(),
        };
        let rollout = rollout.ok_or_else(overtaken)?.clone();
        Ok(RetryAnswer { position: self.position, rollout })
    }
}

/// The rollout that followed from the event with this id.
fn led_to(fleet: &Fleet, event: Uuid) -> Option<&Rollout> {
    let id = RolloutRetried::leads_to(event);
    fleet.rollouts.iter().rev().find(|it| it.id == id)
}

/// The rollout, where it can be tried again because of the event with the id `event`.
fn to_retry(fleet: &Fleet, rollout: Uuid, event: Uuid) -> Result<&Rollout, Fault> {
    let conflict = |message: String| Err(Fault { code: FaultCode::Conflict, message });
    let Some(it) = fleet.rollouts.iter().rev().find(|it| it.id == rollout) else {
        let message = format!("`{}` has no rollout `{rollout}` among its newest: GET …/rollouts lists them", fleet.id);
        return Err(Fault { code: FaultCode::NotFound, message });
    };
    let commit = it.commit.short();
    if it.status != RolloutStatus::Failed {
        return conflict(format!(
            "the rollout of {commit} has not failed, it is {}: only what failed can be tried again",
            it.status.as_str()
        ));
    }
    if fleet.desired_at > it.desired {
        let newest = fleet.commit.as_ref().map_or("another commit", |it| it.short());
        return conflict(format!(
            "{commit} is not what the fleet should be any more, a newer push asks for {newest}: that one has its own rollout"
        ));
    }
    match fleet.rollouts.last() {
        Some(last) if last.id != it.id => {
            conflict(format!("{commit} was tried again already, by rollout {}: that one is the newest", last.id))
        }
        _ if it.retried.is_some_and(|by| by != event) => {
            conflict(format!("somebody has just asked for {commit} to be tried again"))
        }
        _ => Ok(it),
    }
}
