//! Holds a tree to the rule of its kind, and tells each deviation at its place.

use super::fault::{Fault, Place, quote};
use super::hints::{self, text_hint, type_hint};
use super::nearest::{nearest, one_of};
use super::rule::Rule;
use crate::descriptors::{ALLOW, VALUE};
use crate::json::{Member, Node, Spot, Value};

/// What people coming from other tools write, and what it is called here.
const ALIASES: [(&str, &str); 17] = [
    ("args", "command"),
    ("cap_add", "capabilities"),
    ("cap_drop", "capabilities"),
    ("cmd", "command"),
    ("cron", "schedule"),
    ("depends_on", "needs"),
    ("environment", "env"),
    ("healthcheck", "health"),
    ("logging", "log"),
    ("mem_limit", "limits"),
    ("network_mode", "network"),
    ("pids_limit", "limits"),
    ("stop_grace_period", "stop"),
    ("stop_signal", "stop"),
    ("test", "command"),
    ("timeout", "within"),
    ("tmpfs", "volumes"),
];

/// All deviations of a file's tree.
pub(super) fn judge(rule: &Rule, root: &Node, path: &str) -> Vec<Fault> {
    let mut judge = Judge { path, faults: Vec::new() };
    judge.node(rule, root, "the file");
    judge.faults
}

/// Whether a part of a tree is as its rule wants it.
pub(super) fn is_sound(rule: &Rule, node: &Node) -> bool {
    judge(rule, node, "").is_empty()
}

