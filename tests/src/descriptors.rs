//! Descriptors that many journeys need.

use serde_json::{Value, json};

/// The image that `ops/setup` builds.
pub const IMAGE: &str = "demo/tool:1";

/// A shell loop that ends at once on TERM, after `first`.
pub fn forever(first: &str) -> Value {
    json!(["sh", "-c", format!("trap 'exit 0' TERM; {first}; while :; do sleep 1 & wait $!; done")])
}

/// A container that runs for ever and has no health check.
pub fn plain() -> Value {
    json!({ "image": IMAGE, "command": forever(":") })
}

/// A container that becomes healthy only once somebody makes `/tmp/go` in it.
pub fn gated() -> Value {
    json!({
        "image": IMAGE,
        "command": forever(":"),
        "health": { "command": ["test", "-f", "/tmp/go"], "interval": "500ms", "timeout": "2s", "within": "2m", "retries": 100 },
    })
}

/// `base` with `key` set to `value`.
pub fn with(mut base: Value, key: &str, value: Value) -> Value {
    base[key] = value;
    base
}
