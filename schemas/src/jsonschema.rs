//! JSON Schemas of the descriptors (draft 2020-12), generated from their types.
//!
//! Committed under `schemas/json/` for editors; [`crate::check`] judges files by the same schemas, so that types,
//! schema files and check cannot disagree.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::descriptors::{Container, FleetFile, Kind, Node, Task, Variables, Volume};
use crate::json::IGNORED_KEYS;

/// Matches the keys that every object may have beside its own.
const IGNORED_PATTERN: &str = r"^\$(schema|comment)$";

/// The file under `schemas/json/` that holds the schema of a kind.
pub const fn file_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Fleet => "fleet.json",
        Kind::Node => "node.json",
        Kind::Container => "container.json",
        Kind::Volume => "volume.json",
        Kind::Task => "task.json",
        Kind::Variables => "variables.json",
    }
}

/// The schema of a kind of descriptor.
pub fn schema(kind: Kind) -> Value {
    let generator = SchemaSettings::draft2020_12().with_transform(Strict).into_generator();
    let root = |generator: SchemaGenerator| match kind {
        Kind::Fleet => generator.into_root_schema_for::<FleetFile>(),
        Kind::Node => generator.into_root_schema_for::<Node>(),
        Kind::Container => generator.into_root_schema_for::<Container>(),
        Kind::Volume => generator.into_root_schema_for::<Volume>(),
        Kind::Task => generator.into_root_schema_for::<Task>(),
        Kind::Variables => generator.into_root_schema_for::<Variables>(),
    };
    let mut schema = root(generator).to_value();
    // The order of keys must not depend on what another crate asks of `serde_json`.
    schema.sort_all_objects();
    schema
}

/// The schema of a kind as its file has it.
pub fn text(kind: Kind) -> String {
    format!("{:#}\n", schema(kind))
}

/// Closes every object, but for [`IGNORED_KEYS`], and takes `null` away: an absent key says it.
#[derive(Debug, Clone)]
struct Strict;

impl Transform for Strict {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        without_null(schema);
        if schema.get("type") != Some(&json!("object")) {
            return;
        }
        if schema.get("properties").is_some() {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        if let Some(names) = schema.remove("propertyNames") {
            let names = json!({ "anyOf": [names, { "enum": IGNORED_KEYS }] });
            schema.insert("propertyNames".to_owned(), names);
        }
        let mut patterns = schema.remove("patternProperties").unwrap_or_else(|| json!({}));
        patterns[IGNORED_PATTERN] = true.into();
        schema.insert("patternProperties".to_owned(), patterns);
    }
}

fn without_null(schema: &mut Schema) {
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|it| *it != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.retain(|it| it.get("type") != Some(&null));
        if let [only] = branches.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            if let Value::Object(only) = only {
                for (key, value) in only {
                    schema.insert(key, value);
                }
            }
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}
