//! `kill -9` of everything at the worst moments; then start: refs ⇔ events, nothing twice, the last word is true.

use std::collections::BTreeSet;
use std::time::Duration;
use std::{fs, thread};

use serde_json::json;
use tests::descriptors::{forever, gated, plain, with};
use tests::docker;
use tests::{Fleet, Platform, eventually};

/// Kills the platform while the push of `fleet` waits at a fault point; gives what the pusher was told.
fn killed_at(platform: &Platform, fleet: &Fleet<'_>, point: &str, options: &[&str]) -> tests::Push {
    let before = platform.log().len();
    platform.up(&["--fault-point", point]);
    thread::scope(|scope| {
        let push = scope.spawn(|| fleet.push(options));
        eventually(Duration::from_secs(30), "the push reaches the fault point", || {
            let log = platform.log().split_off(before);
            assert!(!push.is_finished(), "the push ended without reaching `{point}`; the log:\n{log}");
            let reached = log
                .lines()
                .any(|line| line.contains("fault point") && line.contains(point) && line.contains("reached"));
            if reached { Ok(()) } else { Err(log) }
        });
        platform.kill();
        push.join().unwrap()
    })
}

/// Refs moved ⇔ `git.pushed` is in `EVENTS`.
#[track_caller]
fn refs_follow_the_log(fleet: &Fleet<'_>) {
    let events = fleet.events();
    let logged = events.of_type("git.pushed").iter().rev().find_map(|it| it.data["commit"].as_str().map(str::to_owned));
    assert_eq!(fleet.head_of("main"), logged, "{events}");
}

#[test]
fn kill_between_pack_and_append() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    // The fleet's first push, and then one to a fleet that exists.
    for (round, options) in [["create"].as_slice(), &[]].into_iter().enumerate() {
        let before = shop.events().0.len();
        let commit = shop.write(&format!("containers/c{round}.json"), plain()).commit("a change");
        platform.stop();
        let push = killed_at(&platform, &shop, "after-pack", options);
        assert!(!push.accepted, "{}", push.text);
        platform.up(&[]);
        assert_eq!(shop.events().0.len(), before, "{}", shop.events());
        refs_follow_the_log(&shop);
        // Nothing stands in the way of the same push.
        shop.push(options).ok().says(&["succeeded"]);
        refs_follow_the_log(&shop);
        assert_eq!(shop.head_of("main"), Some(commit));
    }
}

#[test]
fn kill_between_append_and_commit() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    for (round, options) in [["create"].as_slice(), &[]].into_iter().enumerate() {
        let commit = shop.write(&format!("containers/c{round}.json"), plain()).commit("a change");
        platform.stop();
        killed_at(&platform, &shop, "after-append", options);
        platform.up(&[]);
        // It is in the log: so the refs stand there, and it is rolled out, whatever the pusher was told.
        assert_eq!(shop.events().of_type("git.pushed").len(), round + 1, "{}", shop.events());
        assert_eq!(shop.head_of("main").as_ref(), Some(&commit));
        refs_follow_the_log(&shop);
        shop.succeeds(&commit);
        shop.runs(&format!("c{round}"));
        assert_eq!(shop.clone_elsewhere().git(&["rev-parse", "HEAD"]).ok(), commit);
    }
    // Nothing stands in the way of the next push, a delete and a tag included.
    shop.write_text("notes.txt", "more\n").commit("more");
    shop.git(&["tag", "v1"]).ok();
    shop.push_refs(&[], &["main", "v1", "main:refs/heads/spare"]).ok();
    shop.push_refs(&[], &[":spare"]).ok();
    refs_follow_the_log(&shop);
}

#[test]
fn git_folder_lost() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    // Big enough for several chunks, and not to be compressed away.
    let mut noise = String::new();
    while noise.len() < 3 << 20 {
        noise.push_str(&format!("{:016x}", tests::unique()));
    }
    shop.write_text("noise.txt", &noise).commit("two");
    shop.git(&["tag", "--annotate", "--message", "a tag", "v1"]).ok();
    shop.push_refs(&["no-wait"], &["main", "v1", "main:refs/heads/spare"]).ok();
    shop.push_refs(&[], &[":spare"]).ok();
    let (refs, running) = (shop.refs().ok(), shop.fingerprint());

    platform.stop();
    fs::remove_dir_all(platform.data().join("git")).unwrap();
    platform.up(&[]);
    assert_eq!(shop.refs().ok(), refs);
    let other = shop.clone_elsewhere();
    assert_eq!(other.git(&["show", "HEAD:noise.txt"]).ok(), noise);
    other.git(&["fsck", "--strict"]).ok();
    assert_eq!(shop.fingerprint(), running);
    other.write_text("notes.txt", "more\n").commit("three");
    other.push(&[]).ok();
}

