//! What is refused: the user learns why, and nothing has changed but one `git.refused` of an existing fleet.

use std::time::Duration;

use schemas::event::{Data, Level, LevelRaised, Refusal};

use crate::http::ask;
use crate::platform::Platform;
use crate::workdir::{DB, Said, Workdir};

/// A fleet with one commit on `main`, and its first pusher.
async fn shop(platform: &Platform) -> Workdir {
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann
}

/// The push left one `git.refused` with these codes, and no ref has moved.
async fn left_one(platform: &Platform, ann: &Workdir, before: &str, refusal: Refusal, codes: &[&str]) {
    let refused = platform.refused("acme/shop").await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!((refused[0].refusal, refused[0].codes.iter().map(String::as_str).collect()), (refusal, codes.to_vec()));
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
    assert_eq!(ann.remote_refs().await, before);
}

/// There is no such fleet, and nothing is left of the attempt.
async fn left_nothing(platform: &Platform) {
    assert!(platform.events("acme/shop").await.is_empty());
    let bob = Workdir::bare_home();
    bob.run(&["clone", &platform.url("acme/shop"), "."]).await.bad().tells("there is no fleet `acme/shop`");
    crate::platform::eventually("the end of the folder", || async {
        let there = platform.folder().join("acme/shop.git").exists();
        if there { Err("it is there".to_owned()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_all_told_and_remembered_without_content() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let before = ann.remote_refs().await;
    ann.commit(&[("containers/api.json", r#"{ "imgae": "x" }"#), ("containers/web.json", "{ nonsense")]).await;
    ann.push(&[], &["main"])
        .await
        .bad()
        .tells("remote: containers/api.json:1:3:")
        .tells("remote: containers/web.json:1:3:")
        .tells("refused, nothing changed")
        .tells("[remote rejected] main -> main (pre-receive hook declined)");
    let refused = platform.refused("acme/shop").await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].refusal, Refusal::Faults);
    assert!(refused[0].codes.contains(&"unknown-key".to_owned()), "{:?}", refused[0].codes);
    assert_eq!(refused[0].refs[0].name, "refs/heads/main");
    assert_eq!(ann.remote_refs().await, before);
    // The same faults on a branch that is not deployed are faults too.
    ann.push(&[], &["main:next"]).await.bad().tells("containers/api.json:1:3:");
    assert_eq!(platform.refused("acme/shop").await.len(), 2);
    // And once they are mended, the push goes through.
    std::fs::remove_file(ann.path.join("containers/web.json")).unwrap();
    ann.commit(&[("containers/api.json", DB)]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_push_with_faults_makes_no_fleet() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    std::fs::create_dir(ann.path.join("containers")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", ann.path.join("containers/db.json")).unwrap();
    ann.commit(&[]).await;
    ann.push(&["create"], &["main"]).await.bad().tells("containers/db.json:1:1:").hides("root:");
    left_nothing(&platform).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_fleet_needs_create() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&[], &["main"]).await.bad().tells("there is no fleet `acme/shop`").tells("git push -o create origin main");
    left_nothing(&platform).await;
    // What the remedy says works, and once the fleet is there it changes nothing.
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.commit(&[]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let created: Vec<bool> = platform.pushed("acme/shop").await.iter().map(|it| it.created).collect();
    assert_eq!(created, [true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_push_has_to_bring_the_deploy_branch() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.run(&["branch", "prod"]).await.good();
    ann.push(&["create"], &["prod"]).await.bad().tells("git push -o create origin HEAD:main");
    left_nothing(&platform).await;
    ann.run(&["checkout", "--quiet", "prod"]).await.good();
    ann.commit(&[("fleet.json", r#"{ "deploy": "prod" }"#)]).await;
    ann.push(&["create"], &["prod", "main"]).await.bad().tells("`main` and `prod` both call themselves");
    left_nothing(&platform).await;
    ann.push(&["create", "no-wait"], &["prod"]).await.good();
    assert_eq!(platform.pushed("acme/shop").await[0].deploy, "prod");
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    assert_eq!(bob.run(&["branch", "--show-current"]).await.good().stdout, "prod\n");
    // Changing it later is a fault of `fleet.json`.
    ann.commit(&[("fleet.json", r#"{ "deploy": "main" }"#)]).await;
    ann.push(&[], &["prod"]).await.bad().tells("fleet.json:1:13: `deploy` is `main`");
    assert_eq!(platform.refused("acme/shop").await[0].codes, ["deploy-changed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_leaves_no_trace() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["plan"], &["main"]).await.bad().tells("plan: 1 to create").tells("plan only: nothing was stored");
    left_nothing(&platform).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let before = platform.bus.head().await.unwrap();
    ann.commit(&[("containers/api.json", DB)]).await;
    ann.push(&["plan"], &["main"]).await.bad().tells("plan: 2 to create").tells("plan only: nothing was stored");
    ann.commit(&[("containers/api.json", "{")]).await;
    ann.push(&["plan"], &["main"]).await.bad().tells("containers/api.json:1:");
    ann.push(&["plan", "nonsense"], &["main"]).await.bad().tells("unknown push option `nonsense`");
    ann.push(&["plan"], &[":main"]).await.bad().tells("cannot be deleted");
    assert_eq!(platform.bus.head().await.unwrap(), before);
}

/// Pushes something that is not allowed into a fleet.
async fn not_allowed(options: &[&str], refs: &[&str], words: &str, code: &str) -> Said {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let before = ann.remote_refs().await;
    ann.commit(&[("README", "x")]).await;
    let said = ann.push(options, refs).await.bad().tells(words).tells("nothing changed");
    left_one(&platform, &ann, &before, Refusal::NotAllowed, &[code]).await;
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_option_is_refused_with_the_known_ones() {
    not_allowed(&["no-wiat"], &["main"], "did you mean `no-wait`? (known: `create`, `plan`", "push-option").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deploy_branch_cannot_be_deleted() {
    not_allowed(&[], &[":main"], "is the deploy branch and cannot be deleted", "deploy-branch-deleted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_beside_a_folder_of_its_name_refuses_the_whole_push() {
    let refs = ["main:next", "main:main/x"];
    not_allowed(&[], &refs, "`refs/heads/main/x` cannot stand beside `refs/heads/main`", "name-conflict").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_branches_and_tags_are_kept() {
    not_allowed(&[], &["main:refs/notes/x"], "neither a branch nor a tag", "ref-name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_is_no_commit_is_refused() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let tree = ann.rev("HEAD^{tree}").await;
    ann.push(&[], &[&format!("{tree}:refs/heads/tree")]).await.bad().tells("is not a commit");
    assert_eq!(platform.refused("acme/shop").await[0].codes, ["unreadable"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_nothing_changes() {
    let mut platform = Platform::started().await;
    let ann = shop(&platform).await;
    ann.commit(&[("README", "x")]).await;
    platform.silence_registry().await;
    let before = platform.bus.head().await.unwrap();
    ann.push(&[], &["main"]).await.bad().tells("the registry does not tell").tells("nothing changed, try again");
    assert_eq!(platform.bus.head().await.unwrap(), before);
    platform.stop_log().await;
    ann.push(&[], &["main"]).await.bad().tells("try again");
    ann.run(&["fetch"]).await.bad().tells("try again");
    tokio::time::timeout(Duration::from_secs(20), platform.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_git_itself_refuses_leave_one_refusal_too() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let before = ann.remote_refs().await;
    let tree = ann.rev("HEAD^{tree}").await;
    std::fs::write(ann.path.join("broken"), format!("tree {tree}\nauthor nobody\ncommitter nobody\n\nx\n")).unwrap();
    let hash = ["hash-object", "-t", "commit", "-w", "--literally", "broken"];
    let commit = ann.run(&hash).await.good().stdout.trim().to_owned();
    let refs = [format!("{commit}:refs/heads/broken")];
    ann.push(&["plan"], &[&refs[0]]).await.bad();
    assert_eq!(platform.refused("acme/shop").await.len(), 0);
    ann.push(&[], &[&refs[0]]).await.bad().tells("unpacker error");
    crate::platform::eventually("the refusal", || async {
        let seen = platform.refused("acme/shop").await.len();
        if seen == 1 { Ok(()) } else { Err(format!("{seen} refusals")) }
    })
    .await;
    left_one(&platform, &ann, &before, Refusal::NotAllowed, &["unpack"]).await;
}

/// Whatever a push brings stays for ever, by whichever ref and however far below the tip.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_any_commit_of_a_push_is_refused() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let before = ann.remote_refs().await;
    let clean = ann.head().await;
    let secret = r#"{ "image": "demo/tool:1", "env": { "DB_PASSWORD": "hunter2" } }"#;
    let first = ann.commit(&[("containers/web.json", secret), ("README", "hunter2 is no descriptor's")]).await;
    std::fs::remove_file(ann.path.join("containers/web.json")).unwrap();
    let tip = ann.commit(&[]).await;
    ann.run(&["tag", "-a", "-m", "annotated", "v1", &first]).await.good();
    ann.run(&["tag", "v2", &tip]).await.good();
    let mut count = 0;
    for refs in [&["main"][..], &["main:refs/heads/other"], &["v1"], &["v2"], &["main", "v1", "v2"]] {
        let said = ann.push(&["no-wait"], refs).await.bad();
        let said = said.tells("containers/web.json:1:").tells("`DB_PASSWORD`").tells("refused, nothing changed");
        said.tells(&format!("in {}", &first[..10])).tells("git rebase -i").hides("hunter2");
        count += 1;
        let refused = platform.refused("acme/shop").await;
        assert_eq!(
            (refused.len(), refused[count - 1].codes.as_slice()),
            (count, ["likely-secret".to_owned()].as_slice())
        );
        assert_eq!(ann.remote_refs().await, before);
    }
    // A plan finds it as well, and leaves nothing.
    ann.push(&["plan"], &["main"]).await.bad().tells("`DB_PASSWORD`");
    assert_eq!(platform.refused("acme/shop").await.len(), count);
    // A tag on a tree, and a descriptor that is none.
    let tree = ann.rev(&format!("{first}^{{tree}}")).await;
    ann.run(&["tag", "t1", &tree]).await.good();
    ann.push(&[], &["t1"]).await.bad().tells("`DB_PASSWORD`");
    ann.run(&["reset", "--quiet", "--hard", &clean]).await.good();
    let token = format!("{}_{}", "ghp", "A1B2C3D4E5".repeat(4).get(..36).unwrap());
    ann.commit(&[("containers/web.json", &format!("{{ nonsense\n{token}"))]).await;
    std::fs::remove_file(ann.path.join("containers/web.json")).unwrap();
    ann.commit(&[]).await;
    ann.push(&[], &["main"]).await.bad().tells("containers/web.json:2:1: what looks like a GitHub token").hides(&token);

    // Rewritten, it goes; and what is there already is not asked about again.
    ann.run(&["reset", "--quiet", "--hard", &clean]).await.good();
    ann.commit(&[("containers/web.json", "{ nonsense")]).await;
    ann.commit(&[("containers/web.json", DB)]).await;
    ann.run(&["tag", "v3"]).await.good();
    ann.push(&["no-wait"], &["main", "v3"]).await.good();
    assert_eq!(platform.pushed("acme/shop").await.len(), 2);
}

/// Events are for ever: who may only look must not fill the log by pushing in a loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_of_refused_pushes_does_not_fill_the_log() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let head = "GET /git/acme/shop.git/info/refs?service=git-receive-pack HTTP/1.1\r\nx-role: viewer";
    let begun = tokio::time::Instant::now();
    let mut last = String::new();
    for _ in 0..60 {
        last = ask(&platform, head, b"").await;
    }
    assert!(last.starts_with("HTTP/1.1 429 "), "{last}");
    assert!(last.contains("`ann` is `viewer`") && last.contains("not written to the log"), "{last}");
    let few = 30 + usize::try_from(begun.elapsed().as_secs() / 10).unwrap() + 1;
    let refused = platform.refused("acme/shop").await.len();
    assert!((30..=few).contains(&refused), "{refused} of 60 are in the log");

    // Others' refusals are remembered as ever, and so are those of who may push, up to as many.
    ann.commit(&[("containers/api.json", "{")]).await;
    ann.push(&[], &["main"]).await.bad().tells("containers/api.json:1:").hides("not written to the log");
    assert_eq!(platform.refused("acme/shop").await.len(), refused + 1);
    ann.commit(&[("containers/api.json", DB)]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_refuses_pushes_until_there_is_room() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let level = async |level: Level, bytes: u64| {
        let raised = LevelRaised { stream: "EVENTS".to_owned(), level, bytes, max_bytes: 1 << 30 };
        platform.append_level(raised).await;
    };
    let before = ann.remote_refs().await;
    ann.commit(&[("variables/app.json", r#"{ "a": 1 }"#)]).await;
    level(Level::Warning, 900 << 20).await;
    ann.push(&["plan"], &["main"]).await.bad().tells("plan only");
    level(Level::Critical, 990 << 20).await;
    crate::platform::eventually("the refusal", || async {
        let said = ann.push(&["no-wait"], &["main:other"]).await;
        if said.stderr.contains("the log is 96 % full, 34 MiB are left") { Ok(()) } else { Err(said.stderr) }
    })
    .await;
    let events = platform.events("acme/shop").await.len();
    ann.push(&[], &["main"])
        .await
        .bad()
        .tells("new pushes are refused until there is room again")
        .tells("nothing changed");
    // A plan changes nothing; a refusal must not fill the log either.
    ann.push(&["plan"], &["main"]).await.bad().tells("plan only");
    assert_eq!(platform.events("acme/shop").await.len(), events);
    level(Level::Normal, 100 << 20).await;
    crate::platform::eventually("an accepted push", || async {
        let said = ann.push(&["no-wait"], &["main"]).await;
        if said.ok { Ok(()) } else { Err(said.stderr) }
    })
    .await;
    assert_ne!(ann.remote_refs().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_destroys_only_ephemeral_volumes_that_it_removes_and_names() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let (ephemeral, persistent) = (r#"{ "class": "ephemeral" }"#, r#"{ "class": "persistent" }"#);
    ann.commit(&[("volumes/cache.json", ephemeral), ("volumes/data.json", persistent)]).await;
    ann.push(&["create", "no-wait", "allow-destroy=cache"], &["main"]).await.bad().tells("`cache` stays in the tree");
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.commit(&[("notes.txt", "more")]).await;
    let said = ann.push(&["no-wait", "allow-destroy=cache"], &["main"]).await.bad();
    said.tells("volume `cache` stays in the tree");
    ann.push(&["no-wait", "allow-destroy=cache"], &["main:side"]).await.bad().tells("`main` does not move");
    ann.run(&["rm", "--quiet", "volumes/cache.json", "volumes/data.json"]).await.good();
    ann.commit(&[]).await;
    let said = ann.push(&["no-wait", "allow-destroy=cache,data"], &["main"]).await.bad();
    said.tells("error: refused: volume `data` is persistent").tells("nothing changed");
    ann.push(&["no-wait", "allow-destroy=cache"], &["main"]).await.good();
    let Data::GitPushed(pushed) = platform.events("acme/shop").await.pop().unwrap().draft.data else { panic!() };
    assert_eq!(pushed.allow_destroy, ["cache".parse().unwrap()]);
    let refusals = platform.events("acme/shop").await;
    let codes: Vec<_> = refusals
        .iter()
        .filter_map(|it| match &it.data {
            Data::GitRefused(it) => Some(it.codes.join(" ")),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ["allow-destroy"; 3]);
}
