//! What a pusher sees of the rollout.

use std::time::{Duration, Instant};

use schemas::event::{
    Data, RolloutFailed, RolloutPlanned, RolloutStarted, RolloutStep, RolloutSucceeded, RolloutSuperseded, StepStatus,
};
use schemas::plan::{Action, Step};
use uuid::Uuid;

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Said, Workdir};

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
    let step =
        Step { container: "db".parse().unwrap(), action: Action::Create, reasons: Vec::new(), after: Vec::new() };
    let planned = RolloutPlanned {
        commit: "a".repeat(40).parse().unwrap(),
        desired,
        observed: desired,
        epoch: 1,
        node: "local".parse().unwrap(),
        steps: vec![step],
    };
    platform.append("acme/shop", None, Data::RolloutPlanned(planned)).await.1
}

async fn step(platform: &Platform, rollout: Uuid, status: StepStatus, error: Option<&str>) {
    let duration_ms = (status != StepStatus::Started).then_some(1_234);
    let error = error.map(str::to_owned);
    let step = RolloutStep { rollout, step: 0, status, error, duration_ms, obs: None };
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
    said.good()
        .tells("create db … failed in 1.2 s: image `demo/tool:1` does not exist")
        .tells("rollout failed: step 1 failed")
        .tells("push a fix")
        .tells("fleetlog wait ");
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
    said.good().tells("rollout superseded by the newer push at position 99");
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
