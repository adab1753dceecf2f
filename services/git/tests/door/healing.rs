//! The folder is a cache: whatever happens to it, a start makes it show the log.

use std::fs;
use std::path::Path;

use git::FaultPoint;

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Workdir, fsck};

async fn shop(platform: &Platform) -> Workdir {
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann
}

/// The address has changed with the start.
async fn follow(platform: &Platform, user: &Workdir) {
    user.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_folder_comes_back_with_the_same_refs_and_objects() {
    let mut platform = Platform::started().await;
    let ann = shop(&platform).await;
    ann.run(&["tag", "-a", "v1", "-m", "one"]).await.good();
    ann.commit(&[("README", "two")]).await;
    ann.push(&["no-wait"], &["main", "main:next", "v1"]).await.good();
    ann.push(&[], &[":next"]).await.good();
    let before = ann.remote_refs().await;
    platform.stop().await;
    fs::remove_dir_all(platform.folder()).unwrap();

    platform.start().await;
    follow(&platform, &ann).await;
    assert_eq!(ann.remote_refs().await, before);
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(bob.head().await, ann.head().await);
    fsck(&platform.folder().join("acme/shop.git")).await;
    ann.commit(&[("README", "three")]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_repairs_what_is_not_as_the_log_says() {
    let mut platform = Platform::started().await;
    let ann = shop(&platform).await;
    let before = ann.remote_refs().await;
    platform.stop().await;
    let shop = platform.folder().join("acme/shop.git");
    let run = |arguments: &'static [&'static str]| {
        let output = std::process::Command::new("git").args(arguments).current_dir(&shop).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // A ref ahead of the log, one that it does not know, one that is gone, broken ones; locks and half a push.
    run(&["update-ref", "refs/heads/extra", "main"]);
    run(&["update-ref", "-d", "refs/heads/main"]);
    fs::write(shop.join("refs/heads/broken"), "").unwrap();
    fs::write(shop.join("HEAD"), "ref: refs/heads/elsewhere\n").unwrap();
    for lock in ["HEAD.lock", "packed-refs.lock", "refs/heads/main.lock"] {
        fs::write(shop.join(lock), "").unwrap();
    }
    fs::create_dir_all(shop.join("objects/tmp_objdir-incoming-abc/pack")).unwrap();
    fs::create_dir_all(shop.join("objects/incoming-abc")).unwrap();
    fs::write(shop.join("objects/pack/pack-0.pack"), "junk").unwrap();
    fs::create_dir_all(platform.folder().join("acme/stranger.git/refs")).unwrap();

    platform.start().await;
    follow(&platform, &ann).await;
    assert_eq!(ann.remote_refs().await, before);
    assert_eq!(left_overs(&platform.folder()), Vec::<String>::new());
    fsck(&shop).await;
    ann.commit(&[("README", "two")]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

/// Files that a killed push leaves.
fn left_overs(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bad =
            name.ends_with(".lock") || name.contains("incoming") || name.starts_with("tmp_") || name == "stranger.git";
        if bad || name == "pack-0.pack" {
            found.push(path.display().to_string());
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(left_overs(&path));
        }
    }
    found
}

/// Kills the service at `point` of a second push, and starts it again. Answers the commit of that push.
async fn killed_at(point: FaultPoint) -> (Platform, Workdir, String) {
    let mut platform = Platform::started().await;
    let ann = shop(&platform).await;
    platform.stop().await;
    platform.pause_at = Some(point);
    platform.start().await;
    follow(&platform, &ann).await;
    let head = platform.bus.head().await.unwrap();
    let commit = ann.commit(&[("containers/api.json", DB)]).await;
    let mut push = ann.command(&["push", "-o", "no-wait", "origin", "main"]).spawn().unwrap();
    let lock = platform.folder().join("acme/shop.git/refs/heads/main.lock");
    eventually("the fault point", || async {
        let seen = (lock.exists(), platform.bus.head().await.unwrap() > head);
        if seen == (true, point == FaultPoint::AfterAppend) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    platform.kill().await;
    assert!(!push.wait().await.unwrap().success());
    assert!(lock.exists(), "a killed `update-ref` leaves its lock");
    platform.pause_at = None;
    platform.start().await;
    follow(&platform, &ann).await;
    (platform, ann, commit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_pack_and_append_nothing_has_changed() {
    let (platform, ann, commit) = killed_at(FaultPoint::AfterPack).await;
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
    assert!(!ann.remote_refs().await.contains(&commit));
    assert_eq!(left_overs(&platform.folder()), Vec::<String>::new());
    ann.push(&["no-wait"], &["main"]).await.good();
    assert!(ann.remote_refs().await.contains(&commit));
    fsck(&platform.folder().join("acme/shop.git")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_append_and_commit_the_refs_have_moved() {
    let (platform, ann, commit) = killed_at(FaultPoint::AfterAppend).await;
    assert_eq!(platform.pushed("acme/shop").await.len(), 2);
    assert!(ann.remote_refs().await.contains(&format!("{commit} refs/heads/main")));
    assert_eq!(left_overs(&platform.folder()), Vec::<String>::new());
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(bob.head().await, commit);
    ann.commit(&[("README", "more")]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    fsck(&platform.folder().join("acme/shop.git")).await;
}
