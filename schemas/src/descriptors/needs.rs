//! `needs`: an array of names (each "healthy"), or an object name → condition, or → object with more to say.

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

/// A container that has to be there first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needed {
    /// In which state.
    pub condition: Condition,
    /// Whether whoever needs it is started again once it was made anew.
    pub restart_with: bool,
}

impl From<Condition> for Needed {
    fn from(condition: Condition) -> Self {
        Self { condition, restart_with: false }
    }
}

/// [`Needed`] where there is more to say than a condition.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Full {
    /// In which state; `healthy` where nobody says.
    #[serde(default)]
    condition: Condition,
    /// Whether whoever needs it is started again once it was made anew.
    #[serde(default)]
    restart_with: bool,
}

impl Serialize for Needed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { condition, restart_with } = *self;
        if restart_with {
            Full { condition, restart_with }.serialize(serializer)
        } else {
            condition.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Needed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(Condition),
            Full(Full),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Word(condition) => condition.into(),
            Form::Full(Full { condition, restart_with }) => Self { condition, restart_with },
        })
    }
}

/// The containers that have to be there first, and in which state. Canonical form: the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Needs(pub BTreeMap<Name, Needed>);

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
            Conditions(BTreeMap<Name, Needed>),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Names(names) => Self(names.into_iter().map(|name| (name, Needed::default())).collect()),
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
        let (condition, full) = (generator.subschema_for::<Condition>(), generator.subschema_for::<Full>());
        json_schema!({
            "description": "names of containers, as an array (each healthy) or an object name → \"started\", \"healthy\" or \"completed\", or → { \"condition\", \"restart_with\": true }",
            "anyOf": [
                { "type": "array", "items": name, "uniqueItems": true },
                { "type": "object", "propertyNames": name, "additionalProperties": { "anyOf": [condition, full] } }
            ]
        })
    }
}
