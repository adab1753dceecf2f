//! What a pusher sees of the rollout.

use std::time::{Duration, Instant};

use schemas::event::{
    Data, RolloutFailed, RolloutPlanned, RolloutStarted, RolloutStep, RolloutSucceeded, RolloutSuperseded, StepStatus,
};
use schemas::logs::{Found, Origin, Place, Stream};
use schemas::plan::{Action, Step};
use schemas::query::{LogsAnswer, LogsRequest};
use uuid::Uuid;

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Said, Workdir};

/// Another container than `DB`.
const DB_2: &str = r#"{ "image": "demo/tool:1", "command": ["sleep", "61"] }"#;

/// Pushes while `roll` plays Shazam from the position of the push on.
async fn while_rolling<F: Future<Output = ()>>(platform: &Platform, roll: impl FnOnce(u64) -> F) -> Said {
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    let play = async {
        let pushed = eventually("the push", || async {
            platform.events("acme/shop").await.pop().ok_or_else(|| "no event".to_owned())
        });
        roll(pushed.await.position).await;
    };
    tokio::join!(ann.push(&["create"], &["main"]), play).0
}

async fn planned(platform: &Platform, desired: u64) -> Uuid {
    planned_for(platform, desired, &"a".repeat(40)).await
}

async fn planned_for(platform: &Platform, desired: u64, commit: &str) -> Uuid {
    let step =
        Step { container: "db".parse().unwrap(), action: Action::Create, reasons: Vec::new(), after: Vec::new() };
    planned_as(platform, desired, commit, vec![step]).await
}

async fn planned_as(platform: &Platform, desired: u64, commit: &str, steps: Vec<Step>) -> Uuid {
    let planned = RolloutPlanned {
        retries: None,
        commit: commit.parse().unwrap(),
        desired,
        observed: desired,
        epoch: 1,
        node: "local".parse().unwrap(),
        steps,
        heals: false,
    };
    platform.append("acme/shop", None, Data::RolloutPlanned(planned)).await.1
}

async fn step(platform: &Platform, rollout: Uuid, status: StepStatus, error: Option<&str>) {
    let duration_ms = (status != StepStatus::Started).then_some(1_234);
    let error = error.map(str::to_owned);
    let step = RolloutStep { rollout, step: 0, status, error, duration_ms, obs: None, image: None };
    platform.append("acme/shop", Some(rollout), Data::RolloutStep(step)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_shows_its_rollout_to_the_end() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            let other = planned(platform, position - 1).await;
            step(platform, other, StepStatus::Failed, Some("somebody else's")).await;
            let rollout = planned(platform, position).await;
            platform.append("acme/shop", Some(rollout), Data::RolloutStarted(RolloutStarted { rollout })).await;
            step(platform, rollout, StepStatus::Started, None).await;
            step(platform, rollout, StepStatus::Succeeded, None).await;
            let succeeded = RolloutSucceeded { rollout, duration_ms: 3_400 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSucceeded(succeeded)).await;
        }
    })
    .await;
    said.good()
        .tells("remote: rollout: 1 step on node local")
        .tells("remote: step 1/1  create db … done in 1.2 s")
        .tells("remote: success: rollout succeeded in 3.4 s")
        .hides("somebody else's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_out_because_it_is_on_hold_is_said_at_the_end() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            let rollout = planned(platform, position).await;
            step(platform, rollout, StepStatus::Held, None).await;
            let succeeded = RolloutSucceeded { rollout, duration_ms: 3_400 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSucceeded(succeeded)).await;
        }
    })
    .await;
    said.good()
        .tells("create db … left out: its container is on hold")
        .tells("remote: success: rollout succeeded in 3.4 s, without what is on hold: db");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_rollout_is_told_and_the_push_stays_accepted() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            let rollout = planned(platform, position).await;
            step(platform, rollout, StepStatus::Failed, Some("image `demo/tool:1` does not exist")).await;
            let error = "step 1 failed".to_owned();
            let failed = RolloutFailed { rollout, step: Some(0), error, duration_ms: 20 };
            platform.append("acme/shop", Some(rollout), Data::RolloutFailed(failed)).await;
        }
    })
    .await;
    let said = said
        .good()
        .tells("create db … failed in 1.2 s: image `demo/tool:1` does not exist")
        .tells("remote: the commit is accepted and stays; what you can do now:")
        .tells("remote: hint: to try again:  fleetlog retry aaaaaaaa")
        .tells("remote: hint: to fix it:     git commit -a && git push origin main")
        .tells("remote: hint: to go back:    no earlier rollout of another commit succeeded")
        .hides("the last lines of");
    let end = said.stderr.lines().rfind(|line| line.starts_with("remote: ")).unwrap();
    assert_eq!(end.trim_end(), "remote: error: rollout failed: step 1 failed (step 1/1, create db, after 20 ms)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_rollout_shows_what_its_container_wrote_last_and_the_way_back() {
    let platform = Platform::started().await;
    let mut questions = platform.bus.answer::<LogsRequest>().await.unwrap();
    let since = streams::clock::now();
    let logger = async {
        // The first line comes first, the last one with the third look.
        let mut looks = 0;
        while let Some(asked) = questions.next().await {
            let LogsRequest { filter, newest_first, limit, .. } = asked.question.clone();
            assert_eq!((filter.container.as_deref(), newest_first, limit), (Some("db"), true, 10));
            assert_eq!(filter.fleet.unwrap().to_string(), "acme/shop");
            assert!(filter.from.unwrap() >= i64::try_from(since.as_nanosecond()).unwrap());
            looks += 1;
            let all = [line(2, Stream::Stderr, "boom \u{1b}[31m"), line(1, Stream::Stdout, "starting")];
            let lines = if looks < 3 { all[1..].to_vec() } else { all.to_vec() };
            let lines = if looks < 2 { Vec::new() } else { lines };
            asked.reply(Ok(LogsAnswer { lines, more: false, applied: 1 })).await.unwrap();
            if looks == 4 {
                break;
            }
        }
    };
    let rolled = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            // An earlier rollout of another commit had succeeded.
            let good = planned_for(platform, position, &"9".repeat(40)).await;
            let succeeded = RolloutSucceeded { rollout: good, duration_ms: 1 };
            platform.append("acme/shop", Some(good), Data::RolloutSucceeded(succeeded)).await;
        }
    });
    rolled.await.good().tells("rollout succeeded");
    let ann = Workdir::clone_of(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB_2)]).await;
    let before = platform.events("acme/shop").await.len();
    let roll = async {
        let pushed = eventually("the push", || async {
            let mut events = platform.events("acme/shop").await;
            if events.len() > before { events.pop().ok_or_else(String::new) } else { Err("no event".to_owned()) }
        });
        let rollout = planned(&platform, pushed.await.position).await;
        step(&platform, rollout, StepStatus::Started, None).await;
        step(&platform, rollout, StepStatus::Failed, Some("it ended with code 3")).await;
        let error = "it ended with code 3".to_owned();
        let failed = RolloutFailed { rollout, step: Some(0), error, duration_ms: 3_400 };
        platform.append("acme/shop", Some(rollout), Data::RolloutFailed(failed)).await;
    };
    let (said, (), ()) = tokio::join!(ann.push(&[], &["main"]), roll, logger);
    let told: Vec<&str> =
        said.stderr.lines().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim_end).collect();
    let from = told.iter().position(|line| line.starts_with("step ")).unwrap();
    assert_eq!(
        told[from..],
        [
            "step 1/1  create db … failed in 1.2 s: it ended with code 3",
            "the last lines of db:",
            "  | starting",
            "  ! boom ·[31m",
            "the commit is accepted and stays; what you can do now:",
            "hint: to try again:  fleetlog retry aaaaaaaa",
            "hint: to fix it:     git commit -a && git push origin main",
            "hint: to go back:    fleetlog rollback --to 99999999",
            "error: rollout failed: it ended with code 3 (step 1/1, create db, after 3.4 s)",
        ]
    );
}

