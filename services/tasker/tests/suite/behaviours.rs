//! What every engine shows: steps, their ends, their outputs, and halves that are killed.

use std::time::Duration;

use schemas::event::StepStatus::{Failed, Started, Succeeded, Waiting};
use schemas::event::{Data, StepStatus};
use schemas::runs::{Run, RunStatus};
use serde_json::json;
use streams::clock;

use crate::acts::Act::{Exits, OnTerm, Puts, Rests, Says};
use crate::lab::{IMAGE, Lab};

/// How the steps of a run stand.
pub fn steps(run: &Run) -> Vec<StepStatus> {
    run.steps.iter().map(|it| it.status).collect()
}

/// That a run failed with an error that says `expected`.
#[track_caller]
pub fn failed(run: &Run, expected: &str) {
    let error = run.error.as_deref().unwrap_or_default();
    assert_eq!(run.status, RunStatus::Failed, "{run:#?}");
    assert!(error.contains(expected), "expected {expected:?} in {error:?}");
}

pub async fn steps_run_in_order_and_their_outputs_are_one(lab: &mut Lab) {
    let steps_of_all = json!({ "image": IMAGE, "steps": [
        lab.step("echo a=1 > $FLEETLOG_OUTPUT; echo b=1 >> $FLEETLOG_OUTPUT", &[Puts("a=1\nb=1\n".to_owned()), Exits(0)]),
        lab.step("sleep 0.2; echo b=2 > $FLEETLOG_OUTPUT", &[Rests(Duration::from_millis(200)), Puts("b=2".to_owned()), Exits(0)]),
        lab.step("echo c=3 > $FLEETLOG_OUTPUT", &[Puts("c=3\n".to_owned()), Exits(0)]),
    ] });
    lab.push(json!({ "all": steps_of_all })).await;
    let run = lab.ran("all").await;
    assert_eq!((run.status, run.exit_code, &run.error), (RunStatus::Succeeded, Some(0), &None));
    assert_eq!(steps(&run), [Succeeded; 3]);
    let outputs: Vec<_> = run.outputs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(outputs, ["a=1", "b=2", "c=3"], "later steps go over earlier ones");

    // The log tells it in order, each word once, and all of it is because of the trigger.
    let events: Vec<_> = lab.events().into_iter().filter(|it| it.cause == Some(run.id)).collect();
    let told = events.iter().map(|it| match &it.data {
        Data::RunStep(step) => format!("{} {:?}", step.step, step.status),
        data => data.kind().to_owned(),
    });
    let expected = [
        "fleetlog.run.started.v1",
        "0 Started",
        "0 Succeeded",
        "1 Started",
        "1 Succeeded",
        "2 Started",
        "2 Succeeded",
        "fleetlog.run.succeeded.v1",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

pub async fn the_first_failure_ends_the_run(lab: &mut Lab) {
    let two = json!({ "image": IMAGE, "steps": [
        lab.step("echo a=1 > $FLEETLOG_OUTPUT", &[Puts("a=1".to_owned()), Exits(0)]),
        lab.step("echo whatever it says; exit 7", &[Says("whatever it says"), Exits(7)]),
        lab.step("exit 0", &[Exits(0)]),
    ] });
    lab.push(json!({ "two": two })).await;
    let run = lab.ran("two").await;
    failed(&run, "step 2 ended with code 7");
    assert_eq!((run.exit_code, steps(&run)), (Some(7), vec![Succeeded, Failed, Waiting]));
    assert!(run.outputs.is_empty(), "what failed has no outputs: {run:#?}");
    assert!(!run.error.unwrap().contains("whatever"), "what a step printed is in no event");
}

pub async fn what_is_wrong_with_outputs_is_said(lab: &mut Lab) {
    let puts = |shell: &str, text: String| lab.step(shell, &[Puts(text), Exits(0)]);
    let long = |key: &str, bytes: usize| format!("{key}={}", "a".repeat(bytes));
    let one = |step| json!({ "image": IMAGE, "steps": [step] });
    let cases = [
        (
            "words",
            one(puts("printf 'a=1\\nnonsense\\n' > $FLEETLOG_OUTPUT", "a=1\nnonsense\n".to_owned())),
            "ended with code 0, but line 2 of $FLEETLOG_OUTPUT is not of the form `key=value`",
        ),
        (
            "key",
            one(puts("echo Total=1 > $FLEETLOG_OUTPUT", "Total=1".to_owned())),
            "line 1 of $FLEETLOG_OUTPUT has a bad key",
        ),
        (
            "secret",
            one(puts("echo db_password=hunter2hunter2 > $FLEETLOG_OUTPUT", "db_password=hunter2hunter2".to_owned())),
            "line 1 of $FLEETLOG_OUTPUT holds a likely secret",
        ),
        (
            "large",
            one(puts("(printf a=; head -c 70000 /dev/zero | tr '\\0' a) > $FLEETLOG_OUTPUT", long("a", 70_000))),
            "$FLEETLOG_OUTPUT has 70002 bytes: at most 65536 fit",
        ),
        (
            "together",
            json!({ "image": IMAGE, "steps": [
                puts("(printf a=; head -c 40000 /dev/zero | tr '\\0' a) > $FLEETLOG_OUTPUT", long("a", 40_000)),
                puts("(printf b=; head -c 40000 /dev/zero | tr '\\0' a) > $FLEETLOG_OUTPUT", long("b", 40_000)),
            ] }),
            "step 2 the steps together wrote 80006 bytes to $FLEETLOG_OUTPUT: at most 65536 fit",
        ),
    ];
    lab.push(cases.iter().map(|(name, task, _)| ((*name).to_owned(), task.clone())).collect()).await;
    let mut runs = Vec::new();
    for (name, ..) in &cases {
        runs.push(lab.start_run(name).await);
    }
    for (run, (name, _, expected)) in runs.into_iter().zip(&cases) {
        let run = lab.ended(run).await;
        failed(&run, expected);
        assert!(!run.error.as_ref().unwrap().contains("hunter2"), "{name}: {run:#?}");
        assert!(run.outputs.is_empty(), "{name}: {run:#?}");
    }
}

pub async fn an_image_that_cannot_be_had_is_named(lab: &mut Lab) {
    let mut away = lab.task("exit 0", &[Exits(0)]);
    // Nobody listens there.
    away["image"] = json!("127.0.0.1:1/away:9");
    lab.push(json!({ "away": away })).await;
    let run = lab.ran("away").await;
    failed(&run, "`127.0.0.1:1/away:9`");
    assert_eq!((run.exit_code, steps(&run)), (None, vec![Waiting]));
}

pub async fn one_trigger_is_one_run(lab: &mut Lab) {
    lab.push(json!({ "once": lab.task("sleep 0.3", &[Rests(Duration::from_millis(300)), Exits(0)]) })).await;
    let id = lab.start_run("once").await;
    // Asked for again while it runs, and after its end.
    assert_eq!(lab.ask_to_start("once", id).await.unwrap().run.id, id);
    lab.ended(id).await;
    let again = lab.ask_to_start("once", id).await.unwrap();
    assert_eq!((again.run.id, again.run.status), (id, RunStatus::Succeeded));
    assert_eq!((lab.runs().len(), lab.of_kind("run.queued").len()), (1, 1));
}

pub async fn halves_that_were_killed_take_up_their_runs(lab: &mut Lab) {
    let acts = [OnTerm(None), Says("ready"), Rests(Duration::from_secs(3)), Exits(0)];
    let rest = json!({ "image": IMAGE, "steps": [
        lab.step("echo ready; sleep 3", &acts),
        lab.step("echo n=1 > $FLEETLOG_OUTPUT", &[Puts("n=1".to_owned()), Exits(0)]),
    ] });
    lab.push(json!({ "rest": rest })).await;
    let id = lab.start_run("rest").await;
    let container = lab.ready(id).await;
    let made = lab.engine.inspect(&container).await.unwrap().unwrap().id;
    lab.eventually("the log says that it began", |runs| runs[0].steps[0].status == Started).await;
    for _ in 0..2 {
        lab.kill().await;
        lab.up().await;
    }
    assert_eq!(lab.engine.inspect(&container).await.unwrap().unwrap().id, made, "the container that was there counts");
    let run = lab.ended(id).await;
    assert_eq!((run.status, run.outputs.len()), (RunStatus::Succeeded, 1), "{run:#?}");
    assert_eq!((lab.of_kind("run.step").len(), lab.of_kind("run.succeeded").len()), (4, 1));
    assert!(clock::now() >= run.ended.unwrap());
}
