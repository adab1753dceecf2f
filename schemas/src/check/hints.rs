//! What to write instead: the hints of [`super::judge`], each with the corrected text where one can be had.

use super::quote;
use super::rule::Rule;
use crate::json::{Node, Value};
use crate::names::Name;

/// Characters of a text that a hint repeats at most.
const REPEATED: usize = 200;

/// What makes a text one for a shell: written as an argv array without one, it would mean something else.
const FOR_A_SHELL: &[char] = &[
    '|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', ']', '#', '~', '=', '%', '{', '}',
    '!', '\n',
];

/// What to write where the type is wrong.
pub(super) fn type_hint(rule: &Rule, node: &Node, label: &str) -> Option<String> {
    let wants = |name: &str| rule.types.iter().any(|it| it == name);
    match &node.value {
        Value::Null if label == "the file" => Some("write an object, such as `{}`, or take the file out".to_owned()),
        Value::Null => Some("leave the key out".to_owned()),
        Value::Number(number) if label == "`signal`" => super::amounts::signal_of(&number.to_string()),
        Value::Number(number) if wants("string") && label.ends_with("`ports`") => {
            let port = number.as_u64().filter(|it| (1..=65_535).contains(it))?;
            Some(format!("write \"127.0.0.1:{port}:{port}\""))
        }
        Value::Number(number) if wants("string") && rule.pattern.is_none() => Some(format!("write \"{number}\"")),
        Value::Bool(value) if wants("string") && rule.pattern.is_none() && rule.choices.is_empty() => {
            Some(format!("write \"{value}\""))
        }
        Value::Text(text) if wants("array") && (label == "`command`" || label == "`run`") => command_hint(text),
        Value::Text(text) if wants("array") && is_short(text) => Some(format!("write {}", serde_json::json!([text]))),
        Value::Text(text) if (wants("integer") || wants("number")) && text.parse::<f64>().is_ok_and(f64::is_finite) => {
            Some("leave the quotes out".to_owned())
        }
        Value::Text(text) if wants("boolean") && matches!(text.as_str(), "true" | "false") => {
            Some("leave the quotes out".to_owned())
        }
        Value::List(items) if wants("object") && label == "`env`" => written_as_map(items, env_pair),
        Value::List(items) if wants("object") && label == "`volumes`" => written_as_map(items, mount_pair),
        _ => None,
    }
}

/// What to write where a text does not match.
pub(super) fn text_hint(rule: &Rule, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let matches = |text: &str| rule.pattern.as_ref().is_some_and(|it| it.regex.is_match(text));
    let units = ["s", "MiB"].into_iter().filter(|_| text.bytes().all(|it| it.is_ascii_digit()));
    let close =
        [text.to_lowercase(), text.to_uppercase(), text.to_lowercase().replace('_', "-"), text.trim().to_owned()];
    let with_unit = units.map(|unit| format!("{text}{unit}"));
    let with_sign = ["/", "0"].map(|sign| format!("{sign}{text}"));
    let found = close.into_iter().chain(with_unit).chain(with_sign).find(|it| matches(it));
    found.filter(|it| it.len() <= 64).map(|it| format!("write \"{it}\""))
}

/// A command that is one text, as the array that it has to be.
pub(super) fn command_hint(text: &str) -> Option<String> {
    if !is_short(text) || text.trim().is_empty() {
        return None;
    }
    if text.contains(FOR_A_SHELL) {
        let array = serde_json::json!(["sh", "-c", text]);
        return Some(format!("a command is an array of arguments; for a shell write {array}"));
    }
    let array = serde_json::json!(text.split_whitespace().collect::<Vec<_>>());
    Some(format!("a command is an array of arguments: write {array}"))
}

/// The mount that `"data": "/data"` was meant to be: path, name of the volume.
pub(super) fn turned_round<'n>(key: &'n str, node: &'n Node) -> Option<(&'n str, &'n str)> {
    let path = node.text().filter(|it| it.starts_with('/'))?;
    (!key.starts_with('/')).then_some((path, key))
}

/// What to write for what other tools mount by a path of the node, or read-only.
pub(super) fn mount_hint(label: &str, text: &str) -> Option<String> {
    if !label.starts_with("`/") || !is_short(text) {
        return None;
    }
    if text.starts_with('/') {
        return Some(format!("a path of the node is written {{ \"host\": \"{text}\" }}"));
    }
    if text.starts_with(['.', '~']) {
        return Some("a path of the node is absolute: write { \"host\": \"/…\" }".to_owned());
    }
    let (volume, how) = text.split_once(':')?;
    let volume = volume.parse::<Name>().ok()?;
    match how {
        "ro" => Some(format!("write {{ \"volume\": \"{volume}\", \"read_only\": true }}")),
        _ => Some(format!("write \"{volume}\"")),
    }
}

/// What to say about it.
pub(super) fn turned_round_hint(path: &str, volume: &str) -> Option<String> {
    let volume = volume.trim_start_matches("./").to_lowercase().replace(['_', '.'], "-").parse::<Name>().ok()?;
    is_short(path).then(|| format!("write {}: {}", json_text(path), json_text(volume.as_str())))
}

fn json_text(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

fn is_short(text: &str) -> bool {
    text.chars().count() <= REPEATED
}

/// A list of pairs, as other tools take it, as the object that it has to be.
fn written_as_map<'n>(items: &'n [Node], pair: impl Fn(&'n str) -> Option<(&'n str, &'n str)>) -> Option<String> {
    let pairs: Option<Vec<_>> = items.iter().map(|item| pair(item.text()?)).collect();
    let pairs: Vec<String> =
        pairs?.into_iter().map(|(key, value)| format!("{}: {}", json_text(key), json_text(value))).collect();
    let written = format!("write {{ {} }}", pairs.join(", "));
    (!pairs.is_empty() && is_short(&written)).then_some(written)
}

/// `NAME=value`
fn env_pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| !name.is_empty())
}

/// `name:/path`, or `name:/path:rw`
fn mount_pair(text: &str) -> Option<(&str, &str)> {
    let (volume, path) = text.split_once(':')?;
    let path = path.strip_suffix(":rw").unwrap_or(path);
    let plain = path.starts_with('/') && !path.contains(':') && volume.parse::<Name>().is_ok();
    plain.then_some((path, volume))
}

/// What a command of one argument with blanks in it was most likely meant to be.
pub(super) fn one_argument(items: &[Node]) -> Option<(&Node, String)> {
    let [only] = items else { return None };
    let text = only.text()?;
    let blank = text.trim().contains(char::is_whitespace) && !text.contains("{{");
    if blank { Some((only, command_hint(text).unwrap_or_else(|| format!("split {}", quote(text))))) } else { None }
}