struct Judge<'a> {
    path: &'a str,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn fault(&mut self, spot: Spot, code: &'static str, seen: String, expected: impl Into<String>) -> &mut Fault {
        self.faults.push(Fault::new(Place::new(self.path, spot), code, seen, expected));
        let last = self.faults.len() - 1;
        &mut self.faults[last]
    }

    /// `label` is what the node is called: its key in backticks, mostly.
    fn node(&mut self, rule: &Rule, node: &Node, label: &str) {
        if node.value == Value::Broken {
            return;
        }
        if !rule.any_of.is_empty() {
            return self.any_of(rule, node, label);
        }
        if !fits(rule, node) {
            let hint = type_hint(rule, node, label);
            self.fault(node.spot, "wrong-type", format!("{label} is {}", describe(node)), noun(rule)).hint = hint;
            return;
        }
        match &node.value {
            Value::Text(text) => self.text(rule, node.spot, text, label),
            Value::Number(number) => {
                let value = number.as_f64().unwrap_or_default();
                if rule.minimum.is_some_and(|it| value < it) || rule.maximum.is_some_and(|it| value > it) {
                    self.fault(node.spot, "out-of-range", format!("{label} is {number}"), noun(rule));
                }
            }
            Value::List(items) => self.list(rule, node.spot, items, label),
            Value::Object(members) => self.object(rule, node.spot, members, label),
            Value::Null | Value::Bool(_) | Value::Broken => {}
        }
    }

    /// The branch that the value's type chooses; where several do, one of them has to hold.
    fn any_of(&mut self, rule: &Rule, node: &Node, label: &str) {
        let branches: Vec<&Rule> =
            rule.any_of.iter().filter(|branch| fits(branch, node) && meant(branch, node)).collect();
        let Some(first) = branches.first() else {
            let nouns: Vec<String> = rule.any_of.iter().filter(|branch| !is_way_out(branch)).map(noun).collect();
            let hint = rule.any_of.iter().find_map(|branch| type_hint(branch, node, label));
            self.fault(node.spot, "wrong-type", format!("{label} is {}", describe(node)), nouns.join(" or ")).hint =
                hint;
            return;
        };
        if branches.len() == 1 || !branches.iter().any(|branch| is_sound(branch, node)) {
            self.node(first, node, label);
        }
    }

    fn text(&mut self, rule: &Rule, spot: Spot, text: &str, label: &str) {
        if !rule.choices.is_empty() {
            let known = || rule.choices.iter().map(String::as_str);
            if !known().any(|it| it == text) {
                let hint = super::nearest::did_you_mean(text, known());
                self.fault(spot, "wrong-value", format!("{label} is {}", quote(text)), one_of(known())).hint = hint;
            }
        } else if let Some(pattern) = &rule.pattern {
            if !pattern.regex.is_match(text) {
                let signal = || (label == "`signal`").then(|| super::amounts::signal_of(text)).flatten();
                let hint = hints::mount_hint(label, text).or_else(signal).or_else(|| text_hint(rule, text));
                self.fault(spot, "wrong-value", format!("{label} is {}", quote(text)), pattern.meaning.as_str()).hint =
                    hint;
            }
        } else if text.chars().count() < rule.min_length {
            self.fault(spot, "wrong-value", format!("{label} is an empty string"), "at least one character");
        }
    }

    fn list(&mut self, rule: &Rule, spot: Spot, items: &[Node], label: &str) {
        if items.len() < rule.min_items {
            self.fault(spot, "wrong-value", format!("{label} is an empty array"), "at least one item");
        }
        if rule.unique {
            self.unique(items, label);
        }
        if let Some(rule) = &rule.items {
            for (index, item) in items.iter().enumerate() {
                self.node(rule, item, &format!("item {} of {label}", index + 1));
            }
        }
    }

    /// Only texts are compared: our lists of unique items have nothing else.
    fn unique(&mut self, items: &[Node], label: &str) {
        let mut texts: Vec<(&str, Spot)> = items.iter().filter_map(|item| Some((item.text()?, item.spot))).collect();
        texts.sort_unstable();
        for same in texts.chunk_by(|a, b| a.0 == b.0) {
            for (text, spot) in &same[1..] {
                let first = Place::new(self.path, same[0].1);
                let seen = format!("duplicate item {} in {label}", quote(text));
                self.fault(*spot, "duplicate-item", seen, "each item once").also = vec![first];
            }
        }
    }

    fn object(&mut self, rule: &Rule, spot: Spot, members: &[Member], label: &str) {
        // Keys that unknown ones were meant to be: saying that they are missing as well would tell nothing.
        let mut meant = Vec::new();
        for member in members {
            let name = quote(&member.key);
            if label == "`volumes`"
                && let Some((path, volume)) = hints::turned_round(&member.key, &member.node)
            {
                let seen = format!("{name} is mapped to {}: the wrong way round", quote(path));
                let expected = "path in the container → name of the volume, such as \"/data\": \"data\"";
                self.fault(member.spot, "turned-round", seen, expected).hint = hints::turned_round_hint(path, volume);
            } else if let Some(rule) = rule.properties.get(&member.key) {
                self.node(rule, &member.node, &name);
            } else if let Some((_, rule)) = rule.by_pattern.iter().find(|(it, _)| it.regex.is_match(&member.key)) {
                self.node(rule, &member.node, &name);
            } else if let (true, [(pattern, _)]) = (rule.closed, rule.by_pattern.as_slice()) {
                self.key(member, &pattern.meaning);
            } else if rule.closed {
                meant.extend(self.unknown_key(rule, member, label));
            } else {
                if let Some(meaning) = rule.names.as_deref().and_then(|names| refused(names, &member.key)) {
                    self.key(member, meaning);
                }
                if let Some(rule) = &rule.rest {
                    self.node(rule, &member.node, &name);
                }
            }
        }
        for key in &rule.required {
            if !members.iter().any(|member| member.key == *key) && !meant.contains(&key.as_str()) {
                let what = rule.properties.get(key).map(noun).unwrap_or_default();
                self.fault(
                    spot,
                    "missing-key",
                    format!("missing key {}", quote(key)),
                    format!("{}, {what}", quote(key)),
                );
            }
        }
    }

    fn key(&mut self, member: &Member, meaning: &str) {
        let lower = member.key.to_lowercase().replace(['-', '.', ' '], "_");
        let hint = lower.parse::<crate::names::Key>().ok().map(|key| format!("write `{key}`"));
        self.fault(member.spot, "bad-key", format!("bad key {}", quote(&member.key)), meaning).hint = hint;
    }

    fn unknown_key<'r>(&mut self, rule: &'r Rule, member: &Member, label: &str) -> Option<&'r str> {
        let seen = member.key.as_str();
        let known = || rule.properties.keys().map(String::as_str);
        let alias = || {
            let (_, key) = ALIASES.iter().find(|(alias, _)| *alias == seen)?;
            known().find(|it| it == key)
        };
        let meant = nearest(seen, known()).or_else(alias);
        let inside = rule.properties.iter().find(|(_, inner)| inner.properties.contains_key(seen));
        let hint = match (meant, inside) {
            (Some(key), _) => Some(format!("did you mean `{key}`?")),
            (None, Some((outer, _))) => Some(format!("{} belongs inside `{outer}`", quote(seen))),
            (None, None) => None,
        };
        let within = if label == "the file" { String::new() } else { format!(" in {label}") };
        let seen = format!("unknown key {}{within}", quote(seen));
        self.fault(member.spot, "unknown-key", seen, one_of(known())).hint = hint;
        meant
    }
}

