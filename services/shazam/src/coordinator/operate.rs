//! Answers `req.shazam.operate`: something is done to a container because somebody asked for it by hand.
//!
//! Writes `operator.asked` before anything is done, has the node's agent do it beside everything else, and writes
//! `operator.acted` with what came of it. Whoever coordinates next says of what it finds unfinished that nobody knows.
//! A stop comes with a hold, and a start ends that one.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::event::{Data, HoldEnded, HoldPlaced, OperatorActed, OperatorAsked};
use schemas::fleet::{Fleet, ObservedContainer, State};
use schemas::names::{FleetId, Name, NodeName};
use schemas::operate::{Operated, Operation, Outcome, refused_reason, told_command};
use schemas::query::{ActAnswer, ActOnNode, Fault, FaultCode, LONGEST_EXEC, Operate, OperateAnswer, Said};
use schemas::spec::resource_name;
use schemas::units::Span;
use streams::{AskError, Asked, Bus, clock};
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::Coordinator;
use crate::error::CoordinatorError;

/// How long a stop and a start may take beside the container's own grace.
const BESIDE_GRACE: Span = Span::seconds(60);

/// How long a command may run where nobody says.
const EXEC: Span = Span::seconds(60);

/// How much longer than the agent's own deadline is waited for its answer.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// Operations that are under way at the same time, in all fleets.
const AT_ONCE: usize = 64;

/// The container, where it is there.
pub(super) fn seen<'a>(fleet: &'a Fleet, name: &Name) -> Option<&'a ObservedContainer> {
    fleet.observed.containers.get(name).filter(|seen| seen.state != State::Removed)
}

/// Whether a container of the fleet is just being stopped or started by hand: what is seen of it meanwhile is no drift,
/// and nothing is planned on it.
pub(super) fn is_moving(fleet: &Fleet) -> bool {
    fleet.operated.iter().any(|it| it.end.is_none() && it.what != Operation::Exec)
}

/// Operations that are under way, and who waits for their end.
#[derive(Default)]
pub(super) struct UnderWay {
    acting: JoinSet<Ended>,
    waiting: BTreeMap<Uuid, (FleetId, Vec<Asked<Operate>>)>,
    /// What has ended, and of which not everything is seen yet that the agent told of it.
    unseen: Vec<Ended>,
}

/// What an agent answered.
pub(super) struct Ended {
    id: Uuid,
    answer: Result<ActAnswer, AskError>,
}

impl UnderWay {
    /// The next one that has ended; none under way: it never comes. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Ended, JoinError> {
        match self.acting.join_next().await {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }

    fn begin(&mut self, bus: Bus, node: NodeName, question: ActOnNode, asked: Asked<Operate>) {
        let id = question.cause;
        self.waiting.insert(id, (question.fleet.clone(), vec![asked]));
        let within = Duration::from(question.within) + ON_THE_WAY;
        self.acting.spawn(async move { Ended { id, answer: bus.act(&node, &question, within).await } });
    }
}

impl Coordinator {
    pub(super) async fn asked_to_operate(&mut self, asked: Asked<Operate>) -> Result<(), CoordinatorError> {
        let it = asked.question.clone();
        if let Some((_, waiting)) = self.under_way.waiting.get_mut(&it.id) {
            waiting.push(asked);
            return Ok(());
        }
        if let Some(ended) = self.operated(&it.fleet, it.id).filter(|it| it.end.is_some()).cloned() {
            reply(vec![asked], Ok(self.told(ended, None))).await;
            return Ok(());
        }
        let (node, within) = match self.can_operate(&it) {
            Ok(it) => it,
            Err(fault) => {
                reply(vec![asked], Err(fault)).await;
                return Ok(());
            }
        };
        let asking = Data::OperatorAsked(OperatorAsked {
            what: it.what,
            container: it.container.clone(),
            node: node.clone(),
            snapshot: it.snapshot.clone(),
            command: told_command(&it.command),
            reason: it.reason.clone(),
        });
        self.append_hold(&it.fleet, it.id, &it.actor, None, asking).await?;
        self.hold_with(&it).await?;
        let question = ActOnNode {
            fleet: it.fleet,
            container: it.container,
            what: it.what,
            snapshot: it.snapshot,
            command: it.command,
            within,
            cause: it.id,
            incarnation: self.fence.incarnation,
            epoch: self.fence.epoch,
        };
        self.under_way.begin(self.bus.clone(), node, question, asked);
        Ok(())
    }

