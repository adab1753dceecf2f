//! The shapes of the contract, each as JSON Schema. `tests/contract.rs` holds the real answers to them.

use serde_json::{Value, json};

/// Every shape by its name.
pub(super) fn all() -> Value {
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
            "deploy": text(),
            "desired": object(json!({
                "fleet": { "type": "object" },
                "containers": { "type": "object" },
                "volumes": { "type": "object" },
                "tasks": { "type": "object" },
                "variables": { "type": "object" },
            })),
            "observed": object(json!({
                "containers": { "type": "object", "additionalProperties": reference("Container") },
            })),
        })),
        "Container": object(json!({
            "state": { "enum": ["created", "running", "exited"], "description": "Docker's word" },
            "health": { "enum": ["starting", "healthy", "unhealthy", null] },
            "node": text(),
            "image": or_null(text()),
            "docker_id": text(),
            "commit": or_null(text()),
            "exit_code": or_null(json!({ "type": "integer" })),
            "since": count(),
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
        })),
        "Step": object(json!({
            "container": text(),
            "action": { "enum": ["create", "recreate", "restart", "remove"] },
            "status": { "enum": ["waiting", "started", "succeeded", "failed"] },
            "sent": or_null(id()),
            "error": or_null(text()),
            "duration_ms": or_null(count()),
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
