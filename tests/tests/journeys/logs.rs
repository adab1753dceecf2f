//! Log lines: each found once and in order, whatever is killed meanwhile; found within two seconds; gone with nothing.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever, with};
use tests::docker::docker;
use tests::{Fleet, Platform, eventually};

const KILLS: u32 = 20;
const LINES: usize = 20_000;

/// Every line that a search finds, the oldest first.
#[track_caller]
fn lines(platform: &Platform, search: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = platform.get(&format!("/v1/logs?{search}&order=forward&limit=5000{cursor}"));
        assert_eq!(status, 200, "{page:#}");
        found.extend(page["lines"].as_array().expect("a page has lines").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|it| it["text"].as_str().expect("a line has a text")).collect()
}

/// Waits until a search finds exactly these lines, and looks again whether it stays so.
#[track_caller]
fn finds(platform: &Platform, search: &str, expected: &[&str]) {
    let look = || {
        let found = lines(platform, search);
        if texts(&found) == expected { Ok(()) } else { Err(format!("{:?}", texts(&found))) }
    };
    eventually(Duration::from_secs(30), &format!("`{search}` is found"), look);
}

/// Writes numbered lines in bursts, to be seen growing by whoever is killed meanwhile.
fn counting() -> Value {
    let bursts = 50;
    let script = format!(
        "n=0; while [ $n -lt {LINES} ]; do i=0; while [ $i -lt {} ]; do echo \"number $n\"; n=$((n+1)); i=$((i+1)); done; \
         sleep 0.8; done; echo all said >&2; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done",
        LINES / bursts
    );
    json!({ "image": IMAGE, "command": ["sh", "-c", script], "restart": "no" })
}

#[test]
fn logs_survive_kills() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/counter.json", counting()).commit("counting");
    shop.push(&["create", "no-wait"]).ok();
    shop.runs("counter");
    let mut running = Vec::new();
    for _ in 0..KILLS {
        let moment = Duration::from_millis(tests::unique() % 700);
        thread::sleep(moment);
        platform.kill();
        running.push(moment);
        platform.up(&[]);
    }
    let search = format!("fleet={}&container=counter", shop.id());
    eventually(Duration::from_secs(60), "the last line is found", || {
        let (_, page) = platform.get(&format!("/v1/logs?{search}&query=stream:stderr"));
        let said = page["lines"].as_array().is_some_and(|it| !it.is_empty());
        if said { Ok(()) } else { Err(format!("{page}")) }
    });
    let found = lines(&platform, &format!("{search}&query=stream:stdout"));
    let wrong = found.iter().enumerate().find(|(number, it)| it["text"] != format!("number {number}"));
    assert!(wrong.is_none(), "{wrong:#?} of {} lines; kills after {running:?}", found.len());
    assert_eq!(found.len(), LINES, "kills after {running:?}");
    let gaps = lines(&platform, &format!("{search}&query=stream:gap"));
    assert!(gaps.is_empty(), "{gaps:#?}");
    // The first of them is a word like any other.
    finds(&platform, &format!("{search}&query=%22number%2017%22"), &["number 17"]);
}

/// What a container says last is found, also where it is removed right after, and what its successor says too.
#[test]
fn last_words_are_found_when_containers_are_made_anew() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let speaker = |round: usize| {
        let script =
            "trap 'echo last words of $ROUND; exit 0' TERM; echo begin of $ROUND; while :; do sleep 1 & wait $!; done";
        let container = json!({ "image": IMAGE, "command": ["sh", "-c", script] });
        with(container, "env", json!({ "ROUND": round.to_string() }))
    };
    const ROUNDS: usize = 4;
    for round in 0..ROUNDS {
        shop.write("containers/api.json", speaker(round)).commit("a round");
        shop.push(if round == 0 { &["create"] } else { &[] }).ok().says(&["succeeded"]);
        shop.runs("api");
        said(&platform, &shop, &format!("begin of {round}"));
    }
    let expected: Vec<String> = (0..ROUNDS)
        .flat_map(|round| [format!("begin of {round}"), format!("last words of {round}")])
        .take(2 * ROUNDS - 1)
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    finds(&platform, &format!("fleet={}&container=api", shop.id()), &expected);
}

#[track_caller]
fn said(platform: &Platform, fleet: &Fleet<'_>, text: &str) {
    let search = format!("fleet={}&query=%22{}%22", fleet.id(), text.replace(' ', "%20"));
    finds(platform, &search, &[text]);
}

/// A line is found two seconds after it was written, by HTTP and by the command line; and a query that cannot be read is
/// told with its place.
#[test]
fn lines_are_found_soon_and_followed() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/api.json", json!({ "image": IMAGE, "command": forever("echo up") })).commit("one");
    shop.push(&["create"]).ok();
    said(&platform, &shop, "up");
    for round in 0..3 {
        let word = format!("marker{round}x{:x}", tests::unique());
        let name = shop.name_of("api");
        docker(&["exec", &name, "sh", "-c", &format!("echo {word} > /proc/1/fd/1")]).ok();
        let written = Instant::now();
        said(&platform, &shop, &word);
        // Generous beside the two seconds: the machine runs other tests too.
        assert!(written.elapsed() < Duration::from_secs(4), "found after {:?}", written.elapsed());
        let shown = platform.cli(&["logs", &word, "--json"]).ok();
        assert_eq!(shown.lines().count(), 1, "{shown}");
        let line: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&line["text"], &line["container"]), (&json!(word), &json!("api")));
    }
    let refused = platform.cli(&["logs", "up AND (level:error"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("column 9") && refused.err.contains("\"level:error\""), "{}", refused.err);
}

/// What a container wrote while nobody was there is read when somebody is; where it is gone by then, a line says so.
#[test]
fn what_was_missed_is_read_or_told() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    for name in ["stays", "goes"] {
        let command = forever("echo up");
        shop.write(&format!("containers/{name}.json"), json!({ "image": IMAGE, "command": command }));
    }
    shop.commit("two");
    shop.push(&["create"]).ok();
    for name in ["stays", "goes"] {
        finds(&platform, &format!("fleet={}&container={name}", shop.id()), &["up"]);
    }
    platform.kill();
    for name in ["stays", "goes"] {
        docker(&["exec", &shop.name_of(name), "sh", "-c", "echo alone > /proc/1/fd/1"]).ok();
    }
    docker(&["rm", "--force", &shop.name_of("goes")]).ok();
    platform.up(&[]);
    finds(&platform, &format!("fleet={}&container=stays", shop.id()), &["up", "alone"]);
    let gap = eventually(Duration::from_secs(30), "the gap is told", || {
        let found = lines(&platform, &format!("fleet={}&query=stream:gap", shop.id()));
        found.into_iter().next().ok_or_else(|| "no line".to_owned())
    });
    assert_eq!(gap["container"], "goes");
    assert!(gap["text"].as_str().unwrap().contains("removed before its last lines could be read"), "{gap:#}");
}
