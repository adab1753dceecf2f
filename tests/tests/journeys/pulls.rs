//! Pull requests: checked, planned, approved by others, merged exactly as they were looked at.

use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, plain, with};
use tests::{Fleet, Platform, Ran, docker, eventually};

/// How long a renewal may take.
const RENEWED: Duration = Duration::from_secs(20);

/// `fleetlog pr … --fleet O/F`, in somebody's name.
fn pr(fleet: &Fleet<'_>, platform: &Platform, token: &str, arguments: &[&str]) -> Ran {
    platform.cli_as(token, &[&["pr"], arguments, &["--fleet", fleet.id()]].concat())
}

fn shown(fleet: &Fleet<'_>, platform: &Platform, number: u32) -> Value {
    let (status, pull) = platform.get(&format!("/v1/fleets/{}/pulls/{number}", fleet.id()));
    assert_eq!(status, 200, "{pull:#}");
    pull
}

/// Fails unless the command failed so, with these words.
#[track_caller]
fn failed(ran: &Ran, code: i32, words: &str) {
    assert!(ran.code == code && ran.err.contains(words), "{code} and {words:?} are expected: {ran:?}");
}

/// Commits on a branch that begins where `main` is on the platform, and pushes it.
fn branch(fleet: &Fleet<'_>, token: &str, name: &str, (path, value): (&str, Value)) {
    fleet.fetch().ok();
    fleet.git(&["checkout", "--quiet", "-B", name, "origin/main"]).ok();
    fleet.write(path, value).commit(&format!("the change of {name}"));
    fleet.push_to(&fleet.remote_with(token), &[], &[&format!("+{name}")]).ok();
}

#[test]
fn a_protected_branch_moves_by_what_others_have_approved() {
    let platform = Platform::start();
    let [mia, ann] = ["mia", "ann"].map(|name| platform.person(name, Some("maintainer")));
    let shop = platform.fleet("shop");
    shop.write("fleet.json", json!({ "protect": { "push": "nobody", "approvals": 1 } }));
    shop.write("containers/a.json", with(plain(), "env", json!({ "REGION": "eu-1" })));
    let first = shop.commit("one");
    shop.push(&["create"]).ok();
    shop.succeeds(&first);

    shop.write("containers/a.json", with(plain(), "env", json!({ "REGION": "eu-2" })));
    shop.commit("two");
    let words = ["is protected", "moves by pull requests alone", "fleetlog pr create", "nothing changed"];
    shop.push_to(&shop.remote_with(&mia), &[], &["main"]).refused(&words);
    shop.push_to(&shop.remote_with(&mia), &[], &["main:refs/heads/fix"]).ok().says(&[
        "nothing is applied",
        "on fix, if it were applied:",
        "re-create",
    ]);

    let created = pr(&shop, &platform, &mia, &["create", "--from", "fix", "--title", "another region"]).ok();
    assert!(created.contains("re-create"), "the plan is not shown:\n{created}");
    let same = pr(&shop, &platform, &mia, &["create", "--from", "fix", "--title", "again"]);
    failed(&same, 1, "pull request 1 asks for the same");

    // Not without somebody else's word.
    failed(&pr(&shop, &platform, &mia, &["merge", "1"]), 1, "0 of 1 approvals");
    failed(&pr(&shop, &platform, &mia, &["approve", "1"]), 3, "your own");
    pr(&shop, &platform, &ann, &["approve", "1"]).ok();
    assert_eq!(shown(&shop, &platform, 1)["now"]["mergeable"], true);

    // The world moves: what was approved is not what would be done.
    docker::docker(&["rm", "--force", &shop.name_of("a")]).ok();
    eventually(RENEWED, "the removal is told", || {
        let events = shop.events();
        if events.of_type("container.removed").is_empty() { Err(events.to_string()) } else { Ok(()) }
    });
    failed(&pr(&shop, &platform, &mia, &["merge", "1"]), 1, "no longer the one that was approved");
    let seen = shown(&shop, &platform, 1)["now"]["plan"].as_str().unwrap().to_owned();
    failed(&pr(&shop, &platform, &ann, &["approve", "1", "--plan", "0000"]), 1, "another one than you looked at");
    pr(&shop, &platform, &ann, &["approve", "1", "--plan", &seen]).ok();
    pr(&shop, &platform, &mia, &["merge", "1"]).ok();

    // The approval that it was merged with stays one.
    assert_eq!(shown(&shop, &platform, 1)["approvals"][0]["counts"], true);
    let told = pr(&shop, &platform, &mia, &["show", "1"]).ok();
    assert!(told.contains("approved by ann") && !told.contains("does not count"), "{told}");

    let events = shop.events();
    let (pushed, merged) = (events.newest("git.pushed"), events.only("pull.merged"));
    assert_eq!((merged.position, merged.cause), (pushed.position + 1, Some(pushed.id)));
    let commit = merged.data["commit"].as_str().unwrap();
    assert_eq!(shop.head_of("main").as_deref(), Some(commit));
    shop.succeeds(commit);
    let environment = shop.container("a")["Config"]["Env"].to_string();
    assert!(environment.contains("REGION=eu-2"), "{environment}");

    failed(&pr(&shop, &platform, &mia, &["merge", "1"]), 1, "merged already");
    let list = pr(&shop, &platform, &mia, &["list", "--all"]).ok();
    assert!(list.contains("merged") && list.contains("another region"), "{list}");
}

