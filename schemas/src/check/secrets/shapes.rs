//! Texts that look like what well-known issuers give out. Each begins in a way that hardly anything else does.

use crate::template::refers;

/// What a token is made of behind its beginning.
type Alphabet = fn(u8) -> bool;

/// What it is, how it begins, what follows, and how many characters of that at least.
const TOKENS: [(&str, &[&str], Alphabet, usize); 14] = [
    ("an AWS access key", &["AKIA", "ASIA"], upper, 16),
    ("a GitHub token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], letters, 30),
    ("a GitHub token", &["github_pat_"], url_safe, 22),
    ("a GitLab token", &["glpat-", "gldt-", "glrt-"], url_safe, 20),
    ("a Slack token", &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"], url_safe, 10),
    ("a Stripe key", &["sk_live_", "rk_live_", "whsec_"], letters, 16),
    ("an npm token", &["npm_"], letters, 36),
    ("a PyPI token", &["pypi-AgE"], url_safe, 30),
    ("a Docker Hub token", &["dckr_pat_"], url_safe, 20),
    ("a Google API key", &["AIza"], url_safe, 35),
    ("a SendGrid key", &["SG."], dotted, 40),
    ("a Vault token", &["hvs.", "hvb."], url_safe, 24),
    ("an age key", &["AGE-SECRET-KEY-1"], upper, 40),
    ("a token of fleetlog", &["fl_"], url_safe, 40),
];

/// What the text, or a part of it, looks like.
pub(super) fn find(text: &str) -> Option<&'static str> {
    if is_private_key(text) {
        return Some("a private key");
    }
    if let Some(what) = words(text).find_map(token) {
        return Some(what);
    }
    if is_web_token(text) {
        return Some("a JSON Web Token");
    }
    has_password(text).then_some("a URL with a password")
}

fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn letters(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

/// The text from each place on where a word begins.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let begins = |at: &usize| *at == 0 || !url_safe(text.as_bytes()[at - 1]);
    text.char_indices().map(|(at, _)| at).filter(begins).map(|at| &text[at..])
}

/// The token that a word is, or begins with.
fn token(word: &str) -> Option<&'static str> {
    let is = |begin: &str, alphabet, least| word.strip_prefix(begin).is_some_and(|rest| run(rest, alphabet) >= least);
    let found = TOKENS.iter().find(|(_, begins, alphabet, least)| begins.iter().any(|it| is(it, *alphabet, *least)));
    found.map(|(what, ..)| *what)
}

/// How many characters of the alphabet the text begins with.
fn run(text: &str, alphabet: Alphabet) -> usize {
    text.bytes().take_while(|byte| alphabet(*byte)).count()
}

/// A PEM block: RSA, EC, OpenSSH, PGP, encrypted or not.
fn is_private_key(text: &str) -> bool {
    text.match_indices("-----BEGIN ").any(|(at, begin)| {
        let rest = &text[at + begin.len()..];
        rest.split_once("-----").is_some_and(|(name, _)| name.len() <= 40 && name.contains("PRIVATE KEY"))
    }) || text.contains("PuTTY-User-Key-File-")
}

/// Three parts in base64, of which the first begins with `{"`.
fn is_web_token(text: &str) -> bool {
    words(text).filter_map(|word| word.strip_prefix("eyJ")).any(|rest| {
        let parts: Vec<&str> = rest.split('.').take(3).collect();
        let [head, claims, signature] = parts.as_slice() else { return false };
        let whole = |part: &str| run(part, url_safe) == part.len();
        head.len() >= 10 && whole(head) && claims.starts_with("eyJ") && whole(claims) && run(signature, url_safe) >= 16
    })
}

/// `scheme://user:password@host`, where the password is no reference.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let rest = &text[at + 3..];
        let authority = &rest[..rest.find(['/', '?', '#', '"', '\'']).unwrap_or(rest.len())];
        let Some((credentials, host)) = authority.rsplit_once('@') else { return false };
        let plain = |text: &str| !text.is_empty() && !refers(text) && !text.contains(char::is_whitespace);
        !host.is_empty() && credentials.split_once(':').is_some_and(|(_, password)| plain(password))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that no scanner stumbles over this file.
    fn token(begin: &str, length: usize) -> String {
        format!("{begin}{}", "A1B2C3D4E5".repeat(8).get(..length).unwrap())
    }

    #[test]
    fn well_known_tokens_are_found_wherever_they_stand() {
        for (what, begins, _, least) in TOKENS {
            for begin in begins {
                let token = token(begin, least);
                for text in [token.clone(), format!("--token={token}"), format!("x {token}, y")] {
                    assert!(find(&text).is_some(), "{what}: {begin}");
                }
                assert_eq!(find(&token[..token.len() - 1]), None, "{what}: too short");
                assert_eq!(find(&format!("x{token}")), None, "{what}: inside a word");
            }
        }
    }

    #[test]
    fn keys_web_tokens_and_passwords_in_urls() {
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nMIIE\n-----END {kind}-----");
        for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
            assert_eq!(find(&pem(kind)), Some("a private key"));
        }
        for fine in [pem("CERTIFICATE"), pem("PUBLIC KEY"), "-----BEGIN ".to_owned()] {
            assert_eq!(find(&fine), None, "{fine}");
        }
        let part = "A1B2C3D4E5F6G7H8";
        assert_eq!(find(&format!("Bearer eyJ{part}.eyJ{part}.{part}")), Some("a JSON Web Token"));
        assert_eq!(find(&format!("eyJ{part}.{part}")), None);
        assert_eq!(find("postgres://app:hunter2@db:5432/shop"), Some("a URL with a password"));
        for fine in [
            "postgres://app@db/shop",
            "postgres://app:{{ secrets.db }}@db/shop",
            "http://db:5432/a:b@c",
            "mail me: a:b@c",
            "https://host:8080/",
        ] {
            assert_eq!(find(fine), None, "{fine}");
        }
    }
}
