//! Several pushers at once.

use std::os::unix::fs::PermissionsExt;

use schemas::event::Refusal;

use crate::platform::{Platform, eventually};
use crate::workdir::{DB, Workdir};

/// Lets `ann` push only after `bob` has pushed, but with what she saw before.
fn let_pass_before(ann: &Workdir, bob: &Workdir, refs: &str) {
    let hook = ann.path.join(".git/hooks/pre-push");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let script =
        format!("#!/bin/sh\nunset GIT_DIR\ncd '{}' && git push --quiet -o no-wait origin {refs}\n", bob.path.display());
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_pushes_at_once_one_wins_and_the_other_is_told_to_fetch() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    let wins = bob.commit(&[("README", "bob")]).await;
    ann.commit(&[("README", "ann")]).await;
    let_pass_before(&ann, &bob, "main");
    ann.push(&["no-wait"], &["main"]).await.bad().tells("`refs/heads/main` has moved meanwhile; fetch first");

    let refused = platform.refused("acme/shop").await;
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].refusal, refused[0].codes.as_slice()), (Refusal::Race, ["race".to_owned()].as_slice()));
    assert_eq!(platform.pushed("acme/shop").await.len(), 2);
    assert!(bob.remote_refs().await.contains(&format!("{wins} refs/heads/main")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_first_pushes_one_makes_the_fleet() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let bob = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    bob.commit(&[("containers/api.json", DB)]).await;
    let options = ["create", "no-wait"];
    let (one, other) = tokio::join!(ann.push(&options, &["main"]), bob.push(&options, &["main"]));
    assert_ne!(one.ok, other.ok, "{one:#?}\n{other:#?}");
    let pushed = platform.pushed("acme/shop").await;
    assert_eq!(pushed.len(), 1);
    assert!(pushed[0].created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_of_other_branches_do_not_stand_in_each_others_way() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let branches = ["a", "b", "c", "d", "e", "f"];
    let push = |branch: &'static str| {
        let url = platform.url("acme/shop");
        async move {
            let user = Workdir::clone_of(&url).await;
            let commit = user.commit(&[("README", branch)]).await;
            user.push(&[], &[&format!("HEAD:{branch}")]).await.good();
            format!("{commit} refs/heads/{branch}")
        }
    };
    let [a, b, c, d, e, f] = branches.map(push);
    let (a, b, c, d, e, f) = tokio::join!(a, b, c, d, e, f);
    let refs = ann.remote_refs().await;
    for line in [a, b, c, d, e, f] {
        assert!(refs.contains(&line), "{line} is not in\n{refs}");
    }
    assert_eq!(platform.pushed("acme/shop").await.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_on_one_log_show_the_same_refs() {
    let mut platform = Platform::started().await;
    let first = platform.url("acme/shop");
    let ann = Workdir::new(&first).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let other = platform.dir.path().join("other");
    platform.start_another(other.clone()).await;
    let second = platform.url("acme/shop");
    assert_ne!(first, second);
    let bob = Workdir::clone_of(&second).await;
    assert_eq!(bob.head().await, ann.head().await);

    // Each appends while the other does: whoever expected too early a position takes what came in between.
    for round in 0..5 {
        ann.commit(&[("README", &format!("ann {round}"))]).await;
        bob.commit(&[("README", &format!("bob {round}"))]).await;
        let (mine, his) = (format!("HEAD:ann-{round}"), format!("HEAD:bob-{round}"));
        let (mine, his) = ([mine.as_str()], [his.as_str()]);
        let (one, other) = tokio::join!(ann.push(&[], &mine), bob.push(&[], &his));
        one.good();
        other.good();
    }
    assert_eq!(ann.remote_refs().await, bob.remote_refs().await);
    assert_eq!(ann.remote_refs().await.lines().count(), 12);
    eventually("the same packs", || async {
        let count = |folder: &std::path::Path| {
            let packs = std::fs::read_dir(folder.join("acme/shop.git/objects/pack")).unwrap();
            packs.filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|end| end == "pack")).count()
        };
        let counts = (count(&platform.folder()), count(&other));
        if counts == (11, 11) { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
}