#[test]
fn what_does_not_go_together_is_told_and_not_merged() {
    let platform = Platform::start();
    let mia = platform.person("mia", Some("maintainer"));
    let shop = platform.fleet("shop");
    let of_region = |region: &str| json!({ "image": IMAGE, "command": ["sleep", "1d"], "env": { "REGION": region }, "stop": { "grace": "1s" } });
    shop.write("variables/app.json", json!({ "region": "eu-1", "old": "x" }));
    shop.write("containers/a.json", of_region("eu-1")).commit("one");
    shop.push(&["create"]).ok();

    branch(&shop, &mia, "left", ("containers/a.json", of_region("left")));
    branch(&shop, &mia, "right", ("containers/a.json", of_region("right")));
    branch(&shop, &mia, "uses", ("containers/b.json", of_region("{{ variables.app.old }}")));
    branch(&shop, &mia, "takes", ("variables/app.json", json!({ "region": "eu-1" })));
    for (number, name) in (1..).zip(["left", "right", "uses", "takes"]) {
        let opened = pr(&shop, &platform, &mia, &["create", "--from", name, "--title", name]).ok();
        assert!(opened.contains(&format!("pull request {number} ")), "{opened}");
    }
    let diff = pr(&shop, &platform, &mia, &["diff", "1"]).ok();
    assert!(diff.contains("-    \"REGION\": \"eu-1\"") && diff.contains("+    \"REGION\": \"left\""), "{diff}");

    // The first one moves on; the second one then changes the same lines.
    pr(&shop, &platform, &mia, &["merge", "1"]).ok();
    let told = eventually(RENEWED, "the second one is renewed", || {
        let (_, page) = platform.get(&format!("/v1/fleets/{}/pulls?status=open", shop.id()));
        let found = page["pulls"].as_array().unwrap().iter().find(|it| it["number"] == 2).cloned().unwrap();
        if found["conflicts"] == json!(["containers/a.json"]) { Ok(found) } else { Err(format!("{page:#}")) }
    });
    assert_eq!(told["plan"], Value::Null);
    failed(&pr(&shop, &platform, &mia, &["merge", "2"]), 1, "both sides changed `containers/a.json`");
    let told = pr(&shop, &platform, &mia, &["show", "2"]).ok();
    assert!(told.contains("git fetch origin && git merge origin/main"), "{told}");

    // Each is sound, and both together are not: a merge commit is checked like a push.
    pr(&shop, &platform, &mia, &["merge", "3"]).ok();
    failed(&pr(&shop, &platform, &mia, &["merge", "4"]), 1, "group `app` has no variable `old`");
    shop.fetch().ok();
    let merge = shop.git(&["log", "-1", "--format=%an %P", "origin/main"]).ok();
    assert!(merge.starts_with("mia ") && merge.split(' ').count() == 3, "no merge commit by mia: {merge}");

    // Pushed again, its check and its plan are those of the new commit.
    branch(&shop, &mia, "takes", ("variables/app.json", json!({ "region": "eu-3", "old": "x" })));
    eventually(RENEWED, "the fourth one is renewed", || {
        let pull = shown(&shop, &platform, 4);
        let renewed = pull["head"] == json!(shop.head_of("takes")) && pull["now"]["mergeable"] == true;
        if renewed { Ok(()) } else { Err(format!("{pull:#}")) }
    });
    pr(&shop, &platform, &mia, &["close", "2"]).ok();
    pr(&shop, &platform, &mia, &["merge", "4"]).ok();

    // The log has it all: without the folder, everything is as it was.
    let refs = shop.refs().ok();
    assert!(refs.contains("refs/pulls/2/head"), "{refs}");
    let before = shown(&shop, &platform, 2);
    platform.stop();
    std::fs::remove_dir_all(platform.data().join("git")).unwrap();
    platform.up(&[]);
    assert_eq!(shop.refs().ok(), refs);
    assert_eq!(shown(&shop, &platform, 2)["status"], before["status"]);
    let repository = platform.data().join("git").join(format!("{}.git", shop.id()));
    let fsck = shop.git(&["--git-dir", repository.to_str().unwrap(), "fsck", "--strict", "--no-dangling"]);
    assert_eq!((fsck.code, fsck.out.as_str()), (0, ""), "{fsck:?}");
}
