//! What every engine does.

use std::time::{Duration, Instant};

use engine::{Action, EngineError, HealthStatus, Kind, NetworkAttachment, Scope, State, Wake, Wakes};
use schemas::descriptors::{Capabilities, Ipc, Limits, Log, Mount, Restart, Runtime, Stop, Ulimit};
use schemas::image::{digest_of, repository};
use schemas::spec::{Port, Protocol, Spec};
use schemas::units::{Size, Span};
use tokio::task::JoinSet;

use crate::lab::{LIMIT, Lab, free_port, image, local};

pub use crate::exec::*;
pub use crate::files::*;
pub use crate::records::*;
pub use crate::stats::*;

pub async fn a_container_shows_what_was_asked_for(lab: &Lab) {
    let [first, second] = [lab.name("data"), lab.name("more")];
    for volume in [&first, &second] {
        lab.engine.ensure_volume(volume, &lab.labels()).await.unwrap();
    }
    let any = Port { address: None, host: free_port(), container: 53, protocol: Protocol::Udp };
    let mut ports = vec![local(free_port()), local(free_port()), any];
    ports.sort();
    let spec = Spec {
        env: [("GREETING", "hello = world"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ports,
        volumes: [("/data".to_owned(), Mount::volume(first)), ("/more".to_owned(), Mount::volume(second))].into(),
        restart: Restart::OnFailure,
        stop: Stop { signal: "INT".to_owned(), grace: Span::seconds(7) },
        health: Some(lab.check()),
        limits: Limits { memory: Some(Size(32 << 20)), cpus: Some(0.5), ..Limits::default() },
        ..lab.spec()
    };
    let name = lab.create("api", &spec).await;
    let seen = lab.seen(&name).await;
    let mut shown = seen.shown.clone();
    shown.env.retain(|key, _| key != "PATH");
    shown.runtime = Runtime::default();
    assert_eq!(shown, spec);
    assert_eq!((seen.name.as_str(), seen.state, seen.restart), (name.as_str(), State::Created, Restart::OnFailure));
    assert_eq!(seen.labels, lab.labels());
    assert_eq!(seen.image, lab.engine.image(&spec.image).await.unwrap().unwrap().id);
    assert_eq!((seen.exit_code, seen.started_ns, seen.finished_ns), (None, None, None));
    assert!(seen.created_ns > 1_600_000_000_000_000_000, "{}", seen.created_ns);
    assert!(seen.has_healthcheck);
    assert!(seen.aliases[&lab.name("net")].contains(&"api".to_owned()), "{:?}", seen.aliases);

    lab.engine.start(&name).await.unwrap();
    let by_id = lab.seen(&seen.id).await;
    assert_eq!((by_id.id, by_id.state), (seen.id, State::Running));
    assert!(by_id.started_ns.unwrap() > by_id.created_ns);
    assert!(by_id.addresses[&lab.name("net")].is_ipv4(), "{:?}", by_id.addresses);
}

pub async fn how_a_container_runs_is_shown(lab: &Lab) {
    let runtime = Runtime {
        entrypoint: Some(["sh", "-c"].map(str::to_owned).to_vec()),
        working_dir: Some("/tmp".to_owned()),
        user: Some("65534:65534".to_owned()),
        group_add: vec!["7".to_owned()],
        hostname: Some("web".to_owned()),
        labels: [("org.example.role".to_owned(), "front".to_owned())].into(),
        extra_hosts: [("up".to_owned(), "192.0.2.1".to_owned())].into(),
        dns: vec!["192.0.2.53".to_owned()],
        dns_search: vec!["example.org".to_owned()],
        devices: vec!["/dev/null:/dev/nil:rw".to_owned()],
        shm_size: Some(Size(8 << 20)),
        ulimits: [("nofile".to_owned(), Ulimit { soft: 100, hard: 200 })].into(),
        sysctls: [("net.ipv4.ip_unprivileged_port_start".to_owned(), "80".to_owned())].into(),
        capabilities: Capabilities { add: vec!["NET_ADMIN".to_owned()], drop: vec!["MKNOD".to_owned()] },
        security_opt: vec!["no-new-privileges".to_owned()],
        read_only: true,
        init: true,
        ipc: Some(Ipc::Shareable),
        log: Some(Log { max_size: Some(Size(1 << 20)), max_files: Some(2), ..Log::default() }),
        ..Runtime::default()
    };
    let spec = Spec {
        volumes: [
            ("/scratch".to_owned(), Mount::Tmpfs { tmpfs: Size(1 << 20) }),
            ("/node".to_owned(), Mount::Host { host: "/usr".to_owned(), read_only: true, shared: false }),
        ]
        .into(),
        unchecked: true,
        command: Some(vec!["sleep 100".to_owned()]),
        runtime: runtime.clone(),
        ..lab.spec()
    };
    let name = lab.create("api", &spec).await;
    let seen = lab.seen(&name).await;
    assert_eq!((&seen.shown.volumes, seen.shown.unchecked), (&spec.volumes, true));
    let mut shown = seen.shown.runtime;
    // Ours are among them, and rotation is told in the driver's own words.
    assert_eq!(shown.labels.remove("org.example.role").as_deref(), Some("front"));
    (shown.labels, shown.log) = (runtime.labels.clone(), runtime.log.clone());
    assert_eq!(shown, runtime);
}

pub async fn what_can_be_changed_while_it_runs_is(lab: &Lab) {
    let name = lab.start("api", &lab.spec()).await;
    let before = lab.seen(&name).await;
    let limits = Limits { memory: Some(Size(64 << 20)), cpus: Some(0.5), pids: Some(50), ..Limits::default() };
    let wanted = Spec { limits, restart: Restart::Always, ..lab.spec() };
    let mut wakes = lab.engine.events(&lab.scope()).await.unwrap();
    lab.engine.update(&name, &wanted).await.unwrap();
    while wakes.next().await.unwrap().action != Action::Update {}
    let after = lab.seen(&name).await;
    assert_eq!(after.shown.live(), wanted.live());
    assert_eq!((after.id, after.started_ns, after.state), (before.id, before.started_ns, State::Running));

    // What is not limited any more stays as it is: Docker takes no limit for "as it was".
    lab.engine.update(&name, &Spec { restart: Restart::No, ..lab.spec() }).await.unwrap();
    let kept = lab.seen(&name).await.shown.live();
    assert_eq!((kept.restart, kept.limits.memory), (Restart::No, Some(Size(64 << 20))));
    let gone = lab.engine.update(&lab.name("gone"), &wanted).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone:?}");
}

pub async fn a_container_takes_another_name_unless_that_is_taken(lab: &Lab) {
    let (first, second) = (lab.start("first", &lab.spec()).await, lab.start("second", &lab.spec()).await);
    let id = lab.seen(&first).await.id;
    let taken = lab.engine.rename(&first, &second).await.unwrap_err();
    assert_eq!(taken, EngineError::NameTaken { name: second.clone(), by: lab.seen(&second).await.id });
    let mut wakes = lab.engine.events(&lab.scope()).await.unwrap();
    let other = lab.name("first.until");
    lab.engine.rename(&id, &other).await.unwrap();
    while wakes.next().await.unwrap().action != Action::Rename {}
    assert_eq!(lab.engine.inspect(&first).await.unwrap(), None);
    let seen = lab.seen(&other).await;
    assert_eq!((seen.id, seen.name, seen.state), (id, other, State::Running));
    let gone = lab.engine.rename(&lab.name("gone"), "x").await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone:?}");
}