#[test]
fn redelivery() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let commit = shop.write("containers/slow.json", gated()).commit("one");
    shop.push(&["create", "no-wait"]).ok();
    let made = shop.runs("slow")["Id"].clone();
    // The command is not acknowledged: its container runs but is not healthy. It comes again after each of these.
    for _ in 0..2 {
        platform.kill();
        platform.up(&[]);
        eventually(Duration::from_secs(20), "the rollout is taken up again", || {
            let resumed = shop.events().of_type("rollout.resumed").len();
            if resumed > 0 { Ok(()) } else { Err(shop.events().to_string()) }
        });
    }
    shop.open("slow");
    shop.succeeds(&commit);
    assert_eq!(shop.runs("slow")["Id"], made, "the container that was there is the one that counts");
    let events = shop.events();
    assert_eq!(events.of_type("container.created").len(), 1, "{events}");
    assert_eq!(events.of_type("container.started").len(), 1, "{events}");
    let ended = events.of_type("rollout.step").iter().filter(|it| it.data["status"] == "succeeded").count();
    assert_eq!(ended, 1, "{events}");
    events.only("rollout.succeeded");
    assert_eq!(events.of_type("rollout.resumed").len(), 2, "{events}");
}

/// A chain with a gate in the middle, and a few that depend on nothing.
const CHAIN: [&str; 6] = ["a", "b", "c", "x", "y", "z"];

fn write_chain(shop: &Fleet<'_>) -> String {
    let soon = json!({ "command": ["true"], "interval": "500ms", "within": "5s" });
    shop.write("containers/a.json", with(plain(), "health", soon));
    shop.write("containers/b.json", with(gated(), "needs", json!(["a"])));
    shop.write("containers/c.json", with(plain(), "needs", json!(["b"])));
    for name in ["x", "y", "z"] {
        shop.write(&format!("containers/{name}.json"), plain());
    }
    shop.commit("a chain")
}

#[test]
fn restart_mid_rollout() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let commit = write_chain(&shop);
    shop.push(&["create", "no-wait"]).ok();
    shop.runs("b");
    platform.kill();
    shop.open("b");
    platform.up(&[]);
    shop.succeeds(&commit);
    let events = shop.events();
    assert_eq!(events.of_type("rollout.resumed").len(), 1, "{events}");
    assert_eq!(events.of_type("container.created").len(), CHAIN.len(), "{events}");
    final_word_is_true(&platform, &shop, &CHAIN);
}

#[test]
fn the_world_moves_while_nobody_looks() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let commit = write_chain(&shop);
    shop.push(&["create", "no-wait"]).ok();
    shop.runs("b");
    platform.kill();
    docker::docker(&["rm", "--force", &shop.name_of("a")]).ok();
    shop.open("b");
    platform.up(&[]);
    // Whether it is put right or not: what is said of it is what Docker shows.
    let end = shop.rollout_of(&commit);
    if end.kind == "fleetlog.rollout.failed.v1" {
        assert!(end.data["error"].as_str().unwrap().contains("`a`"), "{:#}", end.data);
        let mend = shop.write_text("notes.txt", "once more\n").commit("once more");
        shop.push(&[]).ok().says(&["succeeded"]);
        shop.succeeds(&mend);
    }
    final_word_is_true(&platform, &shop, &CHAIN);
}

#[test]
fn kills_at_any_moment() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let names = ["a", "b", "c", "d", "e", "f"];
    let coloured = |round: usize| json!({ "image": "demo/tool:1", "command": forever(":"), "env": { "ROUND": round.to_string() } });
    // Each round changes every container and is killed a little further on.
    for round in 0..5 {
        for name in names {
            shop.write(&format!("containers/{name}.json"), coloured(round));
        }
        let commit = shop.commit("all change");
        shop.push(&["create", "no-wait"]).ok();
        eventually(Duration::from_secs(30), "the rollout is under way", || {
            let events = shop.events();
            let steps =
                events.of_type("rollout.step").into_iter().filter(|it| it.data["status"] == "succeeded").count();
            let wanted = round * names.len() + round;
            if steps >= wanted { Ok(()) } else { Err(format!("{steps} of {wanted} steps in:\n{events}")) }
        });
        platform.kill();
        platform.up(&[]);
        shop.succeeds(&commit);
        final_word_is_true(&platform, &shop, &names);
        for name in names {
            let env = shop.container(name)["Config"]["Env"].clone();
            assert!(env.as_array().unwrap().contains(&json!(format!("ROUND={round}"))), "{name}: {env}");
        }
    }
}

/// §6.3 and §6.7: each name runs once, and nothing else does; the state says the same.
#[track_caller]
fn final_word_is_true(platform: &Platform, shop: &Fleet<'_>, names: &[&str]) {
    let all = shop.containers();
    let running: Vec<String> = all
        .iter()
        .filter(|it| it["State"]["Running"] == true)
        .map(|it| it["Config"]["Labels"]["fleetlog.name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(running.len(), names.len(), "{running:?}");
    assert_eq!(running.iter().map(String::as_str).collect::<BTreeSet<_>>(), names.iter().copied().collect());
    assert_eq!(all.len(), names.len(), "nothing half done is left");
    let node = platform.node();
    eventually(Duration::from_secs(20), "the state says what Docker shows", || {
        let seen = shop.state()["observed"]["containers"].clone();
        let right = |name: &&str| seen[*name]["state"] == "running" && seen[*name]["node"] == node;
        if names.iter().all(right) { Ok(()) } else { Err(format!("{seen:#}")) }
    });
}
