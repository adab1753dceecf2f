//! The registry: made anew from the log against the bare reading of the log, and asked about a random past position.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::serve::ListenerExt as _;
use registry::Service;
use schemas::access::Who;
use schemas::descriptors::{Changes, File as Descriptor, Files, Path};
use schemas::event::{ContainerChange, Data, Draft, GitPushed, RefUpdate, Scope, Sighting};
use schemas::query::ReplayRequest;
use serde_json::json;
use streams::{Bus, Expected, Server, ServerConfig, Users, clock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::report::{Report, Row};

/// Objects in all.
const OBJECTS: u64 = 2_000;
/// Appends under way.
const APPENDS: usize = 1_024;
/// A file system in memory: what makes an event durable costs nothing there, and is no part of what is measured.
const MEMORY: &str = "/dev/shm";
/// Questions about the past.
const QUESTIONS: usize = 1_000;
/// How long one question may take before the measurement is given up.
const DEADLINE: Duration = Duration::from_secs(600);

/// Both, over so many events: of many fleets, and of one.
pub fn rows(events: u64, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    for fleets in [20, 1] {
        runtime.block_on(measure(events, fleets, pairs, report))?;
    }
    Ok(())
}

async fn measure(events: u64, fleets: u64, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // The log lies in memory, so that writing it does not take most of the time; the registry's database does not.
    let log = if std::path::Path::new(MEMORY).is_dir() { tempfile::tempdir_in(MEMORY)? } else { tempfile::tempdir()? };
    let lock = File::create(folder.path().join("lock"))?;
    let program = streams::find_server(None, &[tests::root().join("ops/.tools/bin")])?.path;
    let config = ServerConfig { program, store: log.path().join("nats"), lock, users: Users::Tests };
    let server = Server::start(config).await?;
    streams::provision(&server.access()).await?;
    let bus = Bus::connect(&server.access()).await?;
    write(&bus, events, fleets).await?;
    let shutdown = CancellationToken::new();
    let service = Service::start(folder.path().join("registry"), bus.clone(), shutdown.clone()).await?;
    let readiness = service.readiness();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1/fleets", listener.local_addr()?);
    // As itself, with a connection of its own. The door's check of the token is left out: it is the same for every path.
    let api = api::Api::new(Bus::connect(&server.access()).await?, Vec::new());
    let router = api::router(api).layer(axum::Extension(Who::admin()));
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    running.spawn(async { Ok(service.run().await?) });
    let stop = shutdown.clone().cancelled_owned();
    // As the platform listens: an answer's last part does not wait until the one before it was acknowledged.
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            println!("a connection may be slow: {error}");
        }
    });
    running.spawn(async { Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?) });
    while let Some(why) = readiness.ready() {
        println!("{why}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    if fleets > 1 {
        let what = format!("the registry made anew from {events} events of {OBJECTS} objects");
        let mut row = Row::new(&what, "reading them by `fetch(500)`, not looking at them");
        for pair in 0..pairs {
            let (mut ours, mut theirs) = (0.0, 0.0);
            for turn in 0..2 {
                if (turn + pair) % 2 == 0 {
                    let answer = bus.ask(&ReplayRequest { verify: true }, DEADLINE).await?;
                    anyhow::ensure!(answer.equal, "what was made anew is not what grew: {answer:?}");
                    ours = answer.seconds * 1_000.0;
                } else {
                    let begun = Instant::now();
                    bus.raw_fetch(events).await?;
                    theirs = begun.elapsed().as_secs_f64() * 1_000.0;
                }
            }
            row.add(ours, theirs);
        }
        report.rows.push(row);
    }
    let note = tokio::task::spawn_blocking(move || past(&url, events, fleets)).await??;
    println!("{note}");
    report.notes.push(note);
    shutdown.cancel();
    while let Some(end) = running.join_next().await {
        end??;
    }
    server.stop().await;
    Ok(())
}

