//! When the tags of containers are looked at without being asked for: as their `image_policy` says.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemas::descriptors::{ImagePolicy, Pace, PolicyWord};
use schemas::fleet::Fleet;
use schemas::names::{FleetId, Name};
use streams::clock;

use super::images::Came;

/// Between two looks at the tags of containers whose policy is `"notify"`.
pub(super) const NOTIFY: Duration = Duration::from_secs(3_600);

/// A look whose time has come while its fleet is not at rest, or its node away, comes after so long.
const LATER: SignedDuration = SignedDuration::from_secs(60);

/// What was asked of a node, on its way.
type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = Came> + Send>>>;

/// Which tags are to be looked at, and when; and what is on its way.
pub(super) struct Looks {
    notify: Duration,
    due: BTreeMap<FleetId, BTreeMap<Name, Due>>,
    pub(super) under_way: UnderWay,
    /// Fleets whose rollout has succeeded: images may have become needless.
    pub(super) settled: BTreeSet<FleetId>,
}

struct Due {
    policy: ImagePolicy,
    at: Timestamp,
}

impl Looks {
    pub(super) fn new(notify: Duration) -> Self {
        Self { notify, due: BTreeMap::new(), under_way: FuturesUnordered::new(), settled: BTreeSet::new() }
    }

    /// Takes over what the descriptors of a fleet say now. What they said before keeps its time.
    pub(super) fn follow(&mut self, fleet: &Fleet, now: Timestamp) {
        let mut before = self.due.remove(&fleet.id).unwrap_or_default();
        let due = fleet.desired.containers.iter().filter_map(|(name, container)| {
            let policy = &container.image_policy;
            let kept = before.remove(name).filter(|it| it.policy == *policy);
            let due = kept.or_else(|| Some(Due { policy: policy.clone(), at: self.next_after(policy, now)? }));
            Some((name.clone(), due?))
        });
        let due: BTreeMap<_, _> = due.collect();
        if !due.is_empty() {
            self.due.insert(fleet.id.clone(), due);
        }
    }

    fn next_after(&self, policy: &ImagePolicy, now: Timestamp) -> Option<Timestamp> {
        let later = |span: Duration| now.checked_add(SignedDuration::try_from(span).ok()?).ok();
        match policy {
            ImagePolicy::Word(PolicyWord::Pinned) => None,
            ImagePolicy::Word(PolicyWord::Notify) => later(self.notify),
            // What a push brought was read when it was checked.
            ImagePolicy::Auto(auto) => match auto.pace().ok()? {
                Pace::Every(span) => later(span.into()),
                Pace::At(cron) => cron.next(now, &TimeZone::UTC),
            },
        }
    }

    /// The next fleet, once one of its tags is due. Cancel-safe: it stays until [`Looks::take`] takes it.
    pub(super) fn next(&self) -> impl Future<Output = FleetId> + use<> {
        let all = self.due.iter().flat_map(|(id, due)| due.values().map(move |it| (it.at, id)));
        let next = all.min().map(|(at, id)| (at, id.clone()));
        async move {
            match next {
                Some((at, id)) => {
                    let wait = Duration::try_from(at.duration_since(clock::now()));
                    tokio::time::sleep(wait.unwrap_or_default()).await;
                    id
                }
                None => std::future::pending().await,
            }
        }
    }

    /// The containers of a fleet whose time has come; their next one is set.
    pub(super) fn take(&mut self, fleet: &FleetId, now: Timestamp) -> BTreeSet<Name> {
        let Some(mut due) = self.due.remove(fleet) else { return BTreeSet::new() };
        let mut taken = BTreeSet::new();
        for (name, it) in due.iter_mut().filter(|(_, it)| it.at <= now) {
            taken.insert(name.clone());
            it.at = self.next_after(&it.policy, now).unwrap_or(Timestamp::MAX);
        }
        self.due.insert(fleet.clone(), due);
        taken
    }

    pub(super) fn postpone(&mut self, fleet: &FleetId, now: Timestamp) {
        let due = self.due.get_mut(fleet).into_iter().flat_map(BTreeMap::values_mut);
        let later = now.checked_add(LATER).unwrap_or(Timestamp::MAX);
        due.filter(|it| it.at <= now).for_each(|it| it.at = later);
    }
}

#[cfg(test)]
mod tests {
    use schemas::descriptors::{AutoUpdate, Desired};
    use serde_json::json;

    use super::*;

    fn fleet(policies: &[(&str, serde_json::Value)]) -> Fleet {
        let mut fleet = Fleet::new("acme/shop".parse().unwrap());
        fleet.desired = Desired::default();
        for (name, policy) in policies {
            let container = json!({ "image": "tool:1", "image_policy": policy });
            fleet.desired.containers.insert(name.parse().unwrap(), serde_json::from_value(container).unwrap());
        }
        fleet
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn names(taken: BTreeSet<Name>) -> Vec<String> {
        taken.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_tag_is_looked_at_at_its_own_time() {
        let mut looks = Looks::new(NOTIFY);
        let auto = |text: &str| json!(AutoUpdate { auto: text.to_owned() });
        let it = fleet(&[("a", json!("pinned")), ("b", json!("notify")), ("c", auto("6h")), ("d", auto("30 4 * * *"))]);
        looks.follow(&it, at("2026-01-31T00:00:00Z"));
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T00:59:59Z"))), [""; 0]);
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T01:00:00Z"))), ["b"]);
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T04:30:00Z"))), ["b", "d"]);
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T06:00:00Z"))), ["b", "c"]);
        // What another push says the same of keeps its time; what it says otherwise begins anew, or ends.
        let it = fleet(&[("b", json!("pinned")), ("c", auto("6h")), ("d", auto("1h"))]);
        looks.follow(&it, at("2026-01-31T11:30:00Z"));
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T12:00:00Z"))), ["c"]);
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T12:30:00Z"))), ["d"]);
        looks.follow(&fleet(&[]), at("2026-01-31T13:00:00Z"));
        assert!(looks.due.is_empty());
    }

    #[test]
    fn what_cannot_be_looked_at_now_comes_soon() {
        let mut looks = Looks::new(NOTIFY);
        let it = fleet(&[("b", json!("notify"))]);
        looks.follow(&it, at("2026-01-31T00:00:00Z"));
        looks.postpone(&it.id, at("2026-01-31T01:00:00Z"));
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T01:00:30Z"))), [""; 0]);
        assert_eq!(names(looks.take(&it.id, at("2026-01-31T01:01:00Z"))), ["b"]);
    }
}
