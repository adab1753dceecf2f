//! `GET /v1/events`: pages, filters, lines, and waiting for a position.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::time::{Duration, Instant};

use schemas::event::{CoordinatorTook, Data, GitRefused, LogOpened, Refusal, RolloutStarted, Scope};
use serde_json::Value;
use support::shape::must_fit;
use support::{Platform, id, in_time};
use uuid::Uuid;

fn refused() -> Data {
    Data::GitRefused(GitRefused { refs: Vec::new(), refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 0 })
}

/// Six events: 1 opened (platform), 2 and 4 refused and 5 started (acme/shop), 3 refused (acme/till), 6 took (platform).
async fn log() -> Platform {
    let platform = Platform::start().await;
    let shop = || Scope::Fleet(id("acme/shop"));
    let (incarnation, installation) = (platform.bus.incarnation(), Uuid::nil());
    let opened = LogOpened { incarnation, installation, version: "0".to_owned(), key_mark: None };
    platform.append(Scope::Platform, "log", "fleetlog", Data::LogOpened(opened)).await;
    platform.append(shop(), "refs/heads/main", "admin", refused()).await;
    platform.append(Scope::Fleet(id("acme/till")), "refs/heads/main", "admin", refused()).await;
    platform.append(shop(), "refs/heads/dev", "admin", refused()).await;
    let started = RolloutStarted { rollout: Uuid::nil() };
    platform.append(shop(), "rollouts/1", "shazam", Data::RolloutStarted(started)).await;
    let took = CoordinatorTook { instance: Uuid::nil() };
    platform.append(Scope::Platform, "coordinator", "shazam", Data::CoordinatorTook(took)).await;
    platform
}

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|it| it["position"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end_of_the_log() {
    let platform = log().await;
    let (mut after, mut seen, mut pages) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let reply = platform.get(&format!("/v1/events?limit=2&after={after}")).await;
        assert_eq!(reply.header("fleetlog-position"), "6");
        let page = reply.json();
        must_fit(&api::document(), "Events", &page);
        seen.extend(positions(&page));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((seen, pages), (vec![1, 2, 3, 4, 5, 6], 3));
    let behind = platform.get("/v1/events?after=99").await.json();
    assert_eq!((positions(&behind), &behind["next"]), (vec![], &Value::Null));
    platform.stop().await;
}

#[tokio::test]
async fn filters_let_through_what_they_name() {
    let platform = log().await;
    let first = platform.get("/v1/events?limit=1").await.json();
    let time = first["events"][0]["time"].as_str().unwrap().to_owned();
    let cases = [
        ("type=git.refused", vec![2, 3, 4]),
        ("type=fleetlog.git.refused.v1", vec![2, 3, 4]),
        ("fleet=acme/shop", vec![2, 4, 5]),
        ("subject=refs/heads/main", vec![2, 3]),
        ("subject=refs/*", vec![2, 3, 4]),
        ("actor=shazam", vec![5, 6]),
        ("actor=nobody", vec![]),
        ("fleet=acme/shop&actor=admin&subject=refs/heads/dev", vec![4]),
        ("to=2000-01-01T00:00:00Z", vec![]),
        ("from=2000-01-01T00:00:00Z", vec![1, 2, 3, 4, 5, 6]),
        (&format!("to={time}"), vec![]),
        ("after=3&type=git.refused", vec![4]),
        ("type=&fleet=", vec![1, 2, 3, 4, 5, 6]),
    ];
    for (query, expected) in cases {
        let page = platform.get(&format!("/v1/events?{query}")).await.json();
        assert_eq!((positions(&page), &page["next"]), (expected, &Value::Null), "{query}");
    }
    let page = platform.get("/v1/events?type=git.refused&limit=2").await.json();
    assert_eq!((positions(&page), page["next"].as_str()), (vec![2, 3], Some("3")));
    platform.stop().await;
}

#[tokio::test]
async fn a_request_looks_through_so_much_and_says_where_to_go_on() {
    let platform = log().await.with_max_scan(2);
    let mut pages = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let page = platform.get(&format!("/v1/events?type=coordinator.took&after={after}")).await.json();
        pages.push(positions(&page));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(pages, [vec![], vec![], vec![6]], "each request sees two events");
    platform.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_what_would_be_right() {
    let platform = Platform::start().await;
    for (query, hint) in [
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("limit=ten", "1 to 1000"),
        ("after=-1", "a position"),
        ("type=git", "git.pushed"),
        ("fleet=acme", "acme/shop"),
        ("from=yesterday", "RFC 3339"),
    ] {
        let (kind, document) = platform.get(&format!("/v1/events?{query}")).await.problem(400);
        assert_eq!(kind, "bad-parameter", "{query}");
        assert!(document["detail"].as_str().unwrap().contains(hint), "{query}: {document}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn lines_come_to_who_accepts_them() {
    let platform = log().await;
    let lines = platform.ask("GET", "/v1/events?limit=4", &[("accept", "application/x-ndjson")]).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    assert_eq!((lines.header("fleetlog-next"), lines.header("fleetlog-position")), ("4", "6"));
    let text = lines.text();
    assert!(text.ends_with('\n'));
    let events: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let page = platform.get("/v1/events?limit=4").await.json();
    assert_eq!(Value::from(events), page["events"], "both forms tell the same");
    for accept in ["*/*", "application/json, application/x-ndjson", "text/html"] {
        let reply = platform.ask("GET", "/v1/events", &[("accept", accept)]).await;
        assert_eq!(reply.header("content-type"), "application/json", "{accept}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn a_read_waits_for_the_position_that_it_names() {
    let platform = log().await;
    let wait = [("fleetlog-min-position", "8")];
    let read = platform.ask("GET", "/v1/events?after=6", &wait);
    let appended = async {
        platform.append(Scope::Fleet(id("acme/shop")), "refs/heads/main", "admin", refused()).await;
        platform.append(Scope::Fleet(id("acme/shop")), "refs/heads/main", "admin", refused()).await
    };
    let (reply, last) = in_time("a read of position 8", async { tokio::join!(read, appended) }).await;
    assert_eq!(last, 8);
    assert_eq!(positions(&reply.json()), [7, 8]);

    let begun = Instant::now();
    let wait = [("fleetlog-min-position", "100")];
    let (kind, _) = platform.ask("GET", "/v1/events", &wait).await.problem(504);
    assert_eq!(kind, "behind");
    assert!(begun.elapsed() < Duration::from_secs(8), "the wait is bounded: {:?}", begun.elapsed());
    let (kind, _) = platform.ask("GET", "/v1/events", &[("fleetlog-min-position", "soon")]).await.problem(400);
    assert_eq!(kind, "bad-parameter");
    platform.stop().await;
}