pub async fn what_a_container_wrote_beside_its_volumes_is_listed(lab: &Lab) {
    let volumes = [("/data".to_owned(), Mount::volume(lab.name("data")))].into();
    let name = lab.start("a", &Spec { volumes, ..lab.spec() }).await;
    lab.write_file(&name, "/note", "new").await;
    lab.write_file(&name, "/data/note", "kept").await;
    let changes = lab.engine.changes(&name).await.unwrap();
    assert!(changes.iter().any(|it| it == "/note"), "{changes:?}");
    assert!(!changes.iter().any(|it| it.starts_with("/data/")), "{changes:?}");
    let gone = lab.engine.changes(&lab.name("gone")).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone:?}");
}

pub async fn a_frozen_container_goes_on_where_it_was_and_can_be_stopped(lab: &Lab) {
    let name = lab.start("a", &lab.spec()).await;
    let before = lab.seen(&name).await;
    let mut wakes = lab.engine.events(&lab.scope()).await.unwrap();
    lab.pause(&name).await;
    while wakes.next().await.unwrap().action != Action::Pause {}
    let paused = lab.seen(&name).await;
    assert_eq!((paused.state, paused.started_ns, &paused.exit_code), (State::Paused, before.started_ns, &None));
    let refused = lab.engine.start(&name).await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused { .. }), "{refused:?}");
    // Twice is as once.
    lab.engine.unpause(&name).await.unwrap();
    lab.engine.unpause(&name).await.unwrap();
    while wakes.next().await.unwrap().action != Action::Unpause {}
    assert_eq!((lab.seen(&name).await.state, lab.seen(&name).await.started_ns), (State::Running, before.started_ns));
    lab.pause(&name).await;
    lab.engine.stop(&name, None, Duration::from_secs(10)).await.unwrap();
    assert_eq!(lab.seen(&name).await.state, State::Exited);
    let gone = lab.engine.unpause(&lab.name("gone")).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone:?}");
}

