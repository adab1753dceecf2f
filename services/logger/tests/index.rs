//! The index over a real log: what it finds, in which order, and what it does when its files are lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::path::PathBuf;

use schemas::logs::{Expr, Filter, Found, Line, Stream};
use schemas::query::{LogsReplayRequest, LogsRequest};
use support::{Log, in_time, line, part, request, texts};

const S: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * S;
/// Some day in 2026, at noon.
const NOON: i64 = 20_600 * DAY + 43_200 * S;

#[tokio::test]
async fn lines_are_found_by_what_they_say_and_whose_they_are() {
    let mut log = Log::start().await;
    log.open().await;
    log.write("acme/shop", "api", &[(NOON, "GET /cart 200"), (NOON + 1, "Connection refused by db-1 (timeout)")]).await;
    log.write("acme/shop", "db", &[(NOON + 2, "refused: connection limit"), (NOON + 3, "ready")]).await;
    let mut error = line(NOON + 4, "ready, but worried");
    error.stream = Stream::Stderr;
    log.store(vec![part("bob/blog", "web", vec![error])]).await;
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    log.write("acme/shop", "api", &[(NOON + 5, &format!("pulled sha256:{digest} für Straße"))]).await;

    for (query, expected) in [
        ("ready", vec!["ready, but worried", "ready"]),
        ("READY -worried", vec!["ready"]),
        ("\"connection refused\"", vec!["Connection refused by db-1 (timeout)"]),
        ("connection refused", vec!["refused: connection limit", "Connection refused by db-1 (timeout)"]),
        ("db-1", vec!["Connection refused by db-1 (timeout)"]),
        ("ready OR cart", vec!["ready, but worried", "ready", "GET /cart 200"]),
        ("fleet:bob/blog", vec!["ready, but worried"]),
        ("owner:acme ready", vec!["ready"]),
        ("stream:stderr", vec!["ready, but worried"]),
        ("NOT owner:acme", vec!["ready, but worried"]),
        ("(container:db OR container:web) -\"connection limit\"", vec!["ready, but worried", "ready"]),
        ("NOT (connection OR ready OR pulled)", vec!["GET /cart 200"]),
        ("nowhere", vec![]),
        ("container:nobody", vec![]),
    ] {
        assert_eq!(log.texts(query).await, expected, "{query}");
    }
    assert_eq!(log.texts(digest).await.len(), 1, "a word of 64 letters is found");
    assert_eq!(log.texts("STRASSE OR straße").await.len(), 1);

    let answer = log
        .find(LogsRequest {
            filter: Filter { owners: Some(vec!["bob".parse().unwrap()]), ..Filter::default() },
            ..request("")
        })
        .await;
    assert_eq!(texts(&answer.lines), ["ready, but worried"], "others' lines are not to be seen");
    let nobody =
        log.find(LogsRequest { filter: Filter { owners: Some(vec![]), ..Filter::default() }, ..request("") }).await;
    assert!(nobody.lines.is_empty());
    let range = Filter { from: Some(NOON + 1), to: Some(NOON + 3), ..Filter::default() };
    let answer = log.find(LogsRequest { filter: range, ..request("") }).await;
    assert_eq!(texts(&answer.lines), ["refused: connection limit", "Connection refused by db-1 (timeout)"]);
    let error = log.ask(request("a AND")).await.unwrap_err();
    assert!(error.to_string().contains("column 3"), "{error}");
    log.stop().await;
}

