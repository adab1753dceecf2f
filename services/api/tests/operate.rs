//! What operators do by hand is asked of the coordinator, and answered in the shapes of the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use jiff::Timestamp;
use schemas::event::OperatorActed;
use schemas::fleet::Fleet;
use schemas::operate::{End, Hold, Operated, Operation, Outcome};
use schemas::query::{Fault, FaultCode, HoldAnswer, HoldAsk, HoldRequest, Operate, OperateAnswer, Said};
use serde_json::{Value, json};
use support::shape::must_fit;
use support::{Platform, answer, id};
use uuid::Uuid;

fn hold(id: Uuid) -> Hold {
    Hold { id, until: None, by: "admin".to_owned(), reason: Some("the disk".to_owned()), stopped: false, since: 7 }
}

#[tokio::test]
async fn an_operation_is_asked_of_the_coordinator_and_answered_whatever_came_of_it() {
    let mut platform = Platform::start().await;
    let seen = Arc::new(Mutex::new(Vec::<Operate>::new()));
    let asked = seen.clone();
    platform
        .answers::<Operate>(move |it| {
            asked.lock().unwrap().push(it.clone());
            if it.container.as_str() == "none" {
                return Err(Fault { code: FaultCode::NotFound, message: "no container `none`".to_owned() });
            }
            let exec = it.what == Operation::Exec;
            let end = End {
                made: None,
                bytes: None,
                outcome: if exec { Outcome::Failed } else { Outcome::Done },
                error: exec.then(|| "the command ended with 2".to_owned()),
                exit_code: exec.then_some(2),
                duration_ms: 9,
            };
            let operated = Operated {
                snapshot: None,
                id: it.id,
                what: it.what,
                container: it.container.clone(),
                node: "local".parse().unwrap(),
                command: it.command.clone(),
                by: it.actor.clone(),
                reason: it.reason.clone(),
                asked: Timestamp::UNIX_EPOCH,
                end: Some(end),
            };
            let said = exec.then(|| Said { stdout: "out".to_owned(), stderr: String::new(), cut: true });
            Ok(OperateAnswer { position: 12, event: OperatorActed::after(it.id), operated, said })
        })
        .await;
    let path = |name: &str, what: &str| format!("/v1/fleets/acme/shop/containers/{name}/{what}");
    let key = [("idempotency-key", "one")];
    for _ in 0..2 {
        let reply = platform.ask("POST", &path("db", "restart"), &key).await;
        assert_eq!(reply.header("fleetlog-position"), "12");
        must_fit(&api::document(), "Operated", &reply.json());
        assert_eq!((&reply.json()["outcome"], &reply.json()["stdout"]), (&json!("done"), &Value::Null));
    }
    let body = json!({ "command": ["ls", "-l"], "within": "30s", "reason": "why" });
    let told = platform.send("POST", &path("db", "exec"), &body).await.json();
    must_fit(&api::document(), "Operated", &told);
    assert_eq!((&told["outcome"], &told["exit_code"], &told["stdout"]), (&json!("failed"), &json!(2), &json!("out")));
    assert_eq!((&told["cut"], &told["reason"]), (&json!(true), &json!("why")));
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen[0].id, seen[1].id, "the same key is the same operation");
    assert_ne!(seen[0].id, seen[2].id);
    assert_eq!((seen[2].command.len(), seen[2].within.unwrap().0, seen[2].actor.as_str()), (2, 30_000, "admin"));

    assert_eq!(platform.ask("POST", &path("none", "stop"), &[]).await.problem(404).0, "not-found");
    assert_eq!(platform.ask("POST", &path("No_Name", "stop"), &[]).await.problem(404).0, "not-found");
    let unknown = platform.send("POST", &path("db", "start"), &json!({ "force": true })).await;
    assert_eq!(unknown.problem(400).0, "bad-request");
    platform.stop().await;
}

#[tokio::test]
async fn holds_are_placed_shown_and_ended() {
    let mut platform = Platform::start().await;
    platform
        .answers::<HoldRequest>(|it| match &it.ask {
            HoldAsk::Place { lasts, .. } => {
                let until = lasts.map(|it| Timestamp::from_millisecond(i64::try_from(it.0).unwrap()).unwrap());
                Ok(HoldAnswer { position: 7, hold: Hold { until, ..hold(it.id) } })
            }
            HoldAsk::End => Err(Fault { code: FaultCode::Conflict, message: "not on hold".to_owned() }),
        })
        .await;
    let mut fleet = Fleet::new(id("acme/shop"));
    fleet.holds.insert("db".parse().unwrap(), hold(Uuid::nil()));
    platform.fleet(answer(9, Some(fleet))).await;

    let path = "/v1/fleets/acme/shop/holds";
    let reply = platform.send("POST", path, &json!({ "object": "containers/db", "for": "1h", "reason": "x" })).await;
    assert_eq!((reply.status, reply.header("fleetlog-position")), (StatusCode::CREATED, "7"));
    let placed: Value = serde_json::from_slice(&reply.body).unwrap();
    must_fit(&api::document(), "Hold", &placed);
    assert_eq!((&placed["object"], &placed["until"]), (&json!("containers/db"), &json!("1970-01-01T01:00:00Z")));
    for object in ["volumes/data", "db", "containers/No_Name"] {
        let refused = platform.send("POST", path, &json!({ "object": object })).await;
        assert_eq!(refused.problem(400).0, "bad-request", "{object}");
    }
    let shown = platform.get(path).await.json();
    must_fit(&api::document(), "Holds", &shown);
    assert_eq!((&shown["holds"][0]["object"], &shown["holds"][0]["by"]), (&json!("containers/db"), &json!("admin")));
    assert_eq!(platform.ask("DELETE", &format!("{path}/containers/db"), &[]).await.problem(409).0, "conflict");
    platform.stop().await;
}
