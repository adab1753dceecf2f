//! A fault: where, what was seen, what was expected, a hint. The words that the server and `fleetlog check` both print.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::json::Spot;

/// How many characters of a value a fault quotes.
const QUOTED: usize = 60;

/// How many faults are printed.
const PRINTED: usize = 200;

/// How many other places of a fault are printed.
const PRINTED_PLACES: usize = 20;

/// One fault of a fleet's tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fault {
    /// The file, relative to the fleet's root.
    pub path: String,
    /// Line, from 1; a fault of the whole file stands at 1:1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What kind of fault.
    pub code: Code,
    /// What was seen.
    pub seen: String,
    /// What would have been right.
    pub expected: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where else it shows: the other places of a duplicate, a clash or a cycle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Place>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file, relative to the fleet's root.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// What kind of fault, as a stable kebab-case word, such as `unknown-key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Code {
    fn from(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The file that speaks for the whole fleet.
pub(super) const FLEET_FILE: &str = "fleet.json";

/// Set in the line of a spot that is one of [`FLEET_FILE`], whichever file it is part of.
const IN_FLEET_FILE: u32 = 1 << 31;

/// A spot of [`FLEET_FILE`] in the tree of another file.
pub(super) fn in_fleet_file(spot: Spot) -> Spot {
    Spot { line: spot.line | IN_FLEET_FILE, ..spot }
}

impl Place {
    /// A spot of a file.
    pub(super) fn new(path: &str, spot: Spot) -> Self {
        let (path, line) = match spot.line & IN_FLEET_FILE {
            0 => (path, spot.line),
            _ => (FLEET_FILE, spot.line & !IN_FLEET_FILE),
        };
        Self { path: path.to_owned(), line, column: spot.column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", printable(&self.path), self.line, self.column)
    }
}

impl Fault {
    /// A fault without a hint and other places.
    pub(crate) fn new(place: Place, code: &'static str, seen: impl Into<String>, expected: impl Into<String>) -> Self {
        let Place { path, line, column } = place;
        let (seen, expected) = (seen.into(), expected.into());
        Self { path, line, column, code: code.into(), seen, expected, hint: None, also: Vec::new() }
    }

    /// The same with a hint.
    pub(crate) fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same with its other places.
    pub(crate) fn also(self, also: Vec<Place>) -> Self {
        Self { also, ..self }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place { path: self.path.clone(), line: self.line, column: self.column }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), printable(&self.seen))?;
        for place in self.also.iter().take(PRINTED_PLACES) {
            write!(f, "\n  also: {place}")?;
        }
        if let Some(rest) = self.also.get(PRINTED_PLACES..).filter(|rest| !rest.is_empty()) {
            let more = count(rest.len(), "more place");
            let told: BTreeSet<&str> = self.also.iter().take(PRINTED_PLACES).map(|it| it.path.as_str()).collect();
            let files: BTreeSet<&str> = rest.iter().map(|it| it.path.as_str()).collect();
            // Every file by name, so that nobody has to find the next one by pushing again.
            let files: Vec<_> = files.difference(&told).map(|it| printable(it)).collect();
            let within = if files.is_empty() { String::new() } else { format!(" in {}", files.join(", ")) };
            write!(f, "\n  also: {more}{within}")?;
        }
        write!(f, "\n  expected: {}", printable(&self.expected))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {}", printable(hint))?;
        }
        Ok(())
    }
}

/// All faults as people read them, then one line that counts them. Without a line end after the last line.
pub fn report(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults.iter().take(PRINTED) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{fault}");
    }
    if faults.len() > PRINTED {
        let _ = writeln!(text, "… and {} more", thousands(faults.len() - PRINTED));
    }
    let files: BTreeSet<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    let _ = write!(text, "{} in {}", count(faults.len(), "fault"), count(files.len(), "file"));
    text
}

/// Warnings as people read them, each with a line end. They stand before what decides.
pub fn warned(warnings: &[Fault]) -> String {
    let mut text: String = warnings.iter().take(PRINTED).map(|it| format!("warning: {it}\n")).collect();
    if warnings.len() > PRINTED {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "warning: … and {} more warnings", thousands(warnings.len() - PRINTED));
    }
    text
}

fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// `5800` as `5,800`.
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|it| std::str::from_utf8(it).ok()).collect();
    groups.join(",")
}

/// A text of the user in backticks: shortened, and nothing in it that moves a terminal's cursor.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => format!("`{}`", printable(text)),
        Some((cut, _)) => format!("`{}…`", printable(&text[..cut])),
    }
}

/// Control characters and marks that turn the writing direction, escaped.
fn printable(text: &str) -> Cow<'_, str> {
    let moves = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(moves) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| match c {
        '\n' | '\r' | '\t' => c.escape_default().to_string(),
        // As JSON writes it.
        _ if moves(c) => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    };
    Cow::Owned(text.chars().map(escape).collect())
}
