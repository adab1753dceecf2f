//! A container that is made anew behind a proxy while somebody asks for it all the time: started first, against stopped
//! first.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tests::descriptors::{IMAGE, forever};
use tests::{Fleet, Platform, free_port, root};

use crate::table::{Line, Table};

/// Who asks at the same time; each has its own times.
const ASKERS: u32 = 20;
/// So long is asked before and after.
const AROUND: Duration = Duration::from_secs(1);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What somebody heard who asked.
#[derive(Default)]
struct Heard {
    asked: usize,
    failed: usize,
    /// From when it should have been asked to the end of the answer.
    slowest: Duration,
}

/// Asks `rate` times a second; `pairs` times each way.
pub fn start_first(rate: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let image = proxy()?;
    let platform = Platform::start();
    let (ours, theirs) = (Side::new(&platform, "start-first", &image)?, Side::new(&platform, "recreate", &image)?);
    let what = format!("slowest of {rate} requests a second while what answers them is replaced, behind Caddy");
    let mut line = Line::new(what, "the same with `recreate`", "ms", &format!("start-first {rate}"), "0 failed");
    let mut all = [Heard::default(), Heard::default()];
    for pair in 0..pairs {
        let mut slowest = [0.0; 2];
        for turn in 0..2 {
            let which = (turn + pair) % 2;
            let heard = [&ours, &theirs][which].replaced(pair + 1, rate)?;
            slowest[which] = heard.slowest.as_secs_f64() * 1_000.0;
            all[which].asked += heard.asked;
            all[which].failed += heard.failed;
        }
        line.add(slowest[0], slowest[1]);
    }
    table.lines.push(line);
    let [ours, theirs] = all;
    table.notes.push(format!(
        "Of {} requests while a container was replaced {} failed; of {} with `recreate` {}.",
        ours.asked, ours.failed, theirs.asked, theirs.failed
    ));
    ensure!(
        ours.failed == 0,
        "{} of {} requests failed although the new one was started first",
        ours.failed,
        ours.asked
    );
    Ok(())
}

/// The proxy's image.
fn proxy() -> anyhow::Result<String> {
    let build: &Path = &root().join("ops/bench/caddy/build");
    let made = Command::new(build).output().with_context(|| format!("{} cannot be run", build.display()))?;
    ensure!(made.status.success(), "no Caddy: {}", String::from_utf8_lossy(&made.stderr));
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

/// A fleet whose container is replaced one way.
struct Side<'a> {
    fleet: Fleet<'a>,
    update: &'static str,
    port: u16,
}

impl<'a> Side<'a> {
    fn new(platform: &'a Platform, update: &'static str, image: &str) -> anyhow::Result<Self> {
        let (fleet, port) = (platform.fleet(update), free_port());
        let proxy = json!({ "image": image, "ports": [format!("127.0.0.1:{port}:8080")], "needs": ["web"] });
        fleet.write("containers/proxy.json", proxy);
        let side = Self { fleet, update, port };
        side.push(0, &["create"])?;
        Ok(side)
    }

    fn push(&self, version: usize, options: &[&str]) -> anyhow::Result<()> {
        let serve = format!("echo {version} > /www/index.html; httpd -p 80 -h /www");
        let mut web = json!({
            "image": IMAGE, "command": forever(&serve), "update": self.update,
            "health": { "http": "/", "port": 80, "interval": "100ms", "within": "30s" },
        });
        if self.update == "start-first" {
            web["drain"] = json!("1s");
        }
        let commit = self.fleet.write("containers/web.json", web).commit("another");
        let push = self.fleet.push(options);
        ensure!(push.accepted, "refused:\n{}", push.text);
        self.fleet.succeeds(&commit);
        Ok(())
    }

    /// What is heard while a container is replaced, and a moment before and after.
    fn replaced(&self, version: usize, rate: usize) -> anyhow::Result<Heard> {
        let over = AtomicBool::new(false);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let period = Duration::from_secs_f64(f64::from(ASKERS) / rate as f64);
        thread::scope(|scope| {
            let begun = Instant::now();
            let askers: Vec<_> = (0..ASKERS)
                .map(|asker| {
                    let (first, over) = (begun + period * asker / ASKERS, &over);
                    scope.spawn(move || ask(address, first, period, over))
                })
                .collect();
            thread::sleep(AROUND);
            let pushed = self.push(version, &[]);
            thread::sleep(AROUND);
            over.store(true, Ordering::Relaxed);
            let mut all = Heard::default();
            for asker in askers {
                let heard = asker.join().map_err(|_| anyhow::anyhow!("somebody who asked broke off"))?;
                all.asked += heard.asked;
                all.failed += heard.failed;
                all.slowest = all.slowest.max(heard.slowest);
            }
            pushed.map(|()| all)
        })
    }
}

/// Asks at fixed times, whatever the answers before took, so that none that had to wait is left out.
fn ask(address: SocketAddr, first: Instant, period: Duration, over: &AtomicBool) -> Heard {
    let mut heard = Heard::default();
    let mut at = first;
    while !over.load(Ordering::Relaxed) {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        heard.asked += 1;
        if !answers(address).unwrap_or(false) {
            heard.failed += 1;
        }
        heard.slowest = heard.slowest.max(at.elapsed());
        at += period;
    }
    heard
}

fn answers(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}
