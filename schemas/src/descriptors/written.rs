//! Values that a file may write in two ways: as they are, or with the reason why what looks like a secret is none.
//!
//! The reason is for the check and for who reads the file: the descriptor forgets it, so that a canonical form, a
//! rendered key and its digest are the same with and without.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::VariableValue;

/// The key beside `value` that holds the reason.
pub(crate) const ALLOW: &str = "$allow";
/// The key of the value itself.
pub(crate) const VALUE: &str = "value";

/// A text, or a text that was looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum WrittenText {
    /// The text, which may carry references.
    Plain(String),
    /// A text that looks like a secret and is none.
    Allowed(AllowedText),
}

/// A text that looks like a secret and is none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AllowedText {
    /// The text, which may carry references.
    value: String,
    /// Why it is no secret.
    #[serde(rename = "$allow")]
    #[schemars(regex(pattern = r"\S"))]
    _reason: String,
}

/// A variable's value, or one that was looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum WrittenValue {
    /// A text, which may carry references.
    Text(String),
    /// A number, written as JSON writes it.
    Number(serde_json::Number),
    /// `true` or `false`.
    Bool(bool),
    /// A text or a number that looks like a secret and is none.
    Allowed(AllowedValue),
}

/// A text or a number that looks like a secret and is none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct AllowedValue {
    /// The value.
    value: Scalar,
    /// Why it is no secret.
    #[serde(rename = "$allow")]
    #[schemars(regex(pattern = r"\S"))]
    _reason: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
}

/// What a file may write for an environment, as a JSON Schema.
pub(super) type WrittenEnv = BTreeMap<String, WrittenText>;

/// Reads an environment, and forgets the reasons.
pub(super) fn env<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let written = WrittenEnv::deserialize(deserializer)?;
    let text = |it| match it {
        WrittenText::Plain(text) | WrittenText::Allowed(AllowedText { value: text, .. }) => text,
    };
    Ok(written.into_iter().map(|(key, it)| (key, text(it))).collect())
}

impl From<WrittenValue> for VariableValue {
    fn from(written: WrittenValue) -> Self {
        match written {
            WrittenValue::Text(text) => Self::Text(text),
            WrittenValue::Number(number) => Self::Number(number),
            WrittenValue::Bool(value) => Self::Bool(value),
            WrittenValue::Allowed(AllowedValue { value: Scalar::Text(text), .. }) => Self::Text(text),
            WrittenValue::Allowed(AllowedValue { value: Scalar::Number(number), .. }) => Self::Number(number),
        }
    }
}
