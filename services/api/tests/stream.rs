//! `/v1/events/stream`: each event once and in order, only to who may see it, and to its end in order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]
#![allow(dead_code, reason = "what the tests share is used in parts")]

mod support;

use std::collections::BTreeMap;

use api::{Api, Until};
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use axum::{Extension, Router};
use futures_util::StreamExt as _;
use schemas::access::{Role, Who};
use schemas::event::{CoordinatorTook, Data, GitRefused, Refusal, Scope};
use serde_json::Value;
use support::{Platform, id, in_time};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

/// A stream as a client reads it.
struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(router: &Router, path: &str, last: Option<&str>) -> Self {
        let mut request = Request::builder().uri(path);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Id, type and data of the next message; none: the stream has ended.
    async fn next(&mut self) -> Option<(u64, String, Value)> {
        loop {
            while let Some((message, rest)) = self.text.split_once("\n\n") {
                let message = message.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                if let (Some(id), Some(event), Some(data)) = (field("id"), field("event"), field("data")) {
                    return Some((id.parse().unwrap(), event.to_owned(), serde_json::from_str(data).unwrap()));
                }
            }
            let piece = in_time("a message", self.body.next()).await?;
            self.text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    async fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let (position, event, data) = self.next().await.expect("the stream goes on");
            assert_eq!((&data["position"], &data["type"]), (&Value::from(position), &Value::from(event)));
            seen.push(position);
        }
        seen
    }
}

async fn refused(platform: &Platform, fleet: &str) -> u64 {
    let data = GitRefused { refs: Vec::new(), refusal: Refusal::Race, codes: vec!["race".to_owned()], faults: 0 };
    platform.append(Scope::Fleet(id(fleet)), "refs/heads/main", "admin", Data::GitRefused(data)).await
}

async fn took(platform: &Platform) -> u64 {
    let took = CoordinatorTook { instance: Uuid::nil() };
    platform.append(Scope::Platform, "coordinator", "shazam", Data::CoordinatorTook(took)).await
}

/// The face of the platform to somebody with these roles.
fn face(
    platform: &Platform,
    roles: &[(&str, Role)],
    until: Option<CancellationToken>,
    stop: CancellationToken,
) -> Router {
    let roles: BTreeMap<_, _> = roles.iter().map(|(owner, role)| (owner.parse().unwrap(), *role)).collect();
    let who = Who { name: "ada".parse().unwrap(), admin: false, roles };
    let router = api::router(Api::new(platform.bus.clone(), Vec::new()).with_shutdown(stop)).layer(Extension(who));
    match until {
        Some(until) => router.layer(Extension(Until(until))),
        None => router,
    }
}

#[tokio::test]
async fn a_stream_that_is_taken_up_again_neither_loses_nor_doubles() {
    let platform = Platform::start().await;
    for _ in 0..5 {
        refused(&platform, "acme/shop").await;
    }
    let router = platform.router.clone();
    let mut stream = Stream::open(&router, "/v1/events/stream", None).await;
    assert_eq!(stream.positions(5).await, [1, 2, 3, 4, 5]);
    // What comes now comes at once.
    refused(&platform, "acme/till").await;
    assert_eq!(stream.positions(1).await, [6]);
    drop(stream);
    refused(&platform, "acme/shop").await;
    let mut stream = Stream::open(&router, "/v1/events/stream?after=2", Some("6")).await;
    assert_eq!(stream.positions(1).await, [7], "what the client saw goes before what its URL says");
    let mut stream = Stream::open(&router, "/v1/events/stream?after=2&fleet=acme/shop&type=git.refused", None).await;
    assert_eq!(stream.positions(4).await, [3, 4, 5, 7]);
    drop(stream);
    for (path, last) in
        [("/v1/events/stream?after=8", None), ("/v1/events/stream", Some("8")), ("/v1/events/stream", Some("x"))]
    {
        let headers: Vec<_> = last.map(|it| ("Last-Event-ID", it)).into_iter().collect();
        let (kind, _) = platform.ask("GET", path, &headers).await.problem(400);
        assert_eq!(kind, "bad-parameter", "{path} {last:?}");
    }
    platform.stop().await;
}

