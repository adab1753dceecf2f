//! Properties of the fold: it never fails, it takes each event once, and observations find their order by themselves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use proptest::prelude::*;
use schemas::event::{
    ContainerChange, Data, DesiredRolledBack, Draft, Event, GitPushed, ImageMove, ImageOutdated, ImagePruned,
    ImageUpdated, RefUpdate, RolloutPlanned, RolloutStep, RolloutSucceeded, Scope, Sighting, StepStatus,
};
use schemas::fleet::Fleet;
use schemas::images::Resolved;
use schemas::names::FleetId;
use schemas::plan::{Action, Step};
use uuid::Uuid;

fn id() -> FleetId {
    "acme/shop".parse().unwrap()
}

fn event(position: u64, data: Data) -> Event {
    let draft = Draft {
        id: Uuid::from_u128(u128::from(position)),
        scope: Scope::Fleet(id()),
        subject: "x".to_owned(),
        time: jiff::Timestamp::UNIX_EPOCH,
        actor: "a".to_owned(),
        cause: None,
        data,
    };
    Event { position, draft }
}

fn container() -> impl Strategy<Value = Data> {
    let change =
        (0..3_u8, 0..3_u8, 0..50_i64, proptest::option::of(0..3_i64)).prop_map(|(name, docker, at_ns, exit_code)| {
            ContainerChange {
                container: format!("c{name}").parse().unwrap(),
                seen: Sighting { node: "local".parse().unwrap(), at_ns, obs: 1 },
                docker_id: format!("c{name}-{docker}"),
                image: None,
                spec: Some(format!("v1:{docker}")),
                commit: None,
                live: None,
                files: None,
                checked: true,
                exit_code,
                out_of_memory: false,
                restarts: 0,
            }
        });
    (change, 0..9_u8).prop_map(|(change, kind)| match kind {
        0 => Data::ContainerCreated(change),
        1 => Data::ContainerStarted(change),
        2 => Data::ContainerHealthy(change),
        3 => Data::ContainerUnhealthy(change),
        4 => Data::ContainerStopped(change),
        5 => Data::ContainerDied(change),
        6 => Data::ContainerPaused(change),
        7 => Data::ContainerUnpaused(change),
        _ => Data::ContainerRemoved(change),
    })
}

fn pushed() -> impl Strategy<Value = Data> {
    (0..3_u8, proptest::option::of(0..16_u8)).prop_map(|(name, commit)| {
        let commit = commit.map(|digit| format!("{digit:040x}").parse().unwrap());
        Data::GitPushed(GitPushed {
            allow_destroy: Vec::new(),
            created: false,
            refs: vec![RefUpdate { name: format!("refs/heads/b{name}"), old: None, new: commit.clone() }],
            pack: None,
            deploy: "main".to_owned(),
            commit,
            descriptors: Default::default(),
            reason: None,
        })
    })
}

fn rolled_back() -> impl Strategy<Value = Data> {
    (0..16_u8, 0..16_u8, 0..20_u64).prop_map(|(commit, from, to)| {
        let [commit, from] = [commit, from].map(|digit| format!("{digit:040x}").parse().unwrap());
        Data::DesiredRolledBack(DesiredRolledBack {
            commit,
            withdrawn: vec![from.clone()],
            from,
            to,
            descriptors: Default::default(),
            reinstated: Vec::new(),
            reason: None,
        })
    })
}

/// Rollouts of which some exist and some don't: the fold has to take them all.
fn rollout() -> impl Strategy<Value = Data> {
    (0..4_u8, 0..40_u128, 0..4_u32).prop_map(|(kind, rollout, step)| {
        let rollout = Uuid::from_u128(rollout);
        match kind {
            0 => Data::RolloutPlanned(RolloutPlanned {
                retries: None,
                heals: false,
                commit: "a".repeat(40).parse().unwrap(),
                desired: 1,
                observed: 1,
                epoch: 1,
                node: "local".parse().unwrap(),
                steps: vec![Step {
                    container: "c0".parse().unwrap(),
                    action: Action::Create,
                    reasons: vec![],
                    after: vec![],
                }],
            }),
            1 => Data::RolloutSucceeded(RolloutSucceeded { rollout, duration_ms: 1 }),
            _ => Data::RolloutStep(RolloutStep {
                rollout,
                step,
                status: StepStatus::Started,
                error: None,
                duration_ms: None,
                obs: None,
                image: Some(resolved(step)),
            }),
        }
    })
}

fn resolved(n: u32) -> Resolved {
    let (digest, id) = (Some(format!("sha256:d{n}")), Some(format!("sha256:a{n}")));
    Resolved { reference: "tool:1".to_owned(), platform: None, digest, id, pulled: true }
}

fn image() -> impl Strategy<Value = Data> {
    (0..3_u8, 0..3_u32).prop_map(|(kind, n)| match kind {
        0 => Data::ImageUpdated(ImageUpdated {
            images: [(format!("c{n}").parse().unwrap(), ImageMove { from: None, to: resolved(n) })].into(),
            reason: None,
        }),
        1 => Data::ImageOutdated(ImageOutdated {
            container: format!("c{n}").parse().unwrap(),
            reference: "tool:1".to_owned(),
            from: "sha256:d0".to_owned(),
            to: format!("sha256:d{n}"),
        }),
        _ => Data::ImagePruned(ImagePruned {
            node: "local".parse().unwrap(),
            removed: vec![format!("sha256:a{n}")],
            kept: Default::default(),
        }),
    })
}

