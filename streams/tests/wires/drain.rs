//! The bulk reader.

use schemas::event::Event;
use streams::{Bus, Expected, ReadError};
use tokio::task::JoinSet;

use crate::support::{LONG, Rig, fleet, opened, refused, soon};

async fn fill(bus: &Bus, events: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..events {
        let bus = bus.clone();
        if tasks.len() >= 256 {
            tasks.join_next().await;
        }
        tasks.spawn(async move { bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap() });
    }
    tasks.join_all().await;
}

async fn all(bus: &Bus, after: u64, up_to: u64) -> Vec<Event> {
    let mut drain = bus.drain(after, up_to);
    let mut events = Vec::new();
    while let Some(batch) = soon("a batch", drain.next()).await.unwrap() {
        assert!(!batch.is_empty() && batch.len() <= 500, "{}", batch.len());
        events.extend(batch);
        assert_eq!(drain.position(), events.last().unwrap().position);
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_comes_whole_and_in_order() {
    let rig = Rig::start().await;
    fill(&rig.bus, 1_700).await;
    let page = rig.bus.page(0, 10_000).await.unwrap().events;
    for (after, up_to) in [(0, 1_700), (0, 1), (0, 500), (499, 1_501), (1_699, 1_700), (5, 5), (9, 3)] {
        let expected = page.get(after..up_to).unwrap_or_default();
        assert_eq!(all(&rig.bus, after as u64, up_to as u64).await, expected, "after {after}, up to {up_to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_events_come_too() {
    let rig = Rig::start().await;
    for _ in 0..9 {
        let text = crate::support::noise(7 << 20);
        let mut draft = opened(1);
        if let schemas::event::Data::LogOpened(it) = &mut draft.data {
            it.version = text;
        }
        rig.bus.append(&draft, Expected::Any).await.unwrap();
    }
    assert_eq!(all(&rig.bus, 0, 9).await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_where_it_was_when_the_server_is_killed_and_when_it_is_cancelled() {
    let rig = Rig::start().await;
    fill(&rig.bus, 3_000).await;
    let mut drain = rig.bus.drain(0, 3_000);
    let (mut events, mut kills) = (Vec::new(), 0);
    loop {
        // Cancelled again and again, at any point.
        let next = tokio::time::timeout(std::time::Duration::from_micros(300 + events.len() as u64 / 3), drain.next());
        match next.await {
            Ok(Ok(Some(batch))) => events.extend(batch),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => {}
        }
        if events.len() > 1_000 * (kills + 1) {
            kills += 1;
            rig.kill_and_wait().await;
            // Without this, a reader could be cancelled for ever before the server is up again.
            events.extend(tokio::time::timeout(LONG, drain.next()).await.unwrap().unwrap().unwrap_or_default());
        }
    }
    assert!(kills > 0);
    let positions: Vec<_> = events.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..=3_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_never_skipped() {
    let rig = Rig::start().await;
    fill(&rig.bus, 3).await;
    let raw = crate::follow::raw(&rig).await;
    raw.publish("evt.acme.shop.git", "{}".into()).await.unwrap().await.unwrap();
    fill(&rig.bus, 1).await;
    let mut drain = rig.bus.drain(0, 5);
    while drain.position() < 3 {
        soon("those before it", drain.next()).await.unwrap();
    }
    for _ in 0..2 {
        let error = soon("the error", drain.next()).await.unwrap_err();
        assert!(matches!(error, ReadError::Decode { position: 4, .. }), "{error}");
    }
}
