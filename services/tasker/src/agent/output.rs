//! Reads what a step wrote to `$FLEETLOG_OUTPUT`. Pure. It becomes part of an event, so it has to be right to the letter.

use std::collections::BTreeMap;

use engine::Content;
use schemas::check::likely_secret;
use schemas::names::Key;

/// How much a run may write, in bytes.
pub const MAX_BYTES: u64 = 64 << 10;

/// `key=value` lines; empty lines say nothing. The error says what is wrong and never shows a value.
pub fn read(content: Option<Content>) -> Result<BTreeMap<Key, String>, String> {
    let bytes = match content {
        Some(Content::Bytes(bytes)) => bytes,
        Some(Content::TooLarge(bytes)) => {
            return Err(format!("$FLEETLOG_OUTPUT has {bytes} bytes: at most {MAX_BYTES} fit"));
        }
        None | Some(Content::NoFile) => return Err("$FLEETLOG_OUTPUT is no file any more".to_owned()),
    };
    let mut outputs = BTreeMap::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let (key, value) = pair(line).map_err(|why| format!("line {} of $FLEETLOG_OUTPUT {why}", index + 1))?;
        outputs.insert(key, value);
    }
    Ok(outputs)
}

fn pair(line: &[u8]) -> Result<(Key, String), String> {
    let text = std::str::from_utf8(line).map_err(|_| "is no UTF-8".to_owned())?;
    let (key, value) = text.split_once('=').ok_or("is not of the form `key=value`")?;
    let key: Key = key.trim().parse().map_err(|_| {
        "has a bad key: expected a lower-case key of letters, digits and `_` that starts with a letter".to_owned()
    })?;
    if value.chars().any(char::is_control) {
        return Err(format!("has control characters in the value of `{key}`"));
    }
    if let Some(why) = likely_secret(key.as_str(), value) {
        return Err(format!("holds a likely secret: `{key}` {why}; outputs are kept for ever and shown to everybody"));
    }
    Ok((key, value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<BTreeMap<Key, String>, String> {
        read(Some(Content::Bytes(text.as_bytes().to_vec())))
    }

    #[test]
    fn lines_are_outputs() {
        let outputs = of("total=42\n\nwhere = a=b \r\ntotal=43\nempty=").unwrap();
        let shown: Vec<_> = outputs.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        assert_eq!(shown, ["empty:", "total:43", "where: a=b "]);
        assert!(of("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            ("a=1\nnonsense", "line 2 of $FLEETLOG_OUTPUT is not of the form `key=value`"),
            ("Total=1", "line 1 of $FLEETLOG_OUTPUT has a bad key"),
            ("a=1\nb=\u{1b}[31m", "line 2 of $FLEETLOG_OUTPUT has control characters in the value of `b`"),
            ("db_password=hunter2hunter2", "line 1 of $FLEETLOG_OUTPUT holds a likely secret: `db_password`"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(read(Some(Content::Bytes(vec![b'a', b'=', 0xff]))).unwrap_err().contains("line 1"));
        assert!(read(Some(Content::TooLarge(1 << 20))).unwrap_err().contains("1048576 bytes"));
        assert!(read(None).is_err());
    }
}
