//! A push that is accepted, from the pusher's terminal to the running containers and back.

use std::process::Command;
use std::thread;
use std::time::Duration;

use schemas::event::Shown;
use serde_json::json;
use tests::descriptors::plain;
use tests::docker::{self, Thing};
use tests::{Events, Fleet, Platform, eventually, free_port, run};

#[test]
fn push_to_running() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let port = free_port();
    let commit = shop.demo(port).commit("the shop");
    let push = shop.push(&["create"]).ok();

    // The terminal: the plan, the progress, and how it ended.
    push.says(&["create", "api", "db", "worker", "succeeded"]);

    docker_shows(&platform, &shop, &commit);
    let ran = run(
        Command::new("busybox").args(["wget", "-qO-", &format!("http://127.0.0.1:{port}/")]),
        Duration::from_secs(10),
    );
    assert_eq!(ran.ok(), "welcome to the shop (eu-1, database at db)");

    causes_hold(&shop.events(), &commit);

    let state = shop.state();
    assert_eq!(state["commit"], commit.as_str(), "{state:#}");
    assert_eq!(state["desired"]["containers"].as_object().unwrap().len(), 3, "{state:#}");
    for (name, health) in [("api", json!("healthy")), ("db", json!("healthy")), ("worker", json!(null))] {
        let seen = &state["observed"]["containers"][name];
        assert_eq!(seen["state"], "running", "{name}: {seen:#}");
        assert_eq!(seen["health"], health, "{name}: {seen:#}");
        assert_eq!(seen["node"], platform.node(), "{name}: {seen:#}");
        assert!(seen["image"].as_str().is_some_and(|it| it.starts_with("sha256:")), "{name}: {seen:#}");
    }
    platform.cli(&["wait", &commit, "--fleet", shop.id()]).ok();
}

fn docker_shows(platform: &Platform, shop: &Fleet<'_>, commit: &str) {
    let network = shop.id().replace('/', ".");
    for name in ["api", "db", "worker"] {
        let it = shop.container(name);
        assert_eq!(it["Name"], format!("/{}", shop.name_of(name)));
        assert_eq!(it["State"]["Running"], true, "{:#}", it["State"]);
        assert_eq!(it["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
        let labels = &it["Config"]["Labels"];
        assert_eq!(labels["fleetlog.installation"], platform.installation().unwrap().as_str());
        assert_eq!(labels["fleetlog.fleet"], shop.id());
        assert_eq!(labels["fleetlog.name"], name);
        assert_eq!(labels["fleetlog.commit"], commit);
        assert!(labels["fleetlog.spec"].as_str().unwrap().starts_with("v2:"), "{labels:#}");
        let aliases =
            it["NetworkSettings"]["Networks"][&network]["Aliases"].as_array().expect("it is in the fleet's network");
        assert!(aliases.contains(&json!(name)), "{aliases:?}");
    }
    let api = shop.container("api");
    let env = api["Config"]["Env"].as_array().unwrap();
    assert!(env.contains(&json!("DB=db")) && env.contains(&json!("REGION=eu-1")), "{env:?}");
    assert_eq!(api["HostConfig"]["Memory"], 64 << 20);
    let db = shop.container("db");
    assert_eq!(db["Mounts"][0]["Name"], shop.name_of("data"));
    assert_eq!(db["Mounts"][0]["Destination"], "/data");
    for (thing, name) in [(Thing::Volume, shop.name_of("data")), (Thing::Network, network)] {
        let it = docker::inspect_one(thing, &name).unwrap_or_else(|| panic!("no {thing:?} {name}"));
        assert_eq!(it["Labels"]["fleetlog.installation"], platform.installation().unwrap().as_str());
        assert_eq!(it["Labels"]["fleetlog.fleet"], shop.id());
    }
}

/// The chain of §2: pushed → planned → every other `rollout.*`; `container.*` ← the step that sent it.
fn causes_hold(events: &Events, commit: &str) {
    let pushed = events.only("git.pushed");
    assert_eq!((pushed.cause, pushed.actor.as_str()), (None, "admin"));
    assert_eq!(pushed.data["created"], true);
    assert_eq!(pushed.data["commit"], commit);
    assert!(pushed.data["descriptors"]["set"].as_object().unwrap().contains_key("containers/api.json"));
    let planned = events.only("rollout.planned");
    assert_eq!(planned.cause, Some(pushed.id));
    assert_eq!(planned.data["desired"], pushed.position);
    let mut last = planned.position;
    for kind in ["started", "succeeded"] {
        let event = events.only(&format!("rollout.{kind}"));
        assert_eq!(event.cause, Some(planned.id), "{kind}");
        assert!(event.position > last, "{kind}");
        last = event.position;
    }
    let steps = events.of_type("rollout.step");
    assert!(steps.iter().all(|it| it.cause == Some(planned.id)), "{events}");
    let with_status = |status: &str| steps.iter().filter(|it| it.data["status"] == status).count();
    assert_eq!((with_status("started"), with_status("succeeded"), steps.len()), (3, 3, 6), "{events}");

    for kind in ["created", "started"] {
        for name in ["api", "db", "worker"] {
            let event = container_event(events, kind, name);
            let step = events.by_id(event.cause).unwrap_or_else(|| panic!("{kind} {name} has no cause in:\n{events}"));
            assert_eq!((step.kind.as_str(), &step.data["status"]), ("fleetlog.rollout.step.v1", &json!("started")));
        }
    }
    let healthy = container_event(events, "healthy", "db");
    let after = container_event(events, "started", "api");
    assert!(
        healthy.data["at_ns"].as_i64() <= after.data["at_ns"].as_i64(),
        "api started before db was healthy:\n{events}"
    );
}

#[track_caller]
fn container_event<'e>(events: &'e Events, kind: &str, name: &str) -> &'e Shown {
    let all = events.of_type(&format!("container.{kind}"));
    let found: Vec<_> = all.into_iter().filter(|it| it.subject == format!("containers/{name}")).collect();
    assert_eq!(found.len(), 1, "one container.{kind} of {name} is expected in:\n{events}");
    found[0]
}

