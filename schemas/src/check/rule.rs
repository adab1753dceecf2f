//! The generated JSON Schemas, read into what [`super::judge`] works with.
//!
//! Knows the keywords that our types bring forth; a test holds that there is no other.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;
use schemars::schema_for;
use serde_json::Value;

use crate::descriptors::{Kind, NetworkMode};
use crate::json::IGNORED_KEYS;
use crate::jsonschema;
use crate::names::{Key, Name};
use crate::units::{Size, Span};

/// The pattern of a signal in the schemas.
const SIGNAL: &str = "^(SIG)?[A-Z][A-Z0-9+-]{1,12}$";

/// What a value must be like.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// JSON Schema's names of the allowed types; any where empty.
    pub(super) types: Vec<String>,
    /// The allowed texts; any where empty.
    pub(super) choices: Vec<String>,
    pub(super) pattern: Option<Pattern>,
    pub(super) min_length: usize,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) min_items: usize,
    pub(super) unique: bool,
    pub(super) items: Option<Box<Rule>>,
    pub(super) properties: BTreeMap<String, Rule>,
    pub(super) required: Vec<String>,
    /// Rules of keys by their pattern.
    pub(super) by_pattern: Vec<(Pattern, Rule)>,
    /// What every key must be like.
    pub(super) names: Option<Box<Rule>>,
    /// Whether other keys are refused.
    pub(super) closed: bool,
    /// The rule of other keys.
    pub(super) rest: Option<Box<Rule>>,
    /// Rules of which one has to hold.
    pub(super) any_of: Vec<Rule>,
}

/// A regular expression, and what it means to people.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    pub(super) meaning: String,
}

/// The rule of a kind of descriptor.
pub(super) fn rule(kind: Kind) -> &'static Rule {
    static RULES: LazyLock<BTreeMap<Kind, Rule>> =
        LazyLock::new(|| Kind::ALL.into_iter().map(|kind| (kind, compile(kind).0)).collect());
    static ANY: LazyLock<Rule> = LazyLock::new(Rule::default);
    RULES.get(&kind).unwrap_or_else(|| &ANY)
}

/// The rule, and the keywords that it does not know.
fn compile(kind: Kind) -> (Rule, Vec<String>) {
    let schema = jsonschema::schema(kind);
    let mut compiler = Compiler { defs: &schema["$defs"], meanings: meanings(), unknown: Vec::new() };
    let rule = compiler.rule(&schema);
    (rule, compiler.unknown)
}

/// Pattern → what it means, for the types that say it.
fn meanings() -> BTreeMap<String, String> {
    let types = [schema_for!(Key), schema_for!(Name), schema_for!(NetworkMode), schema_for!(Size), schema_for!(Span)];
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut meanings: BTreeMap<_, _> =
        types.iter().filter_map(|it| Some((text(it.get("pattern"))?, text(it.get("description"))?))).collect();
    meanings.insert(r"\S".to_owned(), "the reason why this is no secret, in words".to_owned());
    let address = "^[A-Za-z0-9:]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$";
    meanings.insert(address.to_owned(), "an IP address or a host name, such as `203.0.113.7`".to_owned());
    let user = "a user's number, with or without a group's, such as \"1000\" or \"1000:1000\"";
    meanings.insert("^[0-9]{1,10}(:[0-9]{1,10})?$".to_owned(), user.to_owned());
    let time = "a time of the day, such as \"09:00\"";
    meanings.insert("^([01][0-9]|2[0-3]):[0-5][0-9]$".to_owned(), time.to_owned());
    meanings.insert("^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$".to_owned(), format!("{time}, or \"24:00\""));
    for (pattern, meaning) in [
        (SIGNAL, "a signal of Linux by its name, such as `TERM`"),
        ("^[A-Z][A-Z_]{1,40}$", "a capability in capitals, such as `NET_ADMIN`, or `ALL`"),
        ("^[a-z0-9][a-z0-9._/-]{0,62}$", "a log driver of Docker, such as `json-file` or `local`"),
        ("^[a-z0-9]+(/[a-z0-9_]+(/[a-z0-9]+)?)?$", "a platform, such as `linux/arm64`"),
    ] {
        meanings.insert(pattern.to_owned(), meaning.to_owned());
    }
    meanings.insert("^/".to_owned(), "a path that starts with `/`".to_owned());
    meanings
}

