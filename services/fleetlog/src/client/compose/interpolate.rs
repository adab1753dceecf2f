//! `${VAR}` and its kin, as compose files use them.

use super::yaml::{Broken, Node, Value};

/// What a variable's name stands for; none: it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces every variable of a text. Names that are not set and have no default are empty, and put into `missing`.
pub fn interpolate(text: &str, lookup: Lookup<'_>, missing: &mut Vec<String>) -> Result<String, String> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            done.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let end = closing(after).ok_or("`${` is never closed: write `$$` for a literal `$`")?;
            done.push_str(&braced(&after[..end], lookup, missing)?);
            rest = &after[end + 1..];
        } else {
            let name = name_of(rest);
            if name.is_empty() {
                return Err("`$` before no name: write `$$` for a literal `$`".to_owned());
            }
            done.push_str(&set(name, lookup, missing));
            rest = &rest[name.len()..];
        }
    }
    done.push_str(rest);
    Ok(done)
}

/// The same for every value of a tree; `missing` is told what is not set, with the value in which it stands.
pub fn interpolate_tree(
    node: &mut Node,
    lookup: Lookup<'_>,
    missing: &mut dyn FnMut(&Node, &str),
) -> Result<(), Broken> {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => {
            let mut names = Vec::new();
            let done = interpolate(text, lookup, &mut names).map_err(|text| Broken::new(&node.place, text))?;
            *text = done;
            names.iter().for_each(|name| missing(node, name));
        }
        Value::List(items) => {
            for item in items {
                interpolate_tree(item, lookup, missing)?;
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                interpolate_tree(&mut entry.node, lookup, missing)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Where the brace that is open is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn name_of(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &text[..end] }
}

fn set(name: &str, lookup: Lookup<'_>, missing: &mut Vec<String>) -> String {
    lookup(name).unwrap_or_else(|| {
        missing.push(name.to_owned());
        String::new()
    })
}

/// What stands between braces.
fn braced(text: &str, lookup: Lookup<'_>, missing: &mut Vec<String>) -> Result<String, String> {
    let name = name_of(text);
    let rest = &text[name.len()..];
    if name.is_empty() {
        return Err(format!("`${{{text}}}` names no variable"));
    }
    let value = lookup(name);
    let (empty_counts, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    let value = value.filter(|it| !(empty_counts && it.is_empty()));
    match (rest.chars().next(), value) {
        (None, _) if !empty_counts => Ok(set(name, lookup, missing)),
        (Some('-' | '?'), Some(value)) => Ok(value),
        (Some('-'), None) | (Some('+'), Some(_)) => interpolate(&rest[1..], lookup, missing),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => {
            let why = interpolate(&rest[1..], lookup, missing)?;
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            Err(format!("`{name}` has to be set{why}: write it into `.env`, or say --env {name}"))
        }
        _ => Err(format!("`${{{text}}}` is no form of a variable: `${{NAME}}`, `:-`, `-`, `:?`, `?`, `:+` or `+`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(text: &str) -> Result<(String, Vec<String>), String> {
        let lookup = |name: &str| match name {
            "TAG" => Some("1.2".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let mut missing = Vec::new();
        interpolate(text, &lookup, &mut missing).map(|it| (it, missing))
    }

    #[test]
    fn every_form_of_a_variable() {
        for (text, expected) in [
            ("nginx:${TAG}", "nginx:1.2"),
            ("nginx:$TAG-alpine", "nginx:1.2-alpine"),
            ("${EMPTY:-x}${EMPTY-x}${NONE:-y}${NONE-z}", "xyz"),
            ("${TAG:+yes}${NONE+no}${EMPTY:+no}${EMPTY+yes}", "yesyes"),
            ("${NONE:-${TAG}}-${NONE:-a${NONE:-b}}", "1.2-ab"),
            ("$$TAG and $${TAG}", "$TAG and ${TAG}"),
            ("${TAG:?must be set}", "1.2"),
            ("${NONE:-}", ""),
            ("no variable", "no variable"),
        ] {
            assert_eq!(done(text), Ok((expected.to_owned(), Vec::new())), "{text}");
        }
    }

    #[test]
    fn what_is_not_set_is_empty_and_told() {
        assert_eq!(done("a${NONE}b$OTHER"), Ok(("ab".to_owned(), vec!["NONE".to_owned(), "OTHER".to_owned()])));
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error() {
        let told = |text| done(text).unwrap_err();
        assert_eq!(
            told("${NONE:?say which}"),
            "`NONE` has to be set: say which: write it into `.env`, or say --env NONE"
        );
        assert_eq!(told("${EMPTY:?}"), "`EMPTY` has to be set: write it into `.env`, or say --env EMPTY");
        for bad in ["${TAG", "$", "cost: 5$ ", "${}", "${1}", "${TAG!x}", "${TAG:}"] {
            assert!(done(bad).is_err(), "{bad}");
        }
    }
}
