//! The shapes of the contract, each as JSON Schema. `tests/contract.rs` holds the real answers to them.

mod operate;
mod profiles;
mod pulls;

use serde_json::{Map, Value, json};

/// Every shape by its name, room by room: one macro call for all of them would be too deep for the compiler.
pub(super) fn all() -> Value {
    let rooms = [general(), operate::all(), profiles::all(), pulls::all()];
    rooms.into_iter().filter_map(|room| room.as_object().cloned()).flatten().collect::<Map<_, _>>().into()
}

fn general() -> Value {
    json!({
        "Health": object(json!({ "status": { "const": "alive" } })),
        "Readiness": object(json!({
            "ready": { "type": "boolean" },
            "version": text(),
            "services": { "type": "object", "additionalProperties": object(json!({
                "ready": { "type": "boolean" },
                "reason": or_null(text()),
            })) },
        })),
        "Problem": object(json!({
            "type": { "type": "string", "format": "uri" },
            "title": text(),
            "status": { "type": "integer" },
            "detail": text(),
        })),
        "Fleets": page("fleets", "FleetLine"),
        "FleetLine": object(json!({
            "fleet": { "type": "string", "examples": ["acme/shop"] },
            "description": or_null(text()),
            "commit": or_null(text()),
            "containers": count(),
            "running": count(),
            "rollout": or_null(status()),
        })),
        "State": object(json!({
            "position": count(),
            "fleet": text(),
            "commit": or_null(text()),
            "desired_at": { "type": "integer", "minimum": 0, "description": "position of the push, or the rollback, since which the commit is desired; 0 before" },
            "deploy": text(),
            "upstream": { "type": ["string", "null"], "description": "what it began as a copy of" },
            "desired": object(json!({
                "fleet": { "type": "object" },
                "nodes": { "type": "object" },
                "containers": { "type": "object" },
                "volumes": { "type": "object" },
                "tasks": { "type": "object" },
                "variables": { "type": "object" },
            })),
            "observed": object(json!({
                "containers": { "type": "object", "additionalProperties": reference("Container") },
                "tasks": { "type": "object", "description": "what came of each task's last run" },
            })),
            "drift": { "type": "object", "description": "containers that another hand has changed", "additionalProperties": object(json!({
                "action": { "enum": ["create", "recreate", "replace", "update", "restart"] },
                "reasons": { "type": "array", "items": { "type": "object" } },
                "found": id(),
                "since": count(),
            })) },
            "archived": { "type": "object", "description": "containers whose descriptor is gone and which are kept, stopped, for a while; by their name in Docker", "additionalProperties": object(json!({
                "container": text(),
                "docker_id": text(),
                "node": text(),
                "until": { "type": "string", "format": "date-time" },
                "since": count(),
            })) },
            "holds": { "type": "object", "description": "containers that are left alone", "additionalProperties": object(json!({
                "id": id(),
                "until": or_null(time()),
                "by": text(),
                "reason": or_null(text()),
                "stopped": { "type": "boolean" },
                "since": count(),
            })) },
            "images": { "type": "object", "description": "which image each container's tag led to when it was resolved", "additionalProperties": object(json!({
                "reference": text(),
                "digest": { "type": ["string", "null"], "description": "in its registry; null: the image is on its node only" },
                "id": { "type": ["string", "null"], "description": "the image's; null: no container was made from it yet" },
                "since": count(),
                "outdated": or_null(object(json!({
                    "to": { "type": "string", "description": "what the tag leads to by now" },
                    "since": count(),
                }))),
            })) },
        })),
        "Container": object(json!({
            "state": { "enum": ["created", "running", "paused", "exited"], "description": "Docker's word" },
            "health": { "enum": ["starting", "healthy", "unhealthy", null] },
            "node": text(),
            "image": or_null(text()),
            "docker_id": text(),
            "commit": or_null(text()),
            "exit_code": or_null(json!({ "type": "integer" })),
            "started": { "type": ["string", "null"], "format": "date-time", "description": "when it was started last, by its node's clock" },
            "crashes": { "type": "integer", "minimum": 0, "description": "runs in a row that ended by themselves within two minutes; from 3 on it is a crash loop" },
            "since": count(),
        })),
        "Variables": object(json!({
            "position": count(),
            "variables": { "type": "object", "additionalProperties": object(json!({
                "value": {},
                "since": count(),
                "time": time(),
                "commit": or_null(text()),
                "by": text(),
            })) },
        })),
        "Variable": object(json!({
            "position": count(),
            "path": text(),
            "value": { "description": "null: it has none at this position" },
            "since": or_null(count()),
            "time": or_null(time()),
            "commit": or_null(text()),
            "by": or_null(text()),
            "history": { "type": "array", "items": object(json!({
                "value": { "description": "null: there was none" },
                "from": count(),
                "to": or_null(count()),
                "time": time(),
                "commit": or_null(text()),
                "by": text(),
            })) },
            "next": or_null(text()),
        })),
        "ReplayRequest": { "type": "object", "required": ["projection"], "properties": {
            "projection": { "enum": ["registry"] },
            "verify": { "type": "boolean", "description": "only compare" },
        } },
        "Replay": object(json!({
            "projection": text(),
            "shape": count(),
            "incarnation": id(),
            "position": count(),
            "grown": or_null(text()),
            "rebuilt": text(),
            "equal": { "type": "boolean" },
            "swapped": { "type": "boolean" },
            "events": count(),
            "seconds": { "type": "number" },
            "events_per_second": { "type": "number" },
        })),
        "Rollouts": page("rollouts", "Rollout"),
        "Rollout": object(json!({
            "id": id(),
            "status": status(),
            "commit": text(),
            "desired": count(),
            "planned_at": count(),
            "planned": time(),
            "epoch": count(),
            "node": text(),
            "steps": { "type": "array", "items": reference("Step") },
            "error": or_null(text()),
            "duration_ms": or_null(count()),
            "retries": { "anyOf": [id(), { "type": "null" }], "description": "the failed rollout that it tries again" },
            "retried": { "anyOf": [id(), { "type": "null" }], "description": "the event that asked for it to be tried again" },
        })),
        "Step": object(json!({
            "container": text(),
            "action": { "enum": ["create", "recreate", "replace", "update", "place", "reload", "restart", "wait", "remove", "destroy"] },
            "status": { "enum": ["waiting", "started", "succeeded", "failed", "held"] },
            "sent": or_null(id()),
            "error": or_null(text()),
            "duration_ms": or_null(count()),
        })),
        "RollbackWanted": takes(json!({
            "to": {
                "type": ["string", "integer"],
                "description": "a commit, a position or a time: what was desired then; where absent what the last rollout that succeeded before the current one applied",
            },
            "reason": { "type": "string", "description": "kept in the event" },
            "only_plan": { "type": "boolean", "description": "nothing is stored" },
        }), &[]),
        "Rollback": object(json!({
            "position": { "type": "integer", "minimum": 0, "description": "of the event; of the state that it was planned against where it is only a plan" },
            "fleet": text(),
            "event": { "anyOf": [id(), { "type": "null" }], "description": "`desired.rolled_back`; null: it is only a plan" },
            "commit": { "type": "string", "description": "what is desired again" },
            "from": { "type": "string", "description": "what was desired until then" },
            "to": { "type": "integer", "minimum": 0, "description": "a position at which `commit` was desired" },
            "withdrawn": { "type": "array", "items": text(), "description": "commits that no push brings in again by the way, the newest first" },
            "steps": or_null(json!({ "type": "array", "items": { "type": "object" } })),
            "text": { "type": "string", "description": "the plan as people read it, with what does not go back" },
            "warnings": { "type": "array", "items": { "type": "object" } },
        })),
        "UpdateWanted": takes(json!({
            "container": { "type": "string", "description": "only this one; where absent all of the fleet's" },
            "reason": { "type": "string", "maxLength": 500, "description": "one line, kept in the event" },
            "only_plan": { "type": "boolean", "description": "nothing is stored" },
        }), &[]),
        "Update": object(json!({
            "position": { "type": "integer", "minimum": 0, "description": "of the event; where there is none, of the state that was looked at" },
            "fleet": text(),
            "event": { "anyOf": [id(), { "type": "null" }], "description": "`image.updated`; null: nothing changes, or it is only a plan" },
            "rollout": { "anyOf": [id(), { "type": "null" }], "description": "the rollout that follows from it" },
            "images": { "type": "object", "description": "by container", "additionalProperties": {
                "type": "object",
                "required": ["to"],
                "properties": { "from": reference("Image"), "to": reference("Image") },
            } },
            "unchanged": { "type": "integer", "minimum": 0, "description": "how many containers keep their image" },
        })),
        "Image": {
            "type": "object",
            "required": ["reference"],
            "properties": {
                "reference": text(),
                "platform": text(),
                "digest": { "type": "string", "description": "in its registry; absent: the image is on its node only" },
                "id": { "type": "string", "description": "the image's; absent: no container was made from it yet" },
                "pulled": { "type": "boolean" },
            },
        },
        "PlanRequest": { "type": "object", "properties": {
            "commit": { "type": "string", "description": "one that was pushed: its id, the first digits of it, or a branch" },
            "files": {
                "type": "object",
                "description": "all descriptors of a tree: path → its text, or the JSON itself",
                "additionalProperties": { "anyOf": [{ "type": "string" }, { "type": "object" }] },
            },
            "contents": {
                "type": "object",
                "description": "beside `files`: the files that containers take in, by their paths, without what they say; the text of those in which references are looked up is among `files`",
                "additionalProperties": { "type": "object", "required": ["blob", "size"], "properties": {
                    "blob": { "type": "string", "description": "Git's id of its content" },
                    "size": { "type": "integer", "minimum": 0, "description": "in bytes" },
                    "executable": { "type": "boolean" },
                } },
            },
        } },
        "Plan": object(json!({
            "position": count(),
            "fleet": text(),
            "commit": or_null(text()),
            "steps": { "type": "array", "items": object(json!({
                "container": text(),
                "action": { "enum": ["create", "recreate", "replace", "update", "restart", "wait", "remove", "destroy"] },
            })) },
            "unchanged": { "type": "array", "items": text() },
            "new_volumes": { "type": "array", "items": text() },
            "kept_volumes": { "type": "array", "items": text() },
            "ephemeral_volumes": { "type": "array", "items": text(), "description": "those of `kept_volumes` whose data the push could have destroyed" },
            "network": or_null(object(json!({ "name": text(), "made": { "type": "boolean" } }))),
            "live": { "type": "array", "description": "what changes without a step", "items": object(json!({
                "thing": { "type": "string", "examples": ["tasks/greet"] },
                "reasons": { "type": "array", "items": { "type": "object" } },
                "note": text(),
            })) },
            "down": { "type": "array", "description": "containers that run now and do not for a while", "items": object(json!({
                "container": text(),
                "about_ms": or_null(count()),
                "measured": count(),
                "grace": or_null(text()),
            })) },
            "needed_by": { "type": "array", "items": text() },
            "containers": count(),
            "held": { "type": "array", "description": "containers on hold, and what is not done to them", "items": object(json!({
                "container": text(),
                "hold": { "type": "object" },
                "action": or_null(text()),
            })) },
            "warnings": { "type": "array", "items": { "type": "object" } },
            "refused": { "type": "array", "items": { "type": "object" }, "description": "what a push to the deploy branch would be refused for" },
            "text": { "type": "string", "description": "as a push prints it" },
        })),
        "Targets": { "type": "array", "items": object(json!({
            "targets": { "type": "array", "items": text(), "examples": [["172.18.0.2:9090"]] },
            "labels": object(json!({
                "__metrics_path__": text(),
                "owner": text(),
                "fleet": text(),
                "container": text(),
                "node": text(),
            })),
        })) },
        "Logs": log_lines(),
        "LogLine": log_line(),
        "Tasks": page("tasks", "Task"),
        "Task": object(json!({
            "task": text(),
            "descriptor": { "type": "object" },
            "next": or_null(time()),
            "last": or_null(object(json!({
                "run": id(),
                "status": run_status(),
                "exit_code": or_null(json!({ "type": "integer" })),
                "outputs": { "type": "object", "additionalProperties": text() },
                "since": count(),
            }))),
        })),
        "Runs": page("runs", "Run"),
        "Run": object(json!({
            "id": id(),
            "task": text(),
            "status": run_status(),
            "exit_code": or_null(json!({ "type": "integer" })),
            "error": or_null(text()),
            "trigger": { "type": "object", "required": ["kind"], "properties": { "kind": { "enum": ["manual", "cron"] } } },
            "by": text(),
            "commit": text(),
            "desired": count(),
            "node": text(),
            "queued_at": count(),
            "queued": time(),
            "started": or_null(time()),
            "ended": or_null(time()),
            "duration_ms": or_null(count()),
            "steps": { "type": "array", "items": object(json!({
                "status": { "enum": ["waiting", "started", "succeeded", "failed"] },
                "exit_code": or_null(json!({ "type": "integer" })),
                "error": or_null(text()),
                "duration_ms": or_null(count()),
            })) },
            "outputs": { "type": "object", "additionalProperties": text() },
        })),
        "Events": page("events", "Event"),
        "Event": object(json!({
            "position": count(),
            "id": id(),
            "type": { "enum": schemas::event::Data::KINDS },
            "subject": text(),
            "source": text(),
            "time": time(),
            "actor": text(),
            "cause": or_null(id()),
            "data": { "type": "object" },
        })),
    })
}

