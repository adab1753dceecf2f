//! From the trigger of a run to its first output, against `docker run` with the same sandbox.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::descriptors::IMAGE;
use tests::{Platform, eventually};

use crate::report::{Report, Row};

/// What a task's container has where nothing loosens it.
const SANDBOX: [&str; 16] = [
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp:size=67108864,mode=1777",
    "--user=65534:65534",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=256m",
    "--memory-swap=256m",
    "--cpus=1",
    "--pids-limit=256",
    "--log-driver=json-file",
    "--log-opt=max-size=10m",
    "--log-opt=max-file=3",
    "--ulimit=fsize=67108864",
    "--volume=/fleetlog",
    "--label=fleetlog.bench=run",
];

/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The first output is how long the machine has run: one clock for us and for what runs in a container here.
const FIRST: &str = "read -r up idle < /proc/uptime; echo $up";

/// Trigger → first output.
pub fn first_output(pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let platform = Platform::start();
    let fleet = platform.fleet("runs");
    let step = json!({ "run": ["sh", "-c", format!("{FIRST}; echo up=$up > $FLEETLOG_OUTPUT")] });
    fleet.write("tasks/first.json", json!({ "image": IMAGE, "steps": [step] })).commit("a task");
    fleet.push(&["create"]).ok();
    let mut row = Row::new("a run, from trigger to first output", "`docker run` with the same sandbox");
    for pair in 0..pairs {
        let (mut ours, mut theirs) = (0.0, 0.0);
        for turn in 0..2 {
            if (turn + pair) % 2 == 0 {
                ours = run(&platform, fleet.id())?;
            } else {
                theirs = docker_run()?;
            }
        }
        row.add(ours, theirs);
    }
    report.rows.push(row);
    Ok(())
}

/// `fleetlog run`, until the step's first output.
fn run(platform: &Platform, fleet: &str) -> anyhow::Result<f64> {
    let begun = uptime()?;
    let started = platform.cli(&["run", "first", "--fleet", fleet, "--json"]).ok();
    let started: Value = serde_json::from_str(&started)?;
    let path = format!("/v1/fleets/{fleet}/runs/{}", started["id"].as_str().unwrap_or_default());
    let over = eventually(LIMIT, "the run ends", || {
        let (_, run) = platform.get(&path);
        if run["ended"].is_null() { Err(run.to_string()) } else { Ok(run) }
    });
    ensure!(over["status"] == "succeeded", "{over}");
    let first: f64 = over["outputs"]["up"].as_str().context("no output")?.parse()?;
    Ok(first * 1_000.0 - begun)
}

/// `docker run`, until the container's first output.
fn docker_run() -> anyhow::Result<f64> {
    let begun = uptime()?;
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm"]).args(SANDBOX).args([IMAGE, "sh", "-c", FIRST]);
    let ran = docker.stdin(Stdio::null()).output().context("no docker")?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let first: f64 = String::from_utf8(ran.stdout)?.trim().parse()?;
    Ok(first * 1_000.0 - begun)
}

/// How long the machine has run, in milliseconds.
fn uptime() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/uptime").context("no /proc/uptime")?;
    let seconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(seconds * 1_000.0)
}
