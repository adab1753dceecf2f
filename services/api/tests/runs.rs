//! Tasks and runs, as the tasker tells them, held to the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::collections::BTreeSet;

use schemas::descriptors::{File, Task};
use schemas::event::{
    Data, Draft, Event, RunFailed, RunQueued, RunStarted, RunStep, RunSucceeded, Scope, StepStatus, Trigger,
};
use schemas::fleet::ObservedTask;
use schemas::query::{
    CancelRun, Fault, FaultCode, RunAnswer, RunRequest, RunsAnswer, RunsRequest, StartRun, TaskLine, TasksAnswer,
    TasksRequest,
};
use schemas::runs::{Run, RunStatus};
use serde_json::{Value, json};
use streams::clock;
use support::shape::must_fit;
use support::{Platform, id};
use uuid::Uuid;

fn event(position: u64, data: Data) -> Event {
    let scope = Scope::Fleet(id("acme/shop"));
    let (subject, actor) = ("runs/x".to_owned(), "ann".to_owned());
    Event {
        position,
        draft: Draft { id: clock::new_id(), scope, subject, time: clock::now(), actor, cause: None, data },
    }
}

fn queued(position: u64, trigger: Trigger) -> Run {
    let (commit, node) = ("1".repeat(40).parse().unwrap(), "local".parse().unwrap());
    let queued = RunQueued { task: "count".parse().unwrap(), commit, desired: 3, node, trigger, steps: 2 };
    Run::queued(&event(position, Data::RunQueued(queued.clone())), &queued)
}

/// A run that went on so far.
fn run(position: u64, trigger: Trigger, more: impl Fn(Uuid) -> Vec<Data>) -> Run {
    let mut run = queued(position, trigger);
    for data in more(run.id) {
        run.apply(&event(position, data));
    }
    run
}

/// One in every state, the newest first.
fn runs() -> Vec<Run> {
    let at = "2026-03-01T10:00:00Z".parse().unwrap();
    let step = |run, status, exit_code: Option<i64>, error: Option<&str>| {
        let (error, duration_ms, obs) = (error.map(str::to_owned), exit_code.map(|_| 20), Some(1));
        Data::RunStep(RunStep { run, step: 0, status, exit_code, error, duration_ms, obs })
    };
    let started = |run| Data::RunStarted(RunStarted { run, epoch: 1 });
    let outputs = [("total".parse().unwrap(), "42".to_owned())].into();
    vec![
        queued(40, Trigger::Manual),
        run(30, Trigger::Cron { at }, |run| vec![started(run), step(run, StepStatus::Started, None, None)]),
        run(20, Trigger::Manual, |run| {
            let error = "step 1 ended with code 7".to_owned();
            let failed = RunFailed { run, step: Some(0), exit_code: Some(7), error, duration_ms: 90 };
            vec![
                started(run),
                step(run, StepStatus::Failed, Some(7), Some("ended with code 7")),
                Data::RunFailed(failed),
            ]
        }),
        run(10, Trigger::Cron { at }, |run| {
            let succeeded = RunSucceeded { run, outputs: Clone::clone(&outputs), duration_ms: 90 };
            vec![started(run), step(run, StepStatus::Succeeded, Some(0), None), Data::RunSucceeded(succeeded)]
        }),
    ]
}

fn count() -> Task {
    let value = json!({ "image": "demo/tool:1", "steps": [ { "run": ["true"] } ], "user": "0",
                        "schedule": { "cron": "*/5 * * * *" } });
    let File::Task(task) = File::read(&"tasks/count.json".parse().unwrap(), value).unwrap() else { panic!("a task") };
    *task
}

/// The value has the members of the shape and no others.
#[track_caller]
fn has_only(shape: &str, value: &Value) {
    let contract = api::document();
    must_fit(&contract, shape, value);
    let names = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(value), names(&contract["components"]["schemas"][shape]["properties"]), "{shape}");
}

async fn platform() -> Platform {
    let mut platform = Platform::start().await;
    let lines = || {
        let run = &runs()[3];
        let (outputs, exit_code) = (run.outputs.clone(), run.exit_code);
        let last = ObservedTask { run: run.id, status: RunStatus::Succeeded, exit_code, outputs, since: 12 };
        let next = Some("2026-03-01T10:05:00Z".parse().unwrap());
        let line = |next, last| TaskLine { task: "count".parse().unwrap(), descriptor: count(), next, last };
        vec![line(next, Some(last)), line(None, None)]
    };
    platform.answers(move |_: &TasksRequest| Ok(TasksAnswer { position: 41, tasks: lines() })).await;
    let all = runs();
    platform
        .answers(move |asked: &RunsRequest| {
            let older = all.iter().filter(|it| asked.before.is_none_or(|before| it.queued_at < before));
            let of_task: Vec<_> =
                older.filter(|it| asked.task.as_ref().is_none_or(|task| it.task == *task)).cloned().collect();
            let more = of_task.len() > asked.limit as usize;
            Ok(RunsAnswer { position: 41, runs: of_task.into_iter().take(asked.limit as usize).collect(), more })
        })
        .await;
    platform.answers(|asked: &RunRequest| Ok(answered(asked.run))).await;
    platform.answers(|asked: &CancelRun| Ok(answered(asked.run))).await;
    platform
}

fn answered(id: Uuid) -> RunAnswer {
    RunAnswer { position: 41, run: Run { id, ..queued(40, Trigger::Manual) } }
}