pub async fn a_container_can_join_anothers_network_or_none(lab: &Lab) {
    let first = lab.start("first", &lab.spec()).await;
    let nowhere = NetworkAttachment { network: String::new(), alias: String::new() };
    for (part, mode) in [("second", format!("container:{first}")), ("alone", "none".to_owned())] {
        let name = lab.name(part);
        let spec = Spec { network: Some(mode.clone()), ..lab.spec() };
        lab.engine.create(&name, &spec, &lab.labels(), &nowhere).await.unwrap();
        lab.engine.start(&name).await.unwrap();
        let seen = lab.seen(&name).await;
        let expected = if part == "alone" { mode } else { format!("container:{}", lab.seen(&first).await.id) };
        assert_eq!((seen.shown.network, seen.aliases.contains_key(&lab.name("net"))), (Some(expected), false));
    }
}

/// Made and not started: not every machine that tests run on lets Docker give a container everything.
pub async fn a_privileged_container_is_one_and_others_are_none(lab: &Lab) {
    let name = lab.create("root", &Spec { privileged: true, ..lab.spec() }).await;
    assert!(lab.seen(&name).await.shown.privileged);
    let plain = lab.create("plain", &lab.spec()).await;
    assert!(!lab.seen(&plain).await.shown.privileged);
}

pub async fn a_container_ends_with_its_exit_code(lab: &Lab) {
    let name = lab.start("job", &lab.spec()).await;
    assert_eq!(lab.seen(&name).await.exit_code, None);
    lab.exit(&name, 7).await;
    let seen = lab.until_ended(&name).await;
    assert_eq!((seen.exit_code, seen.out_of_memory), (Some(7), false));
    assert!(seen.finished_ns > seen.started_ns);
    assert!(seen.addresses.is_empty(), "{:?}", seen.addresses);
    lab.engine.start(&name).await.unwrap();
}

pub async fn a_restart_policy_brings_a_container_back(lab: &Lab) {
    let name = lab.start("api", &Spec { restart: Restart::OnFailure, ..lab.spec() }).await;
    let first = lab.seen(&name).await;
    assert_eq!(first.restarts, 0);
    lab.exit(&name, 1).await;
    let again = lab.until(&name, "running again", |seen| seen.restarts == 1 && seen.state == State::Running).await;
    assert!(again.started_ns > first.started_ns);
    lab.exit(&name, 0).await;
    assert_eq!(lab.until_ended(&name).await.exit_code, Some(0));
}

pub async fn a_stop_sends_the_signal_of_the_spec(lab: &Lab) {
    let stop = Stop { signal: "INT".to_owned(), grace: Span::seconds(60) };
    let name = lab.start("api", &Spec { stop, ..lab.spec() }).await;
    lab.engine.stop(&name, None, Duration::from_secs(60)).await.unwrap();
    let seen = lab.seen(&name).await;
    assert_eq!((seen.state, seen.exit_code), (State::Exited, Some(3)));
    lab.engine.stop(&name, None, Duration::from_secs(60)).await.expect("a stop of what is stopped changes nothing");
}

pub async fn a_stop_sends_the_signal_that_it_is_given(lab: &Lab) {
    let name = lab.start("api", &Spec { restart: Restart::Always, ..lab.spec() }).await;
    lab.engine.stop(&name, Some("SIGINT"), Duration::from_secs(60)).await.unwrap();
    let seen = lab.seen(&name).await;
    assert_eq!(seen.state, State::Exited);
    let runs = lab.listened(&name).await;
    lab.engine.start(&name).await.unwrap();
    lab.until_listening(&name, runs + 1).await;
    lab.engine.stop(&name, Some("TERM"), Duration::from_secs(60)).await.unwrap();
    assert_eq!(lab.seen(&name).await.exit_code, Some(0));
}

pub async fn a_stop_kills_after_the_grace(lab: &Lab) {
    let name = lab.start("api", &lab.stubborn_spec()).await;
    lab.ignore_term(&name).await;
    let started = Instant::now();
    // Docker counts whole seconds: nobody gets less than was asked for.
    lab.engine.stop(&name, None, Duration::from_millis(300)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(900), "killed after {:?}", started.elapsed());
    let seen = lab.seen(&name).await;
    assert_eq!((seen.state, seen.exit_code, seen.out_of_memory), (State::Exited, Some(137), false));
}

pub async fn a_stopped_container_stays_stopped(lab: &Lab) {
    let name = lab.start("api", &Spec { restart: Restart::UnlessStopped, ..lab.spec() }).await;
    lab.engine.stop(&name, None, Duration::from_secs(60)).await.unwrap();
    let stopped = lab.seen(&name).await;
    assert_eq!((stopped.state, stopped.restarts), (State::Exited, 0));
}

pub async fn a_taken_name_is_told_with_who_has_it(lab: &Lab) {
    let name = lab.name("api");
    let stranger = lab.engine.create(&name, &lab.spec(), &lab.strange_labels(), &lab.attachment("api")).await.unwrap();
    let refused = lab.engine.create(&name, &lab.spec(), &lab.labels(), &lab.attachment("api")).await.unwrap_err();
    assert_eq!(refused, EngineError::NameTaken { name: name.clone(), by: stranger.clone() });
    assert!(!refused.is_passing());
    assert_eq!(lab.seen(&name).await.id, stranger, "nothing was touched");
}

