//! The platform user can do what the services do, and cannot harm the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::client::Request;
use async_nats::{Client, ConnectOptions, Event, RequestErrorKind};
use serde_json::{Value, json};
use streams::{Credentials, Expected};

use crate::support::{Rig, fleet, refused, until};

type Violations = Arc<Mutex<Vec<String>>>;

async fn connect(rig: &Rig, who: Credentials) -> (Client, Violations) {
    let violations = Violations::default();
    let seen = Arc::clone(&violations);
    let client = ConnectOptions::new()
        .custom_inbox_prefix(format!("_INBOX_{}", who.user))
        .user_and_password(who.user, who.password)
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                seen.lock().unwrap().push(error.to_string());
            }
            std::future::ready(())
        })
        .connect(rig.access().url)
        .await
        .unwrap();
    (client, violations)
}

/// Denied: the server says so, and there is no answer.
async fn denied(client: &Client, violations: &Violations, subject: &str, request: Value) {
    let asked = Request::new().payload(request.to_string().into()).timeout(Some(Duration::from_millis(100)));
    let error = client.send_request(subject.to_owned(), asked).await.expect_err(subject);
    assert_eq!(error.kind(), RequestErrorKind::TimedOut, "{subject}");
    // The server maps the domain's form before it checks.
    violated(violations, &subject.replace("$JS.fleetlog.API", "$JS.API")).await;
}

/// The server has refused something on `subject`; forgets it, so that the next one is another.
async fn violated(violations: &Violations, subject: &str) {
    let wanted = format!("\"{subject}\"").to_lowercase();
    until("a permission violation", || async {
        let mut seen = violations.lock().unwrap();
        let found = seen.iter().position(|it| it.to_lowercase().contains(&wanted));
        found.map(|at| seen.remove(at)).map(drop).ok_or(format!("{subject}: {seen:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_that_could_harm_the_log_is_denied_to_the_platform() {
    let rig = Rig::start().await;
    for _ in 0..3 {
        rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
    }
    let (client, violations) = connect(&rig, rig.access().platform).await;
    for stream in ["EVENTS", "WORK", "OBS", "PACKS"] {
        for prefix in ["$JS.API", "$JS.fleetlog.API"] {
            for (verb, request) in [
                ("STREAM.CREATE", json!({ "name": stream, "subjects": ["evt.>", "sys.>"], "max_msgs": 1 })),
                ("STREAM.UPDATE", json!({ "name": stream, "subjects": ["evt.>", "sys.>"], "max_msgs": 1 })),
                ("STREAM.DELETE", json!({})),
                ("STREAM.PURGE", json!({})),
                ("STREAM.RESTORE", json!({ "config": { "name": stream } })),
                ("STREAM.SNAPSHOT", json!({ "deliver_subject": "_INBOX_platform.x" })),
            ] {
                if prefix == "$JS.API" || verb == "STREAM.DELETE" {
                    denied(&client, &violations, &format!("{prefix}.{verb}.{stream}"), request).await;
                }
            }
        }
        if stream != "PACKS" {
            denied(&client, &violations, &format!("$JS.API.STREAM.MSG.DELETE.{stream}"), json!({ "seq": 1 })).await;
        }
    }
    for (subject, request) in [
        ("$JS.API.STREAM.CREATE.MINE", json!({ "name": "MINE", "subjects": ["mine"] })),
        ("$JS.API.STREAM.LIST", json!({})),
        ("$JS.API.CONSUMER.DELETE.WORK.agent-local", json!({})),
        ("$JS.API.CONSUMER.CREATE.EVENTS", json!({ "stream_name": "EVENTS", "config": {} })),
        ("$SYS.REQ.SERVER.PING", json!({})),
        ("req.other.thing", json!({})),
        ("anything", json!({})),
    ] {
        denied(&client, &violations, subject, request).await;
    }
    assert_eq!(rig.bus.page(0, 10).await.unwrap().events.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_anothers_answers() {
    let rig = Rig::start().await;
    let (client, violations) = connect(&rig, rig.access().platform).await;
    for subject in ["_INBOX_provision.>", "_INBOX.>", ">", "evt.>", "$SYS.>", "$JS.EVENT.>"] {
        let _subscriber = client.subscribe(subject).await.unwrap();
        violated(&violations, subject).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provisioning_user_cannot_change_or_fill_the_log_either() {
    let rig = Rig::start().await;
    let (client, violations) = connect(&rig, rig.access().provision).await;
    for (subject, request) in [
        ("$JS.API.STREAM.UPDATE.EVENTS", json!({ "name": "EVENTS", "max_msgs": 1 })),
        ("$JS.API.STREAM.DELETE.EVENTS", json!({})),
        ("$JS.API.STREAM.PURGE.EVENTS", json!({})),
        ("$JS.API.STREAM.MSG.GET.EVENTS", json!({ "seq": 1 })),
        ("evt.acme.shop.git", json!({})),
        ("work.local", json!({})),
    ] {
        denied(&client, &violations, subject, request).await;
    }
    assert_eq!(rig.bus.head().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_that_makes_streams_is_gone_once_they_are_made() {
    let mut rig = Rig::start().await;
    let before = rig.access();
    streams::provision(&before).await.unwrap();
    rig.server.drop_provision().await.unwrap();
    assert!(streams::provision(&before).await.is_err(), "its password still opens");
    // The platform goes on as if nothing had been, and a server that is started again does not know the user either.
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
    rig.kill_and_wait().await;
    rig.wait_connected(true).await;
    assert!(streams::provision(&before).await.is_err(), "a restart brought it back");
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
}