/// Asks for a fleet's state at random positions over HTTP, one question at a time.
fn past(url: &str, events: u64, fleets: u64) -> anyhow::Result<String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(DEADLINE)).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let (mut times, mut bytes) = (Vec::with_capacity(QUESTIONS), 0);
    for it in 0..QUESTIONS {
        let random = scatter(it as u64 + 1);
        let position = OBJECTS + random % events.saturating_sub(OBJECTS).max(1);
        let begun = Instant::now();
        let mut answer = agent.get(format!("{url}/acme/fleet-{}?at={position}", random % fleets)).call()?;
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        bytes += body.len();
        // Looked through now and then: it is the one who asks who would pay for it.
        if it % 100 == 0 {
            let state: serde_json::Value = serde_json::from_slice(&body)?;
            anyhow::ensure!(state["position"] == position, "asked for {position}: {}", state["position"]);
            let seen = state["observed"]["containers"].as_object().map_or(0, serde_json::Map::len) as u64;
            anyhow::ensure!(seen > OBJECTS / fleets / 2, "{seen} containers of {}", OBJECTS / fleets);
        }
    }
    times.sort_by(f64::total_cmp);
    let percentile = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    Ok(format!(
        "State at a random past position over HTTP, {events} events, {OBJECTS} objects in {fleets} fleet{}, {QUESTIONS} times, \
         {:.0} KiB each: median {:.1} ms, p99 {:.1} ms (to reach: p99 20 ms).",
        if fleets == 1 { "" } else { "s" },
        bytes as f64 / QUESTIONS as f64 / 1_024.0,
        percentile(50),
        percentile(99)
    ))
}

/// The log: each fleet is pushed, then its containers come and go; every 500th event is a push.
async fn write(bus: &Bus, events: u64, fleets: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    for index in 1..=events {
        let draft = draft(index, fleets)?;
        let bus = bus.clone();
        // The first ones make the objects, in this order.
        let limit = if index <= OBJECTS { 1 } else { APPENDS };
        while under_way.len() >= limit {
            under_way.join_next().await.context("nothing is under way")???;
        }
        under_way.spawn(async move { bus.append(&draft, Expected::Any).await.map(drop) });
    }
    while let Some(end) = under_way.join_next().await {
        end??;
    }
    println!("{events} events written in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

fn draft(index: u64, fleets: u64) -> anyhow::Result<Draft> {
    let object = if index <= OBJECTS { index } else { scatter(index) % OBJECTS };
    let fleet = object % fleets;
    let scope = Scope::Fleet(format!("acme/fleet-{fleet}").parse()?);
    let (actor, data) = if index <= fleets || index.is_multiple_of(500) {
        ("admin", pushed(index, fleet, fleets)?)
    } else {
        ("shazam", changed(index, object)?)
    };
    let (id, time) = (clock::new_id(), clock::now());
    Ok(Draft { id, scope, subject: "x".to_owned(), time, actor: actor.to_owned(), cause: None, data })
}

fn pushed(index: u64, fleet: u64, fleets: u64) -> anyhow::Result<Data> {
    let mut set = Files::default();
    let mut add = |path: String, value| {
        let path: Path = path.parse().map_err(anyhow::Error::msg)?;
        let file = Descriptor::read(&path, value)?;
        set.0.insert(path, file);
        Ok::<_, anyhow::Error>(())
    };
    add("variables/app.json".to_owned(), json!({ "region": format!("eu-{}", index % 7), "build": index }))?;
    if index <= fleets {
        for object in (0..OBJECTS).filter(|it| it % fleets == fleet) {
            let container =
                json!({ "image": "demo/tool:1", "command": ["sleep", "1d"], "env": { "N": object.to_string() } });
            add(format!("containers/c{object}.json"), container)?;
        }
    }
    let commit: Option<schemas::names::Oid> = Some(format!("{index:040x}").parse()?);
    let refs = vec![RefUpdate { name: "refs/heads/main".to_owned(), old: None, new: commit.clone() }];
    let descriptors = Changes { set, removed: Vec::new() };
    let (created, pack, deploy, reason) = (index <= fleets, None, "main".to_owned(), None);
    Ok(Data::GitPushed(GitPushed {
        allow_destroy: Vec::new(),
        created,
        refs,
        pack,
        deploy,
        commit,
        descriptors,
        reason,
    }))
}

fn changed(index: u64, object: u64) -> anyhow::Result<Data> {
    // A container lives through eight changes or so, and then there is another.
    let life = index / (OBJECTS * 8);
    let change = ContainerChange {
        container: format!("c{object}").parse()?,
        seen: Sighting { node: "local".parse()?, at_ns: i64::try_from(index)?, obs: index },
        docker_id: format!("{:032x}{:032x}", object, life),
        image: Some(format!("sha256:{:064x}", life)),
        spec: Some(format!("v1:{:064x}", object ^ life)),
        commit: Some(format!("{:040x}", life).parse()?),
        live: None,
        files: None,
        checked: true,
        exit_code: None,
        out_of_memory: false,
        restarts: 0,
    };
    Ok(match scatter(index) >> 32 & 3 {
        0 => Data::ContainerStarted(change),
        1 => Data::ContainerHealthy(change),
        2 => Data::ContainerUnhealthy(change),
        _ => Data::ContainerDied(ContainerChange { exit_code: Some(1), ..change }),
    })
}

/// A number that looks like chance, and is the same each time (SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut it = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}
