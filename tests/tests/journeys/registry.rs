//! What was: state and values at any moment, and a registry that can be lost and broken, and comes back the same. That it
//! can be killed in the middle of a rebuild is shown where a rebuild takes long enough: `services/registry/tests/kills.rs`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{forever, plain};
use tests::{Fleet, Platform, eventually};

/// Pushes a group of variables and a container that changes with it; gives the commit.
fn push(shop: &Fleet<'_>, region: &str) -> String {
    shop.write("variables/app.json", json!({ "region": region, "size": 3 }));
    let env = json!({ "REGION": "{{ variables.app.region }}" });
    let container = json!({ "image": "demo/tool:1", "command": forever(":"), "env": env, "ports": [] });
    let commit = shop.write("containers/api.json", container).commit(region);
    shop.push(&["create"]).ok();
    shop.succeeds(&commit);
    eventually(Duration::from_secs(20), "the state says that it runs", || {
        let seen = shop.state()["observed"]["containers"]["api"].clone();
        if seen["state"] == "running" && seen["commit"] == commit { Ok(()) } else { Err(format!("{seen:#}")) }
    });
    commit
}

fn at(platform: &Platform, shop: &Fleet<'_>, what: &str, at: &str) -> (u16, Value) {
    platform.get(&format!("/v1/fleets/{}{what}?at={}", shop.id(), at.replace('+', "%2B")))
}

#[track_caller]
fn good((status, answer): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{answer:#}");
    answer
}

#[test]
fn state_in_the_past() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let first = push(&shop, "eu-1");
    let there = shop.state();
    let position = there["position"].as_u64().unwrap();
    let id = there["observed"]["containers"]["api"]["docker_id"].clone();
    let time = good(platform.get(&format!("/v1/events?after={}&limit=1", position - 1)))["events"][0]["time"].clone();
    let second = push(&shop, "eu-2");
    let pushed: Vec<u64> = shop.events().of_type("git.pushed").iter().map(|it| it.position).collect();

    // The same moment by its position, by its time, and by the commit that was desired until the next push.
    for when in [position.to_string(), time.as_str().unwrap().to_owned(), first.clone(), first[..7].to_owned()] {
        let state = good(at(&platform, &shop, "", &when));
        assert_eq!(state["commit"], first, "at {when}: {state:#}");
        assert_eq!(state["desired"]["variables"]["app"]["region"], "eu-1", "at {when}");
        let api = &state["observed"]["containers"]["api"];
        assert_eq!((&api["state"], &api["docker_id"]), (&json!("running"), &id), "at {when}");
        let shown = state["position"].as_u64().unwrap();
        assert!((position..pushed[1]).contains(&shown), "at {when}: position {shown}");
    }
    assert_eq!(good(at(&platform, &shop, "", &position.to_string()))["observed"], there["observed"]);
    // Right after the push nothing of it was in Docker yet.
    let state = good(at(&platform, &shop, "", &pushed[0].to_string()));
    assert_eq!((&state["commit"], &state["observed"]["containers"]), (&json!(first), &json!({})));

    // Values: since when, by which commit, by whom.
    let variables = good(platform.get(&format!("/v1/fleets/{}/variables", shop.id())))["variables"].clone();
    let region = &variables["variables.app.region"];
    assert_eq!((&region["value"], &region["since"]), (&json!("eu-2"), &json!(pushed[1])));
    assert_eq!((&region["commit"], &region["by"]), (&json!(second), &json!("admin")));
    assert_eq!(variables["variables.app.size"]["since"], json!(pushed[0]), "it did not change");
    assert_eq!(variables["containers.api.state"]["value"], "running");
    assert_eq!(variables["containers.api.node"]["value"], platform.node());
    let then = good(at(&platform, &shop, "/variables", &first))["variables"].clone();
    assert_eq!(then["variables.app.region"]["value"], "eu-1");

    // One value through time: ranges without holes, the newest first.
    let path = format!("/v1/fleets/{}/variables", shop.id());
    let history = good(platform.get(&format!("{path}/variables.app.region")));
    assert_eq!((&history["value"], &history["since"]), (&json!("eu-2"), &json!(pushed[1])));
    let ranges = history["history"].as_array().unwrap();
    let told: Vec<_> = ranges.iter().map(|it| (it["value"].clone(), it["from"].clone(), it["to"].clone())).collect();
    let expected =
        vec![(json!("eu-2"), json!(pushed[1]), Value::Null), (json!("eu-1"), json!(pushed[0]), json!(pushed[1]))];
    assert_eq!(told, expected);
    let state = good(platform.get(&format!("{path}/containers.api.state")));
    let ranges = state["history"].as_array().unwrap();
    assert!(ranges.len() >= 3, "created, running, gone or anew: {state:#}");
    for pair in ranges.windows(2) {
        assert_eq!(pair[0]["from"], pair[1]["to"], "{state:#}");
    }

    what_cannot_be_answered(&platform, &shop);
    the_client_shows_it(&platform, &shop, &first, &second);

    // It is durable: nothing is read from zero, and the answers are the same.
    let lines = platform.log().lines().count();
    let before = good(at(&platform, &shop, "/variables", &first));
    platform.restart();
    assert_eq!(good(at(&platform, &shop, "/variables", &first)), before);
    let log: Vec<String> = platform.log().lines().skip(lines).map(str::to_owned).collect();
    assert!(log.iter().any(|it| it.contains("the registry goes on where it was")), "{log:#?}");
}

