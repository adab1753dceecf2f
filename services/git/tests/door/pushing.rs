//! What is accepted.

use std::time::Duration;

use crate::platform::Platform;
use crate::workdir::{DB, Workdir, fsck};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_becomes_an_event_and_a_clone_elsewhere_has_the_commit() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let commit = ann.commit(&[("containers/db.json", DB), ("README", "hello")]).await;
    ann.push(&["create", "no-wait", "reason=the first one"], &["main"])
        .await
        .good()
        .tells("remote: plan: 1 to create")
        .tells("remote: accepted at position 1 (event ")
        .tells(&format!("fleetlog wait {}", &commit[..8]));

    let pushed = platform.pushed("acme/shop").await;
    assert_eq!(pushed.len(), 1);
    let event = &pushed[0];
    assert!(event.created);
    assert_eq!(event.deploy, "main");
    assert_eq!(event.commit.as_ref().unwrap().as_str(), commit);
    assert_eq!(event.reason.as_deref(), Some("the first one"));
    assert_eq!(event.descriptors.set.0.len(), 1, "{:?}", event.descriptors);
    assert!(event.pack.as_ref().unwrap().bytes > 0);

    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(bob.head().await, commit);
    assert_eq!(bob.run(&["branch", "--show-current"]).await.good().stdout, "main\n");
    fsck(&platform.folder().join("acme/shop.git")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_and_tags_that_are_not_deployed_change_no_descriptor() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.run(&["checkout", "--quiet", "-b", "next"]).await.good();
    let next = ann.commit(&[("containers/api.json", DB)]).await;
    ann.run(&["tag", "v1"]).await.good();
    ann.run(&["tag", "-a", "v2", "-m", "signed off"]).await.good();
    ann.push(&[], &["next", "v1", "v2"]).await.good().tells("`main` does not move");

    let pushed = platform.pushed("acme/shop").await;
    assert_eq!(pushed.len(), 2);
    assert!(!pushed[1].created);
    assert_eq!(pushed[1].commit, None);
    assert!(pushed[1].descriptors.is_empty());
    assert_eq!(pushed[1].refs.len(), 3);
    let refs = ann.remote_refs().await;
    assert!(refs.contains(&format!("{next} refs/heads/next")), "{refs}");
    assert!(refs.contains("refs/tags/v2^{}"), "{refs}");

    ann.push(&[], &[":next", ":v1"]).await.good();
    let pushed = platform.pushed("acme/shop").await;
    assert_eq!(pushed[2].pack, None);
    assert!(pushed[2].refs.iter().all(|update| update.new.is_none()));
    assert!(!ann.remote_refs().await.contains("next"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_push_is_planned_as_any_other() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("README", "one")]).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.run(&["reset", "--quiet", "--hard", "HEAD~1"]).await.good();
    let other = ann.commit(&[("containers/api.json", DB)]).await;
    ann.push(&["no-wait"], &["main"]).await.bad().tells("non-fast-forward");
    ann.push(&["no-wait"], &["+main"]).await.good().tells("remote: plan: 1 to create");

    let pushed = platform.pushed("acme/shop").await;
    assert_eq!(pushed[1].commit.as_ref().unwrap().as_str(), other);
    let removed: Vec<String> = pushed[1].descriptors.removed.iter().map(ToString::to_string).collect();
    assert_eq!(removed, ["containers/db.json"]);
    assert_eq!(Workdir::clone_of(&platform.url("acme/shop")).await.head().await, other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_push_streams_through_and_packed_bodies_are_unpacked() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    // Over a mebibyte, so that the client probes first and then sends in chunks.
    let mut noise = Vec::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    while noise.len() < 6 << 20 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        noise.extend_from_slice(&seed.to_le_bytes());
    }
    std::fs::write(ann.path.join("noise"), &noise).unwrap();
    let commit = ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let pack = platform.pushed("acme/shop").await[0].pack.clone().unwrap();
    assert!(pack.chunks > 10, "{pack:?}");

    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(bob.head().await, commit);
    assert_eq!(std::fs::read(bob.path.join("noise")).unwrap(), noise);
    // So many wants and haves that the client packs its request.
    for n in 0..40 {
        ann.run(&["tag", &format!("t{n}")]).await.good();
        ann.commit(&[("README", &n.to_string())]).await;
    }
    ann.push(&["no-wait"], &["main", "--tags"]).await.good();
    bob.commit(&[("mine", "x")]).await;
    bob.run(&["fetch", "--quiet", "--tags"]).await.good();
    assert_eq!(bob.rev("origin/main").await, ann.head().await);
    let partial = Workdir::bare_home();
    partial.run(&["clone", "--quiet", "--filter=blob:none", "--depth=1", &platform.url("acme/shop"), "."]).await.good();
    assert_eq!(partial.head().await, ann.head().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_who_hangs_up_does_not_stop_what_was_begun() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let commit = ann.commit(&[("containers/db.json", DB)]).await;
    // Nobody rolls out here: the push would wait for its rollout until its time is up.
    let mut child = ann.command(&["push", "-o", "create", "origin", "main"]).spawn().unwrap();
    let seen = crate::platform::eventually("the event", || async {
        platform.pushed("acme/shop").await.pop().ok_or_else(|| "no event".to_owned())
    })
    .await;
    child.kill().await.unwrap();
    assert_eq!(seen.commit.unwrap().as_str(), commit);
    crate::platform::eventually("the ref", || async {
        let refs = ann.remote_refs().await;
        if refs.contains(&commit) { Ok(()) } else { Err(refs) }
    })
    .await;
    // Its children are gone long before the push would have given up.
    let mut platform = platform;
    tokio::time::timeout(Duration::from_secs(5), platform.stop()).await.unwrap();
}
