//! Files of `NAME=value` lines: `.env` and those of `env_file`.

use super::interpolate::{Lookup, interpolate};

/// A line that says something; none: the name alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub number: usize,
    pub name: String,
    pub value: Option<String>,
}

/// Reads the lines of a file. Later ones may use what `lookup` and earlier ones say. `raw`: values stay as they are.
pub fn read(text: &str, lookup: Lookup<'_>, raw: bool) -> Result<Vec<Line>, (usize, String)> {
    let mut lines: Vec<Line> = Vec::new();
    let mut source = (1..).zip(text.lines());
    while let Some((number, line)) = source.next() {
        let line = line.trim_start();
        if line.trim_end().is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value)),
            None => (line.trim(), None),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err((number, "expected `NAME=value`".to_owned()));
        }
        let value = match value {
            None => None,
            Some(value) if raw => Some(value.to_owned()),
            Some(value) => {
                let mut value = value.trim_start().to_owned();
                let quote = value.chars().next().filter(|it| matches!(it, '"' | '\''));
                // A quoted value may go on over several lines.
                while let Some(quote) = quote
                    && end(&value[1..], quote).is_none()
                {
                    let Some((_, next)) = source.next() else {
                        return Err((number, "a quote is never closed".to_owned()));
                    };
                    value = format!("{value}\n{next}");
                }
                let before = |name: &str| {
                    let earlier = lines.iter().rev().find(|it| it.name == name).and_then(|it| it.value.clone());
                    lookup(name).or(earlier)
                };
                Some(unquoted(&value, &before).map_err(|error| (number, error))?)
            }
        };
        lines.push(Line { number, name: name.to_owned(), value });
    }
    Ok(lines)
}

/// Where a quote is closed.
fn end(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped && quote == '"';
        ends.then_some(at)
    })
}

fn unquoted(value: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let mut missing = Vec::new();
    let inside = |quote| value.strip_prefix(quote).and_then(|it| Some(&it[..end(it, quote)?]));
    if let Some(text) = inside('\'') {
        return Ok(text.to_owned());
    }
    if let Some(text) = inside('"') {
        let text = interpolate(text, lookup, &mut missing)?;
        return Ok(text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"").replace("\\\\", "\\"));
    }
    let value = value.find(" #").map_or(value, |at| &value[..at]);
    interpolate(value.trim_end(), lookup, &mut missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String, Option<String>)> {
        read(text, &|_| None, false).unwrap().into_iter().map(|it| (it.number, it.name, it.value)).collect()
    }

    #[test]
    fn quotes_comments_and_earlier_names() {
        let text = "# first\nexport A=1 # one\nB=\"x ${A}\\n\"\nC='$A # no'\nD=\n\nE\nF=a#b\nG=\"two\nlines\"\n";
        let expected = [
            (2, "A", Some("1")),
            (3, "B", Some("x 1\n")),
            (4, "C", Some("$A # no")),
            (5, "D", Some("")),
            (7, "E", None),
            (8, "F", Some("a#b")),
            (9, "G", Some("two\nlines")),
        ];
        let expected = expected.map(|(line, name, value)| (line, name.to_owned(), value.map(str::to_owned)));
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn a_line_that_says_nothing_is_told_by_its_number() {
        assert_eq!(read("A=1\nnot a line\n", &|_| None, false).unwrap_err().0, 2);
        assert_eq!(read("A=\"open\n", &|_| None, false).unwrap_err().0, 1);
    }
}