#[tokio::test]
async fn answers_are_as_the_contract_says() {
    let platform = platform().await;
    let reply = platform.get("/v1/fleets/acme/shop/tasks").await;
    assert_eq!(reply.header("fleetlog-position"), "41");
    let tasks = reply.json();
    has_only("Tasks", &tasks);
    for task in tasks["tasks"].as_array().unwrap() {
        has_only("Task", task);
    }
    assert_eq!(tasks["tasks"][0]["last"]["outputs"], json!({ "total": "42" }));
    assert_eq!(tasks["tasks"][0]["descriptor"]["schedule"]["timezone"], "UTC", "defaults are resolved");
    assert_eq!(tasks["next"], Value::Null);

    let reply = platform.get("/v1/fleets/acme/shop/runs").await;
    assert_eq!(reply.header("fleetlog-position"), "41");
    let page = reply.json();
    has_only("Runs", &page);
    let seen = page["runs"].as_array().unwrap();
    seen.iter().for_each(|it| has_only("Run", it));
    let states: Vec<_> = seen.iter().map(|it| (it["status"].clone(), it["exit_code"].clone())).collect();
    let expected = [("queued", json!(null)), ("running", json!(null)), ("failed", json!(7)), ("succeeded", json!(0))];
    assert_eq!(states, expected.map(|(status, code)| (json!(status), code)));

    let run = clock::new_id();
    let one = platform.get(&format!("/v1/fleets/acme/shop/runs/{run}")).await.json();
    has_only("Run", &one);
    assert_eq!(one["id"], run.to_string());
    let reply = platform.ask("DELETE", &format!("/v1/fleets/acme/shop/runs/{run}"), &[]).await;
    assert_eq!((reply.status.as_u16(), reply.header("fleetlog-position")), (202, "41"));
    has_only("Run", &serde_json::from_str(&reply.text()).unwrap());
    platform.stop().await;
}

#[tokio::test]
async fn runs_come_in_pages() {
    let platform = platform().await;
    let mut seen = Vec::new();
    let mut path = "/v1/fleets/acme/shop/runs?task=count&limit=3".to_owned();
    loop {
        let page = platform.get(&path).await.json();
        seen.extend(page["runs"].as_array().unwrap().iter().map(|it| it["queued_at"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/fleets/acme/shop/runs?task=count&limit=3&cursor={next}");
    }
    assert_eq!(seen, [40, 30, 20, 10]);
    let none = platform.get("/v1/fleets/acme/shop/runs?task=other").await.json();
    assert_eq!((&none["runs"], &none["next"]), (&json!([]), &json!(null)));
    for (query, parameter) in [("cursor=last", "cursor"), ("limit=0", "limit"), ("task=No_Task", "task")] {
        let (kind, document) = platform.get(&format!("/v1/fleets/acme/shop/runs?{query}")).await.problem(400);
        assert_eq!((kind.as_str(), &document["parameter"]), ("bad-parameter", &json!(parameter)));
    }
    assert_eq!(platform.get("/v1/fleets/acme/shop/runs/7").await.problem(404).0, "not-found");
    platform.stop().await;
}

#[tokio::test]
async fn the_same_key_asks_for_the_same_run() {
    let mut platform = Platform::start().await;
    platform.answers(|asked: &StartRun| Ok(answered(asked.id))).await;
    let mut ids = Vec::new();
    for (task, key) in [("count", Some("k")), ("count", Some("k")), ("other", Some("k")), ("count", None)] {
        let headers: Vec<_> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
        let reply = platform.ask("POST", &format!("/v1/fleets/acme/shop/tasks/{task}/runs"), &headers).await;
        assert_eq!((reply.status.as_u16(), reply.header("fleetlog-position")), (202, "41"));
        let run: Value = serde_json::from_str(&reply.text()).unwrap();
        has_only("Run", &run);
        ids.push(run["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids.iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 3, "{ids:?}");
    let path = "/v1/fleets/acme/shop/tasks/Not%20One/runs";
    assert_eq!(platform.ask("POST", path, &[]).await.problem(404).0, "not-found");
    platform.stop().await;
}

#[tokio::test]
async fn what_the_tasker_refuses_is_a_problem_of_the_contract() {
    let mut platform = Platform::start().await;
    let cases = [
        ("away", FaultCode::Unavailable, 503, "unavailable"),
        ("full", FaultCode::Full, 507, "full"),
        ("none", FaultCode::NotFound, 404, "not-found"),
        ("other", FaultCode::Conflict, 409, "conflict"),
    ];
    platform
        .answers(move |asked: &StartRun| {
            let (_, code, ..) = cases.iter().find(|it| it.0 == asked.task.as_str()).unwrap();
            Err(Fault { code: *code, message: "nothing was started: a reason".to_owned() })
        })
        .await;
    let responses = &api::document()["paths"]["/v1/fleets/{owner}/{fleet}/tasks/{name}/runs"]["post"]["responses"];
    for (task, _, status, kind) in cases {
        let reply = platform.ask("POST", &format!("/v1/fleets/acme/shop/tasks/{task}/runs"), &[]).await;
        let (seen, document) = reply.problem(status);
        assert_eq!((seen.as_str(), &document["detail"]), (kind, &json!("nothing was started: a reason")));
        must_fit(&api::document(), "Problem", &document);
        assert!(responses.get(status.to_string()).is_some(), "{status} is not in the contract");
    }
    platform.stop().await;
}
