//! `fleetlog restart`, `stop`, `start` and `exec`: what operators do to a container by hand.

use std::io;
use std::time::Duration;

use schemas::operate::{Operation, Outcome};
use schemas::query::LONGEST_EXEC;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::remote::Remote;
use super::rollouts::took;
use super::{here, out};
use crate::cli::{ExecOptions, OperateOptions};

/// How much longer than the longest command is waited for an answer.
const ON_THE_WAY: Duration = Duration::from_secs(30);

/// What came of it, as far as people are told.
#[derive(Deserialize)]
struct Operated {
    node: String,
    outcome: Outcome,
    error: Option<String>,
    exit_code: Option<i64>,
    duration_ms: u64,
    stdout: Option<String>,
    stderr: Option<String>,
    cut: bool,
}

/// Restarts, stops or starts a container.
pub fn run(options: &OperateOptions, what: Operation) -> Result<(), Failure> {
    let how = &options.fleet;
    let (name, body) = (&options.container, json!({ "reason": options.reason }));
    let (fleet, answer) = ask(how.fleet.as_ref(), name, what, &body)?;
    if how.json {
        out::json(&answer)?;
    }
    let it = read(answer)?;
    check(&it, &format!("{fleet} {name}: {what}"))?;
    if how.json {
        return Ok(());
    }
    let done = match what {
        Operation::Restart => "was restarted",
        Operation::Stop => "is stopped, and on hold until `fleetlog start`",
        _ => "is started",
    };
    out::line(&format!("{fleet} {name} {done} on node {}, after {}", it.node, took(it.duration_ms)))
}

/// Runs a command in a container, and shows what it wrote where it wrote it.
pub fn exec(options: &ExecOptions) -> Result<(), Failure> {
    let (how, name) = (&options.fleet, &options.container);
    let body = json!({ "reason": options.reason, "command": options.command, "within": options.within });
    let (fleet, answer) = ask(how.fleet.as_ref(), name, Operation::Exec, &body)?;
    if how.json {
        out::json(&answer)?;
    }
    let it = read(answer)?;
    if !how.json {
        write(io::stdout().lock(), it.stdout.as_deref())?;
        write(io::stderr().lock(), it.stderr.as_deref())?;
        if it.cut {
            out::note("(more was written: only the first 256 KiB of each output are shown)");
        }
    }
    check(&it, &format!("{fleet} {name}"))
}

fn ask(
    fleet: Option<&schemas::names::FleetId>,
    container: &schemas::names::Name,
    what: Operation,
    body: &Value,
) -> Result<(schemas::names::FleetId, Value), Failure> {
    let fleet = here::fleet(fleet)?;
    let path = format!("/v1/fleets/{fleet}/containers/{container}/{what}");
    let within = Duration::from(LONGEST_EXEC) + ON_THE_WAY;
    let answer = Remote::find()?.send_within("POST", &path, Some(body), within)?.read()?;
    Ok((fleet, answer))
}

fn read(answer: Value) -> Result<Operated, Failure> {
    serde_json::from_value(answer)
        .map_err(|error| Failure::Failed(format!("the platform answered something else than expected: {error}")))
}

/// A failure unless it was done.
fn check(it: &Operated, what: &str) -> Result<(), Failure> {
    let why = it.error.as_deref().unwrap_or("it is not said why");
    match (it.outcome, it.exit_code) {
        (Outcome::Done, _) => Ok(()),
        (Outcome::Failed, Some(_)) => Err(Failure::Failed(format!("{what}: {why}"))),
        (Outcome::Failed, None) => Err(Failure::Failed(format!("{what} failed: {why}"))),
        (Outcome::Unknown, _) => Err(Failure::Failed(format!("{what}: outcome unknown: {why}"))),
    }
}

fn write(mut to: impl io::Write, text: Option<&str>) -> Result<(), Failure> {
    to.write_all(text.unwrap_or_default().as_bytes())?;
    Ok(to.flush()?)
}
