//! What an import says: what it could not carry, and what means something else now.

use std::fmt;

use serde::Serialize;

use super::yaml::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It is not in the fleet.
    Left,
    /// It is, and not quite the same.
    Note,
}

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Said {
    #[serde(skip)]
    order: usize,
    /// The file.
    path: String,
    line: usize,
    column: usize,
    /// What it is about, such as `services.web.build`.
    key: String,
    /// What was seen, and what to do.
    text: String,
    #[serde(skip)]
    kind: Kind,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, key, text, .. } = self;
        f.write_str(if self.kind == Kind::Note { "note: " } else { "" })?;
        write!(f, "{path}:{line}:{column}: {key}: {text}")
    }
}

/// Everything that is said, in the order of the files and of their lines.
#[derive(Debug, Default)]
pub struct Report {
    said: Vec<Said>,
    files: Vec<String>,
    /// Environment entries that were left out as likely secrets: container and name.
    pub secrets: Vec<(String, String)>,
}

impl Report {
    /// Something is not in the fleet.
    pub fn left(&mut self, place: &Place, key: impl Into<String>, text: impl Into<String>) {
        self.say(Kind::Left, place, key.into(), text.into());
    }

    /// Something means not quite the same.
    pub fn note(&mut self, place: &Place, key: impl Into<String>, text: impl Into<String>) {
        self.say(Kind::Note, place, key.into(), text.into());
    }

    fn say(&mut self, kind: Kind, place: &Place, key: String, text: String) {
        let path = place.source.shown.clone();
        let order = self.files.iter().position(|it| *it == path).unwrap_or_else(|| {
            self.files.push(path.clone());
            self.files.len() - 1
        });
        self.said.push(Said { order, path, line: place.line, column: place.column, key, text, kind });
    }

    /// Each thing once, in order.
    pub fn sort(&mut self) {
        self.said.sort();
        self.said.dedup();
    }

    pub fn all(&self) -> &[Said] {
        &self.said
    }

    /// What is not in the fleet.
    pub fn lost(&self) -> Vec<&Said> {
        self.said.iter().filter(|it| it.kind == Kind::Left).collect()
    }

    /// What means not quite the same.
    pub fn notes(&self) -> Vec<&Said> {
        self.said.iter().filter(|it| it.kind == Kind::Note).collect()
    }
}