/// What a key should have been like, where no branch takes it.
fn refused<'r>(names: &'r Rule, key: &str) -> Option<&'r str> {
    let takes = |rule: &Rule| {
        let pattern = rule.pattern.as_ref().is_some_and(|it| it.regex.is_match(key));
        pattern || rule.choices.iter().any(|it| it == key)
    };
    let all = || std::iter::once(names).chain(&names.any_of);
    if all().any(takes) { None } else { all().find_map(|rule| Some(rule.pattern.as_ref()?.meaning.as_str())) }
}

/// Whether the rule is that of a value with a reason why it is no secret: not what anybody starts from.
fn is_way_out(rule: &Rule) -> bool {
    rule.properties.contains_key(ALLOW)
}

/// Whether a value was meant as that, where the rule is that.
fn meant(rule: &Rule, node: &Node) -> bool {
    !is_way_out(rule) || node.get(ALLOW).is_some() || node.get(VALUE).is_some()
}

fn fits(rule: &Rule, node: &Node) -> bool {
    rule.types.is_empty()
        || rule.types.iter().any(|name| match (&node.value, name.as_str()) {
            (Value::Object(_), "object") | (Value::List(_), "array") | (Value::Text(_), "string") => true,
            (Value::Bool(_), "boolean") | (Value::Null, "null") | (Value::Number(_), "number") => true,
            (Value::Number(number), "integer") => number.is_i64() || number.is_u64(),
            (value, _) => *value == Value::Broken,
        })
}

/// What was seen, as a noun phrase.
fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null | Value::Broken => "`null`".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::Text(text) => format!("the string {}", quote(text)),
        Value::List(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// What is expected, as a noun phrase.
fn noun(rule: &Rule) -> String {
    if !rule.choices.is_empty() {
        return one_of(rule.choices.iter().map(String::as_str));
    }
    if let Some(pattern) = &rule.pattern {
        return pattern.meaning.clone();
    }
    if !rule.any_of.is_empty() {
        return rule.any_of.iter().filter(|it| !is_way_out(it)).map(noun).collect::<Vec<_>>().join(" or ");
    }
    match rule.types.first().map(String::as_str) {
        Some("string") => "a string".to_owned(),
        Some("integer") => format!("a whole number {}", range(rule)),
        Some("number") if rule.minimum.is_some() => format!("a number {}", range(rule)),
        Some("number") => "a number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => match rule.items.as_deref().map(|items| items.types.join("")) {
            Some(items) if items == "string" => "an array of strings".to_owned(),
            Some(items) if items == "object" => "an array of objects".to_owned(),
            _ => "an array".to_owned(),
        },
        _ => "an object".to_owned(),
    }
}

fn range(rule: &Rule) -> String {
    match (rule.minimum, rule.maximum) {
        (Some(low), Some(high)) => format!("from {low} to {high}"),
        (Some(low), None) => format!("from {low}"),
        (None, Some(high)) => format!("up to {high}"),
        (None, None) => String::new(),
    }
}
