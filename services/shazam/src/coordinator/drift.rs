//! Compares what runs with what should: whatever another hand changed is found, told, and put right where a fleet says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use schemas::descriptors::Drift;
use schemas::event::{Data, DriftEnded, DriftFound, Scope, Topic};
use schemas::fleet::{Fleet, RolloutStatus};
use schemas::names::{FleetId, Name};
use schemas::plan::{Action, Step};
use streams::{Expected, clock};
use tokio::time::Instant;

use super::Coordinator;
use super::operate::is_moving;
use crate::error::CoordinatorError;

/// So long after something was seen of a fleet it is compared: what Docker starts again by itself is back by then.
const SETTLED: Duration = Duration::from_secs(2);

/// Between two rollouts that heal the same desired state, doubled each time.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(600);

/// Which fleets are to be compared, and when.
#[derive(Default)]
pub(super) struct Compared(BTreeMap<FleetId, Instant>);

impl Compared {
    /// All of them, once.
    pub(super) fn all<'a>(&mut self, fleets: impl Iterator<Item = &'a FleetId>) {
        let at = Instant::now() + SETTLED;
        self.0.extend(fleets.map(|id| (id.clone(), at)));
    }

    /// One of which something was seen, or whose rollout went on. A fleet that never rests is compared all the same.
    pub(super) fn soon(&mut self, id: &FleetId, data: &Data) {
        let told = matches!(data, Data::DriftFound(_) | Data::DriftEnded(_) | Data::ObservationGap(_));
        if !told && matches!(data.topic(), Topic::Container | Topic::Rollout | Topic::Hold) {
            self.0.entry(id.clone()).or_insert_with(|| Instant::now() + SETTLED);
        }
    }

    fn later(&mut self, id: &FleetId, after: Duration) {
        self.0.insert(id.clone(), Instant::now() + after);
    }

    /// The next one, once it is due. Cancel-safe: it stays until [`Coordinator::compare`] takes it.
    pub(super) fn next(&self) -> impl Future<Output = FleetId> + use<> {
        let next = self.0.iter().min_by_key(|(_, at)| **at).map(|(id, at)| (id.clone(), *at));
        async move {
            match next {
                Some((id, at)) => {
                    tokio::time::sleep_until(at).await;
                    id
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// What there is to tell of a fleet.
#[derive(Debug, Default, PartialEq, Eq)]
struct News {
    found: Vec<DriftFound>,
    ended: Vec<DriftEnded>,
}

/// What is told of a fleet that would be put right by `steps`.
fn news(fleet: &Fleet, steps: &[Step]) -> News {
    let policy = fleet.desired.fleet.drift;
    let differs = |action| {
        use Action::{Create, Place, Recreate, Reload, Restart, Update};
        matches!(action, Create | Recreate | Update | Place | Reload | Restart)
    };
    let now: BTreeMap<&Name, &Step> = steps
        .iter()
        .filter(|step| policy != Drift::Ignore && differs(step.action))
        .map(|it| (&it.container, it))
        .collect();
    let is_told = |step: &Step| {
        fleet.drift.get(&step.container).is_some_and(|it| (it.action, &it.reasons) == (step.action, &step.reasons))
    };
    let found = now.values().filter(|step| !is_told(step)).map(|step| DriftFound {
        container: step.container.clone(),
        action: step.action,
        reasons: step.reasons.clone(),
        policy,
    });
    let over = fleet.drift.iter().filter(|(name, _)| !now.contains_key(name));
    let ended = over.map(|(name, it)| DriftEnded { container: name.clone(), found: it.found });
    News { found: found.collect(), ended: ended.collect() }
}

/// How long it takes until a fleet may be healed again: each try that was not the last one makes the next one rarer.
fn pause(fleet: &Fleet) -> Duration {
    let tries = fleet.rollouts.iter().rev().take_while(|it| it.heals && it.desired == fleet.desired_at).count();
    let Some(last) = fleet.rollouts.last().filter(|_| tries > 0) else { return Duration::ZERO };
    let doubled = PAUSE.saturating_mul(1 << (tries - 1).min(10)).min(LONGEST);
    let since = clock::now().duration_since(last.planned);
    doubled.saturating_sub(Duration::try_from(since).unwrap_or_default())
}

/// Whether a fleet is at rest: its newest push was rolled out, nothing has failed since, and nobody is at a container by
/// hand. The end of that brings the fleet here again.
pub(super) fn rests(fleet: &Fleet) -> bool {
    let newest = fleet.rollouts.last().filter(|_| fleet.images.versions.updating.is_none());
    !is_moving(fleet)
        && newest.is_some_and(|it| it.status == RolloutStatus::Succeeded && it.desired == fleet.desired_at)
}

impl Coordinator {
    /// Compares a fleet with what it should be. While its node is away, or the log is nearly full, nothing is told.
    pub(super) async fn compare(&mut self, id: &FleetId) -> Result<(), CoordinatorError> {
        self.compared.0.remove(id);
        let Some(fleet) = self.fleets.get(id).filter(|fleet| rests(fleet)) else { return Ok(()) };
        if self.is_full() || !self.nodes.is_there(fleet.desired.agent(), std::time::Instant::now()) {
            self.compared.later(id, PAUSE);
            return Ok(());
        }
        // What was accepted once and cannot be planned any more is a failed rollout, and not told here.
        let Ok(plan) = schemas::plan::plan(fleet, &fleet.desired, &self.key) else { return Ok(()) };
        let News { found, ended } = news(fleet, &plan.steps);
        let told = found.into_iter().map(|it| (it.container.clone(), Data::DriftFound(it)));
        for (container, data) in told.chain(ended.into_iter().map(|it| (it.container.clone(), Data::DriftEnded(it)))) {
            let draft = self.draft(Scope::Fleet(id.clone()), format!("containers/{container}"), None, data);
            let (Ok(position) | Err(position)) = self.append(&draft, Expected::Any).await?;
            self.catch_up(position).await?;
        }
        self.heal(id).await
    }

    async fn heal(&mut self, id: &FleetId) -> Result<(), CoordinatorError> {
        let Some(fleet) = self.fleets.get(id).filter(|fleet| rests(fleet)) else { return Ok(()) };
        let newest = fleet.drift.values().max_by_key(|it| it.since);
        let Some(found) = newest.filter(|_| fleet.desired.fleet.drift == Drift::Heal).map(|it| it.found) else {
            return Ok(());
        };
        let pause = pause(fleet);
        if pause.is_zero() {
            self.plan(id, Some(found), true).await?;
        } else {
            self.compared.later(id, pause);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use schemas::fleet::Rollout;
    use schemas::operate::Operation;
    use schemas::plan::Reason;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn fleet(policy: Drift) -> Fleet {
        let mut fleet = Fleet::new("acme/shop".parse().unwrap());
        fleet.desired.fleet.drift = policy;
        fleet
    }

    fn step(name: &str, action: Action, from: &str) -> Step {
        let reason = Reason { field: "state".to_owned(), from: Some(from.to_owned()), to: None };
        Step { container: name.parse().unwrap(), action, reasons: vec![reason], after: Vec::new() }
    }

    fn told(fleet: &Fleet, steps: &[Step]) -> (Vec<String>, Vec<String>) {
        let News { found, ended } = news(fleet, steps);
        let names = |all: Vec<Name>| all.iter().map(ToString::to_string).collect();
        (
            names(found.into_iter().map(|it| it.container).collect()),
            names(ended.into_iter().map(|it| it.container).collect()),
        )
    }

    #[test]
    fn what_differs_is_told_once_until_it_is_another_or_over() {
        let mut fleet = fleet(Drift::Report);
        let exited = step("a", Action::Restart, "exited");
        assert_eq!(told(&fleet, std::slice::from_ref(&exited)), (vec!["a".to_owned()], vec![]));
        let Step { action, reasons, .. } = exited.clone();
        let known = schemas::fleet::Drifted { action, reasons, found: Uuid::nil(), since: 7 };
        fleet.drift.insert(exited.container.clone(), known);
        assert_eq!(told(&fleet, &[exited]), (vec![], vec![]));
        assert_eq!(told(&fleet, &[step("a", Action::Create, "removed")]), (vec!["a".to_owned()], vec![]));
        assert_eq!(told(&fleet, &[step("a", Action::Wait, "starting")]), (vec![], vec!["a".to_owned()]));
        fleet.desired.fleet.drift = Drift::Ignore;
        assert_eq!(told(&fleet, &[step("a", Action::Create, "removed")]), (vec![], vec!["a".to_owned()]));
    }

    #[test]
    fn what_is_seen_while_somebody_is_at_a_container_by_hand_is_no_drift() {
        let mut fleet = fleet(Drift::Heal);
        let newest = json!({ "id": Uuid::nil(), "status": "succeeded", "commit": "a".repeat(40), "desired": 0,
            "planned_at": 1, "planned": "2026-01-31T12:00:00Z", "epoch": 1, "node": "local", "steps": [], "error": null,
            "duration_ms": null });
        fleet.rollouts = vec![serde_json::from_value(newest).unwrap()];
        assert!(rests(&fleet));
        let operation = json!({ "id": Uuid::nil(), "what": "restart", "container": "a", "node": "local", "by": "ann",
            "asked": "2026-01-31T12:00:00Z" });
        fleet.operated = vec![serde_json::from_value(operation).unwrap()];
        assert!(!rests(&fleet));
        fleet.operated[0].what = Operation::Exec;
        assert!(rests(&fleet), "a command moves nothing");
    }

    #[test]
    fn what_does_not_stay_healed_is_healed_ever_more_rarely() {
        let mut fleet = fleet(Drift::Heal);
        assert_eq!(pause(&fleet), Duration::ZERO);
        let ago = |seconds| clock::now() - SignedDuration::from_secs(seconds);
        let rollout = |heals, planned: Timestamp| Rollout {
            id: Uuid::nil(),
            status: RolloutStatus::Succeeded,
            commit: "a".repeat(40).parse().unwrap(),
            desired: 0,
            planned_at: 1,
            planned,
            epoch: 1,
            node: "local".parse().unwrap(),
            steps: Vec::new(),
            error: None,
            duration_ms: None,
            retries: None,
            retried: None,
            heals,
        };
        fleet.rollouts = vec![rollout(false, ago(0))];
        assert_eq!(pause(&fleet), Duration::ZERO, "a push is no try");
        fleet.rollouts.push(rollout(true, ago(4)));
        let first = pause(&fleet);
        assert!(first > Duration::from_secs(4) && first <= Duration::from_secs(6), "{first:?}");
        fleet.rollouts.extend((0..20).map(|_| rollout(true, ago(0))));
        assert!(pause(&fleet) > Duration::from_secs(590));
        fleet.rollouts.push(rollout(true, ago(700)));
        assert_eq!(pause(&fleet), Duration::ZERO);
    }
}
