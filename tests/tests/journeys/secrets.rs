//! Likely secrets do not get in, and what looks like one and is none does.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tests::descriptors::{plain, with};
use tests::{Fleet, Platform};

/// Put together here, so that no scanner stumbles over this file.
fn token() -> String {
    format!("{}_{}", "ghp", "A1B2C3D4E5".repeat(4).get(..36).unwrap())
}

fn key() -> String {
    let line = |word: &str| format!("-----{word} RSA {} KEY-----", "PRIVATE");
    format!("{}\nMIIEpAIBAAKCAQEAsecretsecret\n{}\n", line("BEGIN"), line("END"))
}

fn with_env(env: Value) -> Value {
    with(plain(), "env", env)
}

#[test]
fn secret_refused() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("sound");
    shop.push(&["create"]).ok();

    let (token, key) = (token(), key());
    let cases: Vec<(&str, &str, Value, &str, &str)> = vec![
        ("a password", "containers/b.json", with_env(json!({ "DB_PASSWORD": "hunter2" })), "hunter2", "`DB_PASSWORD`"),
        ("a token in `env`", "containers/b.json", with_env(json!({ "HUB": token })), &token, "GitHub token"),
        (
            "a token in `command`",
            "containers/b.json",
            with(plain(), "command", json!(["run", token])),
            &token,
            "GitHub token",
        ),
        ("a private key", "variables/tls.json", json!({ "pem": key }), "MIIEpAIBAAKCAQEA", "private key"),
        ("our own token", "variables/app.json", json!({ "own": platform.token() }), "fl_", "token of fleetlog"),
        (
            "a task's token",
            "tasks/t.json",
            json!({ "image": "x", "env": { "API_TOKEN": "hunter3" }, "steps": [{ "run": ["x"] }] }),
            "hunter3",
            "`API_TOKEN`",
        ),
    ];
    for (what, path, value, secret, words) in &cases {
        refuses(&shop, what, path, value, secret, words);
    }
    // Refused things leave codes behind, and nothing else: the values are nowhere.
    for event in &shop.events().0 {
        let text = serde_json::to_string(&event.data).unwrap();
        assert!(cases.iter().all(|(_, _, _, secret, _)| !text.contains(secret)), "{text}");
    }
    assert!(cases[..4].iter().all(|(_, _, _, secret, _)| !platform.log().contains(secret)), "{}", platform.log());
    found_nowhere(&platform.data().join("nats"), "MIIEpAIBAAKCAQEA");

    // Nor in a commit below the tip, whichever ref brings it.
    shop.write("containers/c.json", with_env(json!({ "DB_PASSWORD": "hunter2" }))).commit("a secret");
    fs::remove_file(shop.path().join("containers/c.json")).unwrap();
    shop.commit("taken away again");
    shop.git(&["tag", "v1"]).ok();
    let refs = shop.refs().ok();
    for pushed in ["main", "v1", "main:refs/heads/other"] {
        let push = shop.push_to(&shop.remote(), &[], &[pushed]);
        let push = push.refused(&["containers/c.json:", "`DB_PASSWORD`", "rebase", "refused, nothing changed"]);
        assert!(!push.text.contains("hunter2"), "the terminal shows it:\n{}", push.text);
    }
    assert_eq!(shop.refs().ok(), refs);
    shop.git(&["reset", "--quiet", "--hard", "HEAD~2"]).ok();

    // The way out: said once, with its reason, and it is like any other value from then on.
    let allowed = json!({ "value": "hunter2", "$allow": "not a secret: everybody's demo" });
    let commit = shop.write("containers/b.json", with_env(json!({ "DB_PASSWORD": allowed }))).commit("allowed");
    shop.push(&[]).ok();
    shop.succeeds(&commit);
    let env = shop.container("b")["Config"]["Env"].clone();
    assert!(env.as_array().unwrap().contains(&json!("DB_PASSWORD=hunter2")), "{env}");
    // Another reason changes nothing that runs.
    let before = shop.fingerprint();
    let allowed = json!({ "value": "hunter2", "$allow": "in other words" });
    let commit = shop.write("containers/b.json", with_env(json!({ "DB_PASSWORD": allowed }))).commit("in other words");
    shop.push(&[]).ok().says(&["nothing to do"]);
    shop.succeeds(&commit);
    assert_eq!(shop.fingerprint(), before);
    // Without a reason it is none.
    let allowed = json!({ "value": "hunter2", "$allow": "" });
    refuses(&shop, "no reason", "containers/b.json", &with_env(json!({ "DB_PASSWORD": allowed })), "hunter2", "$allow");
    // References and places are no values.
    shop.write(
        "containers/b.json",
        with_env(json!({ "DB_PASSWORD_FILE": "/run/secrets/db", "DB_TOKEN": "{{ variables.app.it }}" })),
    );
    shop.write("variables/app.json", json!({ "it": "x" })).commit("places");
    shop.push(&[]).ok();
}

/// Pushes one bad file: refused, named, never shown, and everything as before.
#[track_caller]
fn refuses(shop: &Fleet<'_>, what: &str, path: &str, value: &Value, secret: &str, words: &str) {
    let (refs, events) = (shop.refs().ok(), shop.events().0.len());
    let text = format!("{value:#}");
    shop.write_text(path, &text).commit(what);
    let push = shop.push(&[]).refused(&[&format!("{path}:"), words, "1 file", "refused, nothing changed"]);
    assert!(!push.text.contains(secret), "{what}: the terminal shows it:\n{}", push.text);
    let check = platform_check(shop);
    assert!(check.contains(words) && !check.contains(secret), "{what}: {check}");
    assert_eq!(shop.refs().ok(), refs, "{what}");
    assert_eq!(shop.events().0.len(), events + 1, "{what}: one `git.refused`\n{}", shop.events());
    shop.git(&["reset", "--quiet", "--hard", "HEAD~1"]).ok();
}

/// What `fleetlog check` says, which has to be the same.
fn platform_check(shop: &Fleet<'_>) -> String {
    let mut command = std::process::Command::new(tests::fleetlog());
    let ran = tests::run(command.arg("check").current_dir(shop.path()), std::time::Duration::from_secs(20));
    assert_eq!(ran.code, 1, "{ran:?}");
    ran.out
}

/// Looks through every file below a folder.
fn found_nowhere(folder: &Path, text: &str) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found_nowhere(&path, text);
        } else if let Ok(bytes) = fs::read(&path) {
            let there = bytes.windows(text.len()).any(|it| it == text.as_bytes());
            assert!(!there, "`{}` holds it", path.display());
        }
    }
}
