//! The short ways in which compose files write commands, sizes and durations.

use schemas::units::{Size, Span};

/// The words of a command line, as a shell would part them; nothing is expanded.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a quote is never closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("a quote is never closed".to_owned()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("a quote is never closed".to_owned()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("it ends with `\\`".to_owned()),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// `512m`, `1.5gb`, `2GiB`, or so many bytes.
pub fn size(text: &str) -> Option<Size> {
    let text = text.trim().to_ascii_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    decimal(number, factor).map(Size)
}

/// `1m30s`, `500ms`, `1.5h`: in whole milliseconds, where it is more than none rounded up to one.
pub fn span(text: &str) -> Option<Span> {
    let mut rest = text.trim();
    let mut nanos: u64 = 0;
    if rest == "0" {
        return Some(Span(0));
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(split);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor: u64 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(decimal(number, factor)?)?;
        rest = after;
    }
    Some(Span(nanos.div_ceil(1_000_000)))
}

/// A number with or without a part behind a point, times a factor, without a float in between.
fn decimal(number: &str, factor: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() || part.len() > 9 {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    let below = u128::from(digits(part)?) * u128::from(factor) / 10_u128.pow(u32::try_from(part.len()).ok()?);
    digits(whole)?.checked_mul(factor)?.checked_add(u64::try_from(below).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_becomes_words() {
        for (text, expected) in [
            ("npm run  start", &["npm", "run", "start"][..]),
            ("sh -c 'echo \"a b\"'", &["sh", "-c", "echo \"a b\""]),
            ("a \"b \\\"c\\\" d\" e\\ f", &["a", "b \"c\" d", "e f"]),
            ("--x='' \"\"", &["--x=", ""]),
            ("a \\\n  b\n", &["a", "b"]),
            ("", &[]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for bad in ["'open", "\"open", "end\\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_durations_get_our_units() {
        for (text, expected) in [
            ("512m", "512MiB"),
            ("1.5gb", "1536MiB"),
            ("2GiB", "2GiB"),
            ("1048576", "1MiB"),
            ("64kb", "64KiB"),
            ("7b", "7B"),
        ] {
            assert_eq!(size(text).unwrap().to_string(), expected, "{text}");
        }
        for (text, expected) in
            [("1m30s", "90s"), ("500ms", "500ms"), ("1.5h", "90m"), ("10us", "1ms"), ("0", "0ms"), ("1h0m5s", "3605s")]
        {
            assert_eq!(span(text).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", "x", "1x", "-1", "1.2.3m", "."] {
            assert_eq!((size(bad), span(bad)), (None, None), "{bad}");
        }
        assert_eq!(span("30"), None);
    }
}