/// An object of which every named member is always there.
fn object(properties: Value) -> Value {
    let required: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// A body that takes these members and no others.
fn takes(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn page(list: &str, item: &str) -> Value {
    object(json!({
        "position": count(),
        list: { "type": "array", "items": reference(item) },
        "next": { "type": ["string", "null"], "description": "where to go on; null: this was the end" },
    }))
}

fn reference(shape: &str) -> Value {
    super::reference(shape)
}

fn run_status() -> Value {
    json!({ "enum": ["queued", "running", "succeeded", "failed", "cancelled"] })
}

fn status() -> Value {
    json!({ "enum": ["planned", "running", "succeeded", "failed", "superseded"] })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn or_null(shape: Value) -> Value {
    json!({ "anyOf": [shape, { "type": "null" }] })
}

fn log_lines() -> Value {
    object(json!({
        "lines": { "type": "array", "items": reference("LogLine") },
        "next": { "type": ["string", "null"], "description": "where to go on; null: this was the end" },
        "tail": count(),
    }))
}

fn log_line() -> Value {
    let gap = "`gap`: the line tells of lines that could not be had";
    object(json!({
        "time": time(),
        "fleet": text(),
        "container": text(),
        "stream": { "enum": ["stdout", "stderr", "gap"], "description": gap },
        "text": text(),
        "node": text(),
        "run": or_null(id()),
        "step": or_null(count()),
        "cut": { "type": "boolean", "description": "it was over 256 KiB and goes on in the next one" },
        "place": { "type": "string", "description": "time, batch and ordinal: its place among all lines" },
    }))
}
