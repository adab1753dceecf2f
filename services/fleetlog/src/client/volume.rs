//! `fleetlog volume`: what volumes there are, and what is done to one by hand.

use std::time::Duration;

use schemas::names::{Name, NodeName};
use schemas::operate::{Outcome, SnapshotTime};
use schemas::query::LONGEST_EXEC;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::remote::Remote;
use super::rollouts::took;
use super::{here, out};
use crate::cli::{FleetOptions, VolumeCommand};

/// How much longer than the longest operation is waited for an answer.
const ON_THE_WAY: Duration = Duration::from_secs(30);

/// A volume, as the platform shows it.
#[derive(Deserialize)]
struct Line {
    name: Name,
    class: Option<String>,
    node: NodeName,
    mounted_by: Vec<String>,
    snapshots: Vec<SnapshotTime>,
}

#[derive(Deserialize)]
struct Page {
    volumes: Vec<Line>,
}

/// What came of an operation.
#[derive(Deserialize)]
struct Touched {
    node: String,
    made: Option<SnapshotTime>,
    bytes: Option<u64>,
    outcome: Outcome,
    error: Option<String>,
    duration_ms: u64,
}

/// Does what is asked.
pub fn run(command: &VolumeCommand) -> Result<(), Failure> {
    match command {
        VolumeCommand::Ls(how) => list(how),
        VolumeCommand::Rm(it) => {
            let (of, snapshot) = (format!("volumes/{}", it.name), it.snapshot.as_ref());
            let text = |key: &str, value: Option<String>| value.map(|value| format!("{key}={}", encoded(&value)));
            let query = [text("snapshot", snapshot.map(ToString::to_string)), text("reason", it.reason.clone())];
            let query: Vec<_> = query.into_iter().flatten().collect();
            let path = if query.is_empty() { of } else { format!("{of}?{}", query.join("&")) };
            let thing = match snapshot {
                Some(time) => format!("snapshot {time} of volume {}", it.name),
                None => format!("volume {}", it.name),
            };
            let done = |it: &Touched| format!("{thing} is removed from node {}, with its data", it.node);
            touch(&it.fleet, "DELETE", &path, None, &thing, done)
        }
        VolumeCommand::Snapshot(it) => {
            let (path, thing) = (format!("volumes/{}/snapshots", it.name), format!("volume {}", it.name));
            let done = |touched: &Touched| {
                let made = touched.made.as_ref().map_or_else(String::new, ToString::to_string);
                format!("{thing} was copied: snapshot {made}{}", cost(touched))
            };
            touch(&it.fleet, "POST", &path, Some(&json!({ "reason": it.reason })), &thing, done)
        }
        VolumeCommand::Restore(it) => {
            let (path, thing) = (format!("volumes/{}/restore", it.name), format!("volume {}", it.name));
            let body = json!({ "snapshot": it.snapshot, "reason": it.reason });
            let done = |touched: &Touched| {
                let before = touched.made.as_ref().map(|made| format!("; what it had before is snapshot {made}"));
                let (snapshot, before) = (&it.snapshot, before.unwrap_or_default());
                format!("{thing} holds what snapshot {snapshot} has{}{before}", cost(touched))
            };
            touch(&it.fleet, "POST", &path, Some(&body), &thing, done)
        }
    }
}

fn list(how: &FleetOptions) -> Result<(), Failure> {
    let fleet = here::fleet(how.fleet.as_ref())?;
    let reply = Remote::find()?.get(&format!("/v1/fleets/{fleet}/volumes"), &[], 0)?;
    if how.json {
        return out::json(&reply.read::<Value>()?);
    }
    let page: Page = reply.read()?;
    if page.volumes.is_empty() {
        return out::line(&format!("{fleet} has no volumes"));
    }
    let listed = |all: &[String]| if all.is_empty() { "-".to_owned() } else { all.join(", ") };
    let mut table = vec![["VOLUME", "CLASS", "NODE", "MOUNTED BY", "SNAPSHOTS"].map(str::to_owned).to_vec()];
    for it in page.volumes {
        let snapshots: Vec<_> = it.snapshots.iter().map(ToString::to_string).collect();
        let class = it.class.unwrap_or_else(|| "no descriptor".to_owned());
        table.push(vec![it.name.to_string(), class, it.node.to_string(), listed(&it.mounted_by), listed(&snapshots)]);
    }
    out::table("", &table)
}

fn touch(
    how: &FleetOptions,
    method: &str,
    path: &str,
    body: Option<&Value>,
    thing: &str,
    done: impl Fn(&Touched) -> String,
) -> Result<(), Failure> {
    let fleet = here::fleet(how.fleet.as_ref())?;
    let within = Duration::from(LONGEST_EXEC) + ON_THE_WAY;
    let path = format!("/v1/fleets/{fleet}/{path}");
    let answer: Value = Remote::find()?.send_within(method, &path, body, within)?.read()?;
    if how.json {
        out::json(&answer)?;
    }
    let touched: Touched = serde_json::from_value(answer)
        .map_err(|error| Failure::Failed(format!("the platform answered something else than expected: {error}")))?;
    let why = touched.error.as_deref().unwrap_or("it is not said why");
    match touched.outcome {
        Outcome::Done if how.json => Ok(()),
        Outcome::Done => out::line(&format!("{fleet}: {}", done(&touched))),
        Outcome::Failed => Err(Failure::Failed(format!("{fleet} {thing}: {why}"))),
        Outcome::Unknown => Err(Failure::Failed(format!("{fleet} {thing}: outcome unknown: {why}"))),
    }
}

/// How much was copied and how long that took.
fn cost(it: &Touched) -> String {
    let mib = it.bytes.unwrap_or_default() as f64 / f64::from(1 << 20);
    format!(" ({mib:.1} MiB in {})", took(it.duration_ms))
}

/// A value as it may stand in a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
