//! A push consumer delivers wherever it likes, as far as the server is concerned: what that reaches, and what it does not.

use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use schemas::query::FleetRequest;
use serde_json::{Value, json};
use streams::{Bus, Server, User};

use super::platform;
use super::probe::{STREAMS, SUBJECTS};
use crate::support::{soon, until};

async fn client(server: &Server, user: User) -> Client {
    let who = server.access().as_user(user).credentials();
    let options = ConnectOptions::new().user_and_password(who.user, who.password);
    let options = options.custom_inbox_prefix(format!("_INBOX_{}", user.name()));
    options.connect(server.access().url).await.unwrap()
}

async fn api(client: &Client, verb: &str, body: Value) -> Value {
    let answer = client.request(format!("$JS.API.{verb}"), body.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

/// Asks for all of `LOGS` to be sent to `place`; what the server says.
async fn push(reader: &Client, name: &str, place: &str, group: Option<&str>) -> Value {
    let mut config = json!({ "name": name, "durable_name": name, "deliver_subject": place });
    config["ack_policy"] = json!("none");
    if let Some(group) = group {
        config["deliver_group"] = json!(group);
    }
    api(reader, &format!("CONSUMER.CREATE.LOGS.{name}"), json!({ "stream_name": "LOGS", "config": config })).await
}

async fn delivered(reader: &Client, name: &str) -> u64 {
    let info = api(reader, &format!("CONSUMER.INFO.LOGS.{name}"), json!({})).await;
    info["delivered"]["consumer_seq"].as_u64().unwrap_or_else(|| panic!("{info}"))
}

async fn held(looks: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    for stream in STREAMS {
        all.push(api(looks, &format!("STREAM.INFO.{stream}"), json!({})).await["state"]["messages"].clone());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_a_stream_cannot_speak_for_others_with_it() {
    let (_folder, server) = platform().await;
    let (agent, reader, looks) =
        tokio::join!(client(&server, User::Agent), client(&server, User::Logger), client(&server, User::Platform));
    let git = Bus::connect(&server.access().as_user(User::Git)).await.unwrap();
    let registry = Bus::connect(&server.access().as_user(User::Registry)).await.unwrap();
    let question = |fleet: &str| FleetRequest { fleet: fleet.parse().unwrap(), min_position: 0 };
    // An agent stores a question, and who reads the stream has it sent on.
    let forged = serde_json::to_vec(&question("forged/fleet")).unwrap();
    agent.request("log.local", forged.into()).await.unwrap();
    let before = held(&looks).await;

    let mut places: Vec<String> =
        SUBJECTS.iter().filter(|it| !it.starts_with("log.")).map(|it| (*it).to_owned()).collect();
    for stream in STREAMS {
        for verb in ["STREAM.DELETE", "STREAM.PURGE", "STREAM.UPDATE", "STREAM.MSG.DELETE", "STREAM.INFO"] {
            places.push(format!("$JS.API.{verb}.{stream}"));
            places.push(format!("$JS.fleetlog.API.{verb}.{stream}"));
        }
        places.push(format!("$JS.API.CONSUMER.DELETE.{stream}.x"));
        places.push(format!("$JS.ACK.{stream}.agent-local.1.1.1.1.1"));
    }
    places.extend(
        ["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING"].map(str::to_owned),
    );
    places.extend(User::SERVICES.map(|user| format!("_INBOX_{}.x.y", user.name())));
    for (index, place) in places.iter().enumerate() {
        let made = push(&reader, &format!("spy-{index}"), place, None).await;
        // Where a later server refuses, so much the better: then the catalog's page can say more.
        assert!(made["error"].is_null(), "`{place}`: {made}");
    }
    // Where a service listens, in a group, it arrives; and is no question.
    let mut questions = registry.answer::<FleetRequest>().await.unwrap();
    let made = push(&reader, "spy-question", "req.registry.fleet", Some("answer")).await;
    assert!(made["error"].is_null(), "{made}");
    until("it is delivered", || async {
        match delivered(&reader, "spy-question").await {
            1 => Ok(()),
            seen => Err(format!("{seen} messages")),
        }
    })
    .await;
    let honest = question("acme/shop");
    let asked = git.ask(&honest, Duration::from_secs(20));
    let answer = async {
        let asked = soon("a question", questions.next()).await.unwrap();
        let seen = asked.question.fleet.to_string();
        let message = "no".to_owned();
        asked.reply(Err(schemas::query::Fault { code: schemas::query::FaultCode::NotFound, message })).await.unwrap();
        seen
    };
    let (asked, seen) = tokio::join!(asked, answer);
    assert_eq!(seen, "acme/shop", "a stored message was taken for a question");
    assert!(asked.is_err());

    // Everything else has had its time: nothing was delivered, and no stream holds more or less.
    for (index, place) in places.iter().enumerate() {
        assert_eq!(delivered(&reader, &format!("spy-{index}")).await, 0, "`{place}`");
    }
    assert_eq!(held(&looks).await, before);
}
