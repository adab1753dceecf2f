//! Writes: results on standard output, progress and failures on standard error.

use std::io::{self, Write as _};

use serde::Serialize;

use super::failure::Failure;

/// A line of the result.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// A result as one JSON document on one line.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::Failed(format!("the result cannot be written as JSON: {error}")))?;
    line(&text)
}

/// A line beside the result. Where standard error is closed there is nobody left to tell.
pub fn note(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Columns of a table, each as wide as its widest cell, two blanks apart.
pub fn table(indent: &str, rows: &[Vec<String>]) -> Result<(), Failure> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|it| it.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(format!("{indent}{}", cells.join("  ")).trim_end())?;
    }
    Ok(())
}

/// A row of a table.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// A value as people read it: a text without its quotes; `-` where there is none.
pub fn value(it: &serde_json::Value) -> String {
    match it {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The first eight digits of a commit, as people read them; `-` where there is none.
pub fn short(commit: Option<&str>) -> &str {
    commit.map_or("-", |it| it.get(..8).unwrap_or(it))
}
