//! Random histories: events of every kind that matters to the registry, some of which refer to what never was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;
use schemas::descriptors::{Changes, File, Files, Path};
use schemas::event::{
    ArchiveEnd, ArchiveRemoved, ContainerArchived, ContainerChange, CoordinatorTook, Data, DesiredRolledBack, Draft,
    Event, GitPushed, HoldEnded, HoldPlaced, ImageMove, ImageOutdated, ImagePruned, ImageUpdated, OperatorActed,
    OperatorAsked, RefUpdate, RolloutFailed, RolloutPlanned, RolloutResumed, RolloutRetried, RolloutStarted,
    RolloutStep, RolloutSucceeded, RunCancelled, RunFailed, RunQueued, RunSucceeded, Scope, Sighting, StepStatus,
    ThingChange, Trigger,
};
use schemas::images::Resolved;
use schemas::names::Oid;
use schemas::operate::{Operation, Outcome, SnapshotTime};
use schemas::plan::{Action, Step};
use schemas::spec::Placed;
use serde_json::{Value, json};
use uuid::Uuid;

pub const FLEETS: [&str; 2] = ["acme/shop", "acme/till"];

/// An event whose id says its position.
fn event(position: u64, second: i64, fleet: Option<&str>, actor: &str, data: Data) -> Event {
    let scope = fleet.map_or(Scope::Platform, |it| Scope::Fleet(it.parse().unwrap()));
    let draft = Draft {
        id: id(position),
        scope,
        subject: "x".to_owned(),
        time: Timestamp::from_second(second).unwrap(),
        actor: actor.to_owned(),
        // What came of an operation is told of the last one that may have been asked for.
        cause: matches!(data, Data::OperatorActed(_)).then(|| id(position.saturating_sub(2))),
        data,
    };
    Event { position, draft }
}

fn id(position: u64) -> Uuid {
    Uuid::from_u128(u128::from(position))
}

/// A push to the deploy branch of a commit that begins so; without one, to the branch `side`.
pub fn push(position: u64, fleet: &str, commit: Option<&str>, variables: Value) -> Event {
    let commit = commit.map(|it| format!("{it:0<40}").parse().unwrap());
    let (name, new) = match &commit {
        Some(_) => ("refs/heads/main", commit.clone()),
        None => ("refs/heads/side", Some("d".repeat(40).parse().unwrap())),
    };
    let refs = vec![RefUpdate { name: name.to_owned(), old: None, new }];
    let set = file("variables/app.json", variables);
    let data = GitPushed {
        allow_destroy: Vec::new(),
        created: false,
        refs,
        pack: None,
        deploy: "main".to_owned(),
        commit,
        descriptors: Changes { set: Files([set].into()), removed: Vec::new() },
        reason: None,
    };
    event(position, i64::try_from(position).unwrap(), Some(fleet), "ada", Data::GitPushed(data))
}

/// A container that runs, seen at its position.
pub fn started(position: u64, fleet: &str, name: &str) -> Event {
    let second = i64::try_from(position).unwrap();
    let change = ContainerChange {
        container: name.parse().unwrap(),
        seen: seen(second),
        docker_id: format!("{name}-1"),
        image: Some(format!("an \"image\" of {name}")),
        spec: None,
        commit: None,
        live: None,
        files: None,
        checked: false,
        exit_code: None,
        out_of_memory: false,
        restarts: 0,
    };
    event(position, second, Some(fleet), "shazam", Data::ContainerStarted(change))
}

fn file(path: &str, value: Value) -> (Path, File) {
    let path: Path = path.parse().unwrap();
    let file = File::read(&path, value).unwrap();
    (path, file)
}

/// A history of at most so many events, at positions without gaps and at times that go back now and then.
pub fn history(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let one = (data(), 0..8_u8, 0..8_i64, 0..3_u8);
    proptest::collection::vec(one, 1..most).prop_map(|all| {
        let events = all.into_iter().zip(1..).map(|((data, whose, back, actor), position)| {
            let fleet = match whose {
                0 => None,
                1 | 2 => Some(FLEETS[1]),
                _ => Some(FLEETS[0]),
            };
            let data = if fleet.is_none() { Data::CoordinatorTook(CoordinatorTook { instance: id(1) }) } else { data };
            let second = (i64::try_from(position).unwrap() - back * back / 4).max(0);
            event(position, second, fleet, ["ada", "bob", "shazam"][usize::from(actor)], data)
        });
        events.collect()
    })
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![4 => container(), 3 => pushed(), 3 => rollout(), 3 => run(), 1 => thing(), 2 => hold()]
}

fn seen(at_ns: i64) -> Sighting {
    Sighting { node: "local".parse().unwrap(), at_ns, obs: 1 }
}

