//! Each service can do what it does, and nothing else: every verb is tried as every user on a real server.

mod probe;
mod pushed;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};
use schemas::logs::Batch;
use schemas::names::NodeName;
use schemas::query::FleetRequest;
use streams::{AskError, Bus, Expected, KeyPart, SendError, Server, ServerConfig, User, Users, clock, provision};
use tempfile::TempDir;

use self::probe::{Kind, Probe, harmful, probes};
use self::wire::Wire;
use crate::support::{Rig, config, fleet, node, program, refused, soon};
use crate::work::{command, report};

/// A platform as `fleetlog up` starts it, for the node `local`.
async fn platform() -> (TempDir, Server) {
    let folder = TempDir::new().unwrap();
    let users = Users::Services { node: node() };
    let server = Server::start(ServerConfig { users, ..config(folder.path(), program()) }).await.unwrap();
    provision(&server.access()).await.unwrap();
    (folder, server)
}

/// What `user` may do of all that there is.
fn allowed(server: &Server, user: User) -> Vec<Probe> {
    let (mut wire, probes) = (Wire::connect(&server.access().as_user(user)), probes());
    let may = wire.may(&probes);
    probes.into_iter().zip(may).filter(|it| it.1).map(|it| it.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_may_do_what_could_harm_a_stream() {
    let (_folder, server) = platform().await;
    let every: Vec<_> = harmful();
    assert!(every.len() > 100, "{}", every.len());
    for user in User::SERVICES.into_iter().chain([User::Provision]) {
        let mut wire = Wire::connect(&server.access().as_user(user));
        for (probe, may) in every.iter().zip(wire.may(&every)) {
            // Making streams is what `provision` is for; erasing is what two of them are for.
            let meant = match (user, probe.subject.as_str()) {
                (User::Provision, subject) => {
                    subject.starts_with("$JS.API.STREAM.CREATE.") && !subject.ends_with(".MINE")
                }
                (User::Git, "$JS.API.STREAM.MSG.DELETE.PACKS") => true,
                (User::Profiles, "$JS.API.STREAM.MSG.DELETE.KEYS") => true,
                _ => false,
            };
            assert_eq!(may, meant, "`{}`: `{}`", user.name(), probe.subject);
        }
    }
}

/// What each service may do at the server, but for questions and signals.
#[tokio::test(flavor = "multi_thread")]
async fn each_service_may_do_what_it_does_and_nothing_else() {
    let (_folder, server) = platform().await;
    let check = |user: User, expected: Expect| {
        let probes = allowed(&server, user).into_iter().filter(|it| !matches!(it.kind, Kind::Plain | Kind::Inbox));
        expected.assert_eq(&by_verb(probes));
    };
    check(
        User::Provision,
        expect![[r#"
        API.STREAM.CREATE: EVENTS WORK OBS RUNS LOGS METRICS KEYS PACKS
        API.STREAM.INFO: EVENTS WORK OBS RUNS LOGS METRICS KEYS PACKS
        publish: $JS.API.INFO
    "#]],
    );
    check(
        User::Platform,
        expect![[r#"
            API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other
            API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other
            API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other
            API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other
            API.STREAM.INFO: EVENTS WORK OBS RUNS LOGS METRICS KEYS PACKS
            API.STREAM.MSG.GET: EVENTS
            publish: $JS.API.INFO sys._platform.log sys._platform.level
        "#]],
    );
    check(
        User::Git,
        expect![[r#"
        API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other PACKS.agent-local PACKS.agent-other
        API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other PACKS.agent-local PACKS.agent-other
        API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other PACKS.agent-local PACKS.agent-other
        API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other PACKS.agent-local PACKS.agent-other
        API.STREAM.INFO: EVENTS PACKS
        API.STREAM.MSG.DELETE: PACKS
        API.STREAM.MSG.GET: EVENTS PACKS
        publish: evt.acme.shop.git pack.acme.shop
    "#]],
    );
    check(
        User::Registry,
        expect![[r#"
        API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other
        API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other
        API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other
        API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other
        API.STREAM.INFO: EVENTS
        API.STREAM.MSG.GET: EVENTS
    "#]],
    );
    check(
        User::Coordinator,
        expect![[r#"
            API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.STREAM.INFO: EVENTS OBS
            API.STREAM.MSG.GET: EVENTS OBS
            publish: evt.acme.shop.rollout evt.acme.shop.container evt.acme.shop.hold sys._platform.coordinator sys._platform.work work.local work.other
        "#]],
    );
    check(
        User::Agent,
        expect![[r#"
        ACK: WORK.agent-local.1.1.1.1.1 RUNS.agent-local.1.1.1.1.1
        ACK.fleetlog.account: WORK.agent-local.1.1.1.1.1.x RUNS.agent-local.1.1.1.1.1.x
        API.CONSUMER.CREATE: WORK.agent-local.work.local RUNS.agent-local.runs.local
        API.CONSUMER.INFO: WORK.agent-local RUNS.agent-local
        API.CONSUMER.MSG.NEXT: WORK.agent-local RUNS.agent-local
        API.DIRECT.GET: LOGS.log.local
        API.STREAM.INFO: EVENTS
        publish: obs.local log.local metric.local
    "#]],
    );
    check(
        User::Tasker,
        expect![[r#"
            API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other OBS.agent-local OBS.agent-other
            API.STREAM.INFO: EVENTS OBS
            API.STREAM.MSG.GET: EVENTS OBS
            publish: evt.acme.shop.run sys._platform.work runs.local
        "#]],
    );
    check(
        User::Logger,
        expect![[r#"
        API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other LOGS.agent-local.log.local LOGS.agent-local.log.other LOGS.agent-local.log.*
        API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other
        API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other
        API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other
        API.STREAM.INFO: EVENTS LOGS
        API.STREAM.MSG.GET: EVENTS LOGS
    "#]],
    );
    check(
        User::Monitor,
        expect![[r#"
        API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other METRICS.agent-local METRICS.agent-other
        API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other METRICS.agent-local METRICS.agent-other
        API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other METRICS.agent-local METRICS.agent-other
        API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other METRICS.agent-local METRICS.agent-other
        API.STREAM.INFO: EVENTS WORK OBS RUNS LOGS METRICS KEYS PACKS
        API.STREAM.MSG.GET: EVENTS METRICS
    "#]],
    );
    check(
        User::Profiles,
        expect![[r#"
        API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other KEYS.agent-local KEYS.agent-other
        API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other KEYS.agent-local KEYS.agent-other
        API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other KEYS.agent-local KEYS.agent-other
        API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other KEYS.agent-local KEYS.agent-other
        API.STREAM.INFO: EVENTS KEYS
        API.STREAM.MSG.DELETE: KEYS
        API.STREAM.MSG.GET: EVENTS KEYS
        publish: sys._platform.profile sys._platform.token sys._platform.member sys.acme.member key.0.data
    "#]],
    );
    check(
        User::Api,
        expect![[r#"
        API.CONSUMER.CREATE: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other LOGS.agent-local.log.local LOGS.agent-local.log.other LOGS.agent-local.log.*
        API.CONSUMER.DELETE: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other
        API.CONSUMER.INFO: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other
        API.CONSUMER.MSG.NEXT: EVENTS.agent-local EVENTS.agent-other LOGS.agent-local LOGS.agent-other
        API.STREAM.INFO: EVENTS LOGS
        API.STREAM.MSG.GET: EVENTS LOGS
    "#]],
    );
}

/// Subjects in lines: the API's by verb, all others together.
fn by_verb(probes: impl Iterator<Item = Probe>) -> String {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Probe { subject, .. } in probes {
        let api = subject
            .strip_prefix("$JS.")
            .and_then(|it| probe::STREAMS.iter().find_map(|name| Some((it.find(name)?, it))));
        let (verb, rest) = match api {
            Some((at, subject)) => (subject[..at].trim_end_matches('.').to_owned(), subject[at..].to_owned()),
            None => ("publish".to_owned(), subject),
        };
        lines.entry(verb).or_default().push(rest);
    }
    lines.into_iter().map(|(verb, rest)| format!("{verb}: {}\n", rest.join(" "))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_asked_and_answered_by_those_that_the_catalog_names() {
    let (_folder, server) = platform().await;
    for user in User::SERVICES {
        let mut wire = Wire::connect(&server.access().as_user(user));
        // What is tried, and whether it should work.
        let mut tries = Vec::new();
        for plain in streams::catalog::PLAIN {
            tries.push((Probe::plain(plain.subject.replace("<node>", "local")), plain.says.contains(&user)));
            let (hears, agent) = (plain.hears.contains(&user), user == User::Agent);
            tries.push((Probe::subscribe(plain.subject.replace("<node>", "local")), hears));
            if plain.subject.contains("<node>") {
                tries.push((Probe::plain(plain.subject.replace("<node>", "other")), false));
                // An agent hears only what is said to its own node.
                for nodes in ["other", "*"] {
                    tries.push((Probe::subscribe(plain.subject.replace("<node>", nodes)), hears && !agent));
                }
            }
        }
        // Who answers writes into the inboxes of those that ask it, and reads nobody's but its own.
        for other in User::SERVICES {
            let asks = |it: &&streams::catalog::PlainEntry| it.answered && it.says.contains(&other);
            let answers = streams::catalog::PLAIN.iter().filter(asks).any(|it| it.hears.contains(&user));
            tries.push((Probe::inbox(other), answers));
            tries.push((Probe::subscribe(Probe::inbox(other).subject), user == other));
        }
        for subject in
            ["_INBOX_provision.>", "_INBOX.>", ">", "*.>", "evt.>", "$SYS.>", "$JS.EVENT.>", "$JS.API.>", "req.>"]
        {
            tries.push((Probe::subscribe(subject), false));
        }
        let (probes, expected): (Vec<_>, Vec<_>) = tries.into_iter().unzip();
        for ((probe, may), expected) in probes.iter().zip(wire.may(&probes)).zip(expected) {
            assert_eq!(may, expected, "`{}`: {:?} `{}`", user.name(), probe.kind, probe.subject);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_service_does_works_with_its_own_user() {
    let (_folder, server) = platform().await;
    let bus = async |user| Bus::connect(&server.access().as_user(user)).await.unwrap();
    let shop: schemas::names::FleetId = "acme/shop".parse().unwrap();

    let git = bus(User::Git).await;
    let first = git.append(&refused(&fleet("acme/shop")), Expected::At(0)).await.unwrap();
    // Also where the answer has to be looked up.
    git.append(&refused(&fleet("acme/shop")), Expected::At(0)).await.unwrap_err();
    let pack = git.store_pack(&shop, clock::new_id(), &b"PACK"[..]).await.unwrap();
    git.load_pack(&shop, &pack, &mut Vec::new()).await.unwrap();
    assert_eq!(git.sweep_packs(&[].into(), Duration::ZERO).await.unwrap(), 1);
    for user in User::SERVICES.into_iter().filter(|it| *it != User::Agent) {
        let reader = bus(user).await;
        assert_eq!(reader.page(0, 10).await.unwrap().events.len(), 1, "{user:?}");
        let mut follow = reader.follow(streams::Filter::All, 0);
        assert_eq!(soon("an event", follow.next()).await.unwrap().position, first, "{user:?}");
        assert_eq!(reader.drain(0, 1).next().await.unwrap().map(|it| it.len()), Some(1), "{user:?}");
    }

    let (coordinator, agent) = (bus(User::Coordinator).await, bus(User::Agent).await);
    coordinator.send_work(&node(), &command(0)).await.unwrap();
    let mut work = agent.take_work(&node(), 2).await.unwrap();
    let job = soon("a job", work.next()).await.unwrap();
    job.keep().await.unwrap();
    job.ack().await.unwrap();
    agent.report(&node(), &report(0), clock::new_id()).await.unwrap();
    assert_eq!(soon("a report", coordinator.reports(0).next()).await.unwrap().0, 1);
    agent.take_runs(&node(), 2).await.unwrap();

    let lines = Batch { id: clock::new_id(), parts: Vec::new() };
    agent.store_lines(&node(), &lines, 0).await.unwrap();
    assert_eq!(agent.last_lines(&node()).await.unwrap().map(|it| it.0), Some(1));
    assert_eq!(soon("lines", bus(User::Logger).await.lines(0).next()).await.unwrap().0, 1);

    let (profiles, holder) = (bus(User::Profiles).await, clock::new_id());
    profiles.store_key(holder, KeyPart::Data, b"sealed".to_vec()).await.unwrap();
    assert!(profiles.load_key(holder, KeyPart::Data).await.unwrap().is_some());
    profiles.erase_keys(holder).await.unwrap();
    assert!(profiles.load_key(holder, KeyPart::Data).await.unwrap().is_none());

    let mut questions = bus(User::Registry).await.answer::<FleetRequest>().await.unwrap();
    let question = FleetRequest { fleet: shop, min_position: 0 };
    let asked = git.ask(&question, Duration::from_secs(10));
    let answer = async {
        let fault = schemas::query::Fault { code: schemas::query::FaultCode::BadRequest, message: "no".to_owned() };
        questions.next().await.unwrap().reply(Err(fault)).await.unwrap();
    };
    let (asked, ()) = tokio::join!(asked, answer);
    assert!(matches!(asked, Err(AskError::Fault(_))), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reaches_only_its_node() {
    let (_folder, server) = platform().await;
    let agent = Bus::connect(&server.access().as_user(User::Agent)).await.unwrap();
    let agent = agent.with_deadline(Duration::from_millis(500));
    let other: NodeName = "other".parse().unwrap();
    let (platform, log) = (schemas::event::Scope::Platform, schemas::event::Topic::Log);
    let seen = report(0);
    let (reported, work, runs, lines, event) = tokio::join!(
        agent.report(&other, &seen, clock::new_id()),
        agent.take_work(&other, 1),
        agent.take_runs(&other, 1),
        agent.last_lines(&other),
        agent.last_on(&platform, log),
    );
    assert!(matches!(reported, Err(SendError::Unknown { .. })), "{reported:?}");
    assert!(work.is_err() && runs.is_err() && lines.is_err(), "it reached another node");
    assert!(event.is_err(), "the log is not for agents");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_that_makes_streams_is_gone_once_they_are_made() {
    let mut rig = Rig::start().await;
    let before = rig.access();
    streams::provision(&before).await.unwrap();
    rig.server.drop_provision().await.unwrap();
    assert!(streams::provision(&before).await.is_err(), "its password still opens");
    // The others go on as if nothing had been, and a server that is started again does not know the user either.
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
    rig.kill_and_wait().await;
    rig.wait_connected(true).await;
    assert!(streams::provision(&before).await.is_err(), "a restart brought it back");
    rig.bus.append(&refused(&fleet("acme/shop")), Expected::Any).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_everything_is_there_only_where_a_test_asks_for_it() {
    let (folder, server) = platform().await;
    let text = std::fs::read_to_string(folder.path().join("nats/server.conf")).unwrap();
    assert!(text.contains("\"git\"") && !text.contains("everything"), "{text}");
    assert!(Bus::connect(&server.access().as_user(User::Everything)).await.is_err());
    let git = server.access().as_user(User::Git);
    assert!(Bus::connect(&git.as_user(User::Profiles)).await.is_err(), "one credential led to another");
}