    /// Where it can be done and how long that may take, or why it cannot be asked for.
    fn can_operate(&self, it: &Operate) -> Result<(NodeName, Span), Fault> {
        let fault = |code, message: String| Err(Fault { code, message });
        let Some(fleet) = self.fleets.get(&it.fleet) else {
            let message = format!("there is no fleet `{}`: GET /v1/fleets lists them", it.fleet);
            return fault(FaultCode::NotFound, message);
        };
        let (node, within) = if it.what.is_of_volume() { can_touch(fleet, it)? } else { can_reach(fleet, it)? };
        if !self.nodes.is_there(Some(&node), std::time::Instant::now()) {
            return fault(FaultCode::Unavailable, format!("nothing was done: node {node} is away"));
        }
        if self.under_way.waiting.len() >= AT_ONCE {
            let message = format!("nothing was done: {AT_ONCE} operations are under way; try again");
            return fault(FaultCode::Unavailable, message);
        }
        Ok((node, within))
    }

    /// What is stopped is held from before its stop on, and what is started no longer from before its start.
    async fn hold_with(&mut self, it: &Operate) -> Result<(), CoordinatorError> {
        let container = it.container.clone();
        match it.what {
            Operation::Stop => {
                let data = HoldPlaced { container, until: None, reason: it.reason.clone(), stopped: true };
                let id = HoldPlaced::with_stop(it.id);
                self.append_hold(&it.fleet, id, &it.actor, Some(it.id), Data::HoldPlaced(data)).await
            }
            Operation::Start => {
                let hold = self.fleets.get(&it.fleet).and_then(|fleet| fleet.holds.get(&it.container));
                let Some(hold) = hold.filter(|hold| hold.stopped).map(|hold| hold.id) else { return Ok(()) };
                self.release(&it.fleet, container, hold, it.id, &it.actor).await
            }
            _ => Ok(()),
        }
    }

    /// Ends a hold because of an operation.
    async fn release(
        &mut self,
        fleet: &FleetId,
        container: Name,
        hold: Uuid,
        asked: Uuid,
        actor: &str,
    ) -> Result<(), CoordinatorError> {
        let id = HoldEnded::with_operation(asked, &container);
        let data = Data::HoldEnded(HoldEnded { container, hold, expired: false });
        self.append_hold(fleet, id, actor, Some(asked), data).await
    }

    /// Says what came of an operation: to the log, then to who asked.
    pub(super) async fn operation_ended(&mut self, end: Result<Ended, JoinError>) -> Result<(), CoordinatorError> {
        let Ended { id, answer } = match end {
            Ok(end) => end,
            Err(error) => {
                // It only asks over the bus. What it was about stays unfinished, until the next coordinator says so.
                tracing::error!(%error, "an operation broke off");
                return Ok(());
            }
        };
        if answer.as_ref().is_ok_and(|it| it.told > self.heard) {
            self.under_way.unseen.push(Ended { id, answer });
            return Ok(());
        }
        let Some((fleet, waiting)) = self.under_way.waiting.remove(&id) else { return Ok(()) };
        let answer = answer.unwrap_or_else(|error| unanswered(&error));
        let said = answer.said.clone();
        self.conclude(&fleet, id, answer).await?;
        let answer = match self.operated(&fleet, id).cloned() {
            Some(operated) => Ok(self.told(operated, said)),
            None => Err(Fault { code: FaultCode::Unavailable, message: format!("outcome unknown, event {id}") }),
        };
        reply(waiting, answer).await;
        Ok(())
    }

    /// Ends what waited for this report of an agent, or for an earlier one.
    pub(super) async fn heard(&mut self, obs: u64) -> Result<(), CoordinatorError> {
        self.heard = self.heard.max(obs);
        let heard = self.heard;
        let is_seen = |it: &mut Ended| it.answer.as_ref().map_or(true, |it| it.told <= heard);
        let seen: Vec<Ended> = self.under_way.unseen.extract_if(.., is_seen).collect();
        for ended in seen {
            self.operation_ended(Ok(ended)).await?;
        }
        Ok(())
    }

