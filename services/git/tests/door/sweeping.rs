//! Another Git service on the same log: what it erases, and what it has to load.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::platform::{Platform, eventually, processes_in};
use crate::workdir::{DB, Workdir};

/// A pack that is stored and in no event yet is, for another service, one that nobody wants once it is old enough. A push
/// that stood still for so long must not be accepted with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_whose_pack_may_be_swept_elsewhere_is_not_accepted() {
    let mut platform = Platform::new().await;
    platform.limits.orphan = Duration::from_secs(4);
    platform.limits.ask = Duration::from_secs(60);
    platform.start().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let commit = ann.commit(&[("containers/api.json", DB)]).await;
    platform.registry_open.send_replace(false);
    let push = ann.push(&["no-wait"], &["main"]);
    let swept = async {
        let pushed = platform.pushed("acme/shop").await;
        let referenced: HashSet<_> = pushed.into_iter().filter_map(|it| Some(it.pack?.id)).collect();
        let orphan = platform.limits.orphan;
        eventually("the other service's sweep", || async {
            let erased = platform.bus.sweep_packs(&referenced, orphan).await.unwrap();
            if erased == 1 { Ok(()) } else { Err(format!("{erased} erased")) }
        })
        .await;
        platform.registry_open.send_replace(true);
    };
    let (said, ()) = tokio::join!(push, swept);
    said.bad().tells("stood still for too long; nothing changed, try again");
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
    assert!(!ann.remote_refs().await.contains(&commit));

    // The same push again, without the standstill, and the log alone brings it back.
    ann.push(&["no-wait"], &["main"]).await.good();
    platform.stop().await;
    std::fs::remove_dir_all(platform.folder()).unwrap();
    platform.start().await;
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(bob.head().await, commit);
}

/// The processes in `folder` that write a pack into a store.
fn loading(folder: &Path) -> Vec<String> {
    processes_in(folder).into_iter().filter(|it| it.contains("index-pack")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_pack_of_one_fleet_keeps_nobody_of_another_one_waiting() {
    let mut platform = Platform::new().await;
    // Whoever waited for the loading would be told that the refs are behind.
    platform.limits.head = Duration::from_millis(200);
    platform.start().await;
    let first = platform.url("acme/large");
    let (large, small) = (Workdir::new(&first).await, Workdir::new(&platform.url("acme/small")).await);
    for user in [&large, &small] {
        user.commit(&[("containers/db.json", DB)]).await;
        user.push(&["create", "no-wait"], &["main"]).await.good();
    }
    let other = platform.dir.path().join("other");
    platform.start_another(other.clone()).await;
    let other = other.canonicalize().unwrap();

    let noise: String = (0..1 << 20).map(|_| streams::clock::new_id().simple().to_string()).collect();
    let commit = large.commit(&[("noise.txt", &noise)]).await;
    let push = large.push(&["no-wait"], &["main"]);
    let meanwhile = async {
        eventually("the other service loads the pack", || async {
            if loading(&other).is_empty() { Err("no index-pack".to_owned()) } else { Ok(()) }
        })
        .await;
        // Positions go on while it loads: theirs is one of them.
        let bob = Workdir::clone_of(&platform.url("acme/small")).await;
        let mine = bob.commit(&[("README", "bob")]).await;
        bob.push(&["no-wait"], &["main"]).await.good();
        (bob, mine, loading(&other).len())
    };
    let (said, (bob, mine, still)) = tokio::join!(push, meanwhile);
    said.good();
    assert_eq!(still, 1, "it was loading all the time: else this has shown nothing");
    assert!(bob.remote_refs().await.contains(&mine));
    // Whoever asks for the large one waits for its disk.
    let carol = Workdir::clone_of(&platform.url("acme/large")).await;
    assert_eq!(carol.head().await, commit);
}