fn log() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(
        prop_oneof![3 => container(), 1 => pushed(), 1 => rolled_back(), 2 => rollout(), 1 => image()],
        0..60,
    )
    .prop_map(|all| (1..).zip(all).map(|(position, data)| event(position, data)).collect())
}

fn fold(events: &[Event]) -> Fleet {
    let mut fleet = Fleet::new(id());
    events.iter().for_each(|event| fleet.apply(event));
    fleet
}

proptest! {
    #[test]
    fn a_second_delivery_changes_nothing(events in log()) {
        let once = fold(&events);
        let mut twice = once.clone();
        events.iter().for_each(|event| twice.apply(event));
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_fold_that_was_stored_goes_on_as_if_nothing_had_been(events in log(), cut in 0..60_usize) {
        let cut = cut.min(events.len());
        let json = serde_json::to_string(&fold(&events[..cut])).unwrap();
        let mut resumed: Fleet = serde_json::from_str(&json).unwrap();
        events[cut..].iter().for_each(|event| resumed.apply(event));
        prop_assert_eq!(resumed, fold(&events));
    }

    #[test]
    fn other_fleets_events_are_none_of_ours(events in log()) {
        let mut other = Fleet::new("acme/other".parse().unwrap());
        events.iter().for_each(|event| other.apply(event));
        prop_assert_eq!(other, Fleet::new("acme/other".parse().unwrap()));
    }

    /// What one container did, told in whatever order and however often, ends in the same state.
    #[test]
    fn observations_find_their_order(seen in proptest::collection::vec(container(), 1..12), swaps in proptest::collection::vec((0..12_usize, 0..12_usize), 0..12)) {
        let of_one = |data: &Data| {
            let mut data = data.clone();
            if let Data::ContainerCreated(it) | Data::ContainerStarted(it) | Data::ContainerHealthy(it) | Data::ContainerUnhealthy(it)
                | Data::ContainerStopped(it) | Data::ContainerDied(it) = &mut data {
                it.container = "c0".parse().unwrap();
                it.docker_id = "same".to_owned();
                it.exit_code = None;
            }
            data
        };
        // What freezes and goes on tells nothing of its health: that is what it was before.
        let ordered = |it: &&Data| {
            !matches!(it, Data::ContainerRemoved(_) | Data::ContainerPaused(_) | Data::ContainerUnpaused(_))
        };
        let seen: Vec<Data> = seen.iter().filter(ordered).map(of_one).collect();
        let mut shuffled = seen.clone();
        for (a, b) in swaps {
            if a < shuffled.len() && b < shuffled.len() {
                shuffled.swap(a, b);
            }
        }
        let state = |all: &[Data]| {
            let events: Vec<_> = (1..).zip(all.iter().cloned()).map(|(position, data)| event(position, data)).collect();
            fold(&events).observed.containers.into_values().map(|it| (it.state, it.newest, it.health)).next()
        };
        prop_assert_eq!(state(&seen), state(&shuffled));
    }
}

/// One accepted push of a commit to the deploy branch, and what it changed.
fn accepted(position: u64, digit: char, changes: &str) -> Event {
    let commit: schemas::names::Oid = digit.to_string().repeat(40).parse().unwrap();
    let data = GitPushed {
        allow_destroy: vec!["cache".parse().unwrap()],
        created: position == 1,
        refs: vec![RefUpdate { name: "refs/heads/main".to_owned(), old: None, new: Some(commit.clone()) }],
        pack: None,
        deploy: "main".to_owned(),
        commit: Some(commit),
        descriptors: serde_json::from_str(changes).unwrap(),
        reason: None,
    };
    event(position, Data::GitPushed(data))
}

#[test]
fn a_rollback_takes_up_what_was_desired_and_leaves_the_refs() {
    let first = accepted(
        1,
        'a',
        r#"{ "set": { "volumes/cache.json": { "class": "ephemeral" }, "variables/app.json": { "n": 1 } }, "removed": [] }"#,
    );
    let second =
        accepted(2, 'b', r#"{ "set": { "variables/app.json": { "n": 2 } }, "removed": ["volumes/cache.json"] }"#);
    let (then, now) = (fold(std::slice::from_ref(&first)), fold(&[first.clone(), second.clone()]));
    assert_eq!(now.doomed.len(), 1);
    let back = DesiredRolledBack {
        commit: then.commit.clone().unwrap(),
        from: now.commit.clone().unwrap(),
        to: 1,
        descriptors: now.desired.changes_to(&then.desired),
        withdrawn: vec![now.commit.clone().unwrap()],
        reinstated: Vec::new(),
        reason: None,
    };
    let fleet = fold(&[first, second, event(3, Data::DesiredRolledBack(back))]);
    assert_eq!((&fleet.desired, &fleet.commit), (&then.desired, &then.commit));
    assert_eq!((fleet.desired_at, fleet.lines.git, fleet.desired_by.as_deref()), (3, 3, Some("a")));
    assert_eq!((&fleet.refs, fleet.doomed.len()), (&now.refs, 0), "what is wanted again is not destroyed any more");
}