    /// Appends the end of an operation that was asked for. A stop that failed leaves no hold behind.
    async fn conclude(&mut self, fleet: &FleetId, id: Uuid, answer: ActAnswer) -> Result<(), CoordinatorError> {
        let ActAnswer { outcome, error, exit_code, made, bytes, said: _, told: _ } = answer;
        let Some(asked) = self.operated(fleet, id).filter(|it| it.end.is_none()).cloned() else { return Ok(()) };
        let took = clock::now().duration_since(asked.asked).as_millis();
        let acted = OperatorActed {
            what: asked.what,
            container: asked.container.clone(),
            node: asked.node,
            snapshot: asked.snapshot,
            made,
            bytes,
            command: asked.command,
            reason: asked.reason,
            outcome,
            error,
            exit_code,
            duration_ms: u64::try_from(took).unwrap_or_default(),
        };
        let data = Data::OperatorActed(acted);
        self.append_hold(fleet, OperatorActed::after(id), &asked.by, Some(id), data).await?;
        let placed = HoldPlaced::with_stop(id);
        let held = self.fleets.get(fleet).and_then(|fleet| fleet.holds.get(&asked.container));
        if outcome == Outcome::Failed && held.is_some_and(|hold| hold.id == placed) {
            self.release(fleet, asked.container, placed, id, &asked.by).await?;
        } else if outcome == Outcome::Done && asked.what == Operation::RestoreVolume {
            self.let_run_again(fleet, &asked.container, id, &asked.by).await?;
        }
        Ok(())
    }

    /// What was stopped so that its volume could be restored is started again.
    async fn let_run_again(
        &mut self,
        fleet: &FleetId,
        volume: &Name,
        asked: Uuid,
        actor: &str,
    ) -> Result<(), CoordinatorError> {
        let held = self.fleets.get(fleet).map(|fleet| {
            let stopped = fleet.holds.iter().filter(|(name, hold)| hold.stopped && has_volume(fleet, name, volume));
            stopped.map(|(name, hold)| (name.clone(), hold.id)).collect::<Vec<_>>()
        });
        for (container, hold) in held.unwrap_or_default() {
            self.release(fleet, container, hold, asked, actor).await?;
        }
        Ok(())
    }

    /// Says of every operation that an earlier coordinator left unfinished that nobody knows what came of it.
    pub(super) async fn conclude_what_was_left(&mut self) -> Result<(), CoordinatorError> {
        let unfinished = |fleet: &Fleet| {
            let open = fleet.operated.iter().filter(|it| it.end.is_none());
            open.map(|it| (fleet.id.clone(), it.id)).collect::<Vec<_>>()
        };
        let left: Vec<_> = self.fleets.values().flat_map(unfinished).collect();
        for (fleet, id) in left {
            let why = "the platform was restarted in the middle of it".to_owned();
            self.conclude(&fleet, id, ActAnswer::of(Outcome::Unknown, Some(why))).await?;
        }
        Ok(())
    }

    fn operated(&self, fleet: &FleetId, id: Uuid) -> Option<&Operated> {
        self.fleets.get(fleet)?.operated.iter().rev().find(|it| it.id == id)
    }

    fn told(&self, operated: Operated, said: Option<Said>) -> OperateAnswer {
        OperateAnswer { position: self.position, event: OperatorActed::after(operated.id), operated, said }
    }
}

/// Where a container is that something is to be done to, and how long that may take.
fn can_reach(fleet: &Fleet, it: &Operate) -> Result<(NodeName, Span), Fault> {
    let fault = |code, message: String| Err(Fault { code, message });
    let Some(seen) = seen(fleet, &it.container) else {
        let message = format!("`{}` has no container `{}` that is there", it.fleet, it.container);
        return fault(FaultCode::NotFound, message);
    };
    if let Some(message) = misused(it) {
        return fault(FaultCode::BadRequest, message);
    }
    let grace = fleet.desired.containers.get(&it.container).map_or(Span::seconds(10), |it| it.stop.grace);
    let within = match it.what {
        Operation::Exec => it.within.unwrap_or(EXEC),
        _ => Span(grace.0 + BESIDE_GRACE.0),
    };
    Ok((seen.node.clone(), within))
}