pub async fn a_port_taken_by_a_container_is_told(lab: &Lab) {
    let spec = Spec { ports: vec![local(free_port())], ..lab.spec() };
    let first = lab.start("first", &spec).await;
    let second = lab.create("second", &spec).await;
    told_of_the_port(lab, &second, &spec.ports[0]).await;
    lab.engine.stop(&first, None, Duration::from_secs(60)).await.unwrap();
    lab.engine.start(&second).await.expect("the port is free again");
}

pub async fn a_port_taken_by_a_process_is_told(lab: &Lab) {
    let (port, _held) = lab.occupied_port();
    let name = lab.create("api", &Spec { ports: vec![port.clone()], ..lab.spec() }).await;
    told_of_the_port(lab, &name, &port).await;
    let seen = lab.seen(&name).await;
    assert_eq!((seen.state, seen.exit_code), (State::Created, None));
}

async fn told_of_the_port(lab: &Lab, name: &str, port: &Port) {
    let refused = lab.engine.start(name).await.unwrap_err();
    let EngineError::PortTaken { name: told, port: taken, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((told.as_str(), taken.as_str()), (name, format!("127.0.0.1:{}", port.host).as_str()));
    assert!(!refused.is_passing());
}

pub async fn a_missing_image_is_told(lab: &Lab) {
    let missing = "fleetlog-engine-test:never-made";
    assert_eq!(lab.engine.image(missing).await.unwrap(), None);
    assert_eq!(lab.engine.image("no image/../at all?").await.unwrap(), None);
    let spec = Spec { image: missing.to_owned(), ..lab.spec() };
    let name = lab.name("api");
    let refused = lab.engine.create(&name, &spec, &lab.labels(), &lab.attachment("api")).await.unwrap_err();
    let EngineError::ImageMissing { image, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(image, missing);
    assert_eq!(lab.engine.inspect(&name).await.unwrap(), None);
}

pub async fn an_image_tells_of_its_health_check(lab: &Lab) {
    assert!(!lab.engine.image(&image("plain")).await.unwrap().unwrap().has_healthcheck);
    assert!(lab.engine.image(&image("checked")).await.unwrap().unwrap().has_healthcheck);
    let name = lab.create("api", &Spec { image: image("checked"), ..lab.spec() }).await;
    assert!(lab.seen(&name).await.has_healthcheck);
}

pub async fn a_pull_tells_what_can_pass(lab: &Lab) {
    let registries = lab.registries().await;
    let [lasting, passing] = registries.each_ref().map(|it| &it.image);
    let refused = lab.engine.pull(lasting, None).await.unwrap_err();
    assert!(matches!(&refused, EngineError::PullRefused { image, .. } if image == lasting), "{refused:?}");
    lab.set_registry_fault(Some("received unexpected HTTP status: 503 Service Unavailable"));
    let refused = lab.engine.pull(passing, None).await.unwrap_err();
    assert!(matches!(&refused, EngineError::PullPassing { image, .. } if image == passing), "{refused:?}");
    assert!(refused.is_passing());
}

pub async fn a_tag_leads_to_another_image_once_it_is_fetched_again(lab: &Lab) {
    let shelf = lab.shelf().await;
    let (name, engine) = (&shelf.name("app:1"), &lab.engine);
    lab.publish(name, "one").await;
    assert_eq!(engine.image(name).await.unwrap(), None, "a look at the registry fetches nothing");
    let digest = engine.registry_digest(name).await.unwrap();
    engine.pull(name, None).await.unwrap();
    let one = engine.image(name).await.unwrap().unwrap();
    assert_eq!(digest_of(&one.digests, name, None), Some(digest.as_str()));
    assert!(one.is_for(Some("linux")) && !one.is_for(Some("plan9")), "{}", one.platform);

    lab.publish(name, "two").await;
    let moved = engine.registry_digest(name).await.unwrap();
    assert_ne!(moved, digest);
    // The engine keeps what it has, by its tag and by its digest. A push forgets the tag here.
    let (old, new) = [&digest, &moved].map(|it| format!("{}@{it}", repository(name))).into();
    assert_eq!(engine.image(&old).await.unwrap().map(|it| it.id), Some(one.id.clone()));
    assert_eq!(engine.image(&one.id).await.unwrap().map(|it| it.id), Some(one.id.clone()));
    assert_eq!(engine.image(&new).await.unwrap(), None);
    engine.pull(name, None).await.unwrap();
    let two = engine.image(name).await.unwrap().unwrap();
    assert_ne!(two.id, one.id);
    assert_eq!(engine.image(&new).await.unwrap().map(|it| it.id), Some(two.id.clone()));
    // A container is made from whichever is named.
    let first = lab.create("first", &Spec { image: old.clone(), ..lab.spec() }).await;
    assert_eq!(lab.seen(&first).await.image, one.id);
    let by_id = lab.create("by-id", &Spec { image: one.id.clone(), ..lab.spec() }).await;
    assert_eq!(lab.seen(&by_id).await.image, one.id);
    let second = lab.create("second", &Spec { image: name.clone(), ..lab.spec() }).await;
    assert_eq!(lab.seen(&second).await.image, two.id);
}

pub async fn an_image_goes_once_nothing_has_it(lab: &Lab) {
    let shelf = lab.shelf().await;
    let (name, engine) = (&shelf.name("app:1"), &lab.engine);
    lab.publish(name, "one").await;
    let old = format!("{}@{}", repository(name), engine.registry_digest(name).await.unwrap());
    engine.pull(&old, None).await.unwrap();
    let id = engine.image(&old).await.unwrap().unwrap().id;
    let holder = lab.create("holder", &Spec { image: old.clone(), ..lab.spec() }).await;
    let refused = engine.remove_image(&id).await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused { status: 409, .. }), "{refused:?}");
    assert!(engine.remove(&holder).await.unwrap());
    assert!(engine.remove_image(&id).await.unwrap());
    assert_eq!(engine.image(&old).await.unwrap(), None);
    assert!(!engine.remove_image(&id).await.unwrap());
    // It can be had again by what it was.
    engine.pull(&old, None).await.unwrap();
    assert_eq!(engine.image(&old).await.unwrap().map(|it| it.id), Some(id));
}

