//! How much is told at once, and what is told although there are faults.

use std::fmt::Write;

use expect_test::expect;
use schemas::check::{Broken, check, report, warned};

use super::{IMAGE, answer, file, table};

#[test]
fn warnings_stand_beside_faults_where_they_are_certain() {
    let files = [
        ("Containers/old.json", IMAGE),
        ("containers/a.json", r#"{ "image": "nginx", "command": ["sleep 5"], "need": [] }"#),
        ("containers/b.json", r#"{ "image": "{{ variables.app.image }}", "command": ["a b"], "restart": "no" }"#),
        ("tasks/t.json", r#"{ "image": "busybox:latest", "steps": [{ "run": ["echo hi"] }] }"#),
        ("variables/app.json", r#"{ "image": "nginx" }"#),
    ];
    let Broken { faults, warnings } = check(files.iter().map(|(path, text)| file(path, text))).unwrap_err();
    expect![[r#"
        warning: Containers/old.json:1:1: the folder `Containers` is carried and ignored
          expected: `containers/`
          hint: move it if it was meant as a descriptor
        warning: containers/a.json:1:12: image `nginx` has neither tag nor digest, and so means `latest`
          expected: an image with a tag of a version, or with a digest
          hint: such as "nginx:1.2" or "nginx@sha256:…"
        warning: containers/a.json:1:33: a command of one argument with blanks in it: `sleep 5`
          expected: each argument by itself
          hint: a command is an array of arguments: write ["sleep","5"]
        warning: containers/b.json:1:53: a command of one argument with blanks in it: `a b`
          expected: each argument by itself
          hint: a command is an array of arguments: write ["a","b"]
        warning: tasks/t.json:1:12: image `busybox:latest` says `latest`: which image that is changes with every push to its registry
          expected: an image with a tag of a version, or with a digest
          hint: such as "busybox:1.2" or "busybox@sha256:…"
        warning: tasks/t.json:1:50: a command of one argument with blanks in it: `echo hi`
          expected: each argument by itself
          hint: a command is an array of arguments: write ["echo","hi"]
        containers/a.json:1:45: unknown key `need`
          expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
          hint: did you mean `needs`?
        1 fault in 1 file"#]].assert_eq(&format!("{}{}", warned(&warnings), report(&faults)));
}

#[test]
fn a_warning_does_not_quote_a_secret() {
    let token = format!("{}_{}", "ghp", "A1B2C3D4E5".repeat(4).get(..36).unwrap());
    let text = format!(r#"{{ "image": "x:1", "command": ["login {token}"] }}"#);
    let told = answer(&[file("containers/a.json", &text)]);
    assert!(!told.contains(&token), "{told}");
    assert!(told.contains("what looks like a GitHub token"), "{told}");
}

#[test]
fn thousands_of_faults_and_a_circle_of_thousands_are_cut_short() {
    let files: Vec<(String, String)> = (0..6_000)
        .map(|n| (format!("containers/c{n:04}.json"), r#"{ "image": "x:1", "need": [] }"#.to_owned()))
        .collect();
    let faults = check(files.iter().map(|(path, text)| file(path, text))).unwrap_err().faults;
    assert_eq!(faults.len(), 6_000);
    let told = report(&faults);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 200 * 3 + 2);
    assert_eq!(lines[600..], ["… and 5,800 more", "6,000 faults in 6,000 files"]);

    let circle: Vec<(String, String)> = (0..3_000)
        .map(|n| {
            let mut text = String::new();
            write!(text, r#"{{ "image": "x:1", "needs": ["c{}"] }}"#, (n + 1) % 3_000).unwrap();
            (format!("containers/c{n}.json"), text)
        })
        .collect();
    let told = answer(&circle.iter().map(|(path, text)| file(path, text)).collect::<Vec<_>>());
    expect!["containers/c0.json:1:29: cycle: `containers/c0` → `containers/c1` → `containers/c2` → `containers/c3` → `containers/c4` → `containers/c5` → `containers/c6` → `containers/c7` → `containers/c8` → `containers/c9` → 2,981 more → `containers/c2991` → `containers/c2992` → `containers/c2993` → `containers/c2994` → `containers/c2995` → `containers/c2996` → `containers/c2997` → `containers/c2998` → `containers/c2999` → `containers/c0`"].assert_eq(told.lines().next().unwrap());
}

#[test]
fn a_port_after_an_item_of_the_wrong_type_keeps_its_place() {
    table(
        &[("containers/a.json", r#"{ "image": "x:1", "ports": [8080, "8081:80", "a:b", "1:2:3:4"] }"#)],
        expect![[r#"
            containers/a.json:1:29: item 1 of `ports` is the number 8080
              expected: a string
              hint: write "127.0.0.1:8080:8080"
            containers/a.json:1:46: `a:b` is no port mapping
              expected: `[address:]host:container[/tcp|udp]`, such as "127.0.0.1:8080:80", or two ranges of the same length
            containers/a.json:1:53: `1:2:3:4` is no port mapping
              expected: `[address:]host:container[/tcp|udp]`, such as "127.0.0.1:8080:80", or two ranges of the same length
            3 faults in 1 file"#]],
    );
}

#[test]
fn numbers_that_are_too_large_and_files_that_are_null() {
    table(
        &[
            ("containers/a.json", "null"),
            ("variables/app.json", r#"{ "a": 1e400, "b": 18446744073709551616, "c": -1e999, "d": "x\u0000y" }"#),
        ],
        expect![[r#"
            containers/a.json:1:1: the file is `null`
              expected: an object
              hint: write an object, such as `{}`, or take the file out
            variables/app.json:1:8: the number `1e400` is too large
              expected: a number of at most about 1.8e308
              hint: put it in double quotes where it is a text
            variables/app.json:1:20: the number `18446744073709551616` is too large
              expected: a whole number of at most 64 bits
              hint: put it in double quotes where it is a text
            variables/app.json:1:47: the number `-1e999` is too large
              expected: a number of at most about 1.8e308
              hint: put it in double quotes where it is a text
            variables/app.json:1:60: the character \u0000 in `x\u0000y`
              expected: a string without it
            5 faults in 2 files"#]],
    );
}

#[test]
fn what_looks_like_a_descriptor_and_lies_elsewhere_is_told() {
    let files = [
        ("Containers/b.json", IMAGE),
        ("Volumes", "a file"),
        ("container/a.json", IMAGE),
        ("fleet.json/x", "{}"),
        ("volume.json", "{}"),
    ];
    table(
        &files,
        expect![[r#"
        warning: Containers/b.json:1:1: the folder `Containers` is carried and ignored
          expected: `containers/`
          hint: move it if it was meant as a descriptor
        warning: container/a.json:1:1: the folder `container` is carried and ignored
          expected: `containers/`
          hint: move it if it was meant as a descriptor
        warning: fleet.json/x:1:1: the folder `fleet.json` is carried and ignored
          expected: a file `fleet.json`
          hint: move it if it was meant as a descriptor
        warning: volume.json:1:1: `volume.json` is carried and ignored
          expected: `volumes/<name>.json`
          hint: move it if it was meant as a descriptor
        no faults"#]],
    );
    let names = [("containers/A.json", IMAGE), ("containers/B.json", IMAGE), ("containers/a.json", IMAGE)];
    table(
        &names,
        expect![[r#"
        containers/A.json:1:1: bad file name `A.json`
          expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
          hint: `containers/a.json` is there already: take one of both out
        containers/B.json:1:1: bad file name `B.json`
          expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
          hint: rename it to `containers/b.json`
        2 faults in 2 files"#]],
    );
    for path in ["Containers", "container", "Task", "fleet.json/x", "volume.json", "Volumes.json"] {
        assert!(super::wants(path), "{path}");
    }
    for path in ["contain", "volume.txt", "container/x/y", "xfleet.json/y"] {
        assert!(!super::wants(path), "{path}");
    }
}

#[test]
fn a_parameter_is_no_place_for_a_secret() {
    let text = r#"{ "parameters": {
  "db_password": { "default": "hunter2" },
  "api_token": { "type": "generate" },
  "token_ttl": { "default": "5m" },
  "password_required": { "type": "bool", "default": true },
  "password_file": { "default": "/run/db" },
  "domain": {}
} }"#;
    table(
        &[("fleet.json", text)],
        expect![[r#"
        fleet.json:2:3: parameter `db_password`: its name says `password`
          expected: no secret among the parameters: what a fork is given for them stays in its files for ever
          hint: take it out, and let the container read the secret from a volume (a secret store comes next); if it is none, give it another name
        fleet.json:3:3: parameter `api_token`: its name says `token`
          expected: no secret among the parameters: what a fork is given for them stays in its files for ever
          hint: take it out, and let the container read the secret from a volume (a secret store comes next); if it is none, give it another name
        2 faults in 1 file"#]],
    );
}
