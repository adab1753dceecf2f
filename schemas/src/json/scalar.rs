//! Strings, numbers, words, and text that should have been in quotes.

use serde_json::Number;

use super::Value;
use super::reader::{Reader, hint};
use crate::check::quote;

/// What ends text without quotes.
fn ends_bare(c: char) -> bool {
    matches!(c, ',' | '}' | ']' | '{' | '[' | '"' | '\n' | '\r')
}

impl<'a> Reader<'a> {
    /// A string in double quotes, and whether it has an end. Single quotes and no end are faults.
    pub(super) fn string(&mut self) -> (String, bool) {
        let start = self.cursor.spot();
        let mark = if self.cursor.peek() == Some(b'\'') { '\'' } else { '"' };
        self.cursor.skip(1);
        let mut text = String::new();
        loop {
            text.push_str(self.cursor.take_while(|c| c != mark && c != '\\' && c >= ' '));
            match self.cursor.peek() {
                Some(b'\\') => self.escape(&mut text),
                None | Some(b'\n' | b'\r') if self.at_line_end() => {
                    let fault = self.fault(
                        "missing-quote",
                        start,
                        "a string without its closing quote",
                        "`\"` in the same line",
                    );
                    hint(fault, "a line break inside a string is written `\\n`");
                    self.give_back(&mut text);
                    return (text, false);
                }
                Some(byte) if byte < b' ' => {
                    let escaped = if byte == b'\t' { "\\t".to_owned() } else { format!("\\u{byte:04x}") };
                    let spot = self.cursor.spot();
                    let seen = format!("the control character 0x{byte:02x} inside a string");
                    self.fault("control-character", spot, seen, format!("`{escaped}`"));
                    text.push(char::from(byte));
                    self.cursor.skip(1);
                }
                _ => {
                    self.cursor.skip(1);
                    if mark == '\'' {
                        let seen = format!("{} in single quotes", quote(&text));
                        self.fault("single-quote", start, seen, "double quotes");
                    }
                    return (text, true);
                }
            }
        }
    }

    fn at_line_end(&self) -> bool {
        let rest = self.cursor.rest();
        rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n")
    }

    /// A string without its end has swallowed the commas and brackets at the end of its line: they stand again.
    fn give_back(&mut self, text: &mut String) {
        let tail = text.len() - text.trim_end_matches([',', ']', '}', ' ', '\t']).len();
        let kept = text.len() - tail;
        // Where an escape stands at the end, what was read reads otherwise: nothing is given back.
        let given = self.cursor.before(tail) == &text[kept..];
        self.forgive_comma = !given || !text[kept..].contains(',');
        if given {
            self.cursor.back(tail);
            text.truncate(kept);
        }
    }

