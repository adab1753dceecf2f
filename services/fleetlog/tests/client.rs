//! The command-line client: what it prints, and its exit status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use support::{Folder, bare, code, err, git_ok, out, wait_for};

#[test]
fn check_needs_no_server_and_tells_faults_by_its_exit_status() {
    let folder = Folder::new();
    let fleet = folder.path().join("fleet");
    fs::create_dir_all(fleet.join("containers")).unwrap();
    fs::write(fleet.join("containers/web.json"), "{ \"image\": \"demo/tool:1\" }").unwrap();
    fs::write(fleet.join("README.md"), "ignored").unwrap();
    let check = |arguments: &[&str]| bare().arg("check").arg(&fleet).args(arguments).output().unwrap();
    let good = check(&[]);
    assert_eq!((code(&good), out(&good).as_str()), (0, "no faults: 1 container\n"), "{}", err(&good));

    fs::write(fleet.join("containers/web.json"), "{ \"imag\": \"demo/tool:1\" }").unwrap();
    fs::write(folder.path().join("elsewhere.json"), "{}").unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere.json"), fleet.join("containers/link.json")).unwrap();
    let bad = check(&[]);
    assert_eq!(code(&bad), 1);
    let text = out(&bad);
    assert!(text.contains("containers/web.json:1:") && text.contains("containers/link.json"), "{text}");
    assert!(text.trim_end().ends_with("in 2 files"), "{text}");
    let json = check(&["--json"]);
    let faults: Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!((code(&json), faults["faults"][0]["path"].as_str()), (1, Some("containers/link.json")));

    let nowhere = bare().args(["check", "/nonexistent/fleet"]).output().unwrap();
    assert_eq!(code(&nowhere), 2, "{}", err(&nowhere));
}

#[test]
fn the_exit_status_says_what_kind_of_failure_it_was() {
    let folder = Folder::new();
    let platform = folder.start();
    let nobody = bare().arg("status").env("FLEETLOG_URL", "http://127.0.0.1:9").current_dir(folder.path()).output();
    let nobody = nobody.unwrap();
    assert_eq!(code(&nobody), 4, "{}", err(&nobody));
    assert!(err(&nobody).contains("http://127.0.0.1:9"), "{}", err(&nobody));
    let stranger = platform.client(&["status"]).env("FLEETLOG_TOKEN", "fl_wrong").output().unwrap();
    assert_eq!(code(&stranger), 3, "{}", err(&stranger));
    for wrong in [&["status", "--colour"][..], &["state"], &["wait"], &["nonsense"], &["events", "--type", "git"]] {
        let output = platform.client(wrong).current_dir(folder.path()).output().unwrap();
        assert_eq!(code(&output), 2, "{wrong:?}: {}", err(&output));
    }
    let missing = platform.cli(&["state", "--fleet", "acme/shop"]);
    assert_eq!(code(&missing), 1, "{}", err(&missing));
    let unknown = platform.cli(&["wait", "0123456789", "--fleet", "acme/shop"]);
    assert_eq!(code(&unknown), 1, "{}", err(&unknown));
    assert!(err(&unknown).contains("acme/shop"), "{}", err(&unknown));

    let status = platform.cli(&["status"]);
    assert_eq!(code(&status), 0, "{}", err(&status));
    assert!(out(&status).contains("ready") && out(&status).contains("git push -o create"), "{}", out(&status));
    let json: Value = serde_json::from_str(&out(&platform.cli(&["status", "--json"]))).unwrap();
    assert_eq!((&json["ready"], &json["fleets"]), (&true.into(), &Value::Array(Vec::new())));
    platform.stop();
}

/// A door in front of the platform that takes requests, passes them on, and cuts the first `cuts` answers off. Answers
/// where it is, and which `Idempotency-Key` each request carried.
fn cutting_door(platform: &str, cuts: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (keys, address) = (Arc::new(Mutex::new(Vec::new())), platform.strip_prefix("http://").unwrap().to_owned());
    let seen = Arc::clone(&keys);
    // Ends with the test's process; it holds nothing.
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let mut client = client.unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            let length = loop {
                let read = client.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
                let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
                let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
                let field =
                    |name: &str| head.lines().find_map(|it| it.strip_prefix(name)).map(|it| it.trim().to_owned());
                let body: usize = field("content-length:").map_or(0, |it| it.parse().unwrap());
                if request.len() >= head.len() + 4 + body {
                    seen.lock().unwrap().push(field("idempotency-key:").unwrap_or_default());
                    break head.len();
                }
            };
            // One request a connection, so that the platform's end of it is the end of the answer.
            let mut server = TcpStream::connect(&address).unwrap();
            server.write_all(&request[..length]).unwrap();
            server.write_all(b"\r\nconnection: close").unwrap();
            server.write_all(&request[length..]).unwrap();
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).unwrap();
            if number >= cuts {
                client.write_all(&answer).unwrap();
            }
        }
    });
    (url, keys)
}

