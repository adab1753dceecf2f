//! One scrape of many containers over HTTP: monitor, log and HTTP door are real, the samples are made up, as 200 real
//! containers would measure Docker. The door's check of the token is left out: it is the same for every path.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use monitor::{Figures, Service};
use schemas::access::Who;
use schemas::sample::{Allowed, Cpu, Disk, Machine, Memory, Network, Part, Sample, Samples, Traffic, Used};
use streams::{Bus, Server, ServerConfig, Users, clock};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::report::Report;

/// Containers of one node.
const CONTAINERS: u32 = 200;
/// Fleets that they are spread over.
const FLEETS: u32 = 20;
/// How long a first scrape may wait for its samples.
const LIMIT: Duration = Duration::from_secs(10);

/// Scrapes so many times.
pub fn scrapes(times: usize, report: &mut Report) -> anyhow::Result<()> {
    let note = tokio::runtime::Runtime::new()?.block_on(measure(times))?;
    println!("{note}");
    report.notes.push(note);
    Ok(())
}

async fn measure(times: usize) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let lock = File::create(folder.path().join("lock"))?;
    let program = streams::find_server(None, &[tests::root().join("ops/.tools/bin")])?.path;
    let config = ServerConfig { program, store: folder.path().join("nats"), lock, users: Users::Tests };
    let server = Server::start(config).await?;
    streams::provision(&server.access()).await?;
    let bus = Bus::connect(&server.access()).await?;
    let shutdown = CancellationToken::new();
    let service = Service::start(bus.clone(), Figures::install()?, shutdown.clone()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/metrics", listener.local_addr()?);
    let router = api::router(api::Api::new(bus.clone(), Vec::new())).layer(axum::Extension(Who::admin()));
    let mut running: JoinSet<anyhow::Result<()>> = JoinSet::new();
    running.spawn(async { Ok(service.run().await?) });
    let stop = shutdown.clone().cancelled_owned();
    running.spawn(async { Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?) });

    bus.publish_samples(&round()?).await?;
    let (mut took, bytes, series) = tokio::task::spawn_blocking(move || scrape(&url, times)).await??;
    shutdown.cancel();
    while let Some(end) = running.join_next().await {
        end??;
    }
    server.stop().await;
    took.sort_by(f64::total_cmp);
    let percentile = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    Ok(format!(
        "One scrape of {CONTAINERS} containers ({series} series, {:.1} MiB; made-up samples on `METRICS`) over HTTP, {times} \
         times: median {:.1} ms, p99 {:.1} ms (to reach: 20 ms).",
        bytes as f64 / 1_048_576.0,
        percentile(50),
        percentile(99)
    ))
}

/// The times in milliseconds, and how large the last answer was.
fn scrape(url: &str, times: usize) -> anyhow::Result<(Vec<f64>, usize, usize)> {
    let config = ureq::Agent::config_builder().timeout_global(Some(LIMIT)).proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let get = || -> anyhow::Result<String> {
        Ok(agent.get(url).call()?.body_mut().with_config().limit(64 << 20).read_to_string()?)
    };
    let begun = Instant::now();
    while !get()?.contains("container_last_seen{") {
        ensure!(begun.elapsed() < LIMIT, "the samples are not served");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (mut took, mut last) = (Vec::with_capacity(times), String::new());
    for _ in 0..times {
        let begun = Instant::now();
        last = get()?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    let series = last.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    Ok((took, last.len(), series))
}

/// A round that counts until the measurement is over.
fn round() -> anyhow::Result<Samples> {
    let containers = (0..CONTAINERS).map(sample).collect::<anyhow::Result<_>>()?;
    Ok(Samples {
        node: "local".parse()?,
        at: clock::now(),
        every_ms: 3_600_000,
        took_us: 50_000,
        away: None,
        machine: Some(Machine { cores: 2, memory_bytes: 8 << 30 }),
        containers,
        unread: Vec::new(),
        left_out: 0,
    })
}

fn sample(number: u32) -> anyhow::Result<Sample> {
    let it = u64::from(number) + 1;
    let traffic = Traffic { bytes: it * 123_457, packets: it * 101, errors: 0, dropped: it % 3 };
    let network = Network { received: traffic, sent: traffic };
    let disk = Disk { read_bytes: it << 20, written_bytes: it << 16, reads: it * 11, writes: it * 7 };
    let fleet = number % FLEETS;
    Ok(Sample {
        id: format!("{it:064x}"),
        name: format!("acme.fleet-{fleet}.container-{number}"),
        image: "registry.example/acme/service:2026-11-22".to_owned(),
        fleet: format!("acme/fleet-{fleet}").parse()?,
        part: Part::Container(format!("container-{number}").parse().context("a number makes a name")?),
        address: None,
        health: None,
        started_ns: Some(1_795_000_000_000_000_000),
        restarts: it % 2,
        limits: Allowed {
            memory_bytes: Some(256 << 20),
            cpu_period_us: Some(100_000),
            cpu_quota_us: Some(50_000),
            cpu_shares: Some(1_024),
        },
        used: Used {
            cpu: Cpu {
                total_ns: it * 1_234_567_891,
                user_ns: it * 1_000_000_007,
                system_ns: it * 234_567_884,
                periods: it * 100,
                throttled_periods: it,
                throttled_ns: it * 12_345,
            },
            memory: Memory {
                usage: it << 20,
                working_set: it << 19,
                rss: it << 18,
                cache: it << 18,
                swap: 0,
                mapped: it << 12,
                peak: Some(it << 21),
                failures: Some(0),
                kills: Some(0),
            },
            networks: [("eth0".to_owned(), network)].into(),
            disks: [("/dev/vda".to_owned(), disk)].into(),
            processes: Some(3),
            threads: Some(12),
        },
    })
}
