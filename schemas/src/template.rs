//! References in strings: `{{ variables.app.region }}`, and `{{{{` for a literal `{{`.

use std::fmt;

use crate::names::{Key, Name, NodeName};

/// A piece of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// Something to be looked up.
    Ref(Reference),
}

/// Whether a text holds a reference. `{{{{` is none, and what cannot be read is told as a fault of its own.
pub fn refers(text: &str) -> bool {
    parse(text).is_ok_and(|parts| parts.iter().any(|part| matches!(part, Part::Ref(_))))
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `variables.<group>.<key>`
    Variable {
        /// The group's name.
        group: Name,
        /// The variable in it.
        key: Key,
    },
    /// `containers.<name>.host`: its alias in the fleet's network.
    ContainerHost(Name),
    /// `containers.<name>.ports.<port>`: the node's port that is published for the container's port.
    ContainerPort(Name, u16),
    /// `nodes.<name>.address`
    Node(NodeName),
    /// `secrets.<key>`
    Secret(Key),
    /// `tasks.<name>.outputs.<key>`
    TaskOutput {
        /// The task's name.
        task: Name,
        /// The output's key.
        key: Key,
    },
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { group, key } => write!(f, "variables.{group}.{key}"),
            Self::ContainerHost(name) => write!(f, "containers.{name}.host"),
            Self::ContainerPort(name, port) => write!(f, "containers.{name}.ports.{port}"),
            Self::Node(name) => write!(f, "nodes.{name}.address"),
            Self::Secret(key) => write!(f, "secrets.{key}"),
            Self::TaskOutput { task, key } => write!(f, "tasks.{task}.outputs.{key}"),
        }
    }
}

/// Why a string's references cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What was seen.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

const FORMS: &str = "`variables.<group>.<key>`, `containers.<name>.host`, `containers.<name>.ports.<port>`, \
                     `nodes.<name>.address`, `tasks.<name>.outputs.<key>` or `secrets.<key>`";

/// Splits a string into text and references.
pub fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        if let Some(after) = rest.strip_prefix("{{") {
            plain.push_str("{{");
            rest = after;
            continue;
        }
        let Some(end) = rest.find("}}") else {
            return Err(TemplateError {
                message: "a reference opens with `{{` and never closes".to_owned(),
                hint: Some("close it with `}}`, or write `{{{{` for a literal `{{`".to_owned()),
            });
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Ref(reference(rest[..end].trim())?));
        rest = &rest[end + 2..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Every reference of a line with the byte at which it opens, or why it is none: in a file a reference stands in one line.
pub(crate) fn located(line: &str) -> Vec<(usize, Result<Reference, TemplateError>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = line[at..].find("{{").map(|it| it + at) {
        if line[open + 2..].starts_with("{{") {
            at = open + 4;
            continue;
        }
        let end = line[open + 2..].find("}}").map_or(line.len(), |it| open + 2 + it + 2);
        let parsed = parse(&line[open..end]).map(|parts| parts.into_iter().next());
        found.extend(match parsed {
            Ok(Some(Part::Ref(reference))) => Some((open, Ok(reference))),
            Ok(_) => None,
            Err(error) => Some((open, Err(error))),
        });
        at = end;
    }
    found
}

fn reference(path: &str) -> Result<Reference, TemplateError> {
    let unknown = || TemplateError {
        message: format!("`{{{{ {path} }}}}` is no reference"),
        hint: Some(format!("a reference is {FORMS}")),
    };
    let name = |text: &str| text.parse::<Name>().map_err(|_| unknown());
    let key = |text: &str| text.parse::<Key>().map_err(|_| unknown());
    let tokens: Vec<&str> = path.split('.').collect();
    match tokens.as_slice() {
        ["variables", group, it] => Ok(Reference::Variable { group: name(group)?, key: key(it)? }),
        ["containers", it, "host"] => Ok(Reference::ContainerHost(name(it)?)),
        ["containers", it, "ports", port] => {
            Ok(Reference::ContainerPort(name(it)?, port.parse().map_err(|_| unknown())?))
        }
        ["nodes", it, "address"] => Ok(Reference::Node(it.parse().map_err(|_| unknown())?)),
        ["secrets", it] => Ok(Reference::Secret(key(it)?)),
        ["tasks", task, "outputs", it] => Ok(Reference::TaskOutput { task: name(task)?, key: key(it)? }),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_references_alternate() {
        let parts =
            parse("http://{{ containers.db.host }}:{{containers.db.ports.80}}/{{ variables.app.path }}").unwrap();
        let db: Name = "db".parse().unwrap();
        assert_eq!(
            parts,
            [
                Part::Text("http://".to_owned()),
                Part::Ref(Reference::ContainerHost(db.clone())),
                Part::Text(":".to_owned()),
                Part::Ref(Reference::ContainerPort(db, 80)),
                Part::Text("/".to_owned()),
                Part::Ref(Reference::Variable { group: "app".parse().unwrap(), key: "path".parse().unwrap() }),
            ]
        );
    }

    #[test]
    fn four_braces_are_two() {
        assert_eq!(parse("a {{{{ b }} c").unwrap(), [Part::Text("a {{ b }} c".to_owned())]);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_is_no_reference_is_said() {
        for bad in ["{{ variables.app }}", "{{ }}", "{{ containers.db.ip }}", "{{ containers.DB.host }}", "{{ open"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse("x {{ containers.db.ip }}").unwrap_err().to_string(),
            "`{{ containers.db.ip }}` is no reference"
        );
    }
}