pub async fn a_registry_that_is_out_of_order_tells_no_digest(lab: &Lab) {
    let registries = lab.registries().await;
    let [lasting, passing] = registries.each_ref().map(|it| &it.image);
    let refused = lab.engine.registry_digest(lasting).await.unwrap_err();
    assert!(matches!(&refused, EngineError::PullRefused { image, .. } if image == lasting), "{refused:?}");
    lab.set_registry_fault(Some("received unexpected HTTP status: 503 Service Unavailable"));
    let refused = lab.engine.registry_digest(passing).await.unwrap_err();
    assert!(refused.is_passing() && refused.to_string().contains(passing.as_str()), "{refused:?}");
}

pub async fn a_volume_outlives_its_container(lab: &Lab) {
    let volume = lab.name("data");
    let made = lab.engine.ensure_volume(&volume, &lab.labels()).await.unwrap();
    assert!(made.made);
    assert_eq!(made.labels, lab.labels());
    let spec = Spec { volumes: [("/data".to_owned(), Mount::volume(volume.clone()))].into(), ..lab.spec() };
    let first = lab.start("db", &spec).await;
    lab.write_file(&first, "/data/row", "kept").await;
    lab.write_file(&first, "/row", "lost").await;
    assert!(lab.engine.remove(&first).await.unwrap());
    assert_eq!(lab.engine.inspect(&first).await.unwrap(), None);

    assert!(!lab.engine.ensure_volume(&volume, &lab.labels()).await.unwrap().made);
    let second = lab.start("db", &spec).await;
    assert_eq!(lab.read_file(&second, "/data/row").await.as_deref(), Some("kept"));
    assert_eq!(lab.read_file(&second, "/row").await, None);
}

pub async fn a_volume_is_copied_as_it_is(lab: &Lab) {
    let (from, to) = (lab.name("data"), lab.name("copy"));
    for volume in [&from, &to] {
        lab.engine.ensure_volume(volume, &lab.labels()).await.unwrap();
    }
    let mounted =
        |volume: &String| Spec { volumes: [("/data".to_owned(), Mount::volume(volume.clone()))].into(), ..lab.spec() };
    let first = lab.start("db", &mounted(&from)).await;
    lab.write_file(&first, "/data/row", "kept").await;
    let before = lab.engine.list(&lab.scope()).await.unwrap().len();
    let bytes = lab.engine.copy_volume(&from, &to, &lab.labels(), Duration::from_secs(60)).await.unwrap();
    assert!(bytes >= 4, "{bytes}");
    assert_eq!(lab.engine.list(&lab.scope()).await.unwrap().len(), before, "what carried the files is left behind");
    lab.write_file(&first, "/data/row", "another").await;
    let second = lab.start("other", &mounted(&to)).await;
    assert_eq!(lab.read_file(&second, "/data/row").await.as_deref(), Some("kept"));
}

