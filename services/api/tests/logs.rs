//! `GET /v1/logs`: pages in both orders, what is asked of the logger, and what is refused with a way out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::sync::{Arc, Mutex};

use schemas::access::{Role, Who};
use schemas::logs::{Batch, Cursor, Found, Line, Origin, Part, Stream, unpack};
use schemas::query::{Fault, FaultCode, LogsAnswer, LogsRequest};
use serde_json::Value;
use streams::clock;
use support::shape::must_fit;
use support::{Platform, id, in_time};
use tokio::task::JoinSet;

/// A platform with a stand-in that searches as the logger would, and notes what it is asked.
struct Logs {
    platform: Platform,
    asked: Arc<Mutex<Vec<LogsRequest>>>,
    answers: JoinSet<()>,
}

/// Nine lines, three each millisecond; of two owners.
fn lines() -> Vec<Found> {
    let line = |nth: i64, fleet: &str, stream| {
        let origin =
            Origin { id: "c".to_owned(), fleet: id(fleet), container: "api".to_owned(), run: None, step: None };
        let line = Line {
            ns: 1_900_000_000_000_000_000 + nth / 3 * 1_000_000,
            stream,
            text: format!("line {nth}"),
            cut: false,
        };
        Part { origin, cursor: Cursor::default(), lines: vec![line] }
    };
    let fleets = ["acme/shop", "zeta/web", "acme/till"];
    let streams = [Stream::Stdout, Stream::Stderr];
    let parts = (0..9).map(|nth: i64| line(nth, fleets[nth as usize % 3], streams[nth as usize % 2])).collect();
    unpack(42, &"local".parse().unwrap(), Batch { id: clock::new_id(), parts }).collect()
}

impl Logs {
    async fn start() -> Self {
        Self::answering(|request| {
            let expr = request.filter.expr().unwrap();
            let mut found: Vec<Found> = lines().into_iter().filter(|it| request.filter.lets(&expr, it)).collect();
            found.sort_by_key(|it| it.place);
            if request.newest_first {
                found.reverse();
            }
            if let Some(after) = request.after {
                found.retain(|it| if request.newest_first { it.place < after } else { it.place > after });
            }
            let more = found.len() > request.limit as usize;
            found.truncate(request.limit as usize);
            Ok(LogsAnswer { lines: found, more, applied: 42 })
        })
        .await
    }

    async fn answering(answer: impl Fn(&LogsRequest) -> Result<LogsAnswer, Fault> + Send + 'static) -> Self {
        let platform = Platform::start().await;
        let mut questions = platform.bus.answer::<LogsRequest>().await.unwrap();
        let (asked, mut answers) = (Arc::new(Mutex::new(Vec::new())), JoinSet::new());
        let noted = Arc::clone(&asked);
        answers.spawn(async move {
            while let Some(asked) = questions.next().await {
                noted.lock().unwrap().push(asked.question.clone());
                let answer = answer(&asked.question);
                asked.reply(answer).await.unwrap();
            }
        });
        Self { platform, asked, answers }
    }

    async fn page(&self, query: &str) -> Value {
        let page = in_time(query, self.platform.get(&format!("/v1/logs?{query}"))).await.json();
        must_fit(&api::document(), "Logs", &page);
        page
    }

