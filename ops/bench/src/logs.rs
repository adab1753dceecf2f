//! Log lines: how fast they go through the bus into the index, what they take there, and how soon they are found.
//!
//! The corpus is made here, the same every time: 80 sources over 24 hours, half JSON, a quarter logfmt, the rest of web
//! servers and stack traces, each with a random trace id: about 206 bytes a line.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use schemas::access::Who;
use schemas::logs::{Batch, Cursor, Line, Origin, Part, Stream};
use schemas::names::NodeName;
use schemas::query::LogsRequest;
use serde_json::Value;
use streams::{Bus, Server, ServerConfig, Users, clock};
use tests::root;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stats::median;

/// Lines in one batch: about 1 MiB, as an agent makes them.
const BATCH: usize = 5_000;
const SOURCES: usize = 40;
const DAY_NS: i64 = 86_400_000_000_000;
/// The first day of the corpus, so that all of it is one day's.
const FIRST_NS: i64 = 20_600 * DAY_NS;
/// In one line of so many.
const RARE: usize = 10_000;
/// Searches of each kind.
const SEARCHES: usize = 300;

/// Measures with so many lines, prints and writes `RESULTS-logs.md`.
pub fn measure(lines: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let text = runtime.block_on(run(lines))?;
    println!("{text}");
    Ok(fs::write(root().join("ops/bench/RESULTS-logs.md"), text)?)
}

async fn run(lines: usize) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let lock = File::create(folder.path().join("lock"))?;
    let program = streams::find_server(None, &[root().join("ops/.tools/bin")])?.path;
    let config = ServerConfig { program, store: folder.path().join("nats"), lock, users: Users::Tests };
    let server = Server::start(config).await?;
    streams::provision(&server.access()).await?;
    let bus = Bus::connect(&server.access()).await?;
    let stop = CancellationToken::new();
    let index = folder.path().join("logs");
    let service = logger::Service::start(
        logger::Config { folder: index.clone(), keep_days: 1_000_000 },
        bus.clone(),
        stop.clone(),
    );
    let service = service.await?;
    let mut running = JoinSet::new();
    running.spawn(async { anyhow::Ok(service.run().await?) });

    let (ingest, bytes, rare_trace) = ingest(&bus, lines).await?;
    let address = serve(&bus, &stop, &mut running).await?;
    let mut text = format!(
        "# Log lines\n\nMade by `ops/bench/run logs {lines}`: {lines} lines, {} MB, one run, everything on one machine.\n\n",
        bytes / 1_000_000
    );
    writeln!(text, "| what | figure | others |\n|---|---|---|")?;
    writeln!(
        text,
        "| through the bus until every line is found | {:.0} lines/s ({:.1} s) | Loki 148 k/s, VictoriaLogs 228 k/s |",
        lines as f64 / ingest.as_secs_f64(),
        ingest.as_secs_f64()
    )?;
    for (what, query) in [
        ("one trace id, newest 100", rare_trace.as_str()),
        ("a word of one line in 10,000, newest 100", "rarebird"),
        ("a word of many lines, newest 100", "timeout"),
        ("everything, newest 100", ""),
        ("a phrase, newest 100", "\"connection refused\""),
        ("one container and a word, newest 100", "container:app-07 error"),
    ] {
        let (p50, p99, found) = search(address, query)?;
        writeln!(text, "| {what} ({found} lines), over HTTP | p50 {p50:.1} ms, p99 {p99:.1} ms | |")?;
    }
    stop.cancel();
    while let Some(end) = running.join_next().await {
        end??;
    }
    writeln!(
        text,
        "| stored, after the last merge | {} MB | Loki 116 MB, VictoriaLogs 112 MB |",
        size(&index)? / 1_000_000
    )?;
    server.stop().await;
    Ok(text)
}

