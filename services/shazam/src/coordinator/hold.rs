//! Answers `req.shazam.hold`, and ends what has had its time: containers that nobody touches for a while.
//!
//! Writes `hold.placed` and `hold.ended`. That a hold's time has come is an event too, with an id that follows from the
//! hold's, so whichever coordinator notices it, it ends once.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use schemas::event::{Data, HoldEnded, HoldPlaced, Scope};
use schemas::fleet::Fleet;
use schemas::names::{FleetId, Name};
use schemas::operate::{Hold, refused_reason};
use schemas::query::{Fault, FaultCode, HoldAnswer, HoldAsk, HoldRequest};
use schemas::units::Span;
use streams::{Asked, Expected, clock};
use uuid::Uuid;

use super::Coordinator;
use crate::error::CoordinatorError;

/// So many of the newest answers are told again to who asks again.
const ANSWERED: usize = 64;

/// A hold that is to last longer has no end of its own.
const LONGEST: Span = Span::seconds(366 * 86_400);

/// The newest answers, by the id of the event.
#[derive(Default)]
pub(super) struct Answered(VecDeque<(Uuid, HoldAnswer)>);

impl Answered {
    fn find(&self, id: Uuid) -> Option<HoldAnswer> {
        self.0.iter().find(|(it, _)| *it == id).map(|(_, answer)| answer.clone())
    }

    fn keep(&mut self, id: Uuid, answer: HoldAnswer) {
        if self.0.len() == ANSWERED {
            self.0.pop_front();
        }
        self.0.push_back((id, answer));
    }
}

/// Every hold whose time has come.
fn over<'a>(fleets: impl Iterator<Item = &'a Fleet>, now: Timestamp) -> Vec<(FleetId, Name, Uuid)> {
    let of = |fleet: &'a Fleet| {
        let over = fleet.holds.iter().filter(move |(_, hold)| hold.is_over(now));
        over.map(|(name, hold)| (fleet.id.clone(), name.clone(), hold.id))
    };
    fleets.flat_map(of).collect()
}

/// Why nobody can place such a hold; none: one can.
fn refused(it: &HoldRequest, lasts: Option<Span>, reason: Option<&str>) -> Option<Fault> {
    let bad = |message| Some(Fault { code: FaultCode::BadRequest, message });
    if lasts.is_some_and(|it| it.0 == 0) {
        return bad(format!("a hold on `{}` for no time at all holds nothing: give a span such as `1h`", it.container));
    }
    if lasts.is_some_and(|it| it > LONGEST) {
        return bad("a hold lasts at most a year: without `for` it lasts until somebody ends it".to_owned());
    }
    reason.and_then(refused_reason).and_then(bad)
}

impl Coordinator {
    pub(super) async fn asked_to_hold(&mut self, asked: Asked<HoldRequest>) -> Result<(), CoordinatorError> {
        let answer = self.hold(&asked.question).await?;
        if let Err(error) = asked.reply(answer).await {
            // Who asked has a deadline, and may ask again: the same id is the same hold.
            tracing::warn!(%error, "the answer about a hold was not delivered");
        }
        Ok(())
    }

    async fn hold(&mut self, it: &HoldRequest) -> Result<Result<HoldAnswer, Fault>, CoordinatorError> {
        if let Some(answer) = self.answered.find(it.id) {
            return Ok(Ok(answer));
        }
        let ended = match self.holding(it) {
            Ok(ended) => ended,
            Err(fault) => return Ok(Err(fault)),
        };
        let data = match &it.ask {
            HoldAsk::Place { lasts, reason } => {
                if let Some(fault) = refused(it, *lasts, reason.as_deref()) {
                    return Ok(Err(fault));
                }
                let until = lasts.map(|span| clock::now() + Duration::from(span));
                let (container, reason) = (it.container.clone(), reason.clone());
                Data::HoldPlaced(HoldPlaced { container, until, reason, stopped: false })
            }
            HoldAsk::End => {
                let Some(hold) = &ended else { return Ok(Err(not_held(it))) };
                Data::HoldEnded(HoldEnded { container: it.container.clone(), hold: hold.id, expired: false })
            }
        };
        self.append_hold(&it.fleet, it.id, &it.actor, None, data).await?;
        let placed = self.fleets.get(&it.fleet).and_then(|fleet| fleet.holds.get(&it.container).cloned());
        let hold = match &it.ask {
            HoldAsk::Place { .. } => placed,
            HoldAsk::End => ended,
        };
        let Some(hold) = hold else { return Ok(Err(not_held(it))) };
        let answer = HoldAnswer { position: self.position, hold };
        self.answered.keep(it.id, answer.clone());
        Ok(Ok(answer))
    }

