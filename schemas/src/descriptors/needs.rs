//! `needs`: an array of names (each "healthy"), or an object name → condition.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::names::Name;

/// What has to be true of a needed container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It runs.
    Started,
    /// It runs and its health check passes.
    #[default]
    Healthy,
    /// It ended with exit code 0.
    Completed,
}

/// The containers that have to be there first, and in which state. Canonical form: the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Needs(pub BTreeMap<Name, Condition>);

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Names(Vec<Name>),
            Conditions(BTreeMap<Name, Condition>),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Names(names) => Self(names.into_iter().map(|name| (name, Condition::default())).collect()),
            Form::Conditions(conditions) => Self(conditions),
        })
    }
}

impl JsonSchema for Needs {
    fn schema_name() -> Cow<'static, str> {
        "Needs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Name>();
        let condition = generator.subschema_for::<Condition>();
        json_schema!({
            "description": "names of containers, as an array (each healthy) or an object name → \"started\", \"healthy\" or \"completed\"",
            "anyOf": [
                { "type": "array", "items": name, "uniqueItems": true },
                { "type": "object", "propertyNames": name, "additionalProperties": condition }
            ]
        })
    }
}
