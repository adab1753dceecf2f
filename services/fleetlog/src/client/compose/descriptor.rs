//! A descriptor as it is written: pretty JSON, its keys in the order in which the README tells them.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// The order of a container's keys.
const ORDER: [&str; 37] = [
    "image",
    "command",
    "entrypoint",
    "env",
    "ports",
    "volumes",
    "network",
    "needs",
    "restart",
    "stop",
    "health",
    "limits",
    "metrics",
    "privileged",
    "working_dir",
    "user",
    "group_add",
    "hostname",
    "extra_hosts",
    "dns",
    "dns_search",
    "labels",
    "devices",
    "shm_size",
    "ulimits",
    "sysctls",
    "capabilities",
    "security_opt",
    "read_only",
    "init",
    "tty",
    "pid",
    "ipc",
    "platform",
    "log",
    "class",
    "$comment",
];

/// A descriptor.
#[derive(Debug, Default)]
pub struct Descriptor(pub BTreeMap<&'static str, Value>);

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(key, _)| ORDER.iter().position(|it| it == *key));
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, value) in entries {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Descriptor {
    /// What the file says. `{{` is written as what stands for it: nothing in a compose file is a reference of ours.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let escaped = Self(self.0.iter().map(|(key, value)| (*key, escaped(value))).collect());
        serde_json::to_string_pretty(&escaped).map(|text| text + "\n")
    }
}

fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("{{", "{{{{").into(),
        Value::Array(items) => items.iter().map(escaped).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), escaped(value))).collect(),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_comes_first_and_braces_stay_what_they_are() {
        let keys = [("env", serde_json::json!({ "A": "{{ .Name }}" })), ("image", "x:1".into())];
        let text = Descriptor(keys.into()).text().unwrap();
        assert_eq!(text, "{\n  \"image\": \"x:1\",\n  \"env\": {\n    \"A\": \"{{{{ .Name }}\"\n  }\n}\n");
    }
}