/// The end of a push whose rollout has failed, with a fleet that wants it undone; `then` plays what becomes of that, from the
/// `rollout.failed` on.
async fn undone<F: Future<Output = ()>>(platform: &Platform, then: impl FnOnce(Uuid) -> F) -> Vec<String> {
    let rolled = while_rolling(platform, |position| async move {
        let good = planned_for(platform, position, &"9".repeat(40)).await;
        let succeeded = RolloutSucceeded { rollout: good, duration_ms: 1 };
        platform.append("acme/shop", Some(good), Data::RolloutSucceeded(succeeded)).await;
    });
    rolled.await.good().tells("rollout succeeded");
    let ann = Workdir::clone_of(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB_2), ("fleet.json", r#"{ "on_failure": "rollback" }"#)]).await;
    let before = platform.events("acme/shop").await.len();
    let roll = async {
        let pushed = eventually("the push", || async {
            let mut events = platform.events("acme/shop").await;
            if events.len() > before { events.pop().ok_or_else(String::new) } else { Err("no event".to_owned()) }
        });
        let rollout = planned(platform, pushed.await.position).await;
        let error = "it ended with code 3".to_owned();
        let failed = RolloutFailed { rollout, step: None, error, duration_ms: 3_400 };
        then(platform.append("acme/shop", Some(rollout), Data::RolloutFailed(failed)).await.1).await;
    };
    let (said, ()) = tokio::join!(ann.push(&[], &["main"]), roll);
    let told: Vec<String> = said
        .good()
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote: "))
        .map(|line| line.trim_end().to_owned())
        .collect();
    let from = told.iter().position(|line| line.starts_with("rollout: ")).unwrap();
    told[from + 1..].to_vec()
}

/// What undoes it is planned; the rollout.
async fn planned_back(platform: &Platform, failed: Uuid) -> Uuid {
    let step =
        Step { container: "db".parse().unwrap(), action: Action::Recreate, reasons: Vec::new(), after: Vec::new() };
    let planned = RolloutPlanned {
        retries: None,
        commit: "9".repeat(40).parse().unwrap(),
        desired: 1_000_000,
        observed: 1,
        epoch: 1,
        node: "local".parse().unwrap(),
        steps: vec![step],
        heals: false,
    };
    let cause = RolloutFailed::leads_to(failed);
    platform.append("acme/shop", Some(cause), Data::RolloutPlanned(planned)).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_is_undone_shows_the_way_back_to_its_end() {
    let platform = Platform::started().await;
    let told = undone(&platform, |failed| {
        let platform = &platform;
        async move {
            let rollout = planned_back(platform, failed).await;
            step(platform, rollout, StepStatus::Started, None).await;
            step(platform, rollout, StepStatus::Succeeded, None).await;
            let succeeded = RolloutSucceeded { rollout, duration_ms: 2_100 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSucceeded(succeeded)).await;
        }
    })
    .await;
    assert_eq!(
        told,
        [
            "error: rollout failed: it ended with code 3 (after 3.4 s)",
            "hint: to fix it:     commit on top of it, then git push -o reinstate origin main",
            "rolled back to 99999999, as `on_failure` of fleet.json says",
            "rollout: 1 step on node local",
            "step 1/1  re-create db … done in 1.2 s",
            "error: rollout failed; 99999999 runs again, after 2.1 s",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_a_newer_one_overtakes_is_not_undone() {
    let platform = Platform::started().await;
    let told = undone(&platform, |_| {
        let platform = &platform;
        async move {
            planned_for(platform, 1_000_000, &"7".repeat(40)).await;
        }
    })
    .await;
    assert_eq!(told.last().unwrap(), "error: rollout failed: it ended with code 3 (after 3.4 s)");
    assert!(told.iter().any(|it| it.starts_with("hint: to go back:    fleetlog rollback")), "{told:#?}");
}

fn line(second: i64, stream: Stream, text: &str) -> Found {
    let origin = Origin {
        id: "0123456789abcdef".to_owned(),
        fleet: "acme/shop".parse().unwrap(),
        container: "db".to_owned(),
        run: None,
        step: None,
    };
    let place = Place { ns: second, position: 1, ordinal: 0 };
    Found { place, origin, node: "local".parse().unwrap(), stream, text: text.to_owned(), cut: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_another_than_the_printed_one_is_told_as_a_difference() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            let steps = [("api", Action::Remove), ("db", Action::Restart)].map(|(name, action)| Step {
                container: name.parse().unwrap(),
                action,
                reasons: Vec::new(),
                after: Vec::new(),
            });
            let rollout = planned_as(platform, position, &"a".repeat(40), steps.to_vec()).await;
            let succeeded = RolloutSucceeded { rollout, duration_ms: 3_400 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSucceeded(succeeded)).await;
        }
    })
    .await;
    said.good()
        .tells("remote: warning: the world has moved since the plan was printed; what differs now:")
        .tells("remote:   + remove     api")
        .tells("remote:   ~ restart    db   instead of: create")
        .tells("remote: rollout: 2 steps on node local");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overtaken_push_says_nothing_of_a_world_that_moved() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            // Planned without steps, so that it has an end of its own.
            let rollout = planned_as(platform, position, &"a".repeat(40), Vec::new()).await;
            let superseded = RolloutSuperseded { rollout, by: 99 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSuperseded(superseded)).await;
        }
    })
    .await;
    said.good().tells("rollout superseded").hides("the world has moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_has_done_meanwhile_is_not_needed_any_more() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            let rollout = planned_as(platform, position, &"a".repeat(40), Vec::new()).await;
            let succeeded = RolloutSucceeded { rollout, duration_ms: 1 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSucceeded(succeeded)).await;
        }
    })
    .await;
    said.good().tells("remote:   - create     db  not needed any more").tells("success: rollout succeeded in 1 ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_superseded_rollout_ends_the_wait() {
    let platform = Platform::started().await;
    let said = while_rolling(&platform, |position| {
        let platform = &platform;
        async move {
            let rollout = planned(platform, position).await;
            let superseded = RolloutSuperseded { rollout, by: 99 };
            platform.append("acme/shop", Some(rollout), Data::RolloutSuperseded(superseded)).await;
        }
    })
    .await;
    said.good().tells("rollout superseded by the newer push or rollback at position 99");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_rolls_out_the_push_leaves_after_its_time() {
    let mut platform = Platform::new().await;
    platform.limits.silence = Duration::from_millis(300);
    platform.start().await;
    let begun = Instant::now();
    let said = while_rolling(&platform, |_| async {}).await;
    said.good().tells("nobody applies rollouts now").tells("fleetlog wait ");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_stops_lets_the_pusher_go() {
    let mut platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    let push = ann.command(&["push", "-o", "create", "origin", "main"]).spawn().unwrap();
    eventually("the push", || async {
        platform.events("acme/shop").await.pop().map(drop).ok_or_else(|| "no event".to_owned())
    })
    .await;
    tokio::time::timeout(Duration::from_secs(8), platform.stop()).await.expect("nobody is waited for");
    let output = push.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("fleetlog is stopping; the rollout goes on when it is back"), "{said}");
}