pub async fn a_volume_goes_once_nothing_has_it(lab: &Lab) {
    let volume = lab.name("data");
    lab.engine.ensure_volume(&volume, &lab.labels()).await.unwrap();
    let spec = Spec { volumes: [("/data".to_owned(), Mount::volume(volume.clone()))].into(), ..lab.spec() };
    let container = lab.start("db", &spec).await;
    lab.write_file(&container, "/data/row", "lost").await;
    let refused = lab.engine.remove_volume(&volume).await.unwrap_err();
    assert!(matches!(&refused, EngineError::Refused { status: 409, .. }), "{refused:?}");
    lab.engine.stop(&container, None, Duration::from_secs(1)).await.unwrap();
    assert!(lab.engine.remove_volume(&volume).await.is_err(), "one that does not run has it too");
    lab.engine.remove(&container).await.unwrap();
    assert!(lab.engine.remove_volume(&volume).await.unwrap());
    assert_eq!(lab.engine.volume(&volume).await.unwrap(), None);
    assert!(!lab.engine.remove_volume(&volume).await.unwrap(), "it is gone already");
}

pub async fn a_strangers_volume_is_shown_and_left(lab: &Lab) {
    let [ours, theirs] = [lab.name("data"), lab.name("theirs")];
    lab.engine.ensure_volume(&theirs, &lab.strange_labels()).await.unwrap();
    lab.engine.ensure_volume(&ours, &lab.labels()).await.unwrap();
    let found = lab.engine.ensure_volume(&theirs, &lab.labels()).await.unwrap();
    assert_eq!((found.made, found.labels), (false, lab.strange_labels()));
    let listed = lab.engine.volumes(&lab.scope()).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [ours.as_str()]);
    assert_eq!(lab.engine.volume(&theirs).await.unwrap().unwrap().labels, lab.strange_labels());
}

pub async fn a_network_is_made_once(lab: &Lab) {
    let name = lab.name("net");
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (engine, name, labels) = (lab.engine.clone(), name.clone(), lab.labels());
        calls.spawn(async move { engine.ensure_network(&name, &labels).await.unwrap() });
    }
    let answers = calls.join_all().await;
    assert_eq!(answers.iter().filter(|it| it.made).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|it| it.labels == lab.labels()), "{answers:?}");
    assert_eq!(lab.engine.networks(&lab.scope()).await.unwrap(), std::slice::from_ref(&name));
    let theirs = lab.engine.ensure_network(&name, &lab.strange_labels()).await.unwrap();
    assert_eq!((theirs.made, theirs.labels), (false, lab.labels()), "what is there is shown, not changed");
}

pub async fn a_network_in_use_stays(lab: &Lab) {
    let network = lab.name("net");
    let name = lab.start("api", &lab.spec()).await;
    assert_eq!(lab.engine.network(&network).await.unwrap().unwrap().containers, 1);
    let refused = lab.engine.remove_network(&network).await.unwrap_err();
    assert!(matches!(refused, EngineError::Refused { .. }), "{refused:?}");
    lab.engine.stop(&name, None, Duration::from_secs(60)).await.unwrap();
    assert_eq!(lab.engine.network(&network).await.unwrap().unwrap().containers, 1, "a stopped one counts");
    lab.engine.disconnect(&name, &network).await.unwrap();
    assert_eq!(lab.engine.network(&network).await.unwrap().unwrap().containers, 0, "one that was taken out does not");
    assert_eq!(lab.seen(&name).await.aliases.get(&network), None);
    lab.engine.remove(&name).await.unwrap();
    let empty = lab.engine.network(&network).await.unwrap().unwrap();
    assert_eq!((empty.containers, empty.name, empty.labels), (0, network.clone(), lab.labels()));
    assert!(lab.engine.remove_network(&network).await.unwrap());
    assert_eq!(lab.engine.network(&network).await.unwrap(), None);
    assert!(!lab.engine.remove_network(&network).await.unwrap());
}

pub async fn an_alias_leads_to_the_container(lab: &Lab) {
    let client = lab.start("client", &lab.spec()).await;
    assert_eq!(lab.resolve(&client, "db").await, None);
    let db = lab.start("db", &lab.spec()).await;
    let address = lab.seen(&db).await.addresses[&lab.name("net")];
    assert_eq!(lab.resolve(&client, "db").await, Some(address));
}

