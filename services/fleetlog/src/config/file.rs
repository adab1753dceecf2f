//! The TOML file: flat, one key a setting. Every fault at its line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::Source;
use super::settings::{SETTINGS, Setting, Shown};

/// A file as it was read.
#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    /// Key → line and value.
    pub values: BTreeMap<&'static str, (usize, String)>,
}

impl File {
    /// Reads a file; one that need not be there may be absent.
    pub fn read(path: PathBuf, must: bool, source: &impl Source, faults: &mut Vec<String>) -> Option<Self> {
        let text = match source.file(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must => return None,
            Err(error) => {
                faults.push(format!("cannot read the settings in `{}`: {error}", path.display()));
                return None;
            }
        };
        let place = |at: usize| {
            let before = &text[..at.min(text.len())];
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            (before.matches('\n').count() + 1, column)
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        for error in errors {
            let (line, column) = place(error.span().map_or(0, |span| span.start));
            faults.push(format!("{}:{line}:{column}: {}", path.display(), error.message()));
        }
        let mut values = BTreeMap::new();
        for (key, value) in table.get_ref() {
            let (line, column) = place(key.span().start);
            let mut fault = |what: String| faults.push(format!("{}:{line}:{column}: {what}", path.display()));
            let Some(setting) = SETTINGS.iter().find(|it| it.key == key.get_ref().as_ref()) else {
                fault(unknown(key.get_ref()));
                continue;
            };
            match (value.get_ref(), setting.is_switch) {
                (DeValue::String(text), false) => drop(values.insert(setting.key, (line, text.to_string()))),
                (DeValue::Integer(number), false) if setting.is_number() => {
                    drop(values.insert(setting.key, (line, number.to_string())));
                }
                (DeValue::Boolean(value), true) => drop(values.insert(setting.key, (line, value.to_string()))),
                (_, true) => fault(format!("`{}` has to be `true` or `false`", setting.key)),
                (_, false) => fault(format!("`{}` has to be a string, in quotes", setting.key)),
            }
        }
        Some(Self { path, values })
    }
}

/// What is said of a key that is none.
fn unknown(seen: &str) -> String {
    let known = || SETTINGS.iter().filter(|it: &&Setting| it.shown != Shown::IfSet).map(|it| it.key);
    let wanted = seen.to_lowercase().replace('-', "_");
    let near = known().map(|key| (strsim::damerau_levenshtein(key, &wanted), key)).min();
    let all: Vec<_> = known().map(|key| format!("`{key}`")).collect();
    let hint = match near {
        Some((distance, key)) if distance <= 2 => format!("did you mean `{key}`? "),
        _ => String::new(),
    };
    format!("unknown key `{}`: {hint}expected one of {}", seen.escape_debug(), all.join(", "))
}
