//! Log lines: each found once and in order, whatever is killed meanwhile; found within two seconds; gone with nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever, with};
use tests::docker::{Thing, docker, ids};
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
    eventually(Duration::from_secs(60), &format!("`{search}` is found"), look);
}

/// Writes numbered lines, some in each tenth of a second, up to the number that stands in `/tmp/upto`.
fn counting() -> Value {
    let script = format!(
        "n=0; while [ $n -lt {LINES} ]; do upto=0; [ -e /tmp/upto ] && read upto < /tmp/upto; i=0; \
         while [ $i -lt 40 ] && [ $n -lt $upto ]; do echo \"number $n\"; n=$((n+1)); i=$((i+1)); done; sleep 0.1; done; \
         echo all said >&2; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
    );
    json!({ "image": IMAGE, "command": ["sh", "-c", script], "restart": "no" })
}

/// Lets the counter write up to this number.
#[track_caller]
fn count_to(name: &str, upto: usize) {
    docker(&["exec", name, "sh", "-c", &format!("echo {upto} > /tmp/next && mv /tmp/next /tmp/upto")]).ok();
}

/// How many lines the counter has written.
fn counted(name: &str) -> usize {
    let last = docker(&["logs", "--tail", "1", name]).out;
    last.trim_end().strip_prefix("number ").and_then(|it| it.parse().ok()).map_or(0, |last: usize| last + 1)
}

#[test]
fn logs_survive_kills() {
    const BURST: usize = 600;
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/counter.json", counting()).commit("counting");
    shop.push(&["create", "no-wait"]).ok();
    shop.runs("counter");
    let name = shop.name_of("counter");
    let (mut running, mut upto, mut during) = (Vec::new(), 0, 0);
    // A kill counts where lines came right before it and were still to come. Some come too late for that.
    while during < KILLS {
        assert!(upto + BURST < LINES, "only {during} kills fell among the lines: {running:?}");
        let before = counted(&name);
        upto += BURST;
        count_to(&name, upto);
        eventually(Duration::from_secs(30), "lines come", || {
            let now = counted(&name);
            if now > before { Ok(()) } else { Err(format!("{now} of {upto}")) }
        });
        let moment = Duration::from_millis(tests::unique() % 700);
        thread::sleep(moment);
        platform.kill();
        let now = counted(&name);
        during += u32::from(now < upto);
        running.push((moment, now, upto));
        platform.up(&[]);
    }
    count_to(&name, LINES);
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

/// Uses up a processor each until dropped.
struct Load {
    over: Arc<AtomicBool>,
    busy: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn on(processors: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let spin = || {
            let over = Arc::clone(&over);
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let busy = (0..processors).map(|_| spin()).collect();
        Self { over, busy }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for busy in self.busy.drain(..) {
            busy.join().expect("it only spins");
        }
    }
}

/// However much a container says in its very end, all of it is read before it is removed: for its successor, or for good.
#[test]
fn nothing_of_a_long_last_word_is_lost() {
    const ROUNDS: usize = 3;
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let load = Load::on(1);
    let speaker = |round: usize| {
        let script = format!(
            "trap 'n=0; while [ $n -lt {LINES} ]; do echo \"$ROUND and $n\"; n=$((n+1)); done; exit 0' TERM; \
             echo begin of $ROUND; while :; do sleep 1 & wait $!; done"
        );
        let container = json!({ "image": IMAGE, "command": ["sh", "-c", script], "stop": { "grace": "30s" } });
        with(container, "env", json!({ "ROUND": round.to_string() }))
    };
    for round in 0..ROUNDS {
        shop.write("containers/api.json", speaker(round)).commit("a round");
        shop.push(if round == 0 { &["create"] } else { &[] }).ok().says(&["succeeded"]);
        said(&platform, &shop, &format!("begin of {round}"));
    }
    shop.remove("containers/api.json").commit("none");
    shop.push(&[]).ok().says(&["succeeded"]);
    assert!(shop.find("api").is_none(), "it is still there");
    drop(load);
    let search = format!("fleet={}&container=api", shop.id());
    said(&platform, &shop, &format!("{} and {}", ROUNDS - 1, LINES - 1));
    let found = lines(&platform, &search);
    let mut expected = (0..ROUNDS).flat_map(|round| {
        let last = (0..LINES).map(move |number| format!("{round} and {number}"));
        std::iter::once(format!("begin of {round}")).chain(last)
    });
    for (nth, line) in found.iter().enumerate() {
        let expected = expected.next();
        assert_eq!(line["text"].as_str(), expected.as_deref(), "line {nth} of {}", found.len());
    }
    assert_eq!(found.len(), ROUNDS * (LINES + 1));
    let log = platform.log();
    assert!(!log.contains("last lines may be unread"), "{log}");
}

/// The same for a run, whose containers go as soon as it is over.
#[test]
fn nothing_of_a_run_is_lost() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let script = format!("n=0; while [ $n -lt {LINES} ]; do echo \"number $n\"; n=$((n+1)); done; echo done >&2");
    let step = json!({ "run": ["sh", "-c", script] });
    shop.write("tasks/talk.json", json!({ "image": IMAGE, "steps": [step, step], "within": "2m" })).commit("talk");
    shop.push(&["create"]).ok();
    platform.cli(&["run", "talk", "-f", "--fleet", shop.id()]).ok();
    let label = platform.label();
    eventually(Duration::from_secs(150), "the run's containers are gone", || {
        let left = ids(Thing::Container, &[&label]);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    let search = format!("fleet={}&container=talk", shop.id());
    finds(&platform, &format!("{search}&query=stream:stderr"), &["done", "done"]);
    let found = lines(&platform, &format!("{search}&query=-stream:stderr"));
    let wrong = found.iter().enumerate().find(|(nth, it)| it["text"] != format!("number {}", nth % LINES));
    assert!(wrong.is_none(), "{wrong:#?} of {}", found.len());
    assert_eq!(found.len(), 2 * LINES);
    assert!(!platform.log().contains("last lines may be unread"), "{}", platform.log());
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
