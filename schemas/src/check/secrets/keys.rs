//! Keys that say that their value is a secret: `DB_PASSWORD`, `apiKey`, `session-token`.

use crate::template::refers;

/// Words, one or two in a row, of a key that holds a secret.
const SECRET: [&[&str]; 14] = [
    &["password"],
    &["passwd"],
    &["passphrase"],
    &["passwort"],
    &["pwd"],
    &["secret"],
    &["secrets"],
    &["token"],
    &["apikey"],
    &["api", "key"],
    &["private", "key"],
    &["privatekey"],
    &["credential"],
    &["credentials"],
];

/// Last words of a key that say that it holds something about a secret.
const ABOUT: [&str; 30] = [
    "algorithm",
    "count",
    "enabled",
    "endpoint",
    "expiration",
    "expires",
    "expiry",
    "header",
    "hint",
    "host",
    "interval",
    "issuer",
    "length",
    "lifetime",
    "limit",
    "max",
    "min",
    "name",
    "names",
    "policy",
    "port",
    "prefix",
    "provider",
    "required",
    "rotation",
    "size",
    "timeout",
    "ttl",
    "type",
    "url",
];

/// Last words of a key that say where a secret lies.
const PLACE: [&str; 4] = ["dir", "file", "folder", "path"];

/// The word of a key that says that this literal value is a secret.
pub(super) fn suspect(key: &str, value: &str) -> Option<String> {
    let words = words(key);
    let found = SECRET.iter().find(|secret| words.windows(secret.len()).any(|part| part == **secret))?;
    let last = words.last().map(String::as_str).unwrap_or_default();
    let at_a_place = PLACE.contains(&last) && (value.starts_with('/') || value.starts_with("./"));
    let switch = ["true", "false", "yes", "no", "on", "off"].iter().any(|it| value.eq_ignore_ascii_case(it));
    // A reference brings the value from somewhere else, where it is judged in its turn.
    let fine = value.trim().is_empty() || refers(value) || switch || at_a_place || ABOUT.contains(&last);
    (!fine).then(|| found.join(" "))
}

/// The words of a key in lower case: parted by signs, and where a capital follows a small letter.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in key.chars() {
        let start = c.is_uppercase() && small;
        if (start || !c.is_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        small = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_word_by_word() {
        for key in
            ["DB_PASSWORD", "password", "dbPassword", "session-token", "API_KEY", "apiKey", "x.private.key", "PGPASSWD"]
        {
            let expected = key != "PGPASSWD";
            assert_eq!(suspect(key, "hunter2").is_some(), expected, "{key}");
        }
        for key in [
            "tokenizer",
            "SECRETARY",
            "COMPASS",
            "key",
            "monkey",
            "api",
            "PASSWORD_MIN_LENGTH",
            "TOKEN_TTL",
            "TOKEN_URL",
        ] {
            assert_eq!(suspect(key, "hunter2"), None, "{key}");
        }
    }

    #[test]
    fn what_is_no_literal_is_no_secret() {
        for value in ["", "  ", "{{ variables.app.password }}", "pre-{{ secrets.db }}", "true", "Off"] {
            assert_eq!(suspect("DB_PASSWORD", value), None, "{value}");
        }
        for value in ["changeme", "1234", "x", "hunter{{{{2"] {
            assert_eq!(suspect("DB_PASSWORD", value).as_deref(), Some("password"), "{value}");
        }
        assert_eq!(suspect("DB_PASSWORD_FILE", "/run/secrets/db"), None);
        assert!(suspect("DB_PASSWORD_FILE", "hunter2").is_some());
        assert!(suspect("DB_PASSWORD", "/hunter2").is_some());
    }
}