#[test]
fn a_push_to_another_branch_moves_only_that_ref() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let before = shop.fingerprint();
    shop.git(&["checkout", "--quiet", "-b", "idea"]).ok();
    let idea = shop.write("containers/b.json", plain()).commit("an idea");
    shop.push_refs(&[], &["idea"]).ok();
    assert_eq!(shop.head_of("idea"), Some(idea));
    let events = shop.events();
    let pushed = events.newest("git.pushed");
    assert_eq!((&pushed.data["commit"], pushed.data["created"].as_bool()), (&json!(null), Some(false)));
    assert_eq!(events.of_type("rollout.planned").len(), 1, "{events}");
    assert_eq!(shop.fingerprint(), before);
}

#[test]
fn a_force_push_is_planned_as_any_other() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.write("containers/b.json", plain()).commit("two");
    shop.push(&["create"]).ok();
    shop.git(&["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    let commit = shop.write("containers/c.json", plain()).commit("another two");
    // git's own client holds back what is no fast-forward; the plus sign says that it is meant.
    shop.push(&[]).refused(&["rejected"]);
    shop.push_refs(&[], &["+main"]).ok().says(&["succeeded"]);
    shop.succeeds(&commit);
    assert_eq!(shop.head_of("main"), Some(commit));
    assert!(shop.find("b").is_none());
    shop.runs("c");
}

#[test]
fn two_pushes_at_once() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    for round in 0..3 {
        let (left, right) = (shop.clone_elsewhere(), shop.clone_elsewhere());
        let before = shop.events();
        left.write_text("left.txt", &format!("{round}")).commit("left");
        right.write_text("right.txt", &format!("{round}")).commit("right");
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| left.push(&["no-wait"]));
            let second = scope.spawn(|| right.push(&["no-wait"]));
            (first.join().unwrap(), second.join().unwrap())
        });
        assert_ne!(first.accepted, second.accepted, "one wins:\n{}\n---\n{}", first.text, second.text);
        let (winner, loser) = if first.accepted { (&left, second) } else { (&right, first) };
        assert!(loser.text.contains("fetch first"), "{}", loser.text);
        assert_eq!(shop.head_of("main"), Some(winner.git(&["rev-parse", "HEAD"]).ok()));
        let events = shop.events();
        let more = |kind: &str| events.of_type(kind).len() - before.of_type(kind).len();
        assert_eq!(more("git.pushed"), 1, "{events}");
        assert!(more("git.refused") <= 1, "{events}");
    }
}

#[test]
fn a_clone_has_what_was_pushed() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let commit =
        shop.write("containers/a.json", plain()).write_text("notes/read.me", "carried, not read").commit("one");
    shop.git(&["tag", "v1"]).ok();
    shop.push_refs(&["create", "no-wait"], &["main", "v1"]).ok();
    assert_eq!(shop.events().only("git.pushed").data["refs"].as_array().unwrap().len(), 2);
    let other = shop.clone_elsewhere();
    assert_eq!(other.git(&["rev-parse", "HEAD"]).ok(), commit);
    assert_eq!(other.git(&["show", "HEAD:notes/read.me"]).ok(), "carried, not read");
    assert!(other.refs().ok().contains("refs/tags/v1"));
    assert!(other.git(&["ls-remote", "--symref", &other.remote(), "HEAD"]).ok().contains("ref: refs/heads/main"));
    eventually(Duration::from_secs(60), "the rollout ends", || {
        shop.events().end_of_rollout(&commit).ok_or_else(String::new)
    });
}
