//! Fleets and rollouts, as the registry tells them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use schemas::event::{
    ContainerChange, Data, Draft, Event, GitPushed, ImageMove, RefUpdate, RolloutPlanned, RolloutSucceeded, Scope,
    Sighting,
};
use schemas::fleet::{Fleet, Rollout};
use schemas::images::Resolved;
use schemas::plan::{Action, Plan, Step};
use schemas::query::{
    At, Fault, FaultCode, RetryAnswer, RetryRollout, RollbackAnswer, RollbackRequest, UpdateAnswer, UpdateImages,
};
use serde_json::{Value, json};
use streams::clock;
use support::shape::must_fit;
use support::{Platform, answer, id, line};
use uuid::Uuid;

const COMMIT: &str = "1111111111111111111111111111111111111111";

fn apply(fleet: &mut Fleet, data: Data) -> Uuid {
    let scope = Scope::Fleet(fleet.id.clone());
    let id = clock::new_id();
    let (subject, actor) = ("thing".to_owned(), "admin".to_owned());
    let draft = Draft { id, scope, subject, time: clock::now(), actor, cause: None, data };
    fleet.apply(&Event { position: fleet.position + 1, draft });
    id
}

/// One that was pushed, rolled out three times, and has containers in every state.
fn shop() -> Fleet {
    let mut fleet = Fleet::new(id("acme/shop"));
    let descriptors = serde_json::from_value(json!({
        "set": { "containers/api.json": { "image": "demo/tool:1" }, "variables/app.json": { "region": "eu-1" } },
        "removed": [],
    }));
    let refs = vec![RefUpdate { name: "refs/heads/main".to_owned(), old: None, new: Some(COMMIT.parse().unwrap()) }];
    apply(
        &mut fleet,
        Data::GitPushed(GitPushed {
            allow_destroy: Vec::new(),
            created: true,
            refs,
            pack: None,
            deploy: "main".to_owned(),
            commit: Some(COMMIT.parse().unwrap()),
            descriptors: descriptors.unwrap(),
            reason: None,
        }),
    );
    for _ in 0..3 {
        let container = "api".parse().unwrap();
        let step = Step { container, action: Action::Create, reasons: Vec::new(), after: Vec::new() };
        let rollout = apply(
            &mut fleet,
            Data::RolloutPlanned(RolloutPlanned {
                retries: None,
                commit: COMMIT.parse().unwrap(),
                desired: 1,
                observed: 1,
                epoch: 1,
                node: "local".parse().unwrap(),
                steps: vec![step],
                heals: false,
            }),
        );
        apply(&mut fleet, Data::RolloutSucceeded(RolloutSucceeded { rollout, duration_ms: 5 }));
    }
    let change = |name: &str, at_ns| ContainerChange {
        container: name.parse().unwrap(),
        seen: Sighting { node: "local".parse().unwrap(), at_ns, obs: 1 },
        docker_id: format!("{name}-id"),
        image: Some("sha256:abc".to_owned()),
        spec: None,
        commit: None,
        live: None,
        files: None,
        checked: name == "api",
        exit_code: None,
        out_of_memory: false,
        restarts: 0,
    };
    for name in ["api", "old"] {
        apply(&mut fleet, Data::ContainerCreated(change(name, 1)));
        apply(&mut fleet, Data::ContainerStarted(change(name, 2)));
    }
    apply(&mut fleet, Data::ContainerHealthy(change("api", 3)));
    apply(&mut fleet, Data::ContainerRemoved(change("old", 4)));
    fleet
}

#[tokio::test]
async fn a_fleet_shows_what_should_be_and_what_is() {
    let mut platform = Platform::start().await;
    platform.fleet(answer(40, Some(shop()))).await;
    let reply = platform.get("/v1/fleets/acme/shop").await;
    assert_eq!(reply.header("fleetlog-position"), "40");
    let state = reply.json();
    must_fit(&api::document(), "State", &state);
    assert_eq!((&state["position"], &state["commit"]), (&json!(40), &json!(COMMIT)));
    assert_eq!(state["desired"]["containers"]["api"]["image"], "demo/tool:1");
    assert_eq!(state["desired"]["variables"]["app"]["region"], "eu-1");
    let api = &state["observed"]["containers"]["api"];
    let shown = ["state", "health", "node", "image"].map(|it| api[it].as_str().unwrap());
    assert_eq!(shown, ["running", "healthy", "local", "sha256:abc"]);
    assert!(state["observed"]["containers"].get("old").is_none(), "what is removed is not shown");

    assert_eq!(platform.get("/v1/fleets/acme/till").await.problem(404).0, "not-found");
    let (kind, document) = platform.get("/v1/fleets/acme/shop?at=yesterday").await.problem(400);
    assert_eq!(kind, "bad-request");
    assert!(document["detail"].as_str().unwrap().contains("`yesterday` is neither a position"));
    platform.stop().await;
}

