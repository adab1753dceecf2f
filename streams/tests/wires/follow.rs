//! Events come in order, without gaps, as soon as they are there.

use std::time::Duration;

use async_nats::HeaderMap;
use schemas::event::Topic;
use streams::{Expected, Filter, ReadError, Unreadable};
use tokio::time::Instant;

use crate::support::{Rig, fleet, opened, refused, soon};

async fn fill(rig: &Rig, count: usize) {
    let (shop, other) = (fleet("acme/shop"), fleet("acme/other"));
    for nth in 0..count {
        let scope = if nth % 3 == 0 { &other } else { &shop };
        rig.bus.append(&refused(scope), Expected::Any).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_comes_first_then_what_is_new() {
    let rig = Rig::start().await;
    fill(&rig, 1200).await;
    let mut follow = rig.bus.follow(Filter::All, 0);
    for position in 1..=1200 {
        assert_eq!(soon("an event", follow.next()).await.unwrap().position, position);
    }
    let mut slowest = Duration::ZERO;
    let mut total = Duration::ZERO;
    for position in 1201..=1400 {
        let draft = refused(&fleet("acme/shop"));
        let (appended, event) =
            tokio::join!(async { (rig.bus.append(&draft, Expected::Any).await.unwrap(), Instant::now()) }, async {
                (soon("an event", follow.next()).await.unwrap(), Instant::now())
            },);
        assert_eq!((appended.0, event.0.position, event.0.id), (position, position, draft.id));
        let late = event.1.saturating_duration_since(appended.1);
        slowest = slowest.max(late);
        total += late;
    }
    println!("after the append's answer: mean {:?}, slowest {slowest:?}", total / 200);
    // Anything that polls would be far above this on average.
    assert!(total / 200 < Duration::from_millis(5), "mean {:?}", total / 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_it_was_when_the_server_is_killed() {
    let rig = Rig::start().await;
    let mut follow = rig.bus.follow(Filter::All, 0);
    let mut filtered = rig.bus.follow(Filter::Subject(fleet("acme/shop"), Topic::Git), 0);
    let mut seen = 0;
    for _ in 0..4 {
        fill(&rig, 90).await;
        for _ in 0..45 {
            seen += 1;
            assert_eq!(soon("an event", follow.next()).await.unwrap().position, seen);
        }
        rig.kill_and_wait().await;
    }
    while seen < 360 {
        seen += 1;
        assert_eq!(soon("an event", follow.next()).await.unwrap().position, seen);
    }
    let mut last = 0;
    for _ in 0..240 {
        let event = soon("an event", filtered.next()).await.unwrap();
        assert!(event.position > last && event.scope == fleet("acme/shop"));
        last = event.position;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_loses_nothing() {
    let rig = Rig::start().await;
    fill(&rig, 300).await;
    let mut follow = rig.bus.follow(Filter::All, 0);
    let mut seen = 0;
    // A millisecond is often too short, also for the reader to be made: it has to get on all the same.
    while seen < 300 {
        if let Ok(event) = tokio::time::timeout(Duration::from_micros(300), follow.next()).await {
            seen += 1;
            assert_eq!(event.unwrap().position, seen);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_starts_are_kept() {
    let rig = Rig::start().await;
    let (shop, other) = (fleet("acme/shop"), fleet("acme/other"));
    for draft in [opened(1), refused(&shop), refused(&other), refused(&shop)] {
        rig.bus.append(&draft, Expected::Any).await.unwrap();
    }
    for (filter, after, expected) in [
        (Filter::All, 2, vec![3, 4]),
        (Filter::Topic(Topic::Git), 0, vec![2, 3, 4]),
        (Filter::Topic(Topic::Log), 0, vec![1]),
        (Filter::Subject(shop, Topic::Git), 0, vec![2, 4]),
        (Filter::Subject(other, Topic::Git), 2, vec![3]),
    ] {
        let mut follow = rig.bus.follow(filter.clone(), after);
        for position in expected {
            assert_eq!(soon("an event", follow.next()).await.unwrap().position, position, "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_end_where_they_were_asked_to() {
    let rig = Rig::start().await;
    assert!(rig.bus.page(0, 10).await.unwrap().events.is_empty());
    fill(&rig, 25).await;
    let positions = |page: &streams::Page| page.events.iter().map(|it| it.position).collect::<Vec<_>>();
    let page = rig.bus.page(0, 10).await.unwrap();
    assert_eq!((positions(&page), page.head, page.more()), ((1..=10).collect(), 25, true));
    let page = rig.bus.page(20, 10).await.unwrap();
    assert_eq!((positions(&page), page.more()), ((21..=25).collect(), false));
    for (after, limit) in [(25, 10), (1000, 10), (0, 0)] {
        let page = rig.bus.page(after, limit).await.unwrap();
        assert!(page.events.is_empty() && !page.more(), "{after} {limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_events_is_cut_and_says_so() {
    let rig = Rig::start().await;
    let shop = fleet("acme/shop");
    for _ in 0..4 {
        // Six MiB that do not get smaller, past our own compression.
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", "1.0");
        headers.insert("ce-id", streams::clock::new_id().to_string().as_str());
        headers.insert("ce-type", "fleetlog.git.refused.v1");
        headers.insert("ce-subject", "refs/heads/main");
        headers.insert("ce-time", "2026-11-22T10:00:00Z");
        headers.insert("fleetlog-actor", "admin");
        let body = serde_json::json!({ "refs": [], "refusal": "race", "codes": ["x".repeat(6 << 20)], "faults": 1 });
        raw(&rig)
            .await
            .publish_with_headers("evt.acme.shop.git", headers, body.to_string().into())
            .await
            .unwrap()
            .await
            .unwrap();
    }
    let page = rig.bus.page(0, 10).await.unwrap();
    assert!((1..4).contains(&page.events.len()), "{}", page.events.len());
    assert!(page.more() && page.events.iter().all(|it| it.scope == shop));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_never_skipped() {
    let rig = Rig::start().await;
    fill(&rig, 1).await;
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", streams::clock::new_id().to_string().as_str());
    headers.insert("ce-type", "fleetlog.git.exploded.v9");
    raw(&rig).await.publish_with_headers("evt.acme.shop.git", headers, "{}".into()).await.unwrap().await.unwrap();
    fill(&rig, 1).await;
    let mut follow = rig.bus.follow(Filter::All, 0);
    assert_eq!(soon("an event", follow.next()).await.unwrap().position, 1);
    for _ in 0..2 {
        let error = soon("an error", follow.next()).await.unwrap_err();
        let ReadError::Decode { position: 2, source: Unreadable::Event(source), .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("fleetlog.git.exploded.v9"), "{source}");
    }
    let error = rig.bus.page(0, 10).await.unwrap_err();
    assert!(matches!(error, ReadError::Decode { position: 2, .. }), "{error}");
}

/// The platform user without this crate.
pub async fn raw(rig: &Rig) -> async_nats::jetstream::Context {
    let access = rig.access();
    let who = access.credentials();
    let client = async_nats::ConnectOptions::new()
        .user_and_password(who.user, who.password)
        .custom_inbox_prefix("_INBOX_everything")
        .connect(access.url)
        .await
        .unwrap();
    async_nats::jetstream::new(client)
}
