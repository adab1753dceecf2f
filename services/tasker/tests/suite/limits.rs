//! Runs that do not end by themselves: limits of time, and cancels.

use std::time::Duration;

use schemas::event::StepStatus::{Failed, Succeeded, Waiting};
use schemas::runs::{Run, RunStatus};
use serde_json::json;

use crate::acts::Act::{Exits, OnTerm, Says};
use crate::behaviours::{failed, steps};
use crate::lab::{IMAGE, Lab, run};

/// Says that it is ready, and ends with 3 on TERM.
const POLITE: &str = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";
/// Says that it is ready, and does not listen.
const STUBBORN: &str = "trap '' TERM; echo ready; while :; do sleep 0.05; done";

pub async fn a_step_that_takes_too_long_is_stopped(lab: &mut Lab) {
    let mut late = json!({ "image": IMAGE, "stop": { "grace": "1s" }, "steps": [
        lab.step(STUBBORN, &[OnTerm(None), Says("ready")]),
        lab.step("exit 0", &[Exits(0)]),
    ] });
    late["steps"][0]["within"] = json!("500ms");
    // What ends with 0 when it is stopped was not done either.
    let mut polite = lab.task("trap 'exit 0' TERM; while :; do sleep 0.05; done", &[OnTerm(Some(0))]);
    polite["steps"][0]["within"] = json!("500ms");
    lab.push(json!({ "late": late, "polite": polite })).await;
    let (late, polite) = (lab.start_run("late").await, lab.start_run("polite").await);
    let run = lab.ended(late).await;
    failed(&run, "step 1 took longer than 500ms: its `within`");
    assert_eq!((run.exit_code, steps(&run)), (Some(137), vec![Failed, Waiting]));
    failed(&lab.ended(polite).await, "step 1 took longer than 500ms: its `within`");
}

/// Docker's clock may be another one than ours: what we stopped for its limit was late, whatever Docker's says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_stopped_was_late_by_any_clock() {
    run(Lab::simulated_behind(Duration::from_millis(400)).await, async |lab: &mut Lab| {
        let mut polite = lab.task("polite", &[OnTerm(Some(0))]);
        polite["steps"][0]["within"] = json!("500ms");
        lab.push(json!({ "polite": polite })).await;
        failed(&lab.ran("polite").await, "step 1 took longer than 500ms: its `within`");
    })
    .await;
}

pub async fn a_run_that_takes_too_long_is_stopped(lab: &mut Lab) {
    let late = json!({ "image": IMAGE, "within": "4s", "stop": { "grace": "1s" }, "steps": [
        lab.step("exit 0", &[Exits(0)]),
        lab.step(STUBBORN, &[OnTerm(None), Says("ready")]),
        lab.step("sleep 0", &[Exits(0)]),
    ] });
    lab.push(json!({ "late": late })).await;
    let run = lab.ran("late").await;
    failed(&run, "step 2 was stopped: the run took longer than 4s, its `within`");
    assert_eq!((run.exit_code, steps(&run)), (Some(137), vec![Succeeded, Failed, Waiting]));
}

/// Runs two steps and cancels the run at the first of them.
async fn cancelled_at(lab: &Lab, first: serde_json::Value) -> Run {
    let two = json!({ "image": IMAGE, "stop": { "grace": "2s" }, "steps": [first, lab.step("exit 0", &[Exits(0)])] });
    lab.push(json!({ "two": two })).await;
    let id = lab.start_run("two").await;
    lab.ready(id).await;
    assert_eq!(lab.cancel(id).await.status, RunStatus::Running, "it ends soon");
    let run = lab.ended(id).await;
    assert_eq!((run.status, run.error.as_deref()), (RunStatus::Cancelled, Some("cancelled by `eve`")), "{run:#?}");
    assert_eq!(run.steps[1].status, Waiting, "{run:#?}");
    // Once more changes nothing.
    assert_eq!(lab.cancel(id).await, run);
    assert_eq!(lab.of_kind("run.cancelled").len(), 1);
    run
}

/// From the container's start to its end, before it is removed.
fn took(run: &Run) -> Duration {
    Duration::from_millis(run.duration_ms.unwrap())
}

pub async fn a_cancelled_step_is_asked_to_end(lab: &mut Lab) {
    let polite = lab.step(POLITE, &[OnTerm(Some(3)), Says("ready")]);
    cancelled_at(lab, polite).await;
}

pub async fn a_cancelled_step_that_does_not_listen_is_killed_after_its_grace(lab: &mut Lab) {
    let stubborn = lab.step(STUBBORN, &[OnTerm(None), Says("ready")]);
    let run = cancelled_at(lab, stubborn).await;
    assert!(took(&run) >= Duration::from_secs(2), "it had its grace: {run:#?}");
}