/// A small generator: the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Lines over three days, with many of the same time, in batches out of order.
async fn fill(log: &mut Log, batches: usize) -> Vec<Found> {
    const WORDS: [&str; 8] = ["alpha", "beta", "gamma", "delta", "error", "timeout", "ready", "gone"];
    let mut dice = Dice(7);
    let mut all = Vec::new();
    for _ in 0..batches {
        let mut parts = Vec::new();
        for (fleet, container) in [("acme/shop", "api"), ("acme/shop", "db"), ("bob/blog", "web")] {
            let mut lines: Vec<Line> = Vec::new();
            for _ in 0..dice.roll(40) {
                let ns = NOON + i64::try_from(dice.roll(3)).unwrap() * DAY + i64::try_from(dice.roll(50)).unwrap();
                let words: Vec<_> = (0..3).map(|_| WORDS[usize::try_from(dice.roll(8)).unwrap()]).collect();
                let stream = if dice.roll(5) == 0 { Stream::Stderr } else { Stream::Stdout };
                lines.push(Line { stream, ..line(ns, &words.join(" ")) });
            }
            parts.push(part(fleet, container, lines));
        }
        let batch = schemas::logs::Batch { id: streams::clock::new_id(), parts: parts.clone() };
        let position = log.store(parts).await;
        all.extend(schemas::logs::unpack(position, &support::node(), batch));
    }
    all.sort_by_key(|it| it.place);
    all
}

#[tokio::test]
async fn every_page_is_in_the_exact_order_whatever_is_asked() {
    let mut log = Log::start().await;
    log.open().await;
    let all = fill(&mut log, 60).await;
    assert!(all.len() > 2_000, "{}", all.len());
    for query in [
        "",
        "alpha",
        "\"alpha beta\"",
        "error -timeout",
        "stream:stderr (ready OR gone)",
        "NOT \"beta gamma\"",
        "container:db alpha",
    ] {
        for newest_first in [true, false] {
            let filter = Filter { query: query.to_owned(), from: Some(NOON + 3), ..Filter::default() };
            let expr = Expr::parse(query).unwrap();
            let mut expected: Vec<_> = all.iter().filter(|it| filter.lets(&expr, it)).cloned().collect();
            if newest_first {
                expected.reverse();
            }
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let request = LogsRequest { filter: filter.clone(), newest_first, after, limit: 97 };
                let answer = log.find(request).await;
                found.extend(answer.lines);
                after = found.last().map(|it| it.place);
                if !answer.more {
                    break;
                }
            }
            assert_eq!(found.len(), expected.len(), "`{query}`, newest first: {newest_first}");
            assert!(found == expected, "`{query}`, newest first: {newest_first}");
        }
    }
    log.stop().await;
}

fn days(log: &Log) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(log.index()).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir()).collect();
    found.sort();
    found
}

async fn everything(log: &Log) -> Vec<Found> {
    log.find(LogsRequest { newest_first: false, limit: 5_000, ..request("") }).await.lines
}

