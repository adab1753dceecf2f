//! `…/volumes`: what there is, and what is done to one by hand; asks the coordinator, which has the node's agent act.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::response::Response;
use schemas::descriptors::VolumeClass;
use schemas::event::OperatorActed;
use schemas::fleet::Fleet;
use schemas::names::{FleetId, Name, NodeName};
use schemas::operate::{End, Operated, Operation, Outcome, SnapshotTime};
use schemas::query::{LONGEST_EXEC, Operate, OperateAnswer};
use schemas::spec::resource_name;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Api;
use crate::ask::ask_to_act;
use crate::call::Call;
use crate::problem::Problem;
use crate::{registry, reply};

/// Who answers.
const SERVICE: &str = "shazam";

/// How much longer than it may take is waited for what came of an operation.
const ON_THE_WAY: Duration = Duration::from_secs(15);

/// How it is to be done.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    snapshot: Option<SnapshotTime>,
    reason: Option<String>,
}

/// A volume. The names are the contract's.
#[derive(Serialize)]
struct Line {
    name: Name,
    class: Option<VolumeClass>,
    docker: String,
    node: NodeName,
    mounted_by: Vec<String>,
    snapshots: Vec<SnapshotTime>,
}

#[derive(Serialize)]
struct Volumes {
    position: u64,
    volumes: Vec<Line>,
    next: Option<String>,
}

/// What was done. The names are the contract's.
#[derive(Serialize)]
struct Shown<'a> {
    position: u64,
    fleet: &'a FleetId,
    volume: Name,
    what: Operation,
    /// `operator.acted`
    event: Uuid,
    node: String,
    snapshot: Option<SnapshotTime>,
    made: Option<SnapshotTime>,
    bytes: Option<u64>,
    reason: Option<String>,
    outcome: Outcome,
    error: Option<String>,
    duration_ms: u64,
}

/// The volumes that are there, all of them: there are as many as were pushed.
pub(crate) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let (position, fleet) = registry::fleet(&api, call.fleet()?, call.min_position()?).await?;
    reply::json_at(position, &Volumes { position, volumes: lines(&fleet), next: None })
}

fn lines(fleet: &Fleet) -> Vec<Line> {
    let prefix = format!("{}.", resource_name(&fleet.id, None));
    let mut snapshots: BTreeMap<&str, Vec<SnapshotTime>> = BTreeMap::new();
    for (volume, time) in fleet.snapshots.keys().filter_map(|name| SnapshotTime::read(name)) {
        snapshots.entry(volume).or_default().push(time);
    }
    let there = fleet.observed.volumes.iter().filter(|(_, it)| it.exists);
    // What was removed may still have snapshots.
    let names: BTreeSet<&str> = there.map(|(name, _)| name.as_str()).chain(snapshots.keys().copied()).collect();
    let line = |docker: &str| {
        let name: Name = docker.strip_prefix(&prefix)?.parse().ok()?;
        let snapshots = snapshots.get(docker).cloned().unwrap_or_default();
        let any = snapshots.last().map(|it| it.of_volume(docker));
        let seen = [Some(docker.to_owned()), any].into_iter().flatten();
        let seen = seen.filter_map(|it| fleet.observed.volumes.get(&it)).find(|it| it.exists)?;
        let containers = fleet.desired.containers.iter().filter(|(_, it)| it.mounted().any(|it| *it == name));
        let tasks = fleet.desired.tasks.iter().filter(|(_, it)| it.volumes.values().any(|it| *it == name));
        let containers = containers.map(|(name, _)| name.to_string());
        Some(Line {
            class: fleet.desired.volumes.get(&name).map(|it| it.class),
            mounted_by: containers.chain(tasks.map(|(name, _)| format!("tasks/{name}"))).collect(),
            node: seen.node.clone(),
            docker: docker.to_owned(),
            snapshots,
            name,
        })
    };
    names.into_iter().filter_map(line).collect()
}

/// Does something to a volume, and answers once it has ended. Asked again with the same key, it is the same operation.
pub(crate) async fn touch(api: Api, call: Call, what: Operation) -> Result<Response, Problem> {
    let Wanted { mut snapshot, mut reason } = if call.body().is_empty() { Wanted::default() } else { call.json()? };
    if what == Operation::RemoveVolume {
        snapshot = call.parsed("snapshot", "the time of a snapshot, such as 20261204T101500Z")?;
        reason = call.text("reason").map(str::to_owned);
    }
    let (fleet, volume) = (call.fleet()?, volume(&call)?);
    let id = call.event_id(&format!("{what} {fleet} {volume}"))?;
    let actor = call.who()?.name.to_string();
    let (command, within) = (Vec::new(), None);
    let question = Operate { fleet, container: volume, what, snapshot, command, within, reason, id, actor };
    let longest = Duration::from(LONGEST_EXEC) + ON_THE_WAY;
    let answer = ask_to_act(&api, SERVICE, &question, OperatorActed::after(id), longest).await?;
    let OperateAnswer { position, event, operated, .. } = answer;
    let Operated { what, container, node, snapshot, reason, end, .. } = operated;
    let lost = || Problem::unavailable(format!("outcome unknown, event {event}"));
    let End { outcome, error, made, bytes, duration_ms, .. } = end.ok_or_else(lost)?;
    let (fleet, volume, node) = (&question.fleet, container, node.to_string());
    let shown = Shown {
        position,
        fleet,
        volume,
        what,
        event,
        node,
        snapshot,
        made,
        bytes,
        reason,
        outcome,
        error,
        duration_ms,
    };
    reply::json_at(position, &shown)
}

/// `{name}` of the path. What is no name is no volume either.
fn volume(call: &Call) -> Result<Name, Problem> {
    let none = |error| Problem::not_found(format!("there is no such volume: {error}"));
    call.part("name").parse().map_err(none)
}