struct Compiler<'a> {
    defs: &'a Value,
    meanings: BTreeMap<String, String>,
    unknown: Vec<String>,
}

impl Compiler<'_> {
    /// Our types do not contain themselves, and so this ends.
    fn rule(&mut self, schema: &Value) -> Rule {
        let mut rule = Rule::default();
        let Value::Object(schema) = schema else { return rule };
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let defs = self.defs;
            rule = self.rule(&defs[name.trim_start_matches("#/$defs/")]);
        }
        for (keyword, value) in schema {
            match keyword.as_str() {
                "$ref" | "$defs" | "$schema" | "title" | "description" | "default" | "format" => {}
                "type" => rule.types = texts(value),
                "enum" => rule.choices = texts(value),
                "const" => rule.choices = texts(value),
                "oneOf" => self.choices(value, &mut rule),
                "pattern" => rule.pattern = self.pattern(value.as_str().unwrap_or_default()),
                "minLength" => rule.min_length = size(value),
                "minItems" => rule.min_items = size(value),
                "minimum" => rule.minimum = value.as_f64(),
                "maximum" => rule.maximum = value.as_f64(),
                "uniqueItems" => rule.unique = value == &Value::Bool(true),
                "items" => rule.items = Some(Box::new(self.rule(value))),
                "required" => rule.required = texts(value),
                "propertyNames" => rule.names = Some(Box::new(self.rule(value))),
                "anyOf" => rule.any_of = value.as_array().into_iter().flatten().map(|it| self.rule(it)).collect(),
                "properties" => {
                    let all = value.as_object().into_iter().flatten();
                    rule.properties = all.map(|(key, value)| (key.clone(), self.rule(value))).collect();
                }
                "patternProperties" => {
                    for (pattern, value) in value.as_object().into_iter().flatten() {
                        if let Some(pattern) = self.pattern(pattern)
                            && !pattern.regex.is_match(IGNORED_KEYS[0])
                        {
                            rule.by_pattern.push((pattern, self.rule(value)));
                        }
                    }
                }
                "additionalProperties" => match value {
                    Value::Bool(open) => rule.closed = !open,
                    value => rule.rest = Some(Box::new(self.rule(value))),
                },
                _ => self.unknown.push(keyword.clone()),
            }
        }
        rule
    }

    /// An enum of texts, each with its own description.
    fn choices(&mut self, value: &Value, rule: &mut Rule) {
        for branch in value.as_array().into_iter().flatten() {
            let branch = self.rule(branch);
            if branch.choices.is_empty() {
                self.unknown.push("oneOf of something else than texts".to_owned());
            }
            rule.choices.extend(branch.choices);
        }
        rule.types = vec!["string".to_owned()];
    }

    fn pattern(&mut self, text: &str) -> Option<Pattern> {
        let meaning = self.meanings.get(text).cloned().unwrap_or_else(|| format!("a string that matches `{text}`"));
        match Regex::new(text) {
            Ok(regex) => Some(Pattern { regex, meaning }),
            Err(error) => {
                self.unknown.push(format!("pattern {text}: {error}"));
                None
            }
        }
    }
}

/// A text or an array of texts.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn size(value: &Value) -> usize {
    value.as_u64().and_then(|it| it.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_of_the_schemas_is_known() {
        for kind in Kind::ALL {
            assert_eq!(compile(kind).1, Vec::<String>::new(), "{kind:?}");
        }
    }
}
