//! Schedules on a real log, by a clock that the test moves.

use schemas::runs::RunStatus::{Running, Succeeded};
use serde_json::{Value, json};

use crate::acts::Act::{self, Exits, OnTerm, Says};
use crate::lab::{Lab, run};

const TICKS: [Act; 1] = [Exits(0)];

fn at(time: &str) -> String {
    format!("2026-03-01T{time}Z")
}

fn every_ten_minutes(lab: &Lab, shell: &str, acts: &[Act], missed: &str) -> Value {
    let mut task = lab.task(shell, acts);
    task["schedule"] = json!({ "cron": "*/10 * * * *", "timezone": "UTC", "missed": missed });
    task
}

async fn times(lab: &Lab) -> Vec<String> {
    lab.eventually("the scheduled runs end", |runs| runs.iter().all(|it| it.status.is_over())).await;
    let scheduled = lab.scheduled();
    assert!(scheduled.iter().all(|it| it.1 == Succeeded), "{scheduled:?}");
    scheduled.into_iter().map(|it| it.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_time_is_one_run_also_across_restarts() {
    run(Lab::simulated_at(&at("09:55:00")).await, async |lab: &mut Lab| {
        lab.push_at(at("09:55:00").parse().unwrap(), json!({ "tick": every_ten_minutes(lab, "tick", &TICKS, "skip") }))
            .await;
        for now in ["09:55:01", "09:59:59"] {
            lab.now(&at(now)).await;
        }
        assert_eq!(times(lab).await, [""; 0]);
        for now in ["10:00:00", "10:00:00", "10:00:01", "10:00:59"] {
            lab.now(&at(now)).await;
        }
        assert_eq!(times(lab).await, [at("10:00:00")]);
        // A restart within the minute of a time that was run.
        lab.kill().await;
        lab.up().await;
        lab.now(&at("10:00:59")).await;
        assert_eq!(times(lab).await, [at("10:00:00")]);
        lab.now(&at("10:10:00")).await;
        assert_eq!(times(lab).await, [at("10:00:00"), at("10:10:00")]);
        // Killed before the time, and back a moment after it: not missed.
        lab.kill().await;
        lab.now_while_down(&at("10:20:30"));
        lab.up().await;
        lab.looked().await;
        lab.now(&at("10:21:00")).await;
        assert_eq!(times(lab).await, [at("10:00:00"), at("10:10:00"), at("10:20:00")]);
        assert_eq!(lab.of_kind("run.queued").len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missed_times_are_left_out_or_the_newest_is_run_once() {
    run(Lab::simulated_at(&at("09:55:00")).await, async |lab: &mut Lab| {
        let (skip, once) = ("echo skip", "echo once");
        let tasks = json!({
            "skip": every_ten_minutes(lab, skip, &TICKS, "skip"),
            "once": every_ten_minutes(lab, once, &TICKS, "once"),
        });
        lab.push_at(at("09:55:00").parse().unwrap(), tasks).await;
        lab.looked().await;
        lab.kill().await;
        lab.now_while_down(&at("10:35:00"));
        lab.up().await;
        lab.looked().await;
        assert_eq!(times(lab).await, [at("10:30:00")]);
        assert_eq!(lab.runs()[0].task.as_str(), "once");
        lab.now(&at("10:40:00")).await;
        assert_eq!(times(lab).await, [at("10:30:00"), at("10:40:00"), at("10:40:00")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_scheduled_run_lasts_the_next_time_counts_as_missed() {
    run(Lab::simulated_at(&at("09:55:00")).await, async |lab: &mut Lab| {
        let lasts = [OnTerm(Some(0)), Says("ready")];
        let tasks = json!({
            "skip": every_ten_minutes(lab, "echo skip", &lasts, "skip"),
            "once": every_ten_minutes(lab, "echo once", &lasts, "once"),
        });
        lab.push_at(at("09:55:00").parse().unwrap(), tasks).await;
        lab.now(&at("10:00:00")).await;
        lab.now(&at("10:10:00")).await;
        assert_eq!(lab.scheduled(), [(at("10:00:00"), Running), (at("10:00:00"), Running)]);
        for run in lab.runs() {
            lab.end(run.id).await;
        }
        lab.now(&at("10:11:00")).await;
        // Only the one that is to be run once is run late.
        lab.eventually("the missed time is run", |runs| runs.len() == 3).await;
        let late = lab.runs().pop().unwrap();
        assert_eq!((late.task.as_str(), lab.scheduled()[2].0.as_str()), ("once", at("10:10:00").as_str()));
        lab.end(late.id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_is_read_by_the_clocks_of_its_zone() {
    run(Lab::simulated_at(&at("00:00:00")).await, async |lab: &mut Lab| {
        let mut nine = lab.task("nine", &TICKS);
        nine["schedule"] = json!({ "cron": "0 9 * * *", "timezone": "Asia/Kolkata" });
        // 02:30 does not exist on 29 March: right after the gap.
        let mut gap = lab.task("gap", &TICKS);
        gap["schedule"] = json!({ "cron": "30 2 29 3 *", "timezone": "Europe/Berlin" });
        lab.push_at(at("00:00:00").parse().unwrap(), json!({ "nine": nine, "gap": gap })).await;
        lab.now(&at("03:29:59")).await;
        assert_eq!(times(lab).await, [""; 0]);
        lab.now(&at("03:30:00")).await;
        assert_eq!(times(lab).await, [at("03:30:00")]);
        lab.now("2026-03-29T01:29:59Z").await;
        assert_eq!(times(lab).await.len(), 1, "four weeks of nine o'clock are missed and skipped");
        lab.now("2026-03-29T01:30:00Z").await;
        assert_eq!(times(lab).await, [at("03:30:00"), "2026-03-29T01:30:00Z".to_owned()]);
    })
    .await;
}
