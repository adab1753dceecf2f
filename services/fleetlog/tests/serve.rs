//! `fleetlog serve` and `agent`: some of the services, in a process of their own, on a log that others began.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use support::nats::Nats;
use support::{Folder, Platform, bare, code, err, git, wait_for};

/// `fleetlog serve …` or `agent` in a folder, not waited for.
fn start(folder: &Folder, url: &str, words: &[&str]) -> Platform {
    let mut command = bare();
    command.args(words).args(["--listen", "127.0.0.1:0", "--docker", "unix:///nonexistent/docker.sock", "--nats", url]);
    command.arg("--data").arg(folder.data());
    folder.spawn(command)
}

/// A folder that has the master key of another one.
fn joined(folder: &Folder, of: &Folder) {
    fs::create_dir_all(folder.data()).unwrap();
    fs::copy(of.data().join("master.key"), folder.data().join("master.key")).unwrap();
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// It ended by itself, said nothing on standard output, and its log holds these words.
fn refused(process: Platform, status: i32, words: &[&str]) {
    let log = process.log_path().to_owned();
    let (ended, lines) = process.end();
    let log = fs::read_to_string(log).unwrap();
    assert_eq!((ended.code(), lines.len()), (Some(status), 0), "{log}");
    for word in words {
        assert!(log.contains(word), "{word}: {log}");
    }
}

#[test]
fn wrong_usage_is_told_with_its_remedy() {
    let alone = bare().args(["serve", "git", "--data", "/nonexistent/x"]).output().unwrap();
    assert_eq!(code(&alone), 2, "{}", err(&alone));
    assert!(err(&alone).contains("`--nats URL` is missing") && err(&alone).contains("fleetlog up"), "{}", err(&alone));
    let agent = bare().args(["agent", "--data", "/nonexistent/x"]).output().unwrap();
    assert!(code(&agent) == 2 && err(&agent).contains("`--nats URL` is missing"), "{}", err(&agent));
    let nobody = bare().arg("serve").output().unwrap();
    assert!(code(&nobody) == 2 && err(&nobody).contains("SERVICE"), "{}", err(&nobody));
    let unknown = bare().args(["serve", "gti"]).output().unwrap();
    assert_eq!(code(&unknown), 2);
    for words in ["'gti'", "git, registry, shazam, tasker, logger, monitor, profiles, api, agent"] {
        assert!(err(&unknown).contains(words), "{words}: {}", err(&unknown));
    }
}

#[test]
fn who_only_joins_makes_neither_streams_nor_keys() {
    let (at, one, two, three) = (Folder::new(), Folder::new(), Folder::new(), Folder::new());
    let nats = Nats::start(&at);
    // Nothing to join, and no key: both are told, one after the other.
    refused(start(&two, &nats.url, &["serve", "git"]), 1, &["master.key` is not there", "copy it here"]);
    refused(
        start(&three, &nats.url, &["agent"]),
        1,
        &["there is no log to join", "fleetlog serve profiles --nats URL"],
    );

    // `profiles` alone begins one, which others then join.
    let profiles = start(&one, &nats.url, &["serve", "profiles"]).ready();
    refused(start(&two, &nats.url, &["serve", "git"]), 1, &["master.key` is not there"]);
    assert!(!two.data().join("master.key").exists());
    fs::write(two.data().join("master.key"), [7; 32]).unwrap();
    let installation = fs::read_to_string(one.data().join("installation")).unwrap();
    let words = ["has another master key than", installation.trim()];
    refused(start(&two, &nats.url, &["serve", "git"]), 1, &words);
    fs::remove_file(two.data().join("master.key")).unwrap();
    joined(&two, &one);
    let git = start(&two, &nats.url, &["serve", "git", "git"]).ready();
    // A Docker host holds no key.
    let agent = start(&three, &nats.url, &["agent", "--node", "n1"]).ready();
    assert!(!three.data().join("master.key").exists());
    assert_eq!(fs::read_to_string(three.data().join("installation")).unwrap(), installation);
    assert_eq!(agent.ask("/v1/events", &[]).status, 404);

    // A folder is one process's.
    refused(start(&two, &nats.url, &["serve", "git"]), 1, &["another fleetlog uses this data folder"]);
    for process in [git, agent, profiles] {
        let (status, lines) = process.stop();
        assert_eq!((status.code(), lines.len()), (Some(0), 0));
    }
    assert!(!two.data().join("nats").exists() && !two.data().join("admin.token").exists());
}

#[test]
fn the_git_service_alone_stands_behind_the_same_door() {
    let (at, one, two) = (Folder::new(), Folder::new(), Folder::new());
    let nats = Nats::start(&at);
    let all = start(&one, &nats.url, &["up"]).ready();
    joined(&two, &one);
    let alone = start(&two, &nats.url, &["serve", "git"]).ready();
    let admin = bearer(all.token().trim());
    let ready = alone.ask("/readyz", &[]).json();
    let services: BTreeSet<&str> = ready["services"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((services, &ready["ready"]), (["door", "git", "nats"].into(), &Value::Bool(true)));
    assert_eq!(alone.ask("/healthz", &[]).status, 200);

    let info = "/git/acme/shop.git/info/refs?service=git-receive-pack";
    for wrong in [&[][..], &[("Authorization", "Bearer fl_wrong")]] {
        let reply = alone.ask(info, wrong);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Basic realm=\"fleetlog\""));
    }
    assert_eq!(alone.ask(info, &[("Authorization", &admin)]).status, 200);
    let elsewhere = alone.ask("/v1/events", &[("Authorization", &admin)]);
    assert!(elsewhere.status == 404 && elsewhere.body.contains("not served by this process"), "{}", elsewhere.body);

    // What is said of somebody at one door counts at the other one, both ways.
    let made = all.cli(&["token", "create", "laptop"]);
    let token = support::out(&made).trim().to_owned();
    let laptop = bearer(&token);
    wait_for("the new token opens here", || {
        (alone.ask(info, &[("Authorization", &laptop)]).status == 200).then_some(())
    });
    let tokens: Value = serde_json::from_str(&support::out(&all.cli(&["token", "list", "--json"]))).unwrap();
    let id = tokens["tokens"].as_array().unwrap().iter().find(|it| it["name"] == "laptop").unwrap()["id"].clone();
    let revoked = all.cli(&["token", "revoke", id.as_str().unwrap()]);
    assert_eq!(code(&revoked), 0, "{}", err(&revoked));
    let reply = wait_for("the revoked token opens nothing here", || {
        Some(alone.ask(info, &[("Authorization", &laptop)])).filter(|it| it.status == 401)
    });
    assert!(reply.body.contains("was revoked"), "{}", reply.body);

    // The real git gets in with the admin's.
    let remote = format!("http://admin:{}@{}/git/acme/shop.git", all.token().trim(), &alone.url["http://".len()..]);
    let seen = git(two.path(), &["ls-remote", &remote]);
    assert!(err(&seen).contains("not found"), "there is no such fleet yet: {}", err(&seen));
    for process in [alone, all] {
        assert_eq!(process.stop().0.code(), Some(0));
    }
}

/// Once the streams are there, joining takes no right to make them.
#[test]
fn joining_needs_no_right_to_make_streams() {
    let (at, one, two) = (Folder::new(), Folder::new(), Folder::new());
    let users = "authorization { users: [\n  { user: all, password: secret }\n  { user: some, password: secret, permissions: \
                 { publish: { deny: [\"$JS.API.STREAM.CREATE.>\", \"$JS.API.STREAM.UPDATE.>\", \"$JS.API.STREAM.DELETE.>\"] } } }\n] }";
    let nats = Nats::start_with(&at, users);
    refused(start(&one, &nats.url_of("all", "wrong"), &["up"]), 1, &["uthoriz"]);
    let first = start(&one, &nats.url_of("all", "secret"), &["serve", "profiles", "api"]).ready();
    joined(&two, &one);
    let second = start(&two, &nats.url_of("some", "secret"), &["serve", "git"]).ready();
    assert_eq!(second.ask("/readyz", &[]).status, 200);
    assert!(!second.log().contains("secret"), "{}", second.log());
    drop((first, second));
}