    fn escape(&mut self, text: &mut String) {
        let spot = self.cursor.spot();
        let rest = self.cursor.rest();
        let plain = match rest.as_bytes().get(1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(text),
            _ => {
                // A line's end stays where it is: the text ends there.
                let bad = rest[1..].chars().next().filter(|c| !matches!(c, '\n' | '\r'));
                self.cursor.skip(1 + bad.map_or(0, char::len_utf8));
                let seen = bad.map_or("`\\` at the end of a line".to_owned(), |c| {
                    format!("the escape {}", quote(&format!("\\{c}")))
                });
                let fault = self.fault("bad-escape", spot, seen, "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
                hint(fault, "a backslash itself is written `\\\\`");
                text.extend(bad);
                return;
            }
        };
        self.cursor.skip(2);
        text.push(plain);
    }

    fn unicode(&mut self, text: &mut String) {
        let spot = self.cursor.spot();
        let rest = self.cursor.rest();
        let unit = |from: usize| -> Option<u32> {
            let digits = rest.get(from..from + 4)?;
            let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
        };
        let second = || {
            rest.get(6..8).filter(|it| *it == "\\u").and_then(|_| unit(8)).filter(|low| (0xdc00..0xe000).contains(low))
        };
        let (found, length) = match unit(2) {
            None => (None, 2),
            Some(high @ 0xd800..0xdc00) => match second() {
                Some(low) => (char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12),
                None => (None, 6),
            },
            Some(code) => (char::from_u32(code), 6),
        };
        self.cursor.skip(length);
        text.push(found.unwrap_or('\u{fffd}'));
        if found.is_none() {
            let shown =
                rest.chars().take(6).take_while(|c| *c == '\\' || c.is_ascii_alphanumeric()).collect::<String>();
            let expected = "`\\u` and four hexadecimal digits; above U+FFFF a pair of surrogates";
            self.fault("bad-escape", spot, format!("the escape {}", quote(&shown)), expected);
        }
    }

    /// A number, `true`, `false`, `null`, or text that should have been in quotes.
    pub(super) fn bare(&mut self) -> Value {
        let start = self.cursor;
        let word = self.cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
        let ended = self
            .cursor
            .rest()
            .chars()
            .next()
            .is_none_or(|c| matches!(c, ' ' | '\t' | ':' | '#' | '/' | '\'') || ends_bare(c));
        match word {
            "true" if ended => return Value::Bool(true),
            "false" if ended => return Value::Bool(false),
            "null" if ended => return Value::Null,
            _ => {}
        }
        let numeric = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if numeric
            && ended
            && let Ok(number) = serde_json::from_str(word)
            && !too_long(word, &number)
        {
            return Value::Number(number);
        }
        self.cursor = start;
        let text = self.bare_text();
        let mut expected = None;
        let (code, seen, advice) = match text {
            "NaN" | "Infinity" | "-Infinity" | "+Infinity" => {
                ("bad-number", format!("{}, which JSON does not have", quote(text)), None)
            }
            "True" | "TRUE" | "False" | "FALSE" => {
                ("bad-word", quote(text), Some(format!("write `{}`", text.to_ascii_lowercase())))
            }
            "None" | "undefined" | "NULL" | "Null" | "nil" => {
                ("bad-word", quote(text), Some("leave the key out".to_owned()))
            }
            _ if is_too_large(text) => {
                let whole = text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
                let kind = if whole { "whole number of at most 64 bits" } else { "number of at most about 1.8e308" };
                expected = Some(format!("a {kind}"));
                let advice = Some("put it in double quotes where it is a text".to_owned());
                ("bad-number", format!("the number {} is too large", quote(text)), advice)
            }
            _ if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
                || text.starts_with("0x") =>
            {
                ("bad-number", format!("the number {}", quote(text)), Some(number_advice(text).to_owned()))
            }
            _ if text.starts_with(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '`']) => (
                "bad-word",
                format!("{} in other quotes", quote(text)),
                Some("JSON's quote is the straight `\"`".to_owned()),
            ),
            _ => (
                "bad-word",
                format!("{} without quotes", quote(text)),
                Some("put the text in double quotes".to_owned()),
            ),
        };
        let plain = if code == "bad-number" { "a JSON number, such as 80 or 0.5" } else { "a JSON value" };
        let expected = expected.unwrap_or_else(|| plain.to_owned());
        if let Some(fault) = self.fault(code, start.spot(), seen, expected) {
            fault.hint = advice;
        }
        Value::Broken
    }

    /// A key without quotes.
    pub(super) fn bare_key(&mut self) -> String {
        let start = self.cursor;
        let mut key = self.cursor.take_while(|c| c != ':' && !c.is_whitespace() && !ends_bare(c));
        if key.is_empty() {
            self.cursor = start;
            key = self.bare_text();
        }
        self.fault(
            "bad-word",
            start.spot(),
            format!("the key {} without quotes", quote(key)),
            "a key in double quotes",
        );
        key.to_owned()
    }

    /// At least one character, up to what ends text without quotes.
    fn bare_text(&mut self) -> &'a str {
        let rest = self.cursor.rest();
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..].find(ends_bare).map_or(rest.len(), |end| first + end);
        let text = rest[..end].trim_end();
        let length = text.len().max(first);
        self.cursor.skip(length);
        &rest[..length]
    }
}

/// Whether a whole number has more than 64 bits: it would be rounded, and be another one than its author wrote.
fn too_long(word: &str, number: &Number) -> bool {
    let whole = word.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
    whole && number.is_f64() && number.as_f64() != Some(0.0)
}

/// Whether it is a number as JSON writes them, and only more than what fits.
fn is_too_large(text: &str) -> bool {
    match serde_json::from_str::<Number>(text) {
        Ok(number) => too_long(text, &number),
        // The only fault that a number has whose form is fine: that of Rust is wider.
        Err(_) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let formed = digits.starts_with(|c: char| ('1'..='9').contains(&c)) || digits.starts_with("0.");
            let signs = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
            formed && signs && text.parse::<f64>().is_ok_and(f64::is_infinite)
        }
    }
}

fn number_advice(text: &str) -> &'static str {
    let digits = text.trim_start_matches(['-', '+']);
    if text.starts_with('+') {
        "leave the `+` out"
    } else if digits.starts_with('.') {
        "write a 0 before the point"
    } else if digits.starts_with("0x") {
        "write it as a decimal number"
    } else if digits.len() > 1 && digits.starts_with('0') {
        "leave the leading 0 out, or put it in double quotes where it is a text"
    } else {
        "put it in double quotes where it is a text"
    }
}