/// Stores all lines and waits until they can be found. How long that took, their bytes, and a trace id of one of them.
async fn ingest(bus: &Bus, lines: usize) -> anyhow::Result<(Duration, usize, String)> {
    let node: NodeName = "bench".parse()?;
    let mut corpus = Corpus::new(lines);
    let (mut last, mut bytes, mut trace) = (0, 0, String::new());
    let mut batches = Vec::new();
    while let Some((batch, some)) = corpus.next_batch() {
        bytes += batch.parts.iter().flat_map(|it| &it.lines).map(|it| it.text.len()).sum::<usize>();
        trace = some;
        batches.push(batch);
    }
    // One at a time, as an agent does it.
    let mut under_way = JoinSet::new();
    let begun = Instant::now();
    for batch in batches {
        if let Some(before) = under_way.join_next().await {
            last = before??;
        }
        let (bus, node) = (bus.clone(), node.clone());
        under_way.spawn(async move { bus.store_lines(&node, &batch, last).await });
    }
    if let Some(before) = under_way.join_next().await {
        last = before??;
    }
    loop {
        let request = LogsRequest { filter: Default::default(), newest_first: true, after: None, limit: 1 };
        if bus.ask(&request, Duration::from_secs(30)).await?.applied >= last {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok((begun.elapsed(), bytes, trace))
}

async fn serve(
    bus: &Bus,
    stop: &CancellationToken,
    running: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<SocketAddr> {
    let who = Who { name: "admin".parse()?, admin: true, roles: Default::default() };
    let router = api::router(api::Api::new(bus.clone(), Vec::new())).layer(axum::Extension(who));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = stop.clone();
    let end: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop.cancelled_owned());
    let serving = axum::serve(listener, router).with_graceful_shutdown(end);
    running.spawn(async { Ok(serving.await?) });
    Ok(address)
}

/// p50 and p99 in milliseconds, and how many lines were found.
fn search(address: SocketAddr, query: &str) -> anyhow::Result<(f64, f64, usize)> {
    let config = ureq::Agent::config_builder().proxy(None).build();
    let agent = ureq::Agent::new_with_config(config);
    let (mut times, mut found) = (Vec::new(), 0);
    for _ in 0..SEARCHES {
        let begun = Instant::now();
        let request = agent.get(format!("http://{address}/v1/logs")).query("limit", "100").query("query", query);
        let page: Value = serde_json::from_str(&request.call()?.body_mut().read_to_string()?)?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        found = page["lines"].as_array().context("a page has lines")?.len();
    }
    ensure!(found > 0, "nothing was found for `{query}`");
    times.sort_by(f64::total_cmp);
    Ok((median(&times).middle, times[times.len() * 99 / 100], found))
}

fn size(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

struct Corpus {
    dice: u64,
    at: usize,
    lines: usize,
}

impl Corpus {
    fn new(lines: usize) -> Self {
        Self { dice: 7, at: 0, lines }
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % below
    }

    fn next_batch(&mut self) -> Option<(Batch, String)> {
        if self.at >= self.lines {
            return None;
        }
        let mut parts: Vec<Part> = (0..SOURCES).map(source).collect();
        let mut trace = String::new();
        for _ in 0..BATCH.min(self.lines - self.at) {
            let source = usize::try_from(self.roll(SOURCES as u64)).unwrap_or_default();
            let (line, its) = self.line();
            parts[source].lines.push(line);
            trace = its;
        }
        Some((Batch { id: clock::new_id(), parts }, trace))
    }

    fn line(&mut self) -> (Line, String) {
        const MESSAGES: [&str; 8] = [
            "request completed",
            "connection refused by upstream, will retry",
            "cache miss, reading from the database",
            "user signed in",
            "timeout while waiting for the lock",
            "payment accepted",
            "error writing to the queue, message kept",
            "job scheduled for the next window",
        ];
        let number = self.at;
        self.at += 1;
        let step = DAY_NS / i64::try_from(self.lines.max(1)).unwrap_or(i64::MAX);
        let ns = FIRST_NS + step * i64::try_from(number).unwrap_or_default();
        let trace = format!("{:08x}{:08x}", self.roll(1 << 31), self.roll(1 << 31));
        let message = MESSAGES[usize::try_from(self.roll(8)).unwrap_or_default()];
        let message = if number.is_multiple_of(RARE) { "a rarebird flew by" } else { message };
        let level =
            ["info", "info", "info", "debug", "warn", "error"][usize::try_from(self.roll(6)).unwrap_or_default()];
        let (user, spent, bytes) = (self.roll(50_000), self.roll(2_000), self.roll(90_000));
        let second = number % 86_400;
        let text = match self.roll(4) {
            0 | 1 => format!(
                r#"{{"ts":"2026-05-27T{:02}:{:02}:{:02}Z","level":"{level}","msg":"{message}","trace_id":"{trace}","user":"u{user}","duration_ms":{spent},"bytes":{bytes},"path":"/api/v1/orders/{}","region":"eu-1"}}"#,
                second / 3600,
                second / 60 % 60,
                second % 60,
                user % 977
            ),
            2 => format!(
                "level={level} msg=\"{message}\" trace_id={trace} user=u{user} duration={spent}ms bytes={bytes} component=worker-{} attempt={} queue=default host=node-{} version=1.17.3",
                user % 13,
                spent % 5,
                user % 7
            ),
            _ if number.is_multiple_of(3) => format!(
                "java.lang.IllegalStateException: {message} trace={trace}\tat com.example.shop.OrderService.place(OrderService.java:{})\tat com.example.shop.Api.handle(Api.java:{})",
                spent % 400,
                bytes % 300
            ),
            _ => format!(
                "10.0.{}.{} - u{user} [27/May/2026:10:00:00 +0000] \"GET /api/v1/items/{} HTTP/1.1\" 200 {bytes} \"https://shop.example/cart\" \"Mozilla/5.0 (X11; Linux x86_64)\" rt={spent} trace={trace} {message}",
                user % 250,
                spent % 250,
                user % 4_999
            ),
        };
        let stream = if level == "error" { Stream::Stderr } else { Stream::Stdout };
        (Line { ns, stream, text, cut: false }, trace)
    }
}

fn source(number: usize) -> Part {
    let fleet = format!("team-{}/fleet-{}", number % 4, number % 8);
    let origin = Origin {
        id: format!("{number:016x}"),
        fleet: fleet.parse().expect("a name"),
        container: format!("app-{number:02}"),
        run: None,
        step: None,
    };
    Part { origin, cursor: Cursor::default(), lines: Vec::new() }
}