pub async fn events_wake_for_the_life_of_a_container(lab: &Lab) {
    let mut wakes = lab.engine.events(&lab.scope()).await.unwrap();
    // A stranger's life is none of ours, and neither are commands inside a container.
    let stranger = lab.name("stranger");
    lab.engine.ensure_network(&lab.name("net"), &lab.labels()).await.unwrap();
    lab.engine.create(&stranger, &lab.spec(), &lab.strange_labels(), &lab.attachment("stranger")).await.unwrap();
    lab.engine.start(&stranger).await.unwrap();
    let name = lab.start("job", &lab.spec()).await;
    lab.write_file(&name, "/note", "noise").await;
    lab.exit(&name, 7).await;
    lab.until_ended(&name).await;
    let id = lab.seen(&name).await.id;
    lab.engine.start(&name).await.unwrap();
    lab.exit(&name, 8).await;
    lab.until_ended(&name).await;
    lab.engine.remove(&name).await.unwrap();

    let mut seen = Vec::new();
    while seen.last().is_none_or(|wake: &Wake| wake.action != Action::Destroy) {
        let wake = next(&mut wakes).await;
        if wake.kind == Kind::Container {
            assert_eq!(
                (wake.name.as_str(), wake.id.as_str(), &wake.labels),
                (name.as_str(), id.as_str(), &lab.labels())
            );
            seen.push(wake);
        }
    }
    let told: Vec<_> = seen.iter().map(|wake| (wake.action, wake.exit_code)).collect();
    use Action::{Create, Destroy, Die, Start};
    let life = [(Create, None), (Start, None), (Die, Some(7)), (Start, None), (Die, Some(8)), (Destroy, None)];
    assert_eq!(told, life);
    assert!(seen.is_sorted_by_key(|wake| wake.at_ns), "{seen:?}");
}

pub async fn events_wake_for_volumes_and_networks(lab: &Lab) {
    let [volume, network] = [lab.name("data"), lab.name("net")];
    let mut wakes = lab.engine.events(&lab.scope()).await.unwrap();
    lab.engine.ensure_volume(&volume, &lab.labels()).await.unwrap();
    lab.engine.ensure_network(&network, &lab.labels()).await.unwrap();
    lab.engine.remove_network(&network).await.unwrap();
    for expected in [(Kind::Volume, Action::Create), (Kind::Network, Action::Create), (Kind::Network, Action::Destroy)]
    {
        let name = if expected.0 == Kind::Volume { &volume } else { &network };
        loop {
            // Of volumes and networks everybody's come.
            let wake = next(&mut wakes).await;
            if wake.name == *name {
                assert_eq!((wake.kind, wake.action), expected);
                break;
            }
        }
    }
}

pub async fn health_follows_the_checks(lab: &Lab) {
    let mut wakes = lab.engine.events(&lab.scope()).await.unwrap();
    let name = lab.start("api", &Spec { health: Some(lab.check()), ..lab.spec() }).await;
    // Many checks in a row fail before it is unhealthy, so the first look may already find them failing.
    let health = lab.seen(&name).await.health.expect("it has a check");
    assert_ne!(health.status, HealthStatus::Healthy);
    let started = lab.seen(&name).await.started_ns.unwrap();
    lab.set_health(&name, true).await;
    let of = |status| move |seen: &engine::Container| seen.health.is_some_and(|health| health.status == status);
    let healthy = lab.until(&name, "healthy", of(HealthStatus::Healthy)).await.health.unwrap();
    assert_eq!(healthy.failing_streak, 0);
    assert!(healthy.checked_ns.unwrap() > started);
    lab.set_health(&name, false).await;
    let unhealthy = lab.until(&name, "unhealthy", of(HealthStatus::Unhealthy)).await.health.unwrap();
    assert!(unhealthy.failing_streak >= 2, "{unhealthy:?}");
    assert!(unhealthy.checked_ns > healthy.checked_ns);
    lab.engine.stop(&name, None, Duration::from_secs(60)).await.unwrap();
    let stopped = lab.seen(&name).await;
    assert_eq!((stopped.health, stopped.has_healthcheck), (None, true), "what does not run has no health");

    let mut told = Vec::new();
    while told.last() != Some(&Action::Stop) {
        let wake = next(&mut wakes).await;
        if wake.kind == Kind::Container {
            told.push(wake.action);
        }
    }
    told.retain(|action| matches!(action, Action::Health(_)));
    let [.., first, second] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!([first, second], [&Action::Health(HealthStatus::Healthy), &Action::Health(HealthStatus::Unhealthy)]);
}

pub async fn a_list_shows_its_scope_only(lab: &Lab) {
    lab.engine.ensure_network(&lab.name("net"), &lab.labels()).await.unwrap();
    let stranger = lab.name("a-stranger");
    lab.engine.create(&stranger, &lab.spec(), &lab.strange_labels(), &lab.attachment("x")).await.unwrap();
    let [created, ended, running] =
        [lab.create("b", &lab.spec()).await, lab.start("c", &lab.spec()).await, lab.start("d", &lab.spec()).await];
    lab.exit(&ended, 0).await;
    lab.until_ended(&ended).await;
    let listed = lab.engine.list(&lab.scope()).await.unwrap();
    let shown: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.state)).collect();
    assert_eq!(shown, [(created.as_str(), State::Created), (&ended, State::Exited), (&running, State::Running)]);
    assert!(listed.iter().all(|it| it.labels == lab.labels() && !it.id.is_empty()), "{listed:?}");
    let everybody = lab.engine.list(&Scope::default()).await.unwrap();
    assert!(everybody.iter().any(|it| it.name == stranger));
}

