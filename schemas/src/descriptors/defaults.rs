//! What `fleet.json` says for every container that does not say it itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Container;

/// Keys of a container, as a file writes them. They are part of every container's descriptor once it is read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Defaults(BTreeMap<String, Value>);

/// Keys of a container that map names to values: what a container says is added to what is said for all.
pub(crate) const JOINED: [&str; 8] = ["env", "extra_hosts", "labels", "limits", "log", "stop", "sysctls", "ulimits"];

impl Defaults {
    /// Whether it says nothing.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Defaults {
    fn schema_name() -> Cow<'static, str> {
        "Defaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Container::json_schema(generator);
        schema.remove("required");
        let words = "Keys of a container, for every container that does not say them itself.";
        schema.insert("description".to_owned(), words.into());
        schema
    }
}