/// Files that were put into a container: none, or one with a digest or without.
fn placed(code: Option<i64>) -> BTreeMap<String, Placed> {
    let digest = code.map(|it| format!("f1:{it}"));
    let files = BTreeSet::from(["/etc/app/app.conf".to_owned()]);
    code.iter().map(|_| ("/etc/app".to_owned(), Placed { digest: digest.clone(), files: files.clone() })).collect()
}

fn container() -> impl Strategy<Value = Data> {
    (0..3_u8, 0..3_u8, 0..90_i64, proptest::option::of(0..3_i64), 0..7_u8).prop_map(|(name, docker, at, code, kind)| {
        let change = ContainerChange {
            container: format!("c{name}").parse().unwrap(),
            seen: seen(at),
            docker_id: format!("c{name}-{docker}"),
            image: (docker > 0).then(|| format!("sha256:{docker}")),
            spec: Some(format!("v1:{docker}")),
            commit: None,
            live: None,
            files: (kind % 3 == 0).then(|| placed(code)),
            checked: docker == 1,
            exit_code: code.filter(|_| kind > 3),
            out_of_memory: false,
            restarts: 0,
        };
        match kind {
            0 => Data::ContainerCreated(change),
            1 => Data::ContainerStarted(change),
            2 => Data::ContainerHealthy(change),
            3 => Data::ContainerUnhealthy(change),
            4 => Data::ContainerStopped(change),
            5 => Data::ContainerDied(change),
            _ => Data::ContainerRemoved(change),
        }
    })
}

fn thing() -> impl Strategy<Value = Data> {
    (0..2_u8, 0..40_i64, 0..6_u8).prop_map(|(name, at, kind)| {
        let it = ThingChange { name: format!("t{name}"), seen: seen(at) };
        match kind {
            0 => Data::VolumeCreated(it),
            1 => Data::VolumeRemoved(it),
            2 => Data::NetworkCreated(it),
            3 => Data::NetworkRemoved(it),
            4 => Data::ContainerArchived(ContainerArchived {
                container: "a".parse().unwrap(),
                name: it.name,
                docker_id: "d".to_owned(),
                until: jiff::Timestamp::UNIX_EPOCH,
                seen: it.seen,
            }),
            _ => Data::ArchiveRemoved(ArchiveRemoved {
                container: "a".parse().unwrap(),
                name: it.name,
                docker_id: "d".to_owned(),
                why: ArchiveEnd::Expired,
                seen: it.seen,
            }),
        }
    })
}

fn pushed() -> impl Strategy<Value = Data> {
    let variables = proptest::collection::btree_map("[abc]", 0..3_i64, 0..3);
    let port = proptest::option::of(1..4_u16);
    let commit = (proptest::option::weighted(0.8, 0..16_u8), proptest::bool::weighted(0.2));
    (commit, variables, port, 0..6_u8).prop_map(|((commit, rolled_back), variables, port, what)| {
        let commit: Option<Oid> = commit.map(|digit| format!("{digit:x}").repeat(40).parse().unwrap());
        let (mut set, mut removed) = (Files::default(), Vec::new());
        let ports = port.map(|it| format!("127.0.0.1:{it}:80")).into_iter().collect::<Vec<_>>();
        match what {
            0 => removed.push("variables/app.json".parse().unwrap()),
            1 => removed.extend(["containers/c0.json", "files/app/a"].map(|it| it.parse().unwrap())),
            2 => {
                let files = json!({ "/etc/app": { "from": "files/app" } });
                let blob = json!({ "blob": "b".repeat(40), "size": port.unwrap_or_default() });
                let container = json!({ "image": "a:1", "ports": ports, "files": files });
                set.0.extend([file("containers/c0.json", container), file("files/app/a", blob)]);
            }
            3 => set.0.extend([file("fleet.json", json!({ "description": format!("{ports:?}") }))]),
            _ => set.0.extend([file("variables/app.json", json!(variables))]),
        }
        let descriptors = Changes { set, removed };
        if let (Some(commit), true) = (&commit, rolled_back) {
            return Data::DesiredRolledBack(DesiredRolledBack {
                commit: commit.clone(),
                from: commit.clone(),
                to: 1,
                descriptors,
                withdrawn: Vec::new(),
                reinstated: Vec::new(),
                reason: None,
            });
        }
        Data::GitPushed(GitPushed {
            allow_destroy: Vec::new(),
            created: false,
            refs: vec![RefUpdate { name: format!("refs/heads/b{what}"), old: None, new: commit.clone() }],
            pack: None,
            deploy: "main".to_owned(),
            commit,
            descriptors,
            reason: None,
        })
    })
}

fn resolved(n: u64) -> Resolved {
    let digest = |letter: &str| format!("sha256:{}{n}", letter.repeat(63));
    Resolved {
        reference: "tool:1".to_owned(),
        platform: None,
        digest: n.is_multiple_of(2).then(|| digest("d")),
        id: (n != 7).then(|| digest("a")),
        pulled: n < 3,
    }
}