#[test]
fn a_write_whose_answer_was_lost_is_sent_again_and_happens_once() {
    let folder = Folder::new();
    let platform = folder.start();
    let made = |name: &str| {
        let events = platform.get("/v1/events?type=profile.created&limit=1000").json();
        let all = events["events"].as_array().unwrap().clone();
        all.iter().filter(|it| it["data"]["name"] == *name).count()
    };
    let (url, keys) = cutting_door(&platform.url, 1);
    let add =
        |url: &str, name: &str| platform.client(&["profile", "add", name]).env("FLEETLOG_URL", url).output().unwrap();
    let added = add(&url, "vera");
    assert_eq!((code(&added), out(&added).as_str()), (0, "made the profile `vera`\n"), "{}", err(&added));
    assert_eq!(made("vera"), 1);
    let seen = keys.lock().unwrap().clone();
    assert!(seen.len() == 2 && seen[0] == seen[1] && seen[0].len() == 36, "{seen:?}");
    // Another call is another key.
    assert_eq!(code(&add(&url, "vera")), 1, "there is one already");
    assert_ne!(keys.lock().unwrap()[2], seen[0]);

    // Twice is as often as it is tried. That it happened is found out by the next call.
    let (url, keys) = cutting_door(&platform.url, 2);
    let lost = add(&url, "otto");
    assert_eq!(code(&lost), 4, "{}", err(&lost));
    assert_eq!((keys.lock().unwrap().len(), made("otto")), (2, 1));
    platform.stop();
}