    /// The hold on the container that is meant; a fault where there is no such container.
    fn holding(&self, it: &HoldRequest) -> Result<Option<Hold>, Fault> {
        let not_found = |message| Fault { code: FaultCode::NotFound, message };
        let Some(fleet) = self.fleets.get(&it.fleet) else {
            return Err(not_found(format!("there is no fleet `{}`: GET /v1/fleets lists them", it.fleet)));
        };
        let hold = fleet.holds.get(&it.container).cloned();
        let known = fleet.desired.containers.contains_key(&it.container)
            || super::operate::seen(fleet, &it.container).is_some();
        if hold.is_none() && !known {
            return Err(not_found(format!("`{}` has no container `{}`", it.fleet, it.container)));
        }
        Ok(hold)
    }

    /// Appends an event on the fleet's line of holds, wherever that ends, and folds it.
    pub(super) async fn append_hold(
        &mut self,
        fleet: &FleetId,
        id: Uuid,
        actor: &str,
        cause: Option<Uuid>,
        data: Data,
    ) -> Result<(), CoordinatorError> {
        let container = match &data {
            Data::HoldPlaced(it) => &it.container,
            Data::HoldEnded(it) => &it.container,
            Data::OperatorAsked(it) => &it.container,
            Data::OperatorActed(it) => &it.container,
            _ => return Ok(()),
        };
        let subject = format!("containers/{container}");
        let mut draft = self.draft(Scope::Fleet(fleet.clone()), subject, cause, data);
        (draft.id, draft.actor) = (id, actor.to_owned());
        loop {
            let line = self.fleets.get(fleet).map_or(0, |fleet| fleet.lines.hold);
            match self.append(&draft, Expected::At(line)).await? {
                Ok(position) => return self.catch_up(position).await,
                // Another coordinator wrote there: it ends us in the fold, once it has taken over.
                Err(last) => self.catch_up(last).await?,
            }
        }
    }

    /// Comes when the time of the next hold has. Cancel-safe: it only waits.
    pub(super) fn next_expiry(&self) -> impl Future<Output = ()> + use<> {
        let next = self.fleets.values().flat_map(|fleet| fleet.holds.values()).filter_map(|hold| hold.until).min();
        async move {
            let Some(until) = next else { return std::future::pending().await };
            let left = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
            tokio::time::sleep(left).await;
        }
    }

    /// Ends every hold whose time has come.
    pub(super) async fn expire(&mut self) -> Result<(), CoordinatorError> {
        for (fleet, container, hold) in over(self.fleets.values(), clock::now()) {
            let data = Data::HoldEnded(HoldEnded { container, hold, expired: true });
            self.append_hold(&fleet, HoldEnded::by_expiry(hold), super::ACTOR, Some(hold), data).await?;
        }
        Ok(())
    }
}

fn not_held(it: &HoldRequest) -> Fault {
    let message = format!("container `{}` of `{}` is not on hold: GET …/holds lists what is", it.container, it.fleet);
    Fault { code: FaultCode::Conflict, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_ends_when_its_time_has_come_and_one_without_a_time_never_does() {
        let mut fleet = Fleet::new("acme/shop".parse().unwrap());
        for (name, until) in [("a", Some(10)), ("b", Some(20)), ("c", None)] {
            let until = until.map(|second| Timestamp::from_second(second).unwrap());
            let id = Uuid::from_u128(name.bytes().map(u128::from).sum());
            let hold = Hold { id, until, by: "ann".to_owned(), reason: None, stopped: false, since: 1 };
            fleet.holds.insert(name.parse().unwrap(), hold);
        }
        let names = |second| {
            let over = over([&fleet].into_iter(), Timestamp::from_second(second).unwrap());
            over.iter().map(|(_, name, _)| name.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!([names(9), names(10), names(20), names(9_999)], ["", "a", "a b", "a b"]);
    }
}