pub async fn what_is_not_there_is_told(lab: &Lab) {
    let name = lab.name("nothing");
    assert_eq!(lab.engine.inspect(&name).await.unwrap(), None);
    assert!(!lab.engine.remove(&name).await.unwrap());
    assert_eq!(lab.engine.network(&name).await.unwrap(), None);
    assert_eq!(lab.engine.volume(&name).await.unwrap(), None);
    assert_eq!(lab.engine.list(&lab.scope()).await.unwrap(), []);
    for outcome in [
        lab.engine.start(&name).await,
        lab.engine.stop(&name, None, Duration::ZERO).await,
        lab.engine.logs(&name, 1).await.map(|_| ()),
    ] {
        assert_eq!(outcome, Err(EngineError::NotFound { what: format!("container `{name}`") }));
    }
    // A network that was removed under a container that does not run.
    let orphan = lab.create("orphan", &lab.spec()).await;
    lab.engine.remove_network(&lab.name("net")).await.unwrap();
    let refused = lab.engine.start(&orphan).await.unwrap_err();
    assert!(matches!(&refused, EngineError::NotFound { what } if what.contains("network")), "{refused:?}");
}

pub async fn logs_end_with_the_last_lines(lab: &Lab) {
    let name = lab.start("job", &lab.spec_of("seq 1 50; echo oops >&2")).await;
    if let crate::lab::Kind::Simulated(simulated) = &lab.kind {
        for line in (1..=50).map(|n| n.to_string()).chain(["oops".to_owned()]) {
            simulated.write_line(&name, &line).unwrap();
        }
        simulated.exit(&name, 0).unwrap();
    }
    lab.until_ended(&name).await;
    let all = lab.engine.logs(&name, 100).await.unwrap();
    // Docker keeps no order between the two streams: what went to standard error may stand anywhere.
    let (errors, numbers): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|line| line == "oops");
    assert_eq!(errors.len(), 1, "{all:?}");
    assert_eq!(numbers, (1..=50).map(|number| number.to_string()).collect::<Vec<_>>());
    let tail = lab.engine.logs(&name, 3).await.unwrap();
    assert_eq!(tail, all[all.len() - 3..]);
}

pub async fn memory_above_the_limit_kills(lab: &Lab) {
    let limits = Limits { memory: Some(Size(8 << 20)), ..Limits::default() };
    // Not before it is asked to: Docker misses what is killed before it has begun to listen for that.
    let spec = Spec { limits, ..lab.spec_of("while [ ! -e /hungry ]; do sleep 0.05; done; exec tail /dev/zero") };
    let name = lab.start("eater", &spec).await;
    lab.write_file(&name, "/hungry", "yes").await;
    if let crate::lab::Kind::Simulated(simulated) = &lab.kind {
        simulated.run_out_of_memory(&name).unwrap();
    }
    let seen = lab.until_ended(&name).await;
    assert_eq!(seen.exit_code, Some(137));
    // Docker hears of the reason by another way than of the end, and on a busy machine a moment later.
    lab.until(&name, "killed for want of memory", |seen| seen.out_of_memory).await;
}

pub async fn calls_run_at_the_same_time(lab: &Lab) {
    // Five stops of what ignores them take one grace, not five.
    let spec = lab.stubborn_spec();
    let mut names = Vec::new();
    for number in 0..5 {
        let name = lab.start(&format!("c{number}"), &spec).await;
        lab.ignore_term(&name).await;
        names.push(name);
    }
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for name in names {
        let engine = lab.engine.clone();
        calls.spawn(async move { engine.stop(&name, None, Duration::from_secs(4)).await.unwrap() });
    }
    calls.join_all().await;
    assert!(started.elapsed() < Duration::from_secs(15), "took {:?}", started.elapsed());
}

pub async fn an_engine_that_is_away_is_told_and_found_again(lab: &Lab) {
    let (engine, mut way) = lab.detachable().await;
    engine.ping().await.unwrap();
    let mut wakes = engine.events(&lab.scope()).await.unwrap();
    way.cut().await;
    let ended = loop {
        match tokio::time::timeout(LIMIT, wakes.next()).await.expect("the events did not end") {
            Ok(wake) => assert_ne!(wake.kind, Kind::Container, "{wake:?}"),
            Err(error) => break error,
        }
    };
    for error in [ended, engine.ping().await.unwrap_err(), engine.list(&lab.scope()).await.unwrap_err()] {
        assert!(error.is_away() && error.is_passing(), "{error:?}");
    }
    assert!(engine.events(&lab.scope()).await.is_err_and(|error| error.is_away()));
    way.mend().await;
    engine.ping().await.unwrap();
    engine.events(&lab.scope()).await.unwrap();
}

async fn next(wakes: &mut Wakes) -> Wake {
    tokio::time::timeout(LIMIT, wakes.next()).await.unwrap_or_else(|_| panic!("no event within {LIMIT:?}")).unwrap()
}