#[tokio::test]
async fn rollouts_come_newest_first_and_by_page() {
    let mut platform = Platform::start().await;
    let fleet = shop();
    let ids: Vec<_> = fleet.rollouts.iter().rev().map(|it| it.id.to_string()).collect();
    platform.fleet(answer(40, Some(fleet))).await;
    let shown = |page: &Value| -> Vec<String> {
        page["rollouts"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let page = platform.get("/v1/fleets/acme/shop/rollouts?limit=2").await.json();
    must_fit(&api::document(), "Rollouts", &page);
    assert_eq!(shown(&page), ids[..2]);
    let next = page["next"].as_str().unwrap();
    let rest = platform.get(&format!("/v1/fleets/acme/shop/rollouts?limit=2&cursor={next}")).await.json();
    assert_eq!((shown(&rest), &rest["next"]), (ids[2..].to_vec(), &Value::Null));

    let one = platform.get(&format!("/v1/fleets/acme/shop/rollouts/{}", ids[1])).await.json();
    must_fit(&api::document(), "Rollout", &one);
    assert_eq!((&one["id"], &one["status"], &one["commit"]), (&json!(ids[1]), &json!("succeeded"), &json!(COMMIT)));
    assert_eq!((&one["steps"][0]["container"], &one["steps"][0]["action"]), (&json!("api"), &json!("create")));
    for other in [Uuid::nil().to_string(), "nonsense".to_owned()] {
        let reply = platform.get(&format!("/v1/fleets/acme/shop/rollouts/{other}")).await;
        assert_eq!(reply.problem(404).0, "not-found", "{other}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn a_rollout_is_tried_again_once_for_a_key() {
    let mut platform = Platform::start().await;
    let rollout = shop().rollouts.pop().unwrap();
    let failed = rollout.id;
    platform
        .answers(move |asked: &RetryRollout| {
            assert_eq!((asked.fleet.to_string().as_str(), asked.actor.as_str()), ("acme/shop", "admin"));
            if asked.rollout != failed {
                return Err(Fault { code: FaultCode::Conflict, message: "it has not failed".to_owned() });
            }
            // The event's id, so that the test sees it.
            Ok(RetryAnswer {
                position: 41,
                rollout: Rollout { id: asked.id, retries: Some(failed), ..rollout.clone() },
            })
        })
        .await;
    let mut ids = Vec::new();
    for key in [Some("k"), Some("k"), None] {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let reply = platform.ask("POST", &format!("/v1/fleets/acme/shop/rollouts/{failed}/retry"), &headers).await;
        assert_eq!((reply.status.as_u16(), reply.header("fleetlog-position")), (202, "41"));
        let again: Value = serde_json::from_str(&reply.text()).unwrap();
        must_fit(&api::document(), "Rollout", &again);
        assert_eq!(again["retries"], json!(failed));
        ids.push(again["id"].clone());
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let path = |id: &str| format!("/v1/fleets/acme/shop/rollouts/{id}/retry");
    assert_eq!(platform.ask("POST", &path(&Uuid::nil().to_string()), &[]).await.problem(409).0, "conflict");
    assert_eq!(platform.ask("POST", &path("nonsense"), &[]).await.problem(404).0, "not-found");
    platform.stop().await;
}

#[tokio::test]
async fn a_rollback_is_asked_of_git_and_happens_once_for_a_key() {
    let mut platform = Platform::start().await;
    let commit = |digit: &str| digit.repeat(40).parse().unwrap();
    platform
        .answers(move |asked: &RollbackRequest| {
            assert_eq!((asked.fleet.to_string().as_str(), asked.who.name.as_str()), ("acme/shop", "admin"));
            if asked.to == Some(At::Position(3)) {
                return Err(Fault { code: FaultCode::Conflict, message: "it is there already".to_owned() });
            }
            Ok(RollbackAnswer {
                position: 41,
                event: (!asked.only_plan).then_some(asked.id),
                commit: commit("1"),
                from: commit("2"),
                to: 7,
                withdrawn: vec![commit("2")],
                plan: Some(Plan::default()),
                text: format!("{:?} {:?}", asked.to, asked.reason),
                warnings: Vec::new(),
            })
        })
        .await;
    let path = "/v1/fleets/acme/shop/rollback";
    let mut ids = Vec::new();
    for key in [Some("k"), Some("k"), None] {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let reply = platform.ask("POST", path, &headers).await;
        assert_eq!((reply.status.as_u16(), reply.header("fleetlog-position")), (200, "41"));
        must_fit(&api::document(), "Rollback", &reply.json());
        ids.push(reply.json()["event"].clone());
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let send = async |body: Value| platform.send("POST", path, &body).await;
    let plan = send(json!({ "to": "abcdef01", "only_plan": true })).await.json();
    must_fit(&api::document(), "Rollback", &plan);
    assert_eq!((&plan["event"], plan["text"].as_str()), (&Value::Null, Some("Some(Commit(\"abcdef01\")) None")));
    assert_eq!(send(json!({ "to": 3 })).await.problem(409).0, "conflict");
    for bad in [json!({ "to": "x" }), json!({ "to": -1 }), json!({ "to": [] }), json!({ "where": 1 })] {
        assert_eq!(send(bad.clone()).await.problem(400).0, "bad-request", "{bad}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn an_update_is_asked_of_the_coordinator_and_happens_once_for_a_key() {
    let mut platform = Platform::start().await;
    platform
        .answers(|asked: &UpdateImages| {
            assert_eq!((asked.fleet.to_string().as_str(), asked.actor.as_str()), ("acme/shop", "admin"));
            if asked.container.as_ref().is_some_and(|it| it.as_str() == "away") {
                return Err(Fault { code: FaultCode::Unavailable, message: "the registry is away".to_owned() });
            }
            let digest = |letter: &str| Some(format!("sha256:{}", letter.repeat(64)));
            let of = |letter| Resolved {
                reference: "tool:1".to_owned(),
                platform: None,
                digest: digest(letter),
                id: None,
                pulled: false,
            };
            let images = [("api".parse().unwrap(), ImageMove { from: Some(of("a")), to: of("b") })].into();
            let event = (!asked.only_plan).then_some(asked.id);
            Ok(UpdateAnswer { position: 41, event, rollout: event, images, unchanged: 2 })
        })
        .await;
    let path = "/v1/fleets/acme/shop/update";
    let mut ids = Vec::new();
    for key in [Some("k"), Some("k"), None] {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let reply = platform.ask("POST", path, &headers).await;
        assert_eq!((reply.status.as_u16(), reply.header("fleetlog-position")), (200, "41"));
        must_fit(&api::document(), "Update", &reply.json());
        ids.push(reply.json()["event"].clone());
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let send = async |body: Value| platform.send("POST", path, &body).await;
    let plan = send(json!({ "container": "api", "only_plan": true, "reason": "so" })).await.json();
    must_fit(&api::document(), "Update", &plan);
    assert_eq!((&plan["event"], &plan["unchanged"]), (&Value::Null, &json!(2)));
    assert_eq!(send(json!({ "container": "away" })).await.problem(503).0, "unavailable");
    for bad in [
        json!({ "container": "Api" }),
        json!({ "reason": "a\nb" }),
        json!({ "reason": "x".repeat(501) }),
        json!({ "all": 1 }),
    ] {
        assert_eq!(send(bad.clone()).await.problem(400).0, "bad-request", "{bad}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn fleets_come_by_page() {
    let mut platform = Platform::start().await;
    platform.fleets(9, ["a/a", "a/b", "b/a"].map(line).to_vec()).await;
    let page = platform.get("/v1/fleets?limit=2").await.json();
    must_fit(&api::document(), "Fleets", &page);
    assert_eq!((&page["fleets"][1]["fleet"], &page["next"]), (&json!("a/b"), &json!("a/b")));
    let rest = platform.get("/v1/fleets?limit=2&cursor=a/b").await;
    assert_eq!(rest.header("fleetlog-position"), "9");
    let rest = rest.json();
    assert_eq!((&rest["fleets"][0]["fleet"], &rest["next"]), (&json!("b/a"), &Value::Null));
    assert_eq!(platform.get("/v1/fleets?cursor=x").await.problem(400).0, "bad-parameter");
    platform.stop().await;
}

#[tokio::test]
async fn a_registry_that_cannot_answer_is_told_as_what_it_is() {
    let platform = Platform::start().await;
    assert_eq!(platform.get("/v1/fleets").await.problem(503).0, "unavailable");
    platform.stop().await;
    for (code, status, kind) in [
        (FaultCode::Behind, 504, "behind"),
        (FaultCode::Stopped, 503, "unavailable"),
        (FaultCode::BadRequest, 400, "bad-request"),
    ] {
        let mut platform = Platform::start().await;
        platform.fleet(Err(Fault { code, message: "because".to_owned() })).await;
        let (seen, document) = platform.get("/v1/fleets/acme/shop").await.problem(status);
        assert_eq!(seen, kind);
        assert!(document["detail"].as_str().unwrap().contains("because"));
        platform.stop().await;
    }
}