fn rollout() -> impl Strategy<Value = Data> {
    (0..10_u8, 0..60_u64, 0..3_u32).prop_map(|(kind, rollout, step)| {
        let (rollout_number, rollout) = (rollout, id(rollout));
        match kind {
            0 | 1 => Data::RolloutPlanned(RolloutPlanned {
                retries: None,
                heals: false,
                commit: "a".repeat(40).parse().unwrap(),
                desired: 1,
                observed: 1,
                epoch: 1,
                node: "local".parse().unwrap(),
                steps: (0..2)
                    .map(|it| Step {
                        container: format!("c{it}").parse().unwrap(),
                        action: Action::Create,
                        reasons: Vec::new(),
                        after: Vec::new(),
                    })
                    .collect(),
            }),
            2 => Data::RolloutStep(RolloutStep {
                rollout,
                step,
                status: if step == 0 { StepStatus::Started } else { StepStatus::Failed },
                error: (step == 1).then(|| "no".to_owned()),
                duration_ms: None,
                obs: None,
                image: (step == 0).then(|| resolved(rollout_number % 4)),
            }),
            7 => Data::ImageUpdated(ImageUpdated {
                images: [(format!("c{step}").parse().unwrap(), ImageMove { from: None, to: resolved(7) })].into(),
                reason: None,
            }),
            8 => Data::ImageOutdated(ImageOutdated {
                container: format!("c{step}").parse().unwrap(),
                reference: "tool:1".to_owned(),
                from: "sha256:0".to_owned(),
                to: format!("sha256:{step}"),
            }),
            9 => Data::ImagePruned(ImagePruned {
                node: "local".parse().unwrap(),
                removed: resolved(2).id.into_iter().collect(),
                kept: Default::default(),
            }),
            3 => Data::RolloutStarted(RolloutStarted { rollout }),
            6 => Data::RolloutRetried(RolloutRetried { rollout, commit: "a".repeat(40).parse().unwrap(), desired: 1 }),
            4 => Data::RolloutResumed(RolloutResumed { rollout, epoch: 7 }),
            _ if step == 0 => {
                Data::RolloutFailed(RolloutFailed { rollout, step: None, error: "no".to_owned(), duration_ms: 3 })
            }
            _ => Data::RolloutSucceeded(RolloutSucceeded { rollout, duration_ms: 3 }),
        }
    })
}

/// Holds and operations of which some are there and some are not: the fold has to take them all.
fn hold() -> impl Strategy<Value = Data> {
    (0..4_u8, 0..60_u64, 0..3_u8).prop_map(|(kind, of, name)| {
        let (container, node) = (format!("c{name}").parse().unwrap(), "local".parse().unwrap());
        let what = Operation::Stop;
        match kind {
            0 => Data::HoldPlaced(HoldPlaced { container, until: None, reason: None, stopped: name == 1 }),
            1 => Data::HoldEnded(HoldEnded { container, hold: id(of), expired: name == 1 }),
            2 => {
                let (command, reason, snapshot) = (Vec::new(), Some("why".to_owned()), None);
                Data::OperatorAsked(OperatorAsked { what, container, node, snapshot, command, reason })
            }
            _ => Data::OperatorActed(OperatorActed {
                what: if of.is_multiple_of(2) { what } else { Operation::RestoreVolume },
                container,
                node,
                snapshot: None,
                made: of.is_multiple_of(3).then(|| SnapshotTime::of(Timestamp::UNIX_EPOCH)),
                bytes: None,
                command: Vec::new(),
                reason: None,
                outcome: Outcome::Done,
                error: None,
                exit_code: None,
                duration_ms: 1,
            }),
        }
    })
}

fn run() -> impl Strategy<Value = Data> {
    (0..5_u8, 0..60_u64, 0..3_i64).prop_map(|(kind, run, code)| {
        let run = id(run);
        match kind {
            0 | 1 => Data::RunQueued(RunQueued {
                task: format!("t{code}").parse().unwrap(),
                commit: "a".repeat(40).parse().unwrap(),
                desired: 1,
                node: "local".parse().unwrap(),
                trigger: Trigger::Manual,
                steps: 1,
            }),
            2 => {
                let outputs = [("total".parse().unwrap(), code.to_string())].into();
                Data::RunSucceeded(RunSucceeded { run, outputs, duration_ms: 1 })
            }
            3 => Data::RunFailed(RunFailed {
                run,
                step: None,
                exit_code: Some(code),
                error: "no".to_owned(),
                duration_ms: 1,
            }),
            _ => Data::RunCancelled(RunCancelled { run, by: "ada".to_owned(), duration_ms: 1 }),
        }
    })
}
