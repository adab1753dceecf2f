//! What operators do by hand, and what is on hold: over the bus, on the simulated engine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use std::time::Duration;

use engine::{Executed, State};
use schemas::event::{Data, Event, StepStatus};
use schemas::fleet::RolloutStatus;
use schemas::operate::{Operation, Outcome};
use schemas::query::{Fault, FaultCode, HoldAnswer, HoldAsk, HoldRequest, Operate, OperateAnswer};
use schemas::units::Span;
use serde_json::{Value, json};
use streams::clock;
use uuid::Uuid;

use self::support::{Platform, eventually_true, shop};

/// The container that everything here is done to, in Docker.
const A: &str = "acme.shop.a";

fn files(image: &str) -> Value {
    json!({ "fleet.json": { "drift": "heal" }, "containers/a.json": { "image": image },
        "containers/b.json": { "image": image } })
}

fn operation(what: Operation, id: Uuid) -> Operate {
    Operate {
        fleet: shop(),
        container: "a".parse().unwrap(),
        what,
        snapshot: None,
        command: Vec::new(),
        within: None,
        reason: Some("to see".to_owned()),
        id,
        actor: "ann".to_owned(),
    }
}

fn exec(command: &[&str]) -> Operate {
    let command = command.iter().map(|it| (*it).to_owned()).collect();
    Operate { command, ..operation(Operation::Exec, clock::new_id()) }
}

async fn operate(platform: &Platform, what: Operation) -> OperateAnswer {
    platform.ask(&operation(what, clock::new_id())).await.unwrap()
}

async fn hold(platform: &Platform, ask_for: HoldAsk) -> Result<HoldAnswer, Fault> {
    let (fleet, container, id) = (shop(), "a".parse().unwrap(), clock::new_id());
    platform.ask(&HoldRequest { fleet, container, ask: ask_for, id, actor: "ann".to_owned() }).await
}

fn of_kind(platform: &Platform, kind: &str) -> Vec<Event> {
    platform.events().into_iter().filter(|it| it.data.kind() == format!("fleetlog.{kind}.v1")).collect()
}

async fn state(platform: &Platform) -> State {
    platform.engine.inspect(A).await.unwrap().unwrap().state
}

