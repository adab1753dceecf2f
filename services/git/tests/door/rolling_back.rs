//! Rollbacks: what was desired is desired again, and what was taken back does not come in again by the way.

use std::time::Duration;

use schemas::access::Who;
use schemas::event::{
    Data, DesiredReinstated, DesiredRolledBack, Event, Level, LevelRaised, RolloutFailed, RolloutPlanned,
    RolloutSucceeded,
};
use schemas::names::Oid;
use schemas::query::{
    Candidate, FailedRollout, Fault, FaultCode, ForkRequest, PlanAnswer, PlanRequest, PullAsk, PullRequest,
    RollbackAnswer, RollbackRequest,
};
use streams::AskError;

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Workdir};

const PATIENCE: Duration = Duration::from_secs(20);
const SHOP: &str = "acme/shop";

fn container(seconds: u32) -> String {
    format!(r#"{{ "image": "demo/tool:1", "command": ["sleep", "{seconds}"] }}"#)
}

fn person(role: &str) -> Who {
    let roles = [("acme".parse().unwrap(), role.parse().unwrap())].into();
    Who { name: "mia".parse().unwrap(), admin: false, roles }
}

fn wanted(to: Option<&str>) -> RollbackRequest {
    RollbackRequest {
        fleet: SHOP.parse().unwrap(),
        to: to.map(|it| it.parse().unwrap()),
        reason: None,
        only_plan: false,
        id: streams::clock::new_id(),
        who: person("maintainer"),
        failed: None,
    }
}

async fn ask(platform: &Platform, question: &RollbackRequest) -> Result<RollbackAnswer, Fault> {
    eventually("somebody answers", || async {
        match platform.bus.ask(question, PATIENCE).await {
            Ok(answer) => Ok(Ok(answer)),
            Err(AskError::Fault(fault)) => Ok(Err(fault)),
            Err(error @ AskError::NobodyThere { .. }) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

async fn roll_back(platform: &Platform, to: Option<&str>) -> RollbackAnswer {
    ask(platform, &wanted(to)).await.unwrap()
}

#[track_caller]
fn refused(answer: Result<RollbackAnswer, Fault>, code: FaultCode, words: &str) {
    let fault = answer.unwrap_err();
    assert!(fault.code == code && fault.message.contains(words), "{fault:?}");
}

async fn rolled_back(platform: &Platform) -> Vec<(Event, DesiredRolledBack)> {
    let of = |event: Event| match event.data.clone() {
        Data::DesiredRolledBack(it) => Some((event, it)),
        _ => None,
    };
    platform.events(SHOP).await.into_iter().filter_map(of).collect()
}

async fn reinstated(platform: &Platform) -> Vec<(Event, DesiredReinstated)> {
    let of = |event: Event| match event.data.clone() {
        Data::DesiredReinstated(it) => Some((event, it)),
        _ => None,
    };
    platform.events(SHOP).await.into_iter().filter_map(of).collect()
}

/// What is desired now, and since which position.
async fn newest(platform: &Platform) -> (u64, Oid) {
    let newest = platform.events(SHOP).await.into_iter().rev().find_map(|event| match &event.data {
        Data::GitPushed(it) => it.commit.clone().map(|commit| (event.position, commit)),
        Data::DesiredRolledBack(it) => Some((event.position, it.commit.clone())),
        _ => None,
    });
    newest.unwrap()
}

fn planned(desired: u64, commit: Oid) -> RolloutPlanned {
    let node = "local".parse().unwrap();
    RolloutPlanned { commit, desired, observed: desired, epoch: 1, node, steps: vec![], retries: None, heals: false }
}

/// Says that what is desired now was rolled out.
async fn succeeded(platform: &Platform) {
    let (desired, commit) = newest(platform).await;
    let (_, rollout) = platform.append(SHOP, None, Data::RolloutPlanned(planned(desired, commit))).await;
    let succeeded = RolloutSucceeded { rollout, duration_ms: 1 };
    platform.append(SHOP, Some(rollout), Data::RolloutSucceeded(succeeded)).await;
}

/// A fleet with so many states, each pushed and rolled out; their commits.
async fn states(platform: &Platform, count: u32) -> (Workdir, Vec<String>) {
    let ann = Workdir::new(&platform.url(SHOP)).await;
    let mut commits = Vec::new();
    for n in 1..=count {
        commits.push(ann.commit(&[("containers/db.json", &container(n))]).await);
        ann.push(&["create", "no-wait"], &["main"]).await.good();
        succeeded(platform).await;
    }
    (ann, commits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_desired_is_desired_again_and_the_branch_stays() {
    let mut platform = Platform::started().await;
    let (ann, commits) = states(&platform, 2).await;
    let plan = ask(&platform, &RollbackRequest { only_plan: true, ..wanted(None) }).await.unwrap();
    assert_eq!((plan.event, plan.commit.as_str(), plan.from.as_str()), (None, &*commits[0], &*commits[1]));
    assert!(plan.text.contains("plan: ") && plan.text.contains("not rolled back: what containers and tasks did"));
    assert!(rolled_back(&platform).await.is_empty(), "only a plan");

    let question = RollbackRequest { reason: Some(" it answers nobody ".to_owned()), ..wanted(None) };
    let answer = ask(&platform, &question).await.unwrap();
    let all = rolled_back(&platform).await;
    let [(event, it)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((event.position, Some(event.id), event.actor.as_str()), (answer.position, answer.event, "mia"));
    assert_eq!((it.commit.as_str(), it.from.as_str(), it.to), (&*commits[0], &*commits[1], plan.to));
    assert_eq!((it.reason.as_deref(), it.descriptors.set.0.len()), (Some("it answers nobody"), 1));
    assert_eq!(it.withdrawn.iter().map(|it| it.as_str()).collect::<Vec<_>>(), [&commits[1]]);
    assert!(ann.remote_refs().await.contains(&format!("{} refs/heads/main", commits[1])), "the branch stays");

    // The same question again is the same rollback, also after a start from nothing.
    assert_eq!(ask(&platform, &question).await.unwrap().position, answer.position);
    platform.stop().await;
    std::fs::remove_dir_all(platform.folder()).unwrap();
    platform.start().await;
    assert_eq!(ask(&platform, &question).await.unwrap().position, answer.position);
    assert_eq!(rolled_back(&platform).await.len(), 1);

    // What was pushed before the rollback is not what the next push is measured by.
    ann.run(&["remote", "set-url", "origin", &platform.url(SHOP)]).await.good();
    ann.run(&["revert", "--no-edit", "HEAD"]).await.good();
    ann.push(&["no-wait"], &["main"]).await.good();
    let pushed = platform.pushed(SHOP).await.pop().unwrap();
    assert!(pushed.descriptors.is_empty() && pushed.commit.is_some(), "{pushed:?}");
}

/// Says that what is desired now could not be rolled out.
async fn failed(platform: &Platform) -> FailedRollout {
    let (desired, commit) = newest(platform).await;
    let (_, rollout) = platform.append(SHOP, None, Data::RolloutPlanned(planned(desired, commit))).await;
    let failed = RolloutFailed { rollout, step: None, error: "it ended".to_owned(), duration_ms: 1 };
    let (position, event) = platform.append(SHOP, Some(rollout), Data::RolloutFailed(failed)).await;
    FailedRollout { rollout, event, position }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_undoes_what_failed_and_only_while_that_is_the_newest() {
    let platform = Platform::started().await;
    let (ann, commits) = states(&platform, 1).await;
    ann.commit(&[("containers/db.json", &container(8))]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    let old = failed(&platform).await;
    ann.commit(&[("containers/db.json", &container(9))]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    let new = failed(&platform).await;
    let undo = |failed: FailedRollout| RollbackRequest {
        id: RolloutFailed::leads_to(failed.event),
        reason: Some("on_failure: rollback".to_owned()),
        who: Who::admin(),
        failed: Some(failed),
        ..wanted(None)
    };
    refused(ask(&platform, &undo(old)).await, FaultCode::Conflict, "something newer");
    let answer = ask(&platform, &undo(new)).await.unwrap();
    assert_eq!((answer.commit.as_str(), answer.withdrawn.len()), (&*commits[0], 2));
    // Asked for again, it is the same.
    assert_eq!(ask(&platform, &undo(new)).await.unwrap().position, answer.position);
    let all = rolled_back(&platform).await;
    let [(event, it)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((event.id, event.actor.as_str(), event.cause), (undo(new).id, "shazam", Some(new.event)));
    assert_eq!(it.reason.as_deref(), Some("on_failure: rollback"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_to_is_the_last_good_state_or_what_is_named() {
    let platform = Platform::started().await;
    let (ann, commits) = states(&platform, 3).await;
    ann.commit(&[("containers/db.json", &container(9))]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    // The newest has no rollout that succeeded; further back with each one, never to what was withdrawn.
    assert_eq!(roll_back(&platform, None).await.commit.as_str(), commits[2]);
    succeeded(&platform).await;
    assert_eq!(roll_back(&platform, None).await.commit.as_str(), commits[1]);
    assert_eq!(roll_back(&platform, None).await.commit.as_str(), commits[0]);
    refused(ask(&platform, &wanted(None)).await, FaultCode::Conflict, "no earlier rollout");
    refused(ask(&platform, &wanted(Some(&commits[0]))).await, FaultCode::Conflict, "already: there is nothing");
    refused(ask(&platform, &wanted(Some("0123456789"))).await, FaultCode::NotFound, "was never desired");
    // Forward again, to a commit that was withdrawn: it is so no more.
    let forward = roll_back(&platform, Some(&commits[2])).await;
    assert_eq!((forward.commit.as_str(), forward.withdrawn.len()), (&*commits[2], 0));
    let event = rolled_back(&platform).await.pop().unwrap().1;
    assert_eq!(event.reinstated.iter().map(|it| it.as_str()).collect::<Vec<_>>(), [&commits[2], &commits[1]]);
    let first = platform.events(SHOP).await[0].position;
    assert_eq!(roll_back(&platform, Some(&first.to_string())).await.commit.as_str(), commits[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_push_may_roll_back_whatever_is_protected_or_full() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url(SHOP)).await;
    refused(ask(&platform, &wanted(None)).await, FaultCode::NotFound, "there is no fleet");
    let protect = r#"{ "protect": { "push": "nobody", "approvals": 1 }, "guards": { "max_removals": 0 } }"#;
    ann.commit(&[("fleet.json", protect), ("containers/a.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    succeeded(&platform).await;
    let one = RollbackRequest { who: person("operator"), ..wanted(None) };
    refused(ask(&platform, &one).await, FaultCode::NotAllowed, "to roll back needs the role `maintainer`");
    let stranger = Who { name: "eve".parse().unwrap(), admin: false, roles: Default::default() };
    refused(ask(&platform, &RollbackRequest { who: stranger, ..wanted(None) }).await, FaultCode::NotFound, "no fleet");
    let long = Some("x".repeat(501));
    refused(
        ask(&platform, &RollbackRequest { reason: long, ..wanted(None) }).await,
        FaultCode::BadRequest,
        "`reason` has 501 characters",
    );

    // Another state, by an owner past the protection: the branch is pushed under another name and taken in.
    ann.commit(&[("containers/b.json", DB)]).await;
    ann.push(&[], &["main:add"]).await.good();
    merge(&platform, "add").await.unwrap();
    let full = LevelRaised { stream: "EVENTS".to_owned(), level: Level::Critical, bytes: 96, max_bytes: 100 };
    platform.append_level(full).await;
    ann.push(&[], &["main:other"]).await.bad();
    let answer = roll_back(&platform, None).await;
    let told: Vec<&str> = answer.warnings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(told, ["guard-max-removals"], "a warning, and no more");
    assert_eq!(rolled_back(&platform).await.len(), 1);
}

/// Opens a pull request of a branch into `main`, lets somebody else approve it, and merges it.
async fn merge(platform: &Platform, branch: &str) -> Result<(), Fault> {
    let ask = async |who: &str, ask: PullAsk| {
        let who = Who { name: who.parse().unwrap(), ..person("owner") };
        match platform.bus.ask(&PullRequest { fleet: SHOP.parse().unwrap(), who, ask }, PATIENCE).await {
            Ok(answer) => Ok(answer),
            Err(AskError::Fault(fault)) => Err(fault),
            Err(error) => panic!("{error}"),
        }
    };
    let (id, from) = (streams::clock::new_id(), format!("{SHOP}:{branch}").parse().unwrap());
    let opened = ask("leo", PullAsk::Open { id, from, into: None, title: branch.to_owned() }).await?;
    let number = opened.pull.number;
    ask("zoe", PullAsk::Approve { id: streams::clock::new_id(), number, plan: None }).await?;
    ask("leo", PullAsk::Merge { id: streams::clock::new_id(), number, plan: None }).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_has_what_was_withdrawn_is_refused_until_it_reverts_it_or_says_so() {
    let mut platform = Platform::started().await;
    let (ann, commits) = states(&platform, 3).await;
    roll_back(&platform, Some(&commits[0])).await;
    ann.commit(&[("README", "x")]).await;
    let words =
        format!("contains withdrawn {}, {}: revert them, or `-o reinstate`", &commits[2][..8], &commits[1][..8]);
    let way_out = format!("git revert --no-edit {} {}", &commits[2][..8], &commits[1][..8]);
    let said = ann.push(&["no-wait"], &["main"]).await.bad().tells(&words).tells("nothing changed");
    assert!(said.stderr.contains(&way_out), "{}", said.stderr);
    assert_eq!(platform.refused(SHOP).await.pop().unwrap().codes, ["withdrawn"]);
    ann.push(&["plan"], &["main"]).await.bad().tells(&words);
    // What is only kept, is kept.
    ann.push(&[], &["main:side"]).await.good();

    // Also after a start from nothing, and where only one of them is reverted.
    platform.stop().await;
    std::fs::remove_dir_all(platform.folder()).unwrap();
    platform.start().await;
    ann.run(&["remote", "set-url", "origin", &platform.url(SHOP)]).await.good();
    ann.run(&["revert", "--no-edit", &commits[2]]).await.good();
    ann.push(&["no-wait"], &["main"]).await.bad().tells(&format!("contains withdrawn {}: revert it", &commits[1][..8]));
    ann.run(&["revert", "--no-edit", &commits[1]]).await.good();
    ann.push(&["no-wait", "reinstate"], &["main"]).await.good().tells("brings nothing in again");
    assert!(reinstated(&platform).await.is_empty());
    // A revert that was accepted counts for good.
    ann.commit(&[("README", "y")]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reinstated_is_not_withdrawn_any_more() {
    let platform = Platform::started().await;
    let (ann, commits) = states(&platform, 2).await;
    roll_back(&platform, None).await;
    ann.commit(&[("containers/api.json", DB)]).await;
    ann.push(&["plan", "reinstate"], &["main"])
        .await
        .bad()
        .tells("plan only")
        .tells("1 withdrawn commit is taken in again");
    ann.push(&["no-wait", "reinstate"], &["main"])
        .await
        .good()
        .tells("reinstate: 1 withdrawn commit is taken in again");
    let all = reinstated(&platform).await;
    let [(event, it)] = &all[..] else { panic!("{all:?}") };
    let pushed = platform.events(SHOP).await.into_iter().find(|it| it.position == event.position - 1).unwrap();
    assert_eq!((event.cause, it.push, event.actor.as_str()), (Some(pushed.id), pushed.id, "admin"));
    assert_eq!(it.commits.iter().map(|it| it.as_str()).collect::<Vec<_>>(), [&commits[1]]);
    let Data::GitPushed(push) = &pushed.data else { panic!("{pushed:?}") };
    assert_eq!(push.descriptors.set.0.len(), 2, "both commits' changes, as the first was rolled back");

    // A force push leaves it behind, and back again nobody minds it.
    ann.run(&["checkout", "--quiet", "-B", "main", &commits[0]]).await.good();
    ann.commit(&[("README", "x")]).await;
    ann.push(&["no-wait"], &["+main"]).await.good();
    ann.run(&["merge", "--quiet", "--no-edit", &commits[1]]).await.good();
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_force_push_without_it_passes_and_it_stays_withdrawn() {
    let platform = Platform::started().await;
    let (ann, commits) = states(&platform, 2).await;
    roll_back(&platform, None).await;
    ann.run(&["checkout", "--quiet", "-B", "main", &commits[0]]).await.good();
    ann.commit(&[("README", "x")]).await;
    ann.push(&["no-wait"], &["+main"]).await.good();
    ann.run(&["merge", "--quiet", "--no-edit", &commits[1]]).await.good();
    ann.push(&["no-wait"], &["main"]).await.bad().tells("contains withdrawn");
    // With the merge all that it brought is reverted: where it goes back to is on the branch.
    ann.run(&["revert", "--no-edit", "-m", "1", "HEAD"]).await.good();
    ann.push(&["no-wait"], &["main"]).await.good();
    // Back to what the branch led to before, by name.
    ann.push(&["no-wait"], &[&format!("+{}:main", commits[0])]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_is_held_to_the_same() {
    let platform = Platform::started().await;
    let (ann, _) = states(&platform, 2).await;
    roll_back(&platform, None).await;
    // The branch itself still has it: whatever is merged there would bring it in again.
    ann.run(&["checkout", "--quiet", "-b", "fix"]).await.good();
    ann.commit(&[("containers/api.json", DB)]).await;
    ann.push(&[], &["fix"]).await.good();
    let fault = merge(&platform, "fix").await.unwrap_err();
    assert!(fault.code == FaultCode::Conflict && fault.message.contains("contains withdrawn"), "{fault:?}");
    assert!(fault.message.contains("git revert --no-edit"), "{fault:?}");
    ann.run(&["checkout", "--quiet", "-b", "back", "main"]).await.good();
    ann.run(&["revert", "--no-edit", "HEAD"]).await.good();
    ann.push(&[], &["back"]).await.good();
    merge(&platform, "back").await.unwrap();
    let pushed = platform.pushed(SHOP).await.pop().unwrap();
    assert!(pushed.commit.is_some() && pushed.descriptors.is_empty(), "{pushed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_protected_and_guarded_stays_so() {
    let mut platform = Platform::started().await;
    let (ann, commits) = states(&platform, 1).await;
    let law = r#"{ "protect": { "push": "nobody" }, "guards": { "privileged": "forbid" } }"#;
    ann.commit(&[("fleet.json", law), ("containers/api.json", DB)]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    assert_eq!(roll_back(&platform, None).await.commit.as_str(), commits[0]);
    for again in [false, true] {
        if again {
            platform.stop().await;
            platform.start().await;
            ann.run(&["remote", "set-url", "origin", &platform.url(SHOP)]).await.good();
        }
        ann.run(&["checkout", "--quiet", "-B", "main", &commits[0]]).await.good();
        ann.commit(&[("containers/root.json", r#"{ "image": "demo/tool:1", "privileged": true }"#)]).await;
        ann.push(&[], &["+main"]).await.bad().tells("is protected");
        ann.push(&["plan"], &["+main:other"]).await.bad().tells("warning: on other: containers/root.json");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_so_and_a_fork_begins_with_what_is_desired() {
    let platform = Platform::started().await;
    let (_, commits) = states(&platform, 2).await;
    roll_back(&platform, None).await;
    let candidate = Candidate::Commit("main".to_owned());
    let question = PlanRequest {
        fleet: SHOP.parse().unwrap(),
        candidate,
        contents: Default::default(),
        min_position: 0,
        by: None,
    };
    let PlanAnswer::Planned(planned) = platform.bus.ask(&question, PATIENCE).await.unwrap() else { panic!() };
    assert_eq!(planned.refused.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["withdrawn"]);
    let question = ForkRequest {
        id: streams::clock::new_id(),
        upstream: SHOP.parse().unwrap(),
        fork: "acme/copy".parse().unwrap(),
        parameters: Default::default(),
        who: person("maintainer"),
    };
    let fork = platform.bus.ask(&question, PATIENCE).await.unwrap();
    assert_eq!(fork.commit.as_str(), commits[0]);
    // It is a fleet of its own, of which nothing was taken back.
    let bob = Workdir::clone_of(&platform.url("acme/copy")).await;
    assert_eq!(bob.head().await, commits[0]);
    bob.commit(&[("containers/api.json", DB)]).await;
    bob.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_was_planned_for_another_state_is_not_accepted() {
    let platform = Platform::started().await;
    let (ann, commits) = states(&platform, 2).await;
    ann.commit(&[("containers/api.json", DB)]).await;
    platform.registry_open.send_replace(false);
    let asked = *platform.registry_asked.borrow();
    let mut asking = platform.registry_asked.subscribe();
    let rolls = async {
        asking.wait_for(|now| *now > asked).await.unwrap();
        // As another Git service would.
        let [commit, from] = [0, 1].map(|n: usize| commits[n].parse().unwrap());
        let to = platform.events(SHOP).await[0].position;
        let data = DesiredRolledBack {
            commit,
            from,
            to,
            descriptors: Default::default(),
            withdrawn: Vec::new(),
            reinstated: Vec::new(),
            reason: None,
        };
        platform.append(SHOP, None, Data::DesiredRolledBack(data)).await;
        platform.registry_open.send_replace(true);
    };
    let (said, ()) = tokio::join!(ann.push(&["no-wait"], &["main"]), rolls);
    said.bad().tells("what is desired has changed meanwhile");
    assert_eq!(platform.refused(SHOP).await.pop().unwrap().codes, ["race"]);
    ann.push(&["no-wait"], &["main"]).await.good();
}