#[tokio::test]
async fn what_is_lost_of_the_files_is_made_anew() {
    let mut log = Log::start().await;
    log.open().await;
    let all = fill(&mut log, 20).await;
    assert!(everything(&log).await == all);
    log.close().await;
    let largest = |folder: &PathBuf| {
        let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        files.filter(|it| !it.ends_with("meta.json")).max_by_key(|it| fs::metadata(it).unwrap().len()).unwrap()
    };
    type Lose<'a> = &'a dyn Fn(&Log);
    let losses: [(&str, Lose<'_>); 7] = [
        ("nothing", &|_| {}),
        ("everything", &|log| fs::remove_dir_all(log.index()).unwrap()),
        ("a day", &|log| fs::remove_dir_all(&days(log)[1]).unwrap()),
        ("the manifest", &|log| fs::write(log.index().join("manifest.json"), "no json").unwrap()),
        ("a day's list of files", &|log| fs::write(days(log)[0].join("meta.json"), "{").unwrap()),
        ("the end of a file", &|log| {
            let file = fs::OpenOptions::new().write(true).open(largest(&days(log)[2])).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("a byte in the middle", &|log| {
            let path = largest(&days(log)[0]);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            fs::write(&path, bytes).unwrap();
        }),
    ];
    for (what, lose) in losses {
        lose(&log);
        log.open().await;
        let found = everything(&log).await;
        assert_eq!(found.len(), all.len(), "after the loss of {what}");
        assert!(found == all, "after the loss of {what}");
        log.close().await;
    }
    log.stop().await;
}

#[tokio::test]
async fn a_folder_that_goes_while_it_is_written_to_is_made_anew() {
    let mut log = Log::start().await;
    log.open().await;
    let mut all = fill(&mut log, 5).await;
    everything(&log).await;
    fs::remove_dir_all(log.index()).unwrap();
    let more = log.write("acme/shop", "late", &[(NOON, "one more")]).await;
    let position = more;
    all.push(Found {
        place: schemas::logs::Place { ns: NOON, position, ordinal: 0 },
        text: "one more".to_owned(),
        ..all[0].clone()
    });
    let expected = all.len();
    support::eventually("everything is found again", async || {
        let answer = log.ask(LogsRequest { newest_first: false, limit: 5_000, ..request("") }).await;
        let found = answer.map_err(|error| error.to_string())?.lines.len();
        if found == expected { Ok(()) } else { Err(format!("{found} of {expected}")) }
    })
    .await;
    log.stop().await;
}

#[tokio::test]
async fn days_go_when_they_are_too_old() {
    let mut log = Log::start().await;
    log.open().await;
    let today = i64::try_from(streams::clock::now().as_nanosecond()).unwrap();
    log.write("acme/shop", "api", &[(today - 3 * DAY, "old"), (today, "new")]).await;
    assert_eq!(log.texts("").await, ["new", "old"]);
    log.close().await;
    log.open_keeping(2).await;
    support::eventually("the old day is gone", async || {
        let found = texts(&log.ask(request("")).await.map_err(|it| it.to_string())?.lines);
        if found == ["new"] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    log.write("acme/shop", "api", &[(today - 3 * DAY, "older than what is kept"), (today + 1, "newer")]).await;
    assert_eq!(log.texts("").await, ["newer", "new"]);
    assert_eq!(days(&log).len(), 1);
    log.stop().await;
}

#[tokio::test]
async fn of_two_who_store_for_one_node_one_goes_on() {
    let mut log = Log::start().await;
    let first = log.write("acme/shop", "api", &[(NOON, "a")]).await;
    let batch = schemas::logs::Batch {
        id: streams::clock::new_id(),
        parts: vec![part("acme/shop", "api", vec![line(NOON, "b")])],
    };
    let stored = in_time("a batch is stored", log.bus.store_lines(&support::node(), &batch, first)).await.unwrap();
    let again = in_time("and again", log.bus.store_lines(&support::node(), &batch, first)).await.unwrap();
    assert_eq!(stored, again, "the same batch is stored once");
    let other = schemas::logs::Batch { id: streams::clock::new_id(), ..batch };
    let refused = in_time("another is refused", log.bus.store_lines(&support::node(), &other, first)).await;
    assert!(matches!(refused, Err(streams::LinesError::Overtaken { last }) if last == stored), "{refused:?}");
    log.stop().await;
}

#[tokio::test]
async fn a_replay_is_equal_and_takes_its_place() {
    let mut log = Log::start().await;
    log.open().await;
    let mut all = fill(&mut log, 20).await;
    everything(&log).await;
    for verify in [true, false] {
        let answer = log.bus.ask(&LogsReplayRequest { verify }, support::PATIENCE).await.unwrap();
        assert!(answer.equal, "{answer:#?}");
        assert_eq!((answer.events, answer.swapped, answer.position), (all.len() as u64, !verify, log.last));
        assert!(everything(&log).await == all, "verify: {verify}");
        assert!(!log.index().join("replay").exists(), "nothing is left of it");
    }
    let position = log.write("acme/shop", "api", &[(NOON - 1, "after the swap")]).await;
    let place = schemas::logs::Place { ns: NOON - 1, position, ordinal: 0 };
    let origin = part("acme/shop", "api", vec![]).origin;
    all.insert(
        0,
        Found {
            place,
            origin,
            node: support::node(),
            stream: Stream::Stdout,
            text: "after the swap".to_owned(),
            cut: false,
        },
    );
    assert!(everything(&log).await == all);
    log.stop().await;
}
