//! A log that is nearly full: nothing new is started, and what is under way comes to its end.

use schemas::query::{Fault, FaultCode};
use schemas::runs::RunStatus::{Cancelled, Succeeded};
use serde_json::json;
use streams::{AskError, LevelWatch, Thresholds, clock};

use crate::acts::Act::{Exits, OnTerm, Says};
use crate::lab::{Lab, run};

/// The watch looks: with these thresholds the log is full however little it holds, or never.
async fn level(lab: &Lab, percent: u8) {
    let thresholds = Thresholds { warning: percent, critical: percent, back: 0 };
    let room = lab.server.as_ref().unwrap().room();
    LevelWatch::new(lab.bus.clone(), Some(room), thresholds).look().await.unwrap();
    lab.looked().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_started_and_what_is_under_way_ends() {
    let at = |time: &str| format!("2026-03-01T{time}Z");
    run(Lab::simulated_at(&at("09:55:00")).await, async |lab: &mut Lab| {
        let lasts = [OnTerm(Some(0)), Says("ready")];
        let cron = |missed: &str| {
            let mut task = lab.task(&format!("echo {missed}"), &[Exits(0)]);
            task["schedule"] = json!({ "cron": "*/10 * * * *", "missed": missed });
            task
        };
        let tasks = json!({ "long": lab.task("long", &lasts), "skip": cron("skip"), "once": cron("once") });
        lab.push_at(at("09:55:00").parse().unwrap(), tasks).await;
        let [first, second] = [lab.start_run("long").await, lab.start_run("long").await];
        lab.ready(first).await;
        lab.ready(second).await;

        level(lab, 0).await;
        let refused = lab.ask_to_start("long", clock::new_id()).await;
        let Err(AskError::Fault(Fault { code, message })) = refused else { panic!("{refused:?}") };
        assert_eq!(code, FaultCode::Full);
        assert!(message.starts_with("nothing was started: ") && message.contains("MiB"), "{message}");
        // What was taken before is what it was.
        assert_eq!(lab.ask_to_start("long", first).await.unwrap().run.id, first);
        for now in ["10:00:00", "10:00:30", "10:10:00", "10:15:00"] {
            lab.now(&at(now)).await;
        }
        assert_eq!(lab.runs().len(), 2, "no run was queued");
        // Also by one who starts only now.
        lab.kill().await;
        lab.up().await;
        lab.looked().await;
        assert!(matches!(lab.ask_to_start("long", clock::new_id()).await, Err(AskError::Fault(_))));
        lab.end(first).await;
        lab.cancel(second).await;
        assert_eq!((lab.ended(first).await.status, lab.ended(second).await.status), (Succeeded, Cancelled));
        assert_eq!(lab.runs().len(), 2);

        // Once there is room, times that were missed are what their policy says.
        level(lab, 255).await;
        lab.eventually("the newest of the missed times is run", |runs| runs.len() == 3).await;
        assert_eq!(lab.scheduled()[0].0, at("10:10:00"));
        assert_eq!(lab.runs()[2].task.as_str(), "once");
        lab.now(&at("10:20:00")).await;
        lab.eventually("both go on", |runs| runs.len() == 5 && runs.iter().all(|it| it.status.is_over())).await;
        let long = lab.start_run("long").await;
        lab.ready(long).await;
        lab.end(long).await;
    })
    .await;
}
