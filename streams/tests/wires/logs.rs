//! Batches of lines: each stored once, right behind the one before, also where that one is not kept any more.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use schemas::logs::{Batch, Cursor, Line, Origin, Part, Stream};
use schemas::names::NodeName;
use streams::{Bus, LinesError, Server, clock, provision};
use tempfile::TempDir;

use crate::provision::maker;
use crate::support::{Rig, config, node, noise, program};

/// A log that keeps only the newest lines, as on a very small disk.
async fn small() -> Rig {
    let folder = TempDir::new().unwrap();
    let server = Server::start(config(folder.path(), program())).await.unwrap();
    let logs = Config {
        name: "LOGS".to_owned(),
        subjects: vec!["log.*".to_owned()],
        max_age: Duration::from_secs(30 * 86_400),
        max_bytes: 200_000,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        discard: DiscardPolicy::Old,
        num_replicas: 1,
        duplicate_window: Duration::from_secs(120),
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        ..Config::default()
    };
    maker(&server.access()).await.create_stream(logs).await.unwrap();
    let incarnation = provision(&server.access()).await.unwrap();
    let bus = Bus::connect(&server.access()).await.unwrap();
    Rig { server, bus, incarnation, folder }
}

fn batch(bytes: usize) -> Batch {
    let fleet = "acme/shop".parse().unwrap();
    let origin = Origin { id: "c".to_owned(), fleet, container: "api".to_owned(), run: None, step: None };
    let line = Line { ns: 1, stream: Stream::Stdout, text: noise(bytes), cut: false };
    let parts = vec![Part { origin, cursor: Cursor::default(), lines: vec![line] }];
    Batch { id: clock::new_id(), parts }
}

/// Another node writes until nothing of ours is kept.
async fn push_out(bus: &Bus, last: &mut u64) {
    let other: NodeName = "other".parse().unwrap();
    while bus.last_lines(&node()).await.unwrap().is_some() {
        *last = bus.store_lines(&other, &batch(20_000), *last).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_node_goes_on_where_its_last_batch_is_not_kept_any_more() {
    let rig = small().await;
    let mut theirs = 0;
    let first = rig.bus.store_lines(&node(), &batch(10), 0).await.unwrap();
    push_out(&rig.bus, &mut theirs).await;
    let second = batch(10);
    let at = rig.bus.store_lines(&node(), &second, first).await.unwrap();
    assert!(at > theirs, "{at} behind {theirs}");
    // Once more, because the answer was lost: still stored once.
    assert_eq!(rig.bus.store_lines(&node(), &second, first).await.unwrap(), at);
    push_out(&rig.bus, &mut theirs).await;
    // And also where it has gone again meanwhile.
    assert_eq!(rig.bus.store_lines(&node(), &second, first).await.unwrap(), at);
    assert!(rig.bus.last_lines(&node()).await.unwrap().is_none());
    let third = rig.bus.store_lines(&node(), &batch(10), at).await.unwrap();
    assert!(third > theirs, "{third} behind {theirs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_agents_of_a_node_one_goes_on_also_where_nothing_is_kept() {
    let rig = small().await;
    let mut theirs = 0;
    let first = rig.bus.store_lines(&node(), &batch(10), 0).await.unwrap();
    push_out(&rig.bus, &mut theirs).await;
    let (node, one, two) = (node(), batch(10), batch(10));
    let (one, two) = tokio::join!(rig.bus.store_lines(&node, &one, first), rig.bus.store_lines(&node, &two, first));
    let (stored, refused) = if one.is_ok() { (one, two) } else { (two, one) };
    let stored = stored.unwrap();
    assert!(matches!(refused, Err(LinesError::Overtaken { last }) if last == stored), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_overtaken_is_told_by_whom() {
    let rig = Rig::start().await;
    let first = rig.bus.store_lines(&node(), &batch(10), 0).await.unwrap();
    let second = rig.bus.store_lines(&node(), &batch(10), first).await.unwrap();
    let refused = rig.bus.store_lines(&node(), &batch(10), first).await;
    assert!(matches!(refused, Err(LinesError::Overtaken { last }) if last == second), "{refused:?}");
}
