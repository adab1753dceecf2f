//! Many packs become one, while pushes and fetches go on.

use std::path::Path;
use std::time::Duration;

use git::{FaultPoint, Limits};
use schemas::event::{Data, GitRepacked};

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Workdir, fsck};

/// A platform that makes one pack of more than three.
async fn shop() -> (Platform, Workdir) {
    let mut platform = Platform::new().await;
    platform.limits = Limits { repack: 3, ..Limits::default() };
    platform.start().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    (platform, ann)
}

async fn push(ann: &Workdir, text: &str) -> String {
    let commit = ann.commit(&[("README", text)]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    commit
}

async fn repacked(platform: &Platform) -> Vec<GitRepacked> {
    let repacked = |event: schemas::event::Event| match event.draft.data {
        Data::GitRepacked(it) => Some(it),
        _ => None,
    };
    platform.events("acme/shop").await.into_iter().filter_map(repacked).collect()
}

fn packs(folder: &Path) -> usize {
    let packs = std::fs::read_dir(folder.join("acme/shop.git/objects/pack")).unwrap();
    packs.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|end| end == "pack")).count()
}

async fn eventually_packs(folder: &Path, wanted: usize) {
    eventually("the packs", || async {
        let seen = packs(folder);
        if seen == wanted { Ok(()) } else { Err(format!("{seen} packs, expected {wanted}")) }
    })
    .await;
}

async fn eventually_repacked(platform: &Platform, wanted: usize) -> GitRepacked {
    eventually("the event", || async {
        let seen = repacked(platform).await;
        if seen.len() == wanted { Ok(seen[wanted - 1].clone()) } else { Err(format!("{seen:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_packs_become_one_that_holds_all_of_them() {
    let (mut platform, ann) = shop().await;
    // What no ref leads to any more stays as well.
    ann.run(&["checkout", "--quiet", "-b", "gone"]).await.good();
    let gone = ann.commit(&[("gone", "x")]).await;
    ann.push(&[], &["gone"]).await.good();
    ann.push(&[], &[":gone"]).await.good();
    ann.run(&["checkout", "--quiet", "main"]).await.good();
    push(&ann, "two").await;
    push(&ann, "three").await;
    let event = eventually_repacked(&platform, 1).await;
    let old: Vec<_> = platform.pushed("acme/shop").await.into_iter().filter_map(|it| it.pack).collect();
    let mut ids: Vec<_> = old.iter().map(|pack| pack.id).collect();
    let mut replaced = event.replaces.clone();
    ids.sort();
    replaced.sort();
    assert_eq!(replaced, ids);
    eventually_packs(&platform.folder(), 1).await;
    let shop = platform.folder().join("acme/shop.git");
    let has_gone =
        std::process::Command::new("git").args(["cat-file", "-e", &gone]).current_dir(&shop).status().unwrap();
    assert!(has_gone.success());
    fsck(&shop).await;
    let before = ann.remote_refs().await;

    // From the log alone, with what it replaces erased.
    platform.stop().await;
    std::fs::remove_dir_all(platform.folder()).unwrap();
    platform.limits.orphan = Duration::ZERO;
    platform.start().await;
    ann.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
    eventually("the end of what was replaced", || async {
        let fleet = "acme/shop".parse().unwrap();
        for pack in &old {
            if platform.bus.load_pack(&fleet, pack, Vec::new()).await.is_ok() {
                return Err(format!("{} is there", pack.id));
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(packs(&platform.folder()), 1);
    assert_eq!(ann.remote_refs().await, before);
    fsck(&shop).await;
    platform.stop().await;
    platform.limits.orphan = Limits::default().orphan;
    platform.start().await;
    ann.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
    let last = push(&ann, "four").await;
    assert_eq!(Workdir::clone_of(&platform.url("acme/shop")).await.head().await, last);
    assert!(repacked(&platform).await.len() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_and_fetches_go_on_while_packs_become_one() {
    let (platform, ann) = shop().await;
    let url = platform.url("acme/shop");
    let fetching = async {
        for _ in 0..6 {
            fsck(&Workdir::clone_of(&url).await.path).await;
        }
    };
    let pushing = async {
        for n in 0..16 {
            push(&ann, &n.to_string()).await;
        }
    };
    tokio::join!(fetching, pushing);
    let seen = repacked(&platform).await.len();
    assert!(seen >= 2, "{seen} repacks");
    eventually("few packs", || async {
        let seen = packs(&platform.folder());
        if seen <= 4 { Ok(()) } else { Err(format!("{seen} packs")) }
    })
    .await;
    assert_eq!(Workdir::clone_of(&url).await.head().await, ann.head().await);
    fsck(&platform.folder().join("acme/shop.git")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_services_one_makes_the_pack_and_both_use_it() {
    let (mut platform, ann) = shop().await;
    let other = platform.dir.path().join("other");
    platform.start_another(other.clone()).await;
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    for n in 0..6 {
        push(&ann, &n.to_string()).await;
        bob.run(&["fetch", "--quiet"]).await.good();
        bob.run(&["reset", "--quiet", "--hard", "origin/main"]).await.good();
        bob.commit(&[("README", &format!("bob {n}"))]).await;
        bob.push(&[], &[&format!("HEAD:bob-{n}")]).await.good();
    }
    for folder in [platform.folder(), other] {
        eventually("few packs", || async {
            let seen = packs(&folder);
            if seen <= 4 { Ok(()) } else { Err(format!("{seen} packs")) }
        })
        .await;
        fsck(&folder.join("acme/shop.git")).await;
    }
    // No pack was replaced twice.
    let mut replaced: Vec<_> = repacked(&platform).await.into_iter().flat_map(|it| it.replaces).collect();
    let count = replaced.len();
    replaced.sort();
    replaced.dedup();
    assert!(count >= 4 && replaced.len() == count, "{count} of {}", replaced.len());
    assert_eq!(ann.remote_refs().await, bob.remote_refs().await);
}

/// Kills the service at `point` of a repack, and starts it again.
async fn killed_at(point: FaultPoint) {
    let (mut platform, ann) = shop().await;
    platform.stop().await;
    platform.pause_at = Some(point);
    platform.start().await;
    ann.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
    for text in ["two", "three", "four"] {
        push(&ann, text).await;
    }
    let pack = platform.folder().join("acme/shop.git/fleetlog/repack");
    eventually("the fault point", || async {
        let there = std::fs::read_dir(&pack)
            .into_iter()
            .flatten()
            .any(|it| it.unwrap().path().extension().is_some_and(|end| end == "idx"));
        let told = repacked(&platform).await.len();
        if there && told == usize::from(point == FaultPoint::AfterRepacked) {
            Ok(())
        } else {
            Err(format!("{there} {told}"))
        }
    })
    .await;
    // A push is not held up by a repack that is under way.
    let head = push(&ann, "five").await;
    let before = ann.remote_refs().await;
    platform.kill().await;
    platform.pause_at = None;
    platform.start().await;
    ann.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
    assert_eq!(ann.remote_refs().await, before);
    eventually_repacked(&platform, 1).await;
    assert_eq!(Workdir::clone_of(&platform.url("acme/shop")).await.head().await, head);
    fsck(&platform.folder().join("acme/shop.git")).await;
    eventually("no left-over", || async { if pack.exists() { Err("it is there".to_owned()) } else { Ok(()) } }).await;
    push(&ann, "six").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_before_the_event_everything_is_as_it_was() {
    killed_at(FaultPoint::AfterRepack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_the_event_the_new_pack_counts() {
    killed_at(FaultPoint::AfterRepacked).await;
}