#[test]
fn events_are_shown_to_their_end_and_followed_from_there() {
    let folder = Folder::new();
    let platform = folder.start();
    let all = platform.cli(&["events", "--json"]);
    let events: Vec<Value> = out(&all).lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(events[0]["type"], "fleetlog.log.opened.v1");
    let one = platform.cli(&["events", "--type", "log.opened"]);
    assert_eq!(out(&one).lines().count(), 1, "{}", out(&one));
    let member = out(&platform.cli(&["events", "--type", "member.set"]));
    assert!(member.contains("  admin  members/admin  by fleetlog"), "it is the owner's event: {member}");
    assert!(out(&platform.cli(&["events", "--after", "1000"])).is_empty());

    // Following shows what is there at once, and does not end.
    let mut follow = platform.client(&["events", "-f", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first, events[0]);
    assert!(follow.try_wait().unwrap().is_none());

    // What comes next is shown without a question: here the next coordinator, after a restart that it bears.
    let address = platform.url.strip_prefix("http://").unwrap().to_owned();
    platform.stop();
    let mut command = bare();
    command.args(["up", "--listen", &address, "--docker", "unix:///nonexistent/docker.sock", "--data"]);
    command.arg(folder.data());
    if let Some(program) = std::env::var_os("FLEETLOG_NATS_SERVER") {
        command.arg("--nats-server").arg(program);
    }
    let platform = folder.spawn(command).ready();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let known = events.len();
    let old: Vec<_> = std::iter::repeat_with(&mut next).take(known - 1).collect();
    assert_eq!(old, events[1..], "each once, in order");
    let shown = std::iter::repeat_with(&mut next).take(8).find(|it| it["type"] == "fleetlog.coordinator.took.v1");
    assert!(shown.unwrap()["position"].as_u64().unwrap() > known as u64);
    follow.kill().unwrap();
    follow.wait().unwrap();
    platform.stop();
}

#[test]
fn a_wait_ends_when_its_time_is_up() {
    let folder = Folder::new();
    let platform = folder.start(); // without Docker: the rollout waits for its node
    let clone = folder.path().join("clone");
    git_ok(folder.path(), &["init", "--quiet", "--initial-branch=main", "clone"]);
    fs::create_dir(clone.join("containers")).unwrap();
    fs::write(clone.join("containers/web.json"), "{ \"image\": \"demo/tool:1\" }").unwrap();
    git_ok(&clone, &["add", "--all"]);
    git_ok(&clone, &["commit", "--quiet", "--message", "one"]);
    git_ok(&clone, &["push", "--quiet", "-o", "create", "-o", "no-wait", &platform.remote("acme/shop"), "main"]);
    let begun = Instant::now();
    let waited =
        platform.client(&["wait", "HEAD", "--within", "1500ms", "--fleet", "acme/shop"]).current_dir(&clone).output();
    let waited = waited.unwrap();
    assert_eq!(code(&waited), 1, "{}", err(&waited));
    assert!(err(&waited).contains("1500ms"), "{}", err(&waited));
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    let status = platform.cli(&["status"]);
    assert!(out(&status).contains("missing") && out(&status).contains("0 of 1 running"), "{}", out(&status));
    platform.stop();
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = Folder::new();
    let platform = folder.start();
    for arguments in [&["events"][..], &["status"], &["events", "-f"]] {
        let mut child = platform.client(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let status = wait_for("an end", || child.try_wait().unwrap());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    platform.stop();
}

#[test]
fn every_command_has_a_help_that_shows_how() {
    let all = ["up", "config", "status", "events", "state", "check", "plan", "wait", "rollouts"];
    let by_hand = ["restart", "stop", "start", "exec", "hold"];
    for command in all.into_iter().chain(by_hand) {
        let help = bare().args([command, "--help"]).output().unwrap();
        assert_eq!(code(&help), 0);
        assert!(out(&help).contains(&format!("fleetlog {command}")), "{command}: {}", out(&help));
        assert!(out(&help).contains("Examples:"), "{command}");
        assert!(out(&help).lines().all(|it| it.chars().count() <= 100), "{command}: {}", out(&help));
    }
    let secret = bare().args(["up", "--help"]).env("FLEETLOG_NATS", "nats://a:hidden@h").output().unwrap();
    assert!(!out(&secret).contains("hidden"), "{}", out(&secret));
    assert_eq!(code(&bare().output().unwrap()), 2, "nothing asked for is wrong usage");
}

#[test]
fn a_push_is_waited_for_in_its_clone_without_any_setting() {
    let folder = Folder::new();
    let mut command = bare();
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(folder.data());
    if let Some(program) = std::env::var_os("FLEETLOG_NATS_SERVER") {
        command.arg("--nats-server").arg(program);
    }
    let platform = folder.spawn(command).ready();
    let clone = folder.path().join("clone");
    fs::create_dir(&clone).unwrap();
    git_ok(&clone, &["init", "--quiet", "--initial-branch=main"]);
    git_ok(&clone, &["remote", "add", "origin", &platform.remote("acme/shop")]);
    fs::create_dir(clone.join("variables")).unwrap();
    fs::write(clone.join("variables/app.json"), "{ \"region\": \"eu-1\" }").unwrap();
    git_ok(&clone, &["add", "--all"]);
    git_ok(&clone, &["commit", "--quiet", "--message", "a fleet of variables"]);
    git_ok(&clone, &["push", "--quiet", "-o", "create", "-o", "no-wait", "origin", "main"]);
    let commit = git_ok(&clone, &["rev-parse", "HEAD"]).trim().to_owned();

    let here = |arguments: &[&str]| bare().args(arguments).current_dir(&clone).output().unwrap();
    let begun = Instant::now();
    for name in ["HEAD", commit.as_str(), &commit[..7]] {
        let waited = here(&["wait", name]);
        assert_eq!(code(&waited), 0, "{name}: {}{}", err(&waited), platform.log());
        assert!(out(&waited).contains("acme/shop") && out(&waited).contains("succeeded"), "{}", out(&waited));
    }
    println!("waited {:?}", begun.elapsed());
    let state: Value = serde_json::from_str(&out(&here(&["state", "--json"]))).unwrap();
    assert_eq!(
        (state["commit"].as_str(), &state["desired"]["variables"]["app"]["region"]),
        (Some(&*commit), &"eu-1".into())
    );
    let rollouts: Value = serde_json::from_str(&out(&here(&["rollouts", "--json"]))).unwrap();
    assert_eq!(rollouts["rollouts"][0]["status"], "succeeded");
    assert!(out(&here(&["rollouts"])).contains(&commit[..8]));
    let status = here(&["status"]);
    assert!(out(&status).contains("acme/shop") && out(&status).contains("0 of 0 running"), "{}", out(&status));
    let pushed = here(&["events", "--fleet", "acme/shop", "--type", "git.pushed"]);
    assert!(out(&pushed).contains("git.pushed") && out(&pushed).contains("by admin"), "{}", out(&pushed));

    let unknown = here(&["wait", "0123456789abcdef0123456789abcdef01234567"]);
    assert_eq!(code(&unknown), 1);
    assert!(err(&unknown).contains("no rollout"), "{}", err(&unknown));
    assert_eq!(code(&here(&["wait", "no-such-name"])), 2);
    platform.stop();
}

#[test]
fn a_read_shows_what_was_written_before_it() {
    let folder = Folder::new();
    let platform = folder.start();
    let token = format!("Bearer {}", platform.token());
    let at = |path: &str, position: u64| {
        let wanted = position.to_string();
        platform.ask(path, &[("Authorization", &token), ("Fleetlog-Min-Position", &wanted)])
    };
    let head: u64 = platform.get("/v1/events").header("fleetlog-position").parse().unwrap();
    let reply = at("/v1/fleets", head);
    assert_eq!(reply.status, 200);
    assert!(reply.header("fleetlog-position").parse::<u64>().unwrap() >= head);
    for path in ["/v1/fleets", "/v1/fleets/acme/shop", "/v1/events"] {
        let begun = Instant::now();
        let late = at(path, head + 1_000);
        assert_eq!((late.status, late.header("content-type")), (504, "application/problem+json"), "{path}");
        assert!(begun.elapsed().as_secs() < 10, "{path}: {:?}", begun.elapsed());
    }
    platform.stop();
}
