//! A push whose rollout fails is undone where the fleet says so: once, and only as long as nothing newer is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use std::time::Duration;

use schemas::event::RolloutFailed;
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::query::{Fault, FaultCode, RollbackRequest};
use serde_json::{Value, json};
use streams::Asked;

use self::support::Platform;

fn fleet(image: &str, on_failure: &str) -> Value {
    json!({ "fleet.json": { "on_failure": on_failure }, "containers/a.json": { "image": image } })
}

/// Pushes what cannot be rolled out.
async fn fails(platform: &Platform, on_failure: &str) -> Rollout {
    let push = platform.push(&fleet("nowhere:1", on_failure)).await;
    let rollout = platform.rolled_out(push).await;
    assert_eq!(rollout.status, RolloutStatus::Failed, "{rollout:#?}");
    rollout
}

fn failed_event(platform: &Platform, rollout: &Rollout) -> schemas::event::Event {
    let is_it =
        |it: &schemas::event::Event| it.data.kind() == "fleetlog.rollout.failed.v1" && it.cause == Some(rollout.id);
    platform.events().iter().rfind(|it| is_it(it)).cloned().unwrap()
}

/// What Git is asked, in its stead.
async fn asked(questions: &mut streams::Questions<RollbackRequest>) -> Asked<RollbackRequest> {
    let next = tokio::time::timeout(Duration::from_secs(20), questions.next());
    next.await.unwrap_or_else(|_| panic!("nobody asked")).unwrap()
}

/// Git would have been asked by now: the coordinator answers in the order in which it does things.
async fn nobody_asks(platform: &Platform, questions: &mut streams::Questions<RollbackRequest>) {
    platform
        .ask(&schemas::query::RetryRollout {
            fleet: "acme/other".parse().unwrap(),
            rollout: uuid::Uuid::nil(),
            id: streams::clock::new_id(),
            actor: "ann".to_owned(),
        })
        .await
        .unwrap_err();
    let next = tokio::time::timeout(Duration::from_millis(300), questions.next()).await;
    assert!(next.is_err(), "somebody asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_undone_once_and_not_back_and_forth() {
    let mut platform = Platform::start().await;
    let mut questions = platform.bus.answer::<RollbackRequest>().await.unwrap();
    let good = platform.succeeds(&fleet("tool:1", "rollback")).await;
    let failed = fails(&platform, "rollback").await;
    let event = failed_event(&platform, &failed);
    let it = asked(&mut questions).await;
    let told = it.question.failed.unwrap();
    assert_eq!((told.rollout, told.event, told.position), (failed.id, event.id, event.position));
    assert_eq!((it.question.id, it.question.to.clone()), (RolloutFailed::leads_to(event.id), None));
    assert_eq!(it.question.reason.as_deref(), Some("on_failure: rollback"));
    // Nobody can tell now: it is asked again, also by whoever takes over.
    let fault = Fault { code: FaultCode::Unavailable, message: "not now".to_owned() };
    it.reply(Err(fault)).await.unwrap();
    assert_eq!(asked(&mut questions).await.question.id, RolloutFailed::leads_to(event.id));
    platform.kill_halves().await;
    platform.start_halves().await;
    let it = asked(&mut questions).await;
    assert_eq!(it.question.id, RolloutFailed::leads_to(event.id));
    let at = platform.roll_back(good.desired).await;
    let fault = Fault { code: FaultCode::Conflict, message: "it is done".to_owned() };
    it.reply(Err(fault)).await.unwrap();
    assert_eq!(platform.rolled_out(at).await.status, RolloutStatus::Succeeded);
    nobody_asks(&platform, &mut questions).await;

    // A rollback that fails stays failed.
    platform.engine.remove("acme.shop.a").await.unwrap();
    let fault = Fault { code: FaultCode::Conflict, message: "no".to_owned() };
    let failed = fails(&platform, "rollback").await;
    let it = asked(&mut questions).await;
    assert_eq!(it.question.failed.unwrap().rollout, failed.id);
    it.reply(Err(fault)).await.unwrap();
    nobody_asks(&platform, &mut questions).await;
    let at = platform.roll_back(failed.desired - 1).await;
    assert_eq!(platform.rolled_out(at).await.status, RolloutStatus::Succeeded);
    let at = platform.roll_back(failed.desired).await;
    assert_eq!(platform.rolled_out(at).await.status, RolloutStatus::Failed);
    nobody_asks(&platform, &mut questions).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_stays_where_the_fleet_does_not_say_otherwise_or_it_ran_before() {
    let platform = Platform::start().await;
    let mut questions = platform.bus.answer::<RollbackRequest>().await.unwrap();
    platform.succeeds(&fleet("tool:1", "rollback")).await;
    fails(&platform, "stop").await;
    nobody_asks(&platform, &mut questions).await;

    // It ran, and what comes later is no push's fault.
    let rollout = platform
        .succeeds(&json!({
            "fleet.json": { "on_failure": "rollback", "drift": "heal" },
            "containers/a.json": { "image": "tool:1", "ports": ["8080:80"], "restart": "no" }
        }))
        .await;
    let port = "8080:80".parse::<schemas::spec::Port>().unwrap();
    platform.engine.remove("acme.shop.a").await.unwrap();
    platform.engine.occupy(port);
    platform
        .eventually("a rollout that heals fails", |it| {
            it.rollouts
                .last()
                .is_some_and(|it| it.heals && it.desired == rollout.desired && it.status == RolloutStatus::Failed)
        })
        .await;
    nobody_asks(&platform, &mut questions).await;
    platform.stop().await;
}