async fn image(platform: &Platform) -> String {
    platform.engine.inspect(A).await.unwrap().unwrap().shown.image
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_done_once_and_the_log_says_who_and_why() {
    let platform = Platform::start().await;
    platform.succeeds(&files("tool:1")).await;
    let before = platform.engine.inspect(A).await.unwrap().unwrap();
    let question = operation(Operation::Restart, clock::new_id());
    let answer = platform.ask(&question).await.unwrap();
    assert_eq!(answer.operated.end.as_ref().unwrap().outcome, Outcome::Done, "{answer:#?}");
    let after = platform.engine.inspect(A).await.unwrap().unwrap();
    assert_eq!((after.id, after.state), (before.id, State::Running));
    assert!(after.started_ns > before.started_ns);

    let (asked, acted) = (of_kind(&platform, "operator.asked"), of_kind(&platform, "operator.acted"));
    let ([asked], [acted]) = (asked.as_slice(), acted.as_slice()) else { panic!("{asked:#?} {acted:#?}") };
    assert_eq!((asked.id, asked.actor.as_str()), (question.id, "ann"));
    assert_eq!((acted.id, acted.actor.as_str(), acted.cause), (answer.event, "ann", Some(asked.id)));
    let Data::OperatorActed(it) = &acted.data else { panic!("{acted:#?}") };
    assert_eq!((it.reason.as_deref(), it.what, it.outcome), (Some("to see"), Operation::Restart, Outcome::Done));
    // What followed from it says so.
    platform
        .eventually_events("it was seen", |all| all.iter().any(|it| it.data.kind() == "fleetlog.container.stopped.v1"))
        .await;
    assert_eq!(of_kind(&platform, "container.stopped")[0].cause, Some(question.id));
    // The same key again is the same restart.
    let again = platform.ask(&question).await.unwrap();
    assert_eq!((again.event, again.operated), (answer.event, answer.operated));
    assert_eq!(of_kind(&platform, "operator.asked").len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_tells_what_it_wrote_and_the_log_does_not() {
    let platform = Platform::start().await;
    platform.succeeds(&files("tool:1")).await;
    let ends = Executed { exit_code: 3, stdout: b"deep secret".into(), stderr: b"oops".into(), cut: false };
    platform.engine.on_exec(A, "sh", Some(ends)).unwrap();
    let answer = platform.ask(&exec(&["sh", "-c", "PGPASSWORD=x; TOKEN=hunter2 psql"])).await.unwrap();
    let (end, said) = (answer.operated.end.unwrap(), answer.said.unwrap());
    assert_eq!((end.outcome, end.exit_code), (Outcome::Failed, Some(3)));
    assert_eq!((said.stdout.as_str(), said.stderr.as_str(), said.cut), ("deep secret", "oops", false));
    assert_eq!(answer.operated.command, ["sh"], "what may be a secret is not told");
    platform.ask(&exec(&["sh", "-c", "ls"])).await.unwrap();
    let told: Vec<_> = of_kind(&platform, "operator.acted").into_iter().map(|it| it.data.to_value()).collect();
    assert_eq!((&told[0]["command"], &told[1]["command"]), (&json!(["sh"]), &json!(["sh", "-c", "ls"])));
    let log = platform.events().iter().map(|it| it.data.to_value().to_string()).collect::<String>();
    assert!(!log.contains("hunter2") && !log.contains("deep secret") && !log.contains("oops"), "{log}");
    assert_eq!(platform.engine.executed(A).unwrap().len(), 2);

    // One that never ends: nobody knows what came of it.
    platform.engine.on_exec(A, "sleep", None).unwrap();
    let question = Operate { within: Some(Span(200)), ..exec(&["sleep"]) };
    let end = platform.ask(&question).await.unwrap().operated.end.unwrap();
    assert_eq!((end.outcome, end.exit_code), (Outcome::Unknown, None));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_refused_and_leaves_no_event() {
    let platform = Platform::start().await;
    platform.succeeds(&files("tool:1")).await;
    let refused = async |question: Operate, code: FaultCode, words: &str| {
        let fault = platform.ask(&question).await.unwrap_err();
        assert!(fault.code == code && fault.message.contains(words), "{fault:?}");
    };
    let other = Operate { container: "z".parse().unwrap(), ..operation(Operation::Stop, clock::new_id()) };
    refused(other, FaultCode::NotFound, "no container `z`").await;
    refused(exec(&[]), FaultCode::BadRequest, "`command` is empty").await;
    let long = Operate { within: Some(Span::seconds(3_600)), ..exec(&["ls"]) };
    refused(long, FaultCode::BadRequest, "at most 10m").await;
    let command = Operate { command: vec!["ls".to_owned()], ..operation(Operation::Stop, clock::new_id()) };
    refused(command, FaultCode::BadRequest, "takes no `command`").await;
    let secret = Some("ghp_0123456789abcdefghijABCDEFGHIJ012345".to_owned());
    let secret = Operate { reason: secret, ..operation(Operation::Stop, clock::new_id()) };
    refused(secret, FaultCode::BadRequest, "stay in the log").await;
    for lasts in [Span(0), Span::seconds(10_000 * 366 * 86_400)] {
        let fault = hold(&platform, HoldAsk::Place { lasts: Some(lasts), reason: None }).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::BadRequest, "{fault:?}");
    }
    let none = hold(&platform, HoldAsk::End).await.unwrap_err();
    assert_eq!(none.code, FaultCode::Conflict, "{none:?}");
    assert!(of_kind(&platform, "operator.asked").is_empty() && of_kind(&platform, "hold.placed").is_empty());

    // Docker says no: that was asked for, and failed.
    platform.engine.exit(A, 1).unwrap();
    platform.engine.stop(A, None, Duration::ZERO).await.unwrap();
    let end = platform.ask(&exec(&["ls"])).await.unwrap().operated.end.unwrap();
    assert_eq!(end.outcome, Outcome::Failed);
    assert!(end.error.unwrap().contains("is not running"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_holds_until_the_start_that_brings_what_was_pushed_meanwhile() {
    let platform = Platform::start().await;
    platform.succeeds(&files("tool:1")).await;
    operate(&platform, Operation::Stop).await;
    assert_eq!(state(&platform).await, State::Exited);
    let held = platform.fleet(|fleet| fleet.holds.values().next().cloned().unwrap());
    assert_eq!((held.stopped, held.until, held.by.as_str()), (true, None, "ann"));

    // The fleet heals, and leaves it alone; so does a push that changes it.
    let rollout = platform.succeeds(&files("tool:2")).await;
    assert_eq!(rollout.steps.len(), 1, "{rollout:#?}");
    assert_eq!((state(&platform).await, image(&platform).await.as_str()), (State::Exited, "tool:1"));
    assert!(of_kind(&platform, "drift.found").is_empty());

    operate(&platform, Operation::Start).await;
    platform
        .eventually("the difference is rolled out", |fleet| {
            fleet.rollouts.len() == 3 && fleet.rollouts.last().is_some_and(|it| it.status == RolloutStatus::Succeeded)
        })
        .await;
    assert_eq!((state(&platform).await, image(&platform).await.as_str()), (State::Running, "tool:2"));
    let ended = of_kind(&platform, "hold.ended").pop().unwrap();
    assert_eq!(ended.actor, "ann");
    assert_eq!(of_kind(&platform, "rollout.planned").pop().unwrap().cause, Some(ended.id));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_by_itself_and_what_it_left_out_is_done_also_by_the_next_coordinator() {
    let mut platform = Platform::start().await;
    platform.succeeds(&files("tool:1")).await;
    let placed = HoldAsk::Place { lasts: Some(Span::seconds(3)), reason: Some("the disk".to_owned()) };
    let placed = hold(&platform, placed).await.unwrap().hold;
    platform.engine.remove(A).await.unwrap();
    let position = platform.push(&files("tool:2")).await;
    assert_eq!(platform.rolled_out(position).await.steps.len(), 1);
    assert!(platform.engine.inspect(A).await.unwrap().is_none(), "it is left alone");
    // Nobody is there when its time comes.
    platform.kill_halves().await;
    let over = || clock::now() > placed.until.unwrap();
    eventually_true("its time has come", async || over()).await;
    platform.start_halves().await;
    platform
        .eventually("the difference is rolled out", |fleet| {
            fleet.rollouts.len() == 3 && fleet.rollouts.last().is_some_and(|it| it.status == RolloutStatus::Succeeded)
        })
        .await;
    assert_eq!(image(&platform).await, "tool:2");
    let ended = of_kind(&platform, "hold.ended");
    let [ended] = ended.as_slice() else { panic!("{ended:#?}") };
    assert_eq!((ended.actor.as_str(), ended.cause), ("shazam", Some(placed.id)));
    assert!(of_kind(&platform, "drift.found").is_empty());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_whose_turn_comes_while_its_container_is_on_hold_is_left_out() {
    let platform = Platform::start().await;
    let mut needs = files("checked:1");
    needs["containers/a.json"]["needs"] = json!(["b"]);
    let position = platform.push(&needs).await;
    platform.runs("b").await;
    // Its own step waits for b, which is not healthy yet.
    hold(&platform, HoldAsk::Place { lasts: None, reason: None }).await.unwrap();
    platform.engine.set_health("acme.shop.b", engine::HealthStatus::Healthy).unwrap();
    let rollout = platform.rolled_out(position).await;
    assert_eq!(rollout.status, RolloutStatus::Succeeded, "{rollout:#?}");
    let held: Vec<_> = rollout.steps.iter().map(|it| (it.step.container.as_str(), it.status)).collect();
    assert_eq!(held, [("b", StepStatus::Succeeded), ("a", StepStatus::Held)]);
    assert!(platform.engine.inspect(A).await.unwrap().is_none());
    hold(&platform, HoldAsk::End).await.unwrap();
    platform.runs("a").await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_when_the_platform_died_is_said_to_be_unknown() {
    let mut platform = Platform::start().await;
    platform.succeeds(&files("tool:1")).await;
    platform.engine.on_exec(A, "sleep", None).unwrap();
    let question = exec(&["sleep"]);
    let bus = platform.bus.clone();
    let dies = async {
        eventually_true("it is under way", async || !platform.engine.executed(A).unwrap().is_empty()).await;
        platform.kill_halves().await;
        platform.start_halves().await;
        platform.eventually("it is told", |fleet| fleet.operated[0].end.is_some()).await;
    };
    let (answer, ()) = tokio::join!(bus.ask(&question, Duration::from_secs(3)), dies);
    assert!(answer.is_err(), "who asked was not answered, and asks again: {answer:?}");
    let acted = of_kind(&platform, "operator.acted");
    let [acted] = acted.as_slice() else { panic!("{acted:#?}") };
    assert_eq!((acted.cause, acted.actor.as_str()), (Some(question.id), "ann"));
    let Data::OperatorActed(it) = &acted.data else { panic!("{acted:#?}") };
    assert_eq!(it.outcome, Outcome::Unknown);
    let again = platform.ask(&question).await.unwrap();
    assert_eq!(again.operated.end.unwrap().outcome, Outcome::Unknown);
    assert_eq!(platform.engine.executed(A).unwrap().len(), 1, "it ran once");
    platform.stop().await;
}
