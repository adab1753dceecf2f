//! How a rollout that fails is told, and the three things that can be done about it: each works as it is printed.

use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::descriptors::{IMAGE, plain, with};
use tests::docker;
use tests::{Platform, Ran, eventually};

/// A container that says why it ends, in words that its descriptor does not have.
fn broken() -> serde_json::Value {
    json!({ "image": IMAGE, "command": ["sh", "-c", "echo looking for part $((6 * 7)); echo part $((6 * 7)) is missing >&2; exit 3"], "restart": "no" })
}

/// What is printed behind `hint: …:`, as a command.
fn hinted(said: &str, what: &str) -> String {
    let line =
        said.lines().find_map(|line| line.trim_start_matches("remote: ").strip_prefix(&format!("hint: to {what}:")));
    line.unwrap_or_else(|| panic!("no hint to {what} in:\n{said}")).trim().to_owned()
}

/// Fails unless a program ended with this code and said each of `words`.
#[track_caller]
fn said(ran: Ran, code: i32, words: &[&str]) {
    let text = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, code, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[test]
fn a_failure_shows_its_last_lines_and_the_way_back_works() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let good = shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    let before = shop.fingerprint();
    // What goes back has to do so over a merge, too.
    shop.git(&["checkout", "--quiet", "-b", "side"]).ok();
    shop.write("containers/b.json", broken()).commit("two");
    shop.git(&["checkout", "--quiet", "main"]).ok();
    shop.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "side"]).ok();
    let commit = shop.git(&["rev-parse", "HEAD"]).ok();
    let push = shop.push(&[]).ok().says(&[
        "step 1/1  create b … failed",
        "the last lines of b:",
        "  | looking for part 42",
        "  ! part 42 is missing",
        "error: rollout failed: ",
    ]);
    let last = push.text.lines().rfind(|line| line.starts_with("remote: ")).unwrap().to_owned();
    assert!(last.starts_with("remote: error: rollout failed: ") && last.contains("(step 1/1, create b, "), "{last}");
    assert!(!shop.events().to_string().contains("part 42"), "no event holds what a container wrote");

    // Who left finds the same there.
    let show = platform.cli(&["rollouts", "show", &commit, "--fleet", shop.id()]);
    let words =
        ["failed after", "create b", "  ! part 42 is missing", "hint: to try again:", "error: rollout failed: "];
    said(show, 0, &words);
    let wait = platform.cli(&["wait", &commit, "--fleet", shop.id()]);
    said(wait, 1, &["  ! part 42 is missing", "hint: to go back:"]);

    let back = hinted(&push.text, "go back");
    assert_eq!(back, format!("fleetlog rollback --to {}", &good[..8]));
    let back: Vec<&str> = back.split(' ').skip(1).chain(["--fleet", shop.id()]).collect();
    said(platform.cli(&back), 0, &["1 to remove, 1 unchanged", "succeeded"]);
    assert_eq!(shop.head_of("main").as_deref(), Some(commit.as_str()), "the branch stays");
    assert!(shop.find("b").is_none());
    assert_eq!(shop.fingerprint(), before, "what was sound was never touched");
}

#[test]
fn what_failed_for_want_of_something_is_retried() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let image = format!("retry-{}:1", platform.owner());
    let commit = shop.write("containers/a.json", with(plain(), "image", json!(image))).commit("one");
    let push = shop.push(&["create"]).ok().says(&["error: rollout failed: ", "hint: to try again:"]);
    assert!(hinted(&push.text, "try again").starts_with("fleetlog retry "), "{}", push.text);
    docker::docker(&["tag", IMAGE, &image]).ok();
    let retry = platform.cli(&["retry", &commit, "-f", "--fleet", shop.id()]);
    docker::docker(&["rmi", &image]);
    said(retry, 0, &["succeeded"]);
    shop.runs("a");
    let events = shop.events();
    let retried = events.only("rollout.retried");
    let planned = events.of_type("rollout.planned");
    assert_eq!((retried.actor.as_str(), planned.len()), ("admin", 2), "{events}");
    assert_eq!(planned[1].cause, Some(retried.id), "{events}");
    // There is nothing to try again any more.
    let again = platform.cli(&["retry", &commit, "--fleet", shop.id()]);
    said(again, 1, &["it is succeeded"]);
}

#[test]
fn a_rollout_outlives_its_push_and_a_world_that_moves_is_told_as_a_difference() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let slow = json!({ "image": IMAGE, "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 4; touch /tmp/up; while :; do sleep 1 & wait $!; done"],
                       "health": { "command": ["test", "-f", "/tmp/up"], "interval": "500ms", "timeout": "1s", "within": "30s" } });
    let first = shop.write("containers/a.json", slow.clone()).write("containers/b.json", plain()).commit("one");
    shop.push(&["create", "no-wait"]).ok();
    // Both are made, and the log knows it: what the second push is planned on does not change any more.
    eventually(Duration::from_secs(30), "both are told to have started", || {
        let events = shop.events();
        if events.of_type("container.started").len() == 2 { Ok(()) } else { Err(events.to_string()) }
    });
    // Planned while the first one is under way: by its own turn, everything is there.
    thread::scope(|scope| {
        let second = shop.write_text("notes.txt", "more\n").commit("two");
        let push = scope.spawn(|| shop.push(&[]));
        assert_eq!(platform.cli(&["wait", &first, "--fleet", shop.id()]).code, 1, "overtaken");
        let push = push.join().unwrap().ok().says(&["success: rollout succeeded"]);
        assert!(push.text.contains("plan: 1 to wait for"), "{}", push.text);
        assert!(push.text.contains("- wait for   a  not needed any more"), "{}", push.text);
        shop.succeeds(&second);
    });
    let show = platform.cli(&["rollouts", "show", &first, "--fleet", shop.id(), "--json"]);
    assert!(show.ok().contains("\"status\":\"superseded\""));
}

#[test]
fn an_ephemeral_volume_goes_only_where_the_push_names_it() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let mounts = json!({ "/cache": "cache", "/tmp/scratch": "scratch", "/data": "data" });
    shop.write("containers/a.json", with(plain(), "volumes", mounts));
    for (name, class) in [("cache", "ephemeral"), ("scratch", "ephemeral"), ("data", "persistent")] {
        shop.write(&format!("volumes/{name}.json"), json!({ "class": class }));
    }
    shop.commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    let there = |name: &str| docker::docker(&["volume", "inspect", &shop.name_of(name)]).code == 0;
    assert!(there("cache") && there("scratch") && there("data"));

    shop.write("containers/a.json", plain());
    for name in ["cache", "scratch", "data"] {
        shop.remove(&format!("volumes/{name}.json"));
    }
    let commit = shop.commit("two");
    shop.push(&["allow-destroy=data"]).refused(&["volume `data` is persistent", "fleetlog volume rm"]);
    let plan = shop.push(&["plan"]).refused(&["volume     data stays, with its data"]);
    let plan = plan.says(&["volume     cache stays, with its data; to destroy it: -o allow-destroy=cache"]);
    assert!(!plan.text.contains("destroy    "), "{}", plan.text);
    let push = shop.push(&["allow-destroy=cache"]).ok();
    push.says(&["- destroy    cache", "destroys 1 volume", "success: rollout succeeded"]);
    shop.succeeds(&commit);
    assert!(!there("cache") && there("scratch") && there("data"));
    let pushed = shop.events().newest("git.pushed").clone();
    assert_eq!(pushed.data["allow_destroy"], json!(["cache"]));
}