fn what_cannot_be_answered(platform: &Platform, shop: &Fleet<'_>) {
    for (when, status, words) in [
        ("999999", 400, "the log ends at position"),
        ("99999999999", 400, "the log ends at position"),
        ("yesterday", 400, "neither a position"),
        ("abc", 400, "neither a position"),
        ("0123456789abcdef", 404, "no push made a commit `0123456789abcdef`"),
        ("1", 404, "there was no fleet"),
        ("1999-01-01T00:00:00Z", 404, "there was no fleet"),
    ] {
        for what in ["", "/variables", "/variables/variables.app.region"] {
            let (seen, problem) = at(platform, shop, what, when);
            assert_eq!(seen, status, "{what} at {when}: {problem:#}");
            assert!(problem["detail"].as_str().unwrap().contains(words), "{what} at {when}: {problem:#}");
        }
    }
    // Later than now is now.
    assert_eq!(good(at(platform, shop, "", "2999-01-01T00:00:00Z"))["desired"], shop.state()["desired"]);
    let (status, problem) = platform.get(&format!("/v1/fleets/{}/variables/variables.app.colour", shop.id()));
    assert_eq!(status, 404, "{problem:#}");
    let (status, problem) = platform.get(&format!("/v1/fleets/{}/variables/containers.api", shop.id()));
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().unwrap().contains("containers.api.state"), "{problem:#}");
    let (status, _) = platform.get(&format!("/v1/fleets/{}/none/variables", platform.owner()));
    assert_eq!(status, 404);
}

