//! Profiles, tokens and members.

use serde_json::{Value, json};

use super::{id, object, or_null, page, takes, text, time};

/// Every shape by its name.
pub(super) fn all() -> Value {
    json!({
        "Profiles": page("profiles", "Profile"),
        "Profile": object(json!({
            "id": id(),
            "name": text(),
            "admin": { "type": "boolean" },
            "created": time(),
            "email": or_null(text()),
            "roles": { "type": "object", "additionalProperties": role() },
        })),
        "NewProfile": takes(json!({ "name": text(), "email": text() }), &["name"]),
        "ProfileChange": takes(json!({ "email": or_null(text()) }), &["email"]),
        "Tokens": page("tokens", "Token"),
        "Token": object(json!({
            "id": id(),
            "profile": text(),
            "name": text(),
            "created": time(),
            "expires": or_null(time()),
            "last_used": or_null(time()),
        })),
        "NewToken": takes(json!({
            "profile": text(),
            "name": text(),
            "expires": { "anyOf": [time(), { "type": "null" }], "description": "absent: 90 days from now; null: never" },
        }), &["profile", "name"]),
        "NewTokenShown": object(json!({
            "id": id(),
            "token": text(),
            "profile": text(),
            "name": text(),
            "expires": or_null(time()),
        })),
        "Members": page("members", "Member"),
        "Member": object(json!({ "profile": text(), "role": role() })),
        "NewMember": takes(json!({ "role": role() }), &["role"]),
        "Policy": takes(json!({
            "privileged": guard(),
            "host_mounts": guard(),
            "host_network": guard(),
            "docker_socket": guard(),
            "unpinned_images": guard(),
            "max_removals": { "type": "integer", "minimum": 0 },
            "windows": { "type": "array", "items": takes(json!({
                "days": { "type": "array", "items": { "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] } },
                "from": { "type": "string", "examples": ["09:00"] },
                "to": { "type": "string", "examples": ["17:00", "24:00"] },
                "timezone": { "type": "string", "examples": ["Europe/Berlin"] },
            }), &[]) },
        }), &[]),
    })
}

fn guard() -> Value {
    json!({ "enum": ["allow", "forbid"] })
}

fn role() -> Value {
    json!({ "enum": schemas::access::Role::ALL })
}