#[tokio::test]
async fn everybody_sees_only_their_own() {
    let platform = Platform::start().await;
    took(&platform).await;
    let shop = refused(&platform, "acme/shop").await;
    refused(&platform, "other/shop").await;
    let till = refused(&platform, "acme/till").await;
    let of = |role| face(&platform, &[("acme", role)], None, CancellationToken::new());
    for role in [Role::Owner, Role::Viewer] {
        let mut stream = Stream::open(&of(role), "/v1/events/stream", None).await;
        assert_eq!(stream.positions(2).await, [shop, till]);
        // Asked for by name, another's is not there either.
        let mut stream = Stream::open(&of(role), "/v1/events/stream?fleet=other/shop", None).await;
        took(&platform).await;
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(300), stream.next()).await;
        assert!(nothing.is_err(), "{nothing:?}");
    }
    // Pages are no back door; a scraper sees figures, and no events at all.
    let page = async |role| {
        let request = Request::builder().uri("/v1/events").body(Body::empty()).unwrap();
        let response = of(role).oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (_, seen) = page(Role::Viewer).await;
    let seen: Vec<_> = seen["events"].as_array().unwrap().iter().map(|it| it["position"].as_u64().unwrap()).collect();
    assert_eq!(seen, [shop, till]);
    assert_eq!(page(Role::Scraper).await.0, StatusCode::FORBIDDEN);
    platform.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_read_and_with_the_platform() {
    let platform = Platform::start().await;
    refused(&platform, "acme/shop").await;
    let (revoked, stop) = (CancellationToken::new(), CancellationToken::new());
    let router = face(&platform, &[("acme", Role::Viewer)], Some(revoked.clone()), stop.clone());
    let mut stream = Stream::open(&router, "/v1/events/stream", None).await;
    assert_eq!(stream.positions(1).await, [1]);
    revoked.cancel();
    assert_eq!(in_time("the end", stream.next()).await, None);
    // What was written before the end of the platform is still there to be read; then it ends.
    let router = face(&platform, &[("acme", Role::Viewer)], None, stop.clone());
    let mut stream = Stream::open(&router, "/v1/events/stream", None).await;
    assert_eq!(stream.positions(1).await, [1]);
    stop.cancel();
    assert_eq!(in_time("the end", stream.next()).await, None);
    platform.stop().await;
}

#[tokio::test]
async fn a_tail_of_lines_ends_with_the_right_to_read() {
    let platform = Platform::start().await;
    let over = CancellationToken::new();
    let router = face(&platform, &[("acme", Role::Viewer)], Some(over.clone()), CancellationToken::new());
    let mut stream = Stream::open(&router, "/v1/logs/tail", None).await;
    over.cancel();
    assert_eq!(in_time("the end", stream.next()).await, None);
    platform.stop().await;
}

/// A search or a plan may take many seconds: they too are over with the right to read; a write is finished.
#[tokio::test]
async fn what_only_reads_ends_with_the_right_to_read() {
    let platform = Platform::start().await;
    // They are asked, and never answer.
    let mut searches = platform.bus.answer::<schemas::query::LogsRequest>().await.unwrap();
    let mut plans = platform.bus.answer::<schemas::query::PlanRequest>().await.unwrap();
    let mut runs = platform.bus.answer::<schemas::query::StartRun>().await.unwrap();
    let ask = |method: &str, path: &str, over: &CancellationToken| {
        let roles = [("acme", Role::Operator)];
        let request = Request::builder().method(method).uri(path);
        let body = if path.ends_with("/plan") { r#"{ "commit": "0123456789" }"# } else { "" };
        let router = face(&platform, &roles, Some(over.clone()), CancellationToken::new());
        router.oneshot(request.body(Body::from(body)).unwrap())
    };
    let over = CancellationToken::new();
    let (answer, _asked) = tokio::join!(ask("GET", "/v1/logs?query=x", &over), async {
        let asked = in_time("a question", searches.next()).await;
        over.cancel();
        asked
    });
    assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
    let over = CancellationToken::new();
    let (answer, _asked) = tokio::join!(ask("POST", "/v1/fleets/acme/shop/plan", &over), async {
        let asked = in_time("a question", plans.next()).await;
        over.cancel();
        asked
    });
    assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
    let over = CancellationToken::new();
    let (answer, ()) = tokio::join!(ask("POST", "/v1/fleets/acme/shop/tasks/greet/runs", &over), async {
        let asked = in_time("a question", runs.next()).await.unwrap();
        over.cancel();
        let message = "no such task".to_owned();
        let fault = schemas::query::Fault { code: schemas::query::FaultCode::NotFound, message };
        asked.reply(Err(fault)).await.unwrap();
    });
    assert_eq!(answer.unwrap().status(), StatusCode::NOT_FOUND, "its sender has to hear what became of it");
    platform.stop().await;
}

#[tokio::test]
async fn so_many_streams_and_no_more() {
    let platform = Platform::start().await;
    let open = |router: Router| async move {
        let request = Request::builder().uri("/v1/events/stream").body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(open(platform.router.clone()).await);
    }
    assert!(streams.iter().all(|it| it.status() == StatusCode::OK));
    assert_eq!(open(platform.router.clone()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    // One that goes makes room for another.
    streams.pop();
    assert_eq!(open(platform.router.clone()).await.status(), StatusCode::OK);
    platform.stop().await;
}

#[tokio::test]
async fn nobody_takes_all_streams_from_the_others() {
    let platform = Platform::start().await;
    let router = api::router(api::Api::new(platform.bus.clone(), Vec::new()));
    let open = |name: &str| {
        let mut request = Request::builder().uri("/v1/events/stream").body(Body::empty()).unwrap();
        let who = Who { name: name.parse().unwrap(), admin: false, roles: Default::default() };
        request.extensions_mut().insert(who);
        router.clone().oneshot(request)
    };
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(open("ann").await.unwrap());
    }
    assert!(streams.iter().all(|it| it.status() == StatusCode::OK));
    assert_eq!(open("ann").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(open("bob").await.unwrap().status(), StatusCode::OK);
    streams.pop();
    assert_eq!(open("ann").await.unwrap().status(), StatusCode::OK);
    platform.stop().await;
}
