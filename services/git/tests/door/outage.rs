//! The log stops answering in the middle of a push.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Workdir};

async fn shop(platform: &Platform) -> Workdir {
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main", "main:old"]).await.good();
    ann
}

/// Runs a command between what the pusher sees and what she sends.
fn before_sending(user: &Workdir, command: &str) {
    let hook = user.path.join(".git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_without_an_answer_is_unknown_and_the_refs_follow_the_log() {
    let mut platform = Platform::new().await;
    platform.deadline = Duration::from_secs(1);
    platform.start().await;
    let ann = shop(&platform).await;
    let pid = platform.server_pid();
    // A deletion has no pack and no plan: the append is the first thing that the log does not answer.
    before_sending(&ann, &format!("kill -STOP {pid}"));
    let said = ann.push(&[], &[":old"]).await.bad().tells("outcome unknown, event ");
    ann.run(&["config", "core.hooksPath", "/nonexistent"]).await.good();
    let resumed = std::process::Command::new("kill").args(["-CONT", &pid.to_string()]).status().unwrap();
    assert!(resumed.success());

    let id = said.stderr.split("outcome unknown, event ").nth(1).unwrap()[..36].to_owned();
    eventually("the log and the refs to agree", || async {
        let stored = platform.events("acme/shop").await.iter().any(|event| event.id.to_string() == id);
        let refs = ann.run(&["ls-remote", "origin"]).await;
        let gone = refs.ok && !refs.stdout.contains("refs/heads/old");
        if stored && gone { Ok(()) } else { Err(format!("stored: {stored}, gone: {gone}, {refs:?}")) }
    })
    .await;
    ann.commit(&[("README", "on")]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packs_that_no_event_refers_to_are_erased() {
    let mut platform = Platform::started().await;
    shop(&platform).await;
    platform.stop().await;
    let (fleet, id) = ("acme/shop".parse().unwrap(), streams::clock::new_id());
    let orphan = platform.bus.store_pack(&fleet, id, &b"of a push that never came true"[..]).await.unwrap();
    platform.limits.orphan = Duration::ZERO;
    platform.start().await;
    eventually("the end of the orphan", || async {
        match platform.bus.load_pack(&fleet, &orphan, Vec::new()).await {
            Ok(()) => Err("it is there".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    let kept = platform.pushed("acme/shop").await[0].pack.clone().unwrap();
    platform.bus.load_pack(&fleet, &kept, Vec::new()).await.unwrap();
}
