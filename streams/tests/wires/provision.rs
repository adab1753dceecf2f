//! Streams are made once, and never changed.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use streams::{Access, Bus, ConnectError, Expected, ProvisionError, Server, User, provision};
use tempfile::TempDir;

use crate::follow::raw;
use crate::support::{Rig, config, fleet, program, refused};

#[tokio::test(flavor = "multi_thread")]
async fn provisioning_again_changes_nothing() {
    let rig = Rig::start().await;
    assert_eq!(provision(&rig.access()).await.unwrap(), rig.incarnation);
    assert_eq!(rig.bus.incarnation(), rig.incarnation);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_there_is_no_bus() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(config(folder.path(), program())).await.unwrap();
    let Err(error) = Bus::connect(&server.access()).await else { panic!("connected") };
    assert!(matches!(error, ConnectError::NoLog { stream: "EVENTS", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_contradicts_the_catalog_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(config(folder.path(), program())).await.unwrap();
    let access = server.access();
    let jetstream = maker(&access).await;
    let theirs = Config {
        name: "EVENTS".to_owned(),
        subjects: vec!["evt.>".to_owned(), "sys.>".to_owned()],
        discard: DiscardPolicy::Old,
        deny_delete: true,
        deny_purge: true,
        allow_atomic_publish: true,
        ..Config::default()
    };
    jetstream.create_stream(theirs).await.unwrap();
    let error = provision(&access).await.unwrap_err();
    let ProvisionError::Contradiction { stream: "EVENTS", field: "discard", seen, expected } = &error else {
        panic!("{error}");
    };
    assert_eq!((seen.as_str(), expected.as_str()), ("Old", "New"));
    let text = "stream `EVENTS` contradicts the catalog: `discard` is Old, expected New; nothing was changed.";
    assert!(error.to_string().starts_with(text), "{error}");
    let stream = jetstream.get_stream("EVENTS").await.unwrap();
    assert_eq!(stream.cached_info().config.discard, DiscardPolicy::Old);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_version_before_gets_what_is_new_and_keeps_what_it_has() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(config(folder.path(), program())).await.unwrap();
    let maker = maker(&server.access()).await;
    for stream in streams_of_the_version_before() {
        maker.create_stream(stream).await.unwrap();
    }
    let bus = Bus::connect(&server.access()).await.unwrap();
    bus.append(&refused(&fleet("acme/shop")), Expected::At(0)).await.unwrap();
    let incarnation = bus.incarnation();
    server.stop().await;

    let server = Server::start(config(folder.path(), program())).await.unwrap();
    assert_eq!(provision(&server.access()).await.unwrap(), incarnation);
    let bus = Bus::connect(&server.access()).await.unwrap();
    assert_eq!(bus.page(0, 10).await.unwrap().events.len(), 1);
    let rig = Rig { server, bus, incarnation, folder };
    let raw = raw(&rig).await;
    for stream in streams::catalog::STREAMS {
        raw.get_stream(stream.name).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_the_disk_has_no_room_for_gets_less() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(config(folder.path(), program())).await.unwrap();
    // All but this is set aside for another stream, as an operator may have done.
    let left: u64 = 1 << 30;
    let mut obs = streams_of_the_version_before().into_iter().find(|it| it.name == "OBS").unwrap();
    obs.max_bytes = (server.room().limit() - left).cast_signed();
    maker(&server.access()).await.create_stream(obs).await.unwrap();
    let incarnation = provision(&server.access()).await.unwrap();
    let bus = Bus::connect(&server.access()).await.unwrap();
    let rig = Rig { server, bus, incarnation, folder };
    let logs = raw(&rig).await.get_stream("LOGS").await.unwrap().cached_info().config.max_bytes;
    assert!((8 << 20..=left.cast_signed()).contains(&logs), "{logs} bytes");
    // Ever after it is as it was made.
    provision(&rig.access()).await.unwrap();
}

/// The user that makes streams, without this crate.
pub async fn maker(access: &Access) -> Context {
    let maker = access.as_user(User::Provision).credentials();
    let client = async_nats::ConnectOptions::new()
        .user_and_password(maker.user, maker.password)
        .custom_inbox_prefix("_INBOX_provision")
        .connect(&access.url)
        .await
        .unwrap();
    async_nats::jetstream::new(client)
}

/// What fleetlog made when it had only four streams.
pub fn streams_of_the_version_before() -> Vec<Config> {
    let stream = |name: &str, subjects: &[&str], deny_delete| Config {
        name: name.to_owned(),
        subjects: subjects.iter().map(|&it| it.to_owned()).collect(),
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        num_replicas: 1,
        duplicate_window: Duration::from_secs(120),
        deny_delete,
        deny_purge: true,
        ..Config::default()
    };
    let incarnation = streams::clock::new_id().to_string();
    vec![
        Config {
            allow_atomic_publish: true,
            metadata: HashMap::from([("fleetlog-incarnation".to_owned(), incarnation)]),
            ..stream("EVENTS", &["evt.>", "sys.>"], true)
        },
        Config { retention: RetentionPolicy::WorkQueue, ..stream("WORK", &["work.*"], true) },
        Config { max_age: Duration::from_secs(24 * 3600), ..stream("OBS", &["obs.*"], true) },
        stream("PACKS", &["pack.*.*"], false),
    ]
}