fn the_client_shows_it(platform: &Platform, shop: &Fleet<'_>, first: &str, second: &str) {
    let cli = |arguments: &[&str]| platform.cli(&[arguments, &["--fleet", shop.id()]].concat());
    let says = |arguments: &[&str], words: &[&str]| {
        let out = cli(arguments).ok();
        for word in words {
            assert!(out.contains(word), "{arguments:?}: no {word:?} in:\n{out}");
        }
    };
    says(&["vars"], &["variables.app.region", "eu-2", "containers.api.state", "running", &second[..8], "admin"]);
    says(&["vars", "--at", first], &["eu-1"]);
    says(&["vars", "variables.app.region"], &["eu-2", "still at", "eu-1", &first[..8]]);
    says(&["state", "--at", first], &[&first[..8], "api", "running"]);
    says(&["diff", first, second], &["variables.app.region", "eu-1  →  eu-2", "observed"]);
    let diff: Value = serde_json::from_str(&cli(&["diff", first, "now", "--json"]).ok()).unwrap();
    let change = json!({ "path": "variables.app.region", "from": "eu-1", "to": "eu-2" });
    assert!(diff["desired"].as_array().unwrap().contains(&change), "{diff:#}");
    let refused = cli(&["state", "--at", "999999"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("the log ends at"), "{}", refused.err);
    assert_eq!(cli(&["diff", "0123456789abcdef"]).code, 1);
}

fn databases(platform: &Platform) -> Vec<PathBuf> {
    let names = fs::read_dir(platform.data().join("registry")).unwrap().map(|it| it.unwrap().path());
    names.filter(|it| it.extension().is_some_and(|it| it == "db")).collect()
}

fn everything(platform: &Platform, shop: &Fleet<'_>, commit: &str) -> [Value; 3] {
    [
        shop.state()["desired"].clone(),
        good(at(platform, shop, "", commit)),
        good(at(platform, shop, "/variables", commit)),
    ]
}

#[test]
fn registry_rebuilt_equal() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let first = push(&shop, "eu-1");
    push(&shop, "eu-2");
    let before = everything(&platform, &shop, &first);
    let verified = || {
        let ran = platform.cli(&["replay", "registry", "--verify", "--json"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let answer: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((&answer["equal"], &answer["swapped"]), (&json!(true), &json!(false)), "{answer:#}");
        assert_eq!(answer["grown"], answer["rebuilt"]);
    };
    verified();
    let out = platform.cli(&["replay", "registry"]).ok();
    assert!(out.contains("equal; the new one is in its place"), "{out}");
    assert_eq!(databases(&platform).len(), 1);
    assert_eq!(everything(&platform, &shop, &first), before);
    // It goes on from there.
    shop.write("containers/b.json", plain()).commit("more");
    shop.push(&[]).ok().says(&["succeeded"]);
    verified();

    // However the database was lost: noticed, said, made anew.
    for (round, (how, said)) in [
        ("deleted", "the registry's database is of no use"),
        ("truncated", "the registry's database is of no use"),
        ("garbage", "the registry's database is of no use"),
        ("folder", "the registry has no database yet"),
    ]
    .into_iter()
    .enumerate()
    {
        platform.stop();
        let lines = platform.log().lines().count();
        let database = databases(&platform).remove(0);
        match how {
            "deleted" => fs::remove_file(&database).unwrap(),
            "truncated" => {
                let size = fs::metadata(&database).unwrap().len();
                fs::File::options().write(true).open(&database).unwrap().set_len(size / 2).unwrap();
            }
            "garbage" => fs::write(&database, "no database, but a line of text".repeat(1_000)).unwrap(),
            _ => fs::remove_dir_all(platform.data().join("registry")).unwrap(),
        }
        platform.up(&[]);
        let log: Vec<String> = platform.log().lines().skip(lines).map(str::to_owned).collect();
        assert!(log.iter().any(|it| it.contains(said)), "{how}: {log:#?}");
        assert_eq!(everything(&platform, &shop, &first)[1..], before[1..], "{how}");
        assert_eq!(databases(&platform).len(), 1, "{how}, round {round}");
    }
    verified();

    // Removed or cut under a running platform: noticed with the next event, or by whoever looks into the past.
    for how in ["removed", "cut"] {
        let lines = platform.log().lines().count();
        for database in databases(&platform) {
            match how {
                "removed" => fs::remove_file(database).unwrap(),
                _ => fs::File::options().write(true).open(database).unwrap().set_len(0).unwrap(),
            }
        }
        if how == "removed" {
            shop.write_text("notes.txt", "more\n").commit("noticed");
            shop.push(&[]).ok();
        } else {
            // 200 only where an event of Docker's came first, and it is made anew already.
            let (status, answer) = at(&platform, &shop, "", &first);
            assert!([200, 504].contains(&status), "{answer:#}");
            let detail = answer["detail"].as_str().unwrap_or("made anew");
            assert!(detail.contains("made anew"), "{answer:#}");
        }
        let said = "the registry's database is made anew";
        let log = eventually(Duration::from_secs(30), "the log says that it is made anew", || {
            let log: Vec<String> = platform.log().lines().skip(lines).map(str::to_owned).collect();
            if log.iter().any(|it| it.contains(said)) { Ok(log) } else { Err(format!("{log:#?}")) }
        });
        assert!(log.iter().any(|it| it.contains("cannot be used any more")), "{how}: {log:#?}");
        assert_eq!(everything(&platform, &shop, &first)[1..], before[1..], "{how}");
        verified();
    }
}
