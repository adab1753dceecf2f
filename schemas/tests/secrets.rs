//! Likely secrets: refused with the place and the kind, never with the value, unless the file says why it is none.

#![allow(clippy::unwrap_used, reason = "helpers are part of the tests")]

use expect_test::{Expect, expect};
use schemas::check::{Broken, Checked, Content, EntryKind, TreeFile, check, report};
use schemas::spec::{self, DigestKey};

fn look(files: &[(&str, &str)]) -> Result<Checked, Broken> {
    check(files.iter().map(|(path, text)| TreeFile {
        path,
        kind: EntryKind::File,
        content: Content::Bytes(text.as_bytes()),
    }))
}

fn table(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&look(files).map_or_else(|broken| report(&broken.faults), |_| "no faults".to_owned()));
}

/// Put together here, so that no scanner stumbles over this file.
fn token() -> String {
    format!("{}_{}", "ghp", "A1B2C3D4E5".repeat(4).get(..36).unwrap())
}

#[test]
fn values_are_judged_by_their_key_and_by_their_shape() {
    let token = token();
    let container = format!(
        "{{ \"image\": \"x\", \"command\": [\"run\", \"--with\", \"{token}\"],\n  \"env\": {{ \"DB_PASSWORD\": \"changeme\",\n    \
         \"HUB\": \"{token}\", \"DB_PASSWORD_FILE\": \"/run/secrets/db\", \"API_KEY\": \"\",\n    \
         \"TOKEN\": \"{{{{ variables.app.token_ttl }}}}\" }} }}"
    );
    let variables =
        "{ \"token_ttl\": \"5m\",\n  \"admin_password\": 1234,\n  \"url\": \"postgres://app:hunter2@db/shop\" }";
    let files = [("containers/api.json", container.as_str()), ("variables/app.json", variables)];
    let told = report(&look(&files).unwrap_err().faults);
    for value in [token.as_str(), "changeme", "1234", "hunter2"] {
        assert!(!told.contains(value), "{told}");
    }
    let first_lines: Vec<_> = told.lines().filter(|it| !it.starts_with("  ")).collect();
    expect![[r#"
        containers/api.json:1:46: what looks like a GitHub token
        containers/api.json:2:27: `DB_PASSWORD` holds a literal value, and its name says `password`
        containers/api.json:3:12: what looks like a GitHub token
        variables/app.json:2:21: `admin_password` holds a literal value, and its name says `password`
        variables/app.json:3:10: what looks like a URL with a password
        5 faults in 2 files"#]]
    .assert_eq(&first_lines.join("\n"));
}

#[test]
fn the_message_says_what_to_do() {
    table(
        &[("containers/a.json", r#"{ "image": "x", "env": { "API_TOKEN": "hunter2" } }"#)],
        expect![[r#"
            containers/a.json:1:39: `API_TOKEN` holds a literal value, and its name says `token`
              expected: no secret in a fleet's files: they stay in Git and in the event log for ever
              hint: take it out of the commit (`git commit --amend`); a secret store comes next, until then let the container read it from a volume; if it is none: { "value": …, "$allow": "why it is no secret" }
            1 fault in 1 file"#]],
    );
}

#[test]
fn a_reason_lets_a_value_pass_and_is_forgotten() {
    let plain = r#"{ "image": "x", "env": { "GREETING": "hello" } }"#;
    let allowed = r#"{ "image": "x", "env": { "GREETING": { "value": "hello", "$allow": "not a secret: a demo" } } }"#;
    let render = |text: &str| {
        let desired = look(&[("containers/a.json", text)]).unwrap().desired;
        spec::render(&"acme/shop".parse().unwrap(), &"a".parse().unwrap(), &desired).unwrap()
    };
    let key = DigestKey::derive(&[7; 32]);
    assert_eq!(spec::digest(&key, &render(plain)), spec::digest(&key, &render(allowed)));

    let checked = look(&[
        (
            "containers/a.json",
            r#"{ "image": "x", "env": { "PASSWORD": { "value": "{{ variables.app.password }}", "$allow": "x" } } }"#,
        ),
        (
            "tasks/t.json",
            r#"{ "image": "x", "env": { "TOKEN": { "value": "y", "$allow": "of a {{ demo" } }, "steps": [{ "run": ["x"] }] }"#,
        ),
        (
            "variables/app.json",
            r#"{ "password": { "value": "hello", "$allow": "a demo" }, "pin_token": { "value": 7, "$allow": "a demo" } }"#,
        ),
    ]);
    let desired = checked.map_err(|broken| report(&broken.faults)).unwrap().desired;
    let canonical = serde_json::to_string(&desired).unwrap();
    assert!(!canonical.contains("$allow") && canonical.contains("\"pin_token\":7"), "{canonical}");
    let spec = spec::render(&"acme/shop".parse().unwrap(), &"a".parse().unwrap(), &desired).unwrap();
    assert_eq!(spec.env["PASSWORD"], "hello");
}

#[test]
fn a_way_out_needs_its_reason() {
    table(
        &[(
            "variables/app.json",
            "{ \"a_password\": { \"value\": \"x\" },\n  \"b_password\": { \"value\": \"x\", \"$allow\": \" \" },\n  \
             \"c\": { \"value\": \"x\", \"$alow\": \"y\" } }",
        )],
        expect![[r#"
            variables/app.json:1:17: missing key `$allow`
              expected: `$allow`, the reason why this is no secret, in words
            variables/app.json:1:28: `a_password` holds a literal value, and its name says `password`
              expected: no secret in a fleet's files: they stay in Git and in the event log for ever
              hint: take it out of the commit (`git commit --amend`); a secret store comes next, until then let the container read it from a volume; if it is none: { "value": …, "$allow": "why it is no secret" }
            variables/app.json:2:28: `b_password` holds a literal value, and its name says `password`
              expected: no secret in a fleet's files: they stay in Git and in the event log for ever
              hint: take it out of the commit (`git commit --amend`); a secret store comes next, until then let the container read it from a volume; if it is none: { "value": …, "$allow": "why it is no secret" }
            variables/app.json:2:43: `$allow` is ` `
              expected: the reason why this is no secret, in words
            variables/app.json:3:24: unknown key `$alow` in `c`
              expected: one of `$allow`, `value`
              hint: did you mean `$allow`?
            5 faults in 1 file"#]],
    );
}
