//! Streams are made once, and never changed.

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use streams::{Bus, ConnectError, ProvisionError, Server, provision};
use tempfile::TempDir;

use crate::support::{Rig, config, program};

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
    let client = async_nats::ConnectOptions::new()
        .user_and_password(access.provision.user.clone(), access.provision.password.clone())
        .custom_inbox_prefix("_INBOX_provision")
        .connect(&access.url)
        .await
        .unwrap();
    let jetstream = async_nats::jetstream::new(client);
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
