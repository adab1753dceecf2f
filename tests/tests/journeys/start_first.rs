//! A container that is updated `start-first` answers all the time, whoever fails or dies meanwhile.

use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever};
use tests::docker::{Thing, docker, inspect};
use tests::{Fleet, Platform, eventually};

const SOON: Duration = Duration::from_secs(60);

/// Answers its version, once it listens; who asks it to end gets an end.
fn web(version: &str, drain: &str) -> Value {
    let serve = format!("mkdir -p /www; echo {version} > /www/index.html; httpd -p 80 -h /www");
    json!({ "image": IMAGE, "command": forever(&serve), "update": "start-first", "drain": drain,
            "health": { "http": "/", "port": 80, "interval": "200ms", "within": "30s" } })
}

/// Never listens, and says so.
fn deaf() -> Value {
    let mut web = web("three", "1s");
    web["command"] = forever("echo cannot");
    web["health"]["within"] = json!("2s");
    web
}

/// Asks for the version by the name, at each of its addresses until one answers, as often as the loop comes round, and
/// writes down what it hears.
fn asker() -> Value {
    let addresses = "nslookup -type=a web | sed -n '/^Name/,$ s/^Address: //p'";
    let one = r"answer=$(printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 $it 80 | tail -n 1); [ -z $answer ] || { echo $answer; return; }";
    let ask = format!("ask() {{ for it in $({addresses}); do {one}; done; return 1; }}");
    // Between looking up and asking the one that was there may be gone: once more, as whoever wants an answer does.
    let all =
        format!("trap 'exit 0' TERM; {ask}; while :; do ask || ask || echo none; sleep 0.05; done >> /heard 2>&-");
    json!({ "image": IMAGE, "command": ["sh", "-c", all], "needs": ["web"], "stop": { "grace": "1s" } })
}

fn heard(shop: &Fleet<'_>) -> Vec<String> {
    let text = docker(&["exec", &shop.name_of("asker"), "cat", "/heard"]).ok();
    text.lines().map(str::to_owned).collect()
}

/// Every container of the fleet under the name `web`, by its name in Docker.
fn webs(shop: &Fleet<'_>) -> Vec<String> {
    let labels = [format!("fleetlog.fleet={}", shop.id()), "fleetlog.name=web".to_owned()];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let name = |it: &Value| it["Name"].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
    inspect(Thing::Container, &labels).iter().map(name).collect()
}

#[test]
fn whoever_asks_is_answered_all_the_time_and_one_that_fails_is_never_heard() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/web.json", web("one", "1s")).write("containers/asker.json", asker()).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    eventually(SOON, "it is heard", || if heard(&shop).is_empty() { Err("nothing".to_owned()) } else { Ok(()) });
    let before = shop.container("web")["Id"].clone();

    shop.write("containers/web.json", web("two", "1s")).commit("two");
    shop.push(&[]).ok().says(&["1 to replace", "nothing is down", "replace web … done", "success: rollout succeeded"]);
    eventually(SOON, "the new one alone is heard", || match heard(&shop).last().map(String::as_str) {
        Some("two") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let all = heard(&shop);
    assert!(!all.contains(&"none".to_owned()), "{all:?}");
    assert!(all.contains(&"one".to_owned()), "{all:?}");
    assert_eq!(webs(&shop), [shop.name_of("web")]);
    let now = shop.container("web")["Id"].clone();
    assert_ne!(before, now);
    let events = shop.events();
    let removed = events.newest("container.removed");
    assert_eq!((removed.data["docker_id"].clone(), removed.data["container"].clone()), (before, json!("web")));
    assert_eq!(shop.state()["observed"]["containers"]["web"]["health"], "healthy");

    // One that never listens does not take over, and what it said is told.
    shop.write("containers/web.json", deaf()).commit("three");
    let words = ["did not take over", "the old one goes on as it was", "  | cannot", "hint: to go back:"];
    shop.push(&[]).ok().says(&words);
    assert_eq!(shop.container("web")["Id"], now);
    assert_eq!(webs(&shop), [shop.name_of("web")]);
    assert!(!heard(&shop).contains(&"none".to_owned()));
    shop.write("containers/web.json", web("four", "0s")).commit("four");
    shop.push(&[]).ok().says(&["1 to replace", "success: rollout succeeded"]);
    shop.write_text("notes.txt", "nothing that runs\n").commit("notes");
    shop.push(&[]).ok().says(&["nothing to do"]);
    assert_eq!(webs(&shop), [shop.name_of("web")]);
    platform.cli(&["replay", "registry", "--verify"]).ok();
}

/// The whole platform is killed while both run: it comes back and brings that to its end.
#[test]
fn whoever_is_killed_in_between_comes_back_to_one() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/web.json", web("one", "1s")).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    shop.write("containers/web.json", web("two", "3s"));
    let commit = shop.commit("two");
    shop.push(&["no-wait"]).ok();
    let next = format!("{}.next", shop.name_of("web"));
    eventually(SOON, "both run", || match webs(&shop) {
        all if all.contains(&next) => Ok(()),
        all => Err(format!("{all:?}")),
    });
    platform.kill();
    assert!(webs(&shop).contains(&shop.name_of("web")));
    platform.up(&[]);
    shop.succeeds(&commit);
    eventually(SOON, "one is left", || match webs(&shop) {
        all if all == [shop.name_of("web")] => Ok(()),
        all => Err(format!("{all:?}")),
    });
    assert!(docker(&["exec", &shop.name_of("web"), "cat", "/www/index.html"]).ok().contains("two"));
    shop.write_text("notes.txt", "nothing that runs\n").commit("notes");
    shop.push(&[]).ok().says(&["nothing to do"]);
}
