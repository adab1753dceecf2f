//! Pull requests and forks.

use serde_json::{Value, json};

use super::{count, object, or_null, page, takes, text, time};

/// Every shape by its name.
pub(super) fn all() -> Value {
    let plan = json!({ "plan": { "type": "string", "description": "mark of the plan that was looked at: 409 where it is another one now" } });
    json!({
        "Pulls": page("pulls", "PullLine"),
        "PullLine": object(line()),
        "Pull": object(shown()),
        "PullWanted": takes(json!({
            "from": { "type": "string", "examples": ["acme/shop:fix"] },
            "into": { "type": "string", "description": "the deploy branch where absent" },
            "title": text(),
        }), &["from", "title"]),
        "PullSeen": takes(plan, &[]),
        "ForkWanted": takes(json!({
            "owner": text(),
            "name": text(),
            "parameters": { "type": "object", "description": "key → value, as `parameters` in fleet.json asks for them" },
        }), &["owner", "name"]),
        "Fork": object(json!({
            "position": count(),
            "fleet": text(),
            "upstream": text(),
            "commit": text(),
            "deploy": text(),
        })),
    })
}

fn line() -> Value {
    json!({
        "number": { "type": "integer", "minimum": 1 },
        "title": text(),
        "status": { "enum": ["open", "merged", "closed"] },
        "author": text(),
        "opened": time(),
        "from": { "type": "string", "examples": ["acme/shop:fix"] },
        "into": text(),
        "head": text(),
        "base": text(),
        "commit": { "type": ["string", "null"], "description": "what the merge led to" },
        "conflicts": texts(),
        "fault_codes": texts(),
        "plan": { "type": ["string", "null"], "description": "mark of the plan when either side was pushed last" },
        "approvals": { "type": "array", "items": object(json!({
            "by": text(),
            "time": time(),
            "plan": or_null(text()),
            "counts": { "type": "boolean", "description": "for the commit and the plan that are there now" },
        })) },
        "approvals_needed": count(),
    })
}

fn shown() -> Value {
    let mut shown = line();
    shown["position"] = count();
    let now = object(json!({
        "mergeable": { "type": "boolean" },
        "conflicts": texts(),
        "faults": { "type": "array", "items": { "type": "object" } },
        "warnings": { "type": "array", "items": { "type": "object" } },
        "plan": or_null(text()),
        "text": { "type": "string", "description": "the plan as a push prints it" },
        "approved": count(),
    }));
    shown["now"] = json!({ "anyOf": [now, { "type": "null" }], "description": "what a merge would do now" });
    shown
}

fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}