/// Where a volume is that something is to be done to, and how long that may take.
fn can_touch(fleet: &Fleet, it: &Operate) -> Result<(NodeName, Span), Fault> {
    let fault = |code, message: String| Err(Fault { code, message });
    if let Some(message) = misused(it) {
        return fault(FaultCode::BadRequest, message);
    }
    let docker = resource_name(&it.fleet, Some(&it.container));
    let thing = it.snapshot.as_ref().map_or(docker.clone(), |it| it.of_volume(&docker));
    let Some(seen) = fleet.observed.volumes.get(&thing).filter(|it| it.exists) else {
        let message = match &it.snapshot {
            Some(time) => format!("volume `{}` of `{}` has no snapshot {time}", it.container, it.fleet),
            None => format!("`{}` has no volume `{}` that is there", it.fleet, it.container),
        };
        return fault(FaultCode::NotFound, format!("{message}: `fleetlog volume ls` shows what there is"));
    };
    if it.what == Operation::RestoreVolume && !fleet.snapshots.contains_key(&thing) {
        let message = format!("snapshot {} is not known to be whole: whoever made it was not heard of again", thing);
        return fault(FaultCode::Conflict, message);
    }
    if let (Operation::RemoveVolume, None, Some(user)) = (it.what, &it.snapshot, mounting(fleet, &it.container)) {
        let message = format!("nothing was removed: {user}.json mounts it: take that out by a push first");
        return fault(FaultCode::Conflict, message);
    }
    let held = fleet.holds.iter().find(|(name, hold)| !hold.stopped && has_volume(fleet, name, &it.container));
    if let (Operation::RestoreVolume, Some((user, _))) = (it.what, held) {
        let message = format!(
            "nothing was done: `{user}` has the volume and is on hold: `fleetlog hold end container {user}` first, \
                 then `fleetlog stop {user}`"
        );
        return fault(FaultCode::Conflict, message);
    }
    Ok((seen.node.clone(), LONGEST_EXEC))
}

/// Whether a container's descriptor mounts a volume.
fn has_volume(fleet: &Fleet, container: &Name, volume: &Name) -> bool {
    fleet.desired.containers.get(container).is_some_and(|it| it.mounted().any(|it| it == volume))
}

/// A descriptor that mounts a volume, such as `containers/db` or `tasks/dump`.
fn mounting(fleet: &Fleet, volume: &Name) -> Option<String> {
    let container = fleet.desired.containers.keys().find(|name| has_volume(fleet, name, volume));
    let task = || fleet.desired.tasks.iter().find(|(_, it)| it.volumes.values().any(|it| it == volume));
    let container = container.map(|name| format!("containers/{name}"));
    container.or_else(|| task().map(|(name, _)| format!("tasks/{name}")))
}

/// What is wrong with how it is asked for.
fn misused(it: &Operate) -> Option<String> {
    let exec = it.what == Operation::Exec;
    if exec && it.command.first().is_none_or(String::is_empty) {
        return Some(
            "`command` is empty: it has to be a program and its arguments, such as [\"ls\", \"/data\"]".to_owned(),
        );
    }
    if !exec && (!it.command.is_empty() || it.within.is_some()) {
        return Some(format!("`{}` takes no `command` and no `within`: these are for `exec`", it.what));
    }
    if it.within.is_some_and(|within| within.0 == 0 || within > LONGEST_EXEC) {
        return Some(format!("`within` has to be more than nothing and at most {LONGEST_EXEC}"));
    }
    let about_one = matches!(it.what, Operation::RemoveVolume | Operation::RestoreVolume);
    if it.snapshot.is_some() && !about_one {
        return Some(format!("`{}` takes no `snapshot`", it.what));
    }
    if it.snapshot.is_none() && it.what == Operation::RestoreVolume {
        return Some("`snapshot` is missing: it says what to restore, such as 20261204T101500Z".to_owned());
    }
    it.reason.as_deref().and_then(refused_reason)
}

/// What is known of an operation whose agent did not answer.
fn unanswered(error: &AskError) -> ActAnswer {
    let (outcome, why) = match error {
        AskError::NobodyThere { .. } => (Outcome::Failed, "nothing was done: its node's agent is away".to_owned()),
        AskError::TooLarge { .. } => (Outcome::Failed, format!("nothing was done: {error}")),
        AskError::Fault(fault) => (Outcome::Unknown, fault.message.clone()),
        _ => (Outcome::Unknown, "its node's agent was not heard of again: it may have been done".to_owned()),
    };
    ActAnswer::of(outcome, Some(why))
}

async fn reply(waiting: Vec<Asked<Operate>>, answer: Result<OperateAnswer, Fault>) {
    for asked in waiting {
        if let Err(error) = asked.reply(answer.clone()).await {
            // The log says what came of it.
            tracing::warn!(%error, "the answer about an operation was not delivered");
        }
    }
}