    /// What the logger was asked last.
    fn asked(&self) -> LogsRequest {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    async fn stop(mut self) {
        self.answers.shutdown().await;
        self.platform.stop().await;
    }
}

fn texts(page: &Value) -> Vec<String> {
    page["lines"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap().replace("line ", "")).collect()
}

#[tokio::test]
async fn pages_follow_each_other_in_both_orders() {
    let logs = Logs::start().await;
    for (order, expected) in [("order=forward", "012345678"), ("order=backward", "876543210"), ("order=", "876543210")]
    {
        for limit in [1, 2, 4, 9, 5_000] {
            let (mut seen, mut cursor, mut pages) = (String::new(), String::new(), 0);
            loop {
                let page = logs.page(&format!("{order}&limit={limit}{cursor}")).await;
                assert_eq!(page["tail"], 42);
                seen.extend(texts(&page));
                pages += 1;
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!((seen.as_str(), pages), (expected, 9_usize.div_ceil(limit)), "{order} by {limit}");
        }
    }
    // Behind the end there is an empty page, and no next one.
    let page = logs.page("order=forward&cursor=1999999999999999999.0.0").await;
    assert_eq!((texts(&page).len(), &page["next"]), (0, &Value::Null));
    logs.stop().await;
}

#[tokio::test]
async fn a_line_shows_everything_that_is_known_of_it() {
    let logs = Logs::start().await;
    let page = logs.page("order=forward&limit=2").await;
    let line = &page["lines"][1];
    let expected = serde_json::json!({
        "time": "2030-03-17T17:46:40.000000000Z", "fleet": "zeta/web", "container": "api", "stream": "stderr",
        "text": "line 1", "node": "local", "run": null, "step": null, "cut": false, "place": "1900000000000000000.42.1",
    });
    assert_eq!(line, &expected);
    assert_eq!(page["next"], "1900000000000000000.42.1");
    logs.stop().await;
}

#[tokio::test]
async fn what_is_wanted_reaches_the_logger() {
    let logs = Logs::start().await;
    logs.page("").await;
    let plain = logs.asked();
    assert_eq!((plain.limit, plain.newest_first, plain.after, &plain.filter.query), (100, true, None, &String::new()));
    let filter = plain.filter;
    assert_eq!((filter.fleet, filter.container, filter.from, filter.to, filter.owners), (None, None, None, None, None));

    // `from` is included, `to` is not, to the nanosecond and in any zone.
    let day = "2030-03-17T17:46:40";
    for (range, expected) in [
        (format!("from={day}.001Z&to={day}.002Z"), "345"),
        (format!("from={day}.001000001Z"), "678"),
        (format!("to={day}.001000001Z"), "012345"),
        ("from=2030-03-17T18:46:40.002%2B01:00".to_owned(), "678"),
        (format!("from={day}.002Z&to={day}.001Z"), ""),
        ("from=&to=".to_owned(), "012345678"),
    ] {
        let page = logs.page(&format!("{range}&order=forward")).await;
        assert_eq!(texts(&page).concat(), expected, "{range}");
    }
    for (wanted, expected) in [
        ("fleet=acme/shop", "036"),
        ("container=api", "012345678"),
        ("container=db", ""),
        ("query=stream:stderr", "1357"),
        ("query=owner:acme%20-stream:stderr", "0268"),
        ("query=%22line%204%22%20OR%207", "47"),
        ("query=LINE&fleet=zeta/web", "147"),
    ] {
        let page = logs.page(&format!("{wanted}&order=forward")).await;
        assert_eq!(texts(&page).concat(), expected, "{wanted}");
    }
    logs.stop().await;
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_told_with_its_place() {
    let logs = Logs::start().await;
    let long = "x".repeat(4_097);
    for (query, column, hint) in [
        ("up AND (level:error", 9, "\"level:error\""),
        ("(up", 1, "is not closed"),
        ("up)", 3, "closes nothing"),
        ("\"up", 1, "is not closed"),
        ("up AND", 4, "nothing follows `AND`"),
        ("NOT", 1, "nothing follows `NOT`"),
        ("stream:nowhere", 8, "stderr"),
        ("up*", 1, "as a whole"),
        (&long, 4_097, "4096"),
    ] {
        let encoded = query.replace(' ', "%20").replace('"', "%22");
        let (kind, document) = logs.platform.get(&format!("/v1/logs?query={encoded}")).await.problem(400);
        assert_eq!((kind.as_str(), &document["parameter"]), ("bad-query", &Value::from("query")), "{document:#}");
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains(hint), "{query:.30}: {document:#}");
        assert_eq!(document["column"], column, "{query:.30}: {document:#}");
        assert!(detail.contains(&format!("column {column}:")), "{document:#}");
    }
    assert!(logs.asked.lock().unwrap().is_empty(), "the logger was asked");
    logs.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_what_would_be_right() {
    let logs = Logs::start().await;
    for (query, hint) in [
        ("limit=0", "1 to 5000"),
        ("limit=5001", "1 to 5000"),
        ("limit=-1", "1 to 5000"),
        ("limit=ten", "1 to 5000"),
        ("limit=1.5", "1 to 5000"),
        ("order=up", "`forward` or `backward`"),
        ("order=Forward", "`forward` or `backward`"),
        ("cursor=nonsense", "`next` of the page before"),
        ("cursor=1.2", "`next` of the page before"),
        ("cursor=1.2.3.4", "`next` of the page before"),
        ("cursor=1.-2.3", "`next` of the page before"),
        ("from=yesterday", "RFC 3339"),
        ("to=2030-01-31", "RFC 3339"),
        ("from=2030-02-31T00:00:00Z", "RFC 3339"),
        ("fleet=acme", "acme/shop"),
        ("fleet=Acme/Shop", "acme/shop"),
    ] {
        let (kind, document) = logs.platform.get(&format!("/v1/logs?{query}")).await.problem(400);
        assert_eq!(kind, "bad-parameter", "{query}");
        assert!(document["detail"].as_str().unwrap().contains(hint), "{query}: {document}");
    }
    let (_, document) = logs.platform.get("/v1/logs?querry=up").await.problem(400);
    assert!(document["detail"].as_str().unwrap().contains("query"), "{document}");
    logs.platform.get("/v1/logs?limit=1&limit=2").await.problem(400);
    for (query, hint) in [("after=-1", "`tail` of a page"), ("after=99", "at most 0"), ("query=)", "column 1")] {
        let (_, document) = logs.platform.get(&format!("/v1/logs/tail?{query}")).await.problem(400);
        assert!(document["detail"].as_str().unwrap().contains(hint), "{query}: {document}");
    }
    let tail = logs.platform.ask("GET", "/v1/logs/tail", &[("last-event-id", "seven")]).await;
    assert!(tail.problem(400).1["detail"].as_str().unwrap().contains("Last-Event-ID"));
    assert!(logs.asked.lock().unwrap().is_empty(), "the logger was asked");
    logs.stop().await;
}

#[tokio::test]
async fn who_asks_sees_the_owners_that_they_may_see() {
    let logs = Logs::start().await;
    let ann = |roles| Who { name: "ann".parse().unwrap(), admin: false, roles };
    let viewer = || ann([("zeta".parse().unwrap(), Role::Viewer)].into());
    let page = logs.platform.get_as(viewer(), "/v1/logs?order=forward").await.json();
    assert_eq!(texts(&page), ["1", "4", "7"]);
    assert_eq!(logs.asked().filter.owners, Some(vec!["zeta".parse().unwrap()]));
    let page = logs.platform.get_as(viewer(), "/v1/logs?query=owner:acme").await.json();
    assert_eq!(texts(&page).len(), 0, "a query opens no door");
    logs.platform.get_as(viewer(), "/v1/logs?fleet=acme/shop").await.problem(403);
    let page = logs.platform.get_as(ann([].into()), "/v1/logs").await.json();
    assert_eq!(texts(&page).len(), 0);
    logs.stop().await;
}

#[tokio::test]
async fn what_the_logger_cannot_answer_is_told() {
    let logs = Logs::answering(|request| {
        let (code, message) = match request.filter.query.as_str() {
            "slow" => (FaultCode::Unavailable, "the search took longer than 20 s: narrow it by time"),
            _ => (FaultCode::Stopped, "the index is damaged"),
        };
        Err(Fault { code, message: message.to_owned() })
    })
    .await;
    for (query, hint) in [("slow", "narrow it by time"), ("other", "the index is damaged")] {
        let (kind, document) = logs.platform.get(&format!("/v1/logs?query={query}")).await.problem(503);
        assert_eq!(kind, "unavailable");
        assert!(document["detail"].as_str().unwrap().contains(hint), "{document}");
    }
    logs.stop().await;

    let nobody = Platform::start().await;
    let (_, document) = in_time("an answer", nobody.get("/v1/logs")).await.problem(503);
    assert!(document["detail"].as_str().unwrap().contains("`logger` does not answer"), "{document}");
    nobody.stop().await;
}
