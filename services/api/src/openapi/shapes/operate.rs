//! Operators' hands: operations and holds.

use serde_json::{Value, json};

use super::{count, id, object, or_null, page, takes, text, time};

/// Every shape by its name.
pub(super) fn all() -> Value {
    let reason = json!({ "type": "string", "description": "kept in the event: at most 1 KiB, and no secret" });
    json!({
        "Operation": takes(json!({ "reason": reason }), &[]),
        "Exec": takes(json!({
            "command": {
                "type": "array",
                "items": text(),
                "minItems": 1,
                "description": "program and arguments; in the event only the program where something looks like a secret",
            },
            "within": { "type": "string", "description": "how long it may run, such as `30s`; 60 s where absent, at most 10 minutes" },
            "reason": reason,
        }), &["command"]),
        "Operated": object(json!({
            "position": count(),
            "fleet": text(),
            "container": text(),
            "what": { "enum": ["restart", "stop", "start", "exec"] },
            "event": { "type": "string", "format": "uuid", "description": "`operator.acted`" },
            "node": text(),
            "reason": or_null(text()),
            "outcome": { "enum": ["done", "failed", "unknown"], "description": "unknown: it may have been done" },
            "error": or_null(text()),
            "exit_code": or_null(json!({ "type": "integer" })),
            "duration_ms": count(),
            "stdout": { "type": ["string", "null"], "description": "of a command, its first 256 KiB; null where it is told for the second time" },
            "stderr": { "type": ["string", "null"] },
            "cut": { "type": "boolean", "description": "there was more of one of them" },
        })),
        "VolumeRestore": takes(json!({
            "snapshot": { "type": "string", "examples": ["20261204T101500Z"], "description": "when it was made, as `GET …/volumes` shows it" },
            "reason": reason,
        }), &["snapshot"]),
        "VolumeOperated": object(json!({
            "position": count(),
            "fleet": text(),
            "volume": text(),
            "what": { "enum": ["remove-volume", "snapshot-volume", "restore-volume"] },
            "event": { "type": "string", "format": "uuid", "description": "`operator.acted`" },
            "node": text(),
            "snapshot": { "type": ["string", "null"], "description": "which snapshot it was about" },
            "made": { "type": ["string", "null"], "description": "the snapshot that was made: of a restore, what the volume had before" },
            "bytes": { "type": ["integer", "null"], "description": "that were copied, as an archive" },
            "reason": or_null(text()),
            "outcome": { "enum": ["done", "failed", "unknown"], "description": "unknown: it may have been done" },
            "error": or_null(text()),
            "duration_ms": count(),
        })),
        "Volumes": page("volumes", "Volume"),
        "Volume": object(json!({
            "name": text(),
            "class": { "enum": ["persistent", "ephemeral", "shared", null], "description": "null: it has no descriptor any more" },
            "docker": { "type": "string", "description": "its name in Docker" },
            "node": text(),
            "mounted_by": { "type": "array", "items": text(), "description": "containers whose descriptor mounts it, and tasks as `tasks/<name>`" },
            "snapshots": { "type": "array", "items": { "type": "string" }, "description": "when they were made, oldest first" },
        })),
        "Holds": page("holds", "Hold"),
        "Hold": hold(),
        "HoldWanted": takes(json!({
            "object": { "type": "string", "examples": ["containers/db"] },
            "for": { "type": "string", "description": "such as `1h`; until somebody ends it where absent" },
            "reason": reason,
        }), &["object"]),
    })
}

fn hold() -> Value {
    object(json!({
        "object": { "type": "string", "examples": ["containers/db"] },
        "id": id(),
        "until": { "anyOf": [time(), { "type": "null" }], "description": "null: until somebody ends it" },
        "by": text(),
        "reason": or_null(text()),
        "stopped": { "type": "boolean", "description": "it came with a stop, and goes with a start" },
        "since": count(),
    }))
}
