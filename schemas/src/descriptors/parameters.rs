//! What somebody who forks a fleet is asked, and who may change its deploy branch.

use std::collections::BTreeMap;

use regex_lite::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::VariableValue;
use crate::names::Key;

/// The group of variables that parameters become: `variables/parameters.json`.
pub const GROUP: &str = "parameters";

/// Something that a fork is asked for. In the fork it is the variable `{{ variables.parameters.<key> }}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parameter {
    /// What people are asked for; the key where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What kind of value it takes.
    #[serde(rename = "type", default)]
    pub kind: ParameterType,
    /// The value where none is given; without it one has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ParameterValue>,
    /// More words about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A regular expression that a string has to match as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub pattern: Option<String>,
    /// What a `choice` can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A text.
    #[default]
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// One of `choices`.
    Choice,
    /// A random text of 32 letters and digits, made at the fork; nobody is asked.
    Generate,
}

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ParameterValue {
    /// A text.
    Text(String),
    /// A number.
    Number(serde_json::Number),
    /// `true` or `false`.
    Bool(bool),
}

/// Who may move the deploy branch, and how. Judged by what was accepted before: a push cannot loosen it for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Protect {
    /// Who may push to the deploy branch. Everybody else goes by pull requests.
    pub push: Pushers,
    /// How many people have to approve a pull request into the deploy branch before it can be merged. Neither its
    /// author nor who pushed its newest commit counts.
    #[schemars(range(min = 0, max = 20))]
    pub approvals: u32,
}

/// Who may push to the deploy branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pushers {
    /// Maintainers and owners.
    #[default]
    Maintainer,
    /// Owners.
    Owner,
    /// Nobody: it moves by pull requests alone.
    Nobody,
}

impl Protect {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Parameter {
    /// Why a value does not fit.
    pub fn misfit(&self, value: &ParameterValue) -> Option<String> {
        let expected = match (self.kind, value) {
            (ParameterType::Number, ParameterValue::Number(_)) | (ParameterType::Bool, ParameterValue::Bool(_)) => {
                return None;
            }
            (ParameterType::String, ParameterValue::Text(text)) => match self.whole() {
                Ok(Some(pattern)) if !pattern.is_match(text) => {
                    format!("a text that matches `{}`", self.pattern.as_deref().unwrap_or_default())
                }
                _ => return None,
            },
            (ParameterType::Choice, ParameterValue::Text(text)) if self.choices.contains(text) => return None,
            (ParameterType::String, _) => "a text".to_owned(),
            (ParameterType::Number, _) => "a number".to_owned(),
            (ParameterType::Bool, _) => "`true` or `false`".to_owned(),
            (ParameterType::Choice, _) => format!("one of `{}`", self.choices.join("`, `")),
            (ParameterType::Generate, _) => "nothing: it is made at random".to_owned(),
        };
        Some(format!("expected {expected}"))
    }

    /// What to say where it is needed and was not given: how to give it, and what it is for.
    fn missing(&self, key: &Key) -> String {
        let label = self.label.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        let description = self.description.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        format!("`{key}`{label} is needed and has no default: give it with --set {key}=…{description}")
    }

    /// The pattern, for a whole text.
    pub(crate) fn whole(&self) -> Result<Option<Regex>, regex_lite::Error> {
        self.pattern.as_ref().map(|it| Regex::new(&format!("^(?:{it})$"))).transpose()
    }

    /// A text as people type it, read as what this parameter takes.
    pub fn read(&self, text: &str) -> ParameterValue {
        let number = || text.parse().ok().map(ParameterValue::Number);
        let truth = || text.parse().ok().map(ParameterValue::Bool);
        let read = match self.kind {
            ParameterType::Number => number(),
            ParameterType::Bool => truth(),
            _ => None,
        };
        read.unwrap_or_else(|| ParameterValue::Text(text.to_owned()))
    }
}

/// The value of every parameter: what was given, else its default, else a random one where it is made so. Or everything
/// that is wrong, a line each.
pub fn fill(
    parameters: &BTreeMap<Key, Parameter>,
    given: &BTreeMap<String, Value>,
    mut random: impl FnMut() -> String,
) -> Result<BTreeMap<Key, VariableValue>, Vec<String>> {
    let mut faults = Vec::new();
    for key in given.keys().filter(|it| !parameters.keys().any(|known| known.as_str() == *it)) {
        let known: Vec<&str> = parameters.keys().map(Key::as_str).collect();
        let known =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has `{}`", known.join("`, `")) };
        faults.push(format!("`{key}` is no parameter of this fleet: {known}"));
    }
    let mut values = BTreeMap::new();
    for (key, parameter) in parameters {
        let read = |value: &Value| match value {
            Value::String(text) => Some(parameter.read(text)),
            value => serde_json::from_value(value.clone()).ok(),
        };
        let value = match (given.get(key.as_str()), parameter.kind) {
            (None, ParameterType::Generate) => Some(ParameterValue::Text(random())),
            (None, _) => parameter.default.clone(),
            (Some(given), _) => match read(given) {
                Some(value) => Some(value),
                None => {
                    faults.push(format!("`{key}` is {given}: expected a text, a number, `true` or `false`"));
                    continue;
                }
            },
        };
        let Some(value) = value else {
            faults.push(parameter.missing(key));
            continue;
        };
        let made = parameter.kind == ParameterType::Generate && !given.contains_key(key.as_str());
        match parameter.misfit(&value).filter(|_| !made) {
            Some(expected) => faults.push(format!("`{key}`: {expected}")),
            None => drop(values.insert(key.clone(), value.into())),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

impl From<ParameterValue> for VariableValue {
    fn from(value: ParameterValue) -> Self {
        match value {
            ParameterValue::Text(text) => Self::Text(text),
            ParameterValue::Number(number) => Self::Number(number),
            ParameterValue::Bool(value) => Self::Bool(value),
        }
    }
}
