//! What a tree's mistakes are answered with, word for word.

#![allow(clippy::unwrap_used, reason = "helpers are part of the tests")]

#[path = "check/amounts.rs"]
mod amounts;
#[path = "check/defaults.rs"]
mod defaults;
#[path = "check/extent.rs"]
mod extent;
#[path = "check/mistakes.rs"]
mod mistakes;
#[path = "check/tasks.rs"]
mod tasks;

use expect_test::{Expect, expect};
use schemas::check::{Broken, Content, EntryKind, Fault, TreeFile, check, report, wants, warned};

fn file<'a>(path: &'a str, text: &'a str) -> TreeFile<'a> {
    TreeFile { path, kind: EntryKind::File, content: Content::Bytes(text.as_bytes()) }
}

fn answer(files: &[TreeFile<'_>]) -> String {
    match check(files.iter().copied()) {
        Ok(checked) => format!("{}no faults", warned(&checked.warnings)),
        // What is told beside faults is `extent`'s.
        Err(Broken { faults, .. }) => {
            let places: Vec<_> = faults.iter().map(Fault::place).collect();
            assert!(places.is_sorted(), "sorted by file, line, column: {places:?}");
            let again: Vec<Fault> = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
            assert_eq!(again, faults);
            report(&faults)
        }
    }
}

fn table(files: &[(&str, &str)], expected: Expect) {
    let files: Vec<_> = files.iter().map(|(path, text)| file(path, text)).collect();
    expected.assert_eq(&answer(&files));
}

const IMAGE: &str = r#"{ "image": "demo/tool:1" }"#;

#[test]
fn the_example_of_the_design_is_fine() {
    table(
        &[
            (
                "variables/app.json",
                r#"{ "region": "eu-1", "n": 1.5, "on": true, "url": "http://{{ containers.api.host }}" }"#,
            ),
            ("volumes/data.json", r#"{ "class": "persistent" }"#),
            (
                "containers/db.json",
                r#"{ "image": "demo/tool:1", "command": ["sh", "-c", "…"], "volumes": { "/data": "data" },
                "health": { "command": ["test", "-f", "/data/up"], "interval": "1s", "timeout": "1s", "within": "30s", "retries": 3 } }"#,
            ),
            (
                "containers/api.json",
                r#"{ "$schema": "x", "image": "demo/tool:1", "command": ["httpd", "-f", "-p", "80"],
                "env": { "$comment": "why", "DB": "{{ containers.db.host }}", "REGION": "{{ variables.app.region }}",
                         "SELF": "{{ variables.app.url }}:{{ containers.api.ports.80 }}", "BRACES": "{{{{ .Name }}" },
                "ports": ["127.0.0.1:8080:80"], "needs": ["db"], "restart": "unless-stopped", "stop": { "signal": "TERM", "grace": "10s" },
                "health": { "http": "/", "port": 80, "interval": "1s", "within": "30s" }, "limits": { "memory": "64MiB", "cpus": 0.5 },
                "metrics": { "port": 80, "path": "/metrics" } }"#,
            ),
            (
                "tasks/greet.json",
                r#"{ "image": "demo/tool:1", "env": { "REGION": "{{ variables.app.region }}" },
                "steps": [ { "run": ["sh", "-c", "echo hello from $REGION"] } ], "within": "1m" }"#,
            ),
            ("fleet.json", r#"{ "description": "demo", "deploy": "main" }"#),
            ("README.md", "not ours"),
            ("files/containers/x.json", "not ours"),
        ],
        expect!["no faults"],
    );
    table(&[], expect!["no faults"]);
}

#[test]
fn syntax() {
    table(
        &[
            (
                "containers/api.json",
                "{\n  \"image\": \"demo/tool:1,\n  \"command\": [\"a\" \"b\",],\n  'restart': NaN\n}\n",
            ),
            ("containers/db.json", ""),
            ("fleet.json", "{ \"deploy\": \"main\", \"deploy\": \"other\" } // why"),
            ("volumes/data.json", "{\n  \"class\": \"persistent\"\n"),
        ],
        expect![[r#"
            containers/api.json:2:12: a string without its closing quote
              expected: `"` in the same line
              hint: a line break inside a string is written `\n`
            containers/api.json:3:19: no comma after this value
              expected: `,` or `]`
            containers/api.json:3:22: a comma before `]`
              expected: no comma after the last entry
            containers/api.json:4:3: `restart` in single quotes
              expected: double quotes
            containers/api.json:4:14: `NaN`, which JSON does not have
              expected: a JSON number, such as 80 or 0.5
            containers/db.json:1:1: empty file
              expected: a JSON object, at least `{}`
            fleet.json:1:21: duplicate key `deploy`
              also: fleet.json:1:3
              expected: each key once
            fleet.json:1:41: a comment
              expected: JSON, which has no comments
              hint: write it as the value of a `$comment` key, which every object may have
            volumes/data.json:1:1: `{` is not closed before the end of the file
              expected: `}`
            9 faults in 4 files"#]],
    );
    let deep = "[".repeat(100_000);
    table(
        &[("containers/api.json", &format!("{{ \"image\": \"x\", \"command\": {deep}")), ("volumes/x.json", &deep)],
        expect![[r#"
        containers/api.json:1:91: more than 64 brackets inside each other
          expected: at most 64
        volumes/x.json:1:65: more than 64 brackets inside each other
          expected: at most 64
        2 faults in 2 files"#]],
    );
}

#[test]
fn keys() {
    table(
        &[
            (
                "containers/api.json",
                "{\n  \"imagee\": \"demo/tool:1\",\n  \"environment\": {},\n  \"memory\": \"64MiB\",\n  \"zzz\": 1\n}",
            ),
            (
                "containers/db.json",
                "{ \"image\": \"x\", \"health\": { \"comand\": [\"true\"] }, \"limits\": { \"cpu\": 1 }, \"\\u001b[31m\": 1 }",
            ),
            ("containers/none.json", "{}"),
            ("tasks/t.json", r#"{ "image": "x", "steps": [ { "runs": ["x"] }, {} ] }"#),
            ("variables/app.json", r#"{ "Region": "x", "db-url": "y", "1": 2, "ok": 3 }"#),
        ],
        expect![[r#"
            containers/api.json:2:3: unknown key `imagee`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
              hint: did you mean `image`?
            containers/api.json:3:3: unknown key `environment`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
              hint: did you mean `env`?
            containers/api.json:4:3: unknown key `memory`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
              hint: `memory` belongs inside `limits`
            containers/api.json:5:3: unknown key `zzz`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
            containers/db.json:1:29: unknown key `comand` in `health`
              expected: one of `command`, `http`, `interval`, `on_unhealthy`, `port`, `retries`, `start_period`, `timeout`, `within`
              hint: did you mean `command`?
            containers/db.json:1:63: unknown key `cpu` in `limits`
              expected: one of `cpus`, `io_weight`, `memory`, `pids`, `swap`
              hint: did you mean `cpus`?
            containers/db.json:1:75: unknown key `\u001b[31m`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
            containers/none.json:1:1: missing key `image`
              expected: `image`, a string
            tasks/t.json:1:30: unknown key `runs` in item 1 of `steps`
              expected: one of `run`, `within`
              hint: did you mean `run`?
            tasks/t.json:1:47: missing key `run`
              expected: `run`, an array of strings
            variables/app.json:1:3: bad key `Region`
              expected: a lower-case key of letters, digits and `_` that starts with a letter, such as `db_url`
              hint: write `region`
            variables/app.json:1:18: bad key `db-url`
              expected: a lower-case key of letters, digits and `_` that starts with a letter, such as `db_url`
              hint: write `db_url`
            variables/app.json:1:33: bad key `1`
              expected: a lower-case key of letters, digits and `_` that starts with a letter, such as `db_url`
            13 faults in 5 files"#]],
    );
}

#[test]
fn values() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": 5, "command": "sh -c true", "env": { "A": 1, "B": true, "C": null, "D": {} }, "ports": "80:80",
  "restart": "unless_stopped", "stop": { "signal": "term", "grace": "10" }, "limits": { "memory": "64MB", "cpus": "0.5" } }"#,
            ),
            (
                "containers/b.json",
                r#"{ "image": "", "command": [], "needs": "a", "health": { "http": "health", "port": 0, "retries": 1000 },
  "metrics": { "port": 80.5 }, "volumes": { "/x": "Data" }, "limits": { "cpus": 0, "memory": "999999999999GiB" } }"#,
            ),
            ("containers/c.json", "[]"),
            ("containers/d.json", r#"{ "image": "x", "needs": ["a", "b", "a"] }"#),
            ("containers/e.json", r#"{ "image": "x", "needs": { "a": "ready", "B": "started" } }"#),
            ("containers/f.json", r#"{ "image": "x", "limits": { "memory": "999999999999GiB" } }"#),
            ("containers/g.json", r#"{ "image": "a b", "env": { "X": "a\u0000b" } }"#),
            ("variables/app.json", r#"{ "a": [1], "b": null }"#),
            ("volumes/v.json", r#"{ "class": "persistant" }"#),
        ],
        expect![[r#"
            containers/a.json:1:12: `image` is the number 5
              expected: a string
              hint: write "5"
            containers/a.json:1:26: `command` is the string `sh -c true`
              expected: an array of strings
              hint: a command is an array of arguments: write ["sh","-c","true"]
            containers/a.json:1:54: `A` is the number 1
              expected: a string
              hint: write "1"
            containers/a.json:1:62: `B` is `true`
              expected: a string
              hint: write "true"
            containers/a.json:1:73: `C` is `null`
              expected: a string
              hint: leave the key out
            containers/a.json:1:84: `D` is an object
              expected: a string
            containers/a.json:1:99: `ports` is the string `80:80`
              expected: an array of strings
              hint: write ["80:80"]
            containers/a.json:2:14: `restart` is `unless_stopped`
              expected: one of `no`, `on-failure`, `unless-stopped`, `always`
              hint: did you mean `unless-stopped`?
            containers/a.json:2:52: `signal` is `term`
              expected: a signal of Linux by its name, such as `TERM`
              hint: write "TERM"
            containers/a.json:2:69: `grace` is `10`
              expected: a duration with its unit (ms, s, m, h), such as "500ms" or "30s"
              hint: write "10s"
            containers/a.json:2:99: `memory` is `64MB`
              expected: a size with its unit (B, KiB, MiB, GiB), such as "64MiB"
            containers/a.json:2:115: `cpus` is the string `0.5`
              expected: a number from 0.01 to 1024
              hint: leave the quotes out
            containers/b.json:1:12: `image` is an empty string
              expected: at least one character
            containers/b.json:1:27: `command` is an empty array
              expected: at least one item
            containers/b.json:1:40: `needs` is the string `a`
              expected: an array of strings or an object
              hint: write ["a"]
            containers/b.json:1:65: `http` is `health`
              expected: a path that starts with `/`
              hint: write "/health"
            containers/b.json:1:83: `port` is 0
              expected: a whole number from 1 to 65535
            containers/b.json:1:97: `retries` is 1000
              expected: a whole number from 1 to 100
            containers/b.json:2:24: `port` is the number 80.5
              expected: a whole number from 1 to 65535
            containers/b.json:2:51: `/x` is `Data`
              expected: a lower-case DNS label of at most 63 characters, such as `web-1`
              hint: write "data"
            containers/b.json:2:81: `cpus` is 0
              expected: a number from 0.01 to 1024
            containers/c.json:1:1: the file is an array
              expected: an object
            containers/d.json:1:37: duplicate item `a` in `needs`
              also: containers/d.json:1:27
              expected: each item once
            containers/e.json:1:33: `a` is `ready`
              expected: one of `started`, `healthy`, `completed`
            containers/e.json:1:42: bad key `B`
              expected: a lower-case DNS label of at most 63 characters, such as `web-1`
              hint: write `b`
            containers/f.json:1:39: `999999999999GiB` is not a size with its unit (B, KiB, MiB, GiB), such as "64MiB"
              expected: a value that fits
            containers/g.json:1:12: `a b` is no image
              expected: a name with a tag or digest, such as `demo/tool:1`
            containers/g.json:1:33: the character \u0000 in `a\u0000b`
              expected: a string without it
            variables/app.json:1:8: `a` is an array
              expected: a string or a number or `true` or `false`
            variables/app.json:1:18: `b` is `null`
              expected: a string or a number or `true` or `false`
              hint: leave the key out
            volumes/v.json:1:12: `class` is `persistant`
              expected: one of `persistent`, `ephemeral`, `shared`
              hint: did you mean `persistent`?
            31 faults in 9 files"#]],
    );
    table(
        &[("containers/a.json", &format!(r#"{{ "image": "x", "restart": "{}" }}"#, "long ".repeat(100)))],
        expect![[r#"
            containers/a.json:1:28: `restart` is `long long long long long long long long long long long long …`
              expected: one of `no`, `on-failure`, `unless-stopped`, `always`
            1 fault in 1 file"#]],
    );
}

#[test]
fn file_names() {
    table(
        &[
            ("containers/API.json", IMAGE),
            ("containers/my_db.json", IMAGE),
            ("containers/web.yaml", "image: x"),
            ("containers/sub/x.json", IMAGE),
            ("containers/README.md", "…"),
            ("containers/.json", IMAGE),
            ("containers/user.json", r#"{ "image": "x", "needs": ["api", "my-db", "web"] }"#),
            ("volumes", "a file"),
            ("nodes/n1.json", "{}"),
            ("networks/front.json", "{}"),
        ],
        expect![[r#"
            containers/.json:1:1: bad file name `.json`
              expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
            containers/API.json:1:1: bad file name `API.json`
              expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
              hint: rename it to `containers/api.json`
            containers/README.md:1:1: bad file name `README.md`
              expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
              hint: what is no descriptor lies outside `containers/`
            containers/my_db.json:1:1: bad file name `my_db.json`
              expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
              hint: rename it to `containers/my-db.json`
            containers/sub/x.json:1:1: a folder `sub` inside `containers/`
              expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
              hint: files lie directly in `containers/`
            containers/web.yaml:1:1: bad file name `web.yaml`
              expected: `containers/<name>.json`, the name a lower-case DNS label such as `web-1`
              hint: descriptors are JSON: `containers/web.json`
            networks/front.json:1:1: a descriptor in `networks/`
              expected: no file there: such descriptors are not built yet
            volumes:1:1: a file with the name `volumes`
              expected: a folder `volumes/`
            8 faults in 8 files"#]],
    );
    table(
        &[
            ("Containers/api.json", IMAGE),
            ("Containers/db.json", IMAGE),
            ("volume/data.json", "{}"),
            ("Fleet.json", "{}"),
        ],
        expect![[r#"
            warning: Containers/api.json:1:1: the folder `Containers` is carried and ignored
              expected: `containers/`
              hint: move it if it was meant as a descriptor
            warning: Fleet.json:1:1: `Fleet.json` is carried and ignored
              expected: a file `fleet.json`
              hint: move it if it was meant as a descriptor
            warning: volume/data.json:1:1: the folder `volume` is carried and ignored
              expected: `volumes/`
              hint: move it if it was meant as a descriptor
            no faults"#]],
    );
}

#[test]
fn entries_that_are_no_files() {
    let entry = |path, kind| TreeFile { path, kind, content: Content::Bytes(b"../elsewhere") };
    let large = TreeFile { path: "containers/big.json", kind: EntryKind::File, content: Content::TooLarge(1_048_577) };
    let larger = " ".repeat(1_048_577);
    expect![[r#"
        containers/api.json:1:1: a symbolic link where a descriptor should be
          expected: a file of its own
          hint: put the content itself here
        containers/big.json:1:1: a file of 1048577 bytes
          expected: a descriptor of at most 1048576 bytes (1 MiB)
        fleet.json:1:1: a symbolic link where a descriptor should be
          expected: a file of its own
          hint: put the content itself here
        tasks:1:1: a symbolic link where a folder of descriptors should be
          expected: a folder `tasks/`
          hint: put the content itself here
        variables/big.json:1:1: a file of 1048577 bytes
          expected: a descriptor of at most 1048576 bytes (1 MiB)
        volumes/data:1:1: a Git submodule where a descriptor should be
          expected: a file
          hint: `git rm --cached volumes/data`, then add the files themselves
        6 faults in 6 files"#]]
    .assert_eq(&answer(&[
        entry("containers/api.json", EntryKind::Symlink),
        entry("tasks", EntryKind::Symlink),
        entry("fleet.json", EntryKind::Symlink),
        entry("volumes/data", EntryKind::Submodule),
        large,
        file("variables/big.json", &larger),
        file("containers/user.json", r#"{ "image": "x", "needs": ["api", "big"] }"#),
    ]));
}

#[test]
fn the_deploy_branch_is_one_that_git_can_have() {
    let fleet = |branch: &str| format!("{{ \"deploy\": \"{branch}\" }}");
    for good in ["main", "release/1.x", "a-b_c"] {
        assert_eq!(answer(&[file("fleet.json", &fleet(good))]), "no faults");
    }
    for bad in ["a..b", "a//b", "a/", "a.", "a.lock", "a/.b", "a.lock/b"] {
        assert!(answer(&[file("fleet.json", &fleet(bad))]).contains("is no branch name"), "{bad}");
    }
    table(
        &[("fleet.json", &fleet("-x")), ("fleet.json", &fleet("a..b"))],
        expect![[r#"
            fleet.json:1:13: `deploy` is no branch name: `a..b`
              expected: the name of a branch, such as `main`
            fleet.json:1:13: `deploy` is `-x`
              expected: a string that matches `^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`
              hint: write "0-x"
            2 faults in 1 file"#]],
    );
}

#[test]
fn health() {
    table(
        &[
            ("containers/a.json", r#"{ "image": "x", "health": {} }"#),
            ("containers/b.json", r#"{ "image": "x", "health": { "command": ["true"], "http": "/", "port": 80 } }"#),
            ("containers/c.json", r#"{ "image": "x", "health": { "http": "/" } }"#),
            ("containers/d.json", r#"{ "image": "x", "health": { "command": ["true"], "port": 80 } }"#),
        ],
        expect![[r#"
            containers/a.json:1:27: `health` without `command` and `http`
              expected: exactly one of `command`, `http`
              hint: `command` runs inside the container, `http` is asked for at its address
            containers/b.json:1:58: `health` with both `command` and `http`
              expected: exactly one of `command`, `http`
              hint: take one of them out
            containers/c.json:1:37: `http` without `port`
              expected: `port`, the container's port that answers
              hint: such as "port": 80
            containers/d.json:1:58: `port` beside `command`
              expected: `port` beside `http` only
              hint: take it out, or use `http`
            4 faults in 4 files"#]],
    );
}

#[test]
fn mounts_and_environment() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": "x", "volumes": { "data": "data", "/": "data", "/a/../b": "data", "/x": "dta", "/y": "other",
  "/z": "data", "/z/": "data" },
  "env": { "OK_1": "", "discovery.type": "", "1A": "", "A B": "", "A=b": "", "": "" } }"#,
            ),
            ("tasks/t.json", r#"{ "image": "x", "env": { "Ä": "" }, "steps": [ { "run": ["x"] } ] }"#),
            ("volumes/data.json", "{}"),
        ],
        expect![[r#"
            containers/a.json:1:30: bad mount path `data`
              expected: an absolute path below `/`, without `.` and `..`
              hint: write "/data"
            containers/a.json:1:46: bad mount path `/`
              expected: an absolute path below `/`, without `.` and `..`
            containers/a.json:1:59: bad mount path `/a/../b`
              expected: an absolute path below `/`, without `.` and `..`
            containers/a.json:1:84: unknown volume `dta`
              expected: `data`
              hint: did you mean `data`?
            containers/a.json:1:97: unknown volume `other`
              expected: `data`
              hint: declare it in `volumes/other.json`
            containers/a.json:2:17: duplicate mount path `/z`
              also: containers/a.json:2:3
              expected: each path once
            containers/a.json:3:46: bad name `1A` of an environment variable
              expected: letters, digits, `_`, `-` and `.`, not starting with a digit
            containers/a.json:3:56: bad name `A B` of an environment variable
              expected: letters, digits, `_`, `-` and `.`, not starting with a digit
            containers/a.json:3:67: bad name `A=b` of an environment variable
              expected: letters, digits, `_`, `-` and `.`, not starting with a digit
              hint: the value stands after the `:`, as in "NAME": "value"
            containers/a.json:3:78: bad name `` of an environment variable
              expected: letters, digits, `_`, `-` and `.`, not starting with a digit
            tasks/t.json:1:26: bad name `Ä` of an environment variable
              expected: letters, digits, `_`, `-` and `.`, not starting with a digit
            11 faults in 2 files"#]],
    );
    table(
        &[("containers/a.json", r#"{ "image": "x", "volumes": { "/d": "data", "/d": "data" } }"#)],
        expect![[r#"
            containers/a.json:1:36: unknown volume `data`
              expected: one that this fleet describes; there is none
              hint: declare it in `volumes/data.json`
            containers/a.json:1:44: duplicate key `/d`
              also: containers/a.json:1:30
              expected: each key once
            containers/a.json:1:50: unknown volume `data`
              expected: one that this fleet describes; there is none
              hint: declare it in `volumes/data.json`
            3 faults in 1 file"#]],
    );
}

#[test]
fn a_container_and_a_volume_may_share_a_name() {
    table(
        &[("containers/db.json", r#"{ "image": "x", "volumes": { "/data": "db" } }"#), ("volumes/db.json", "{}")],
        expect![[r#"
            warning: containers/db.json:1:12: image `x` has neither tag nor digest, and so means `latest`
              expected: an image with a tag of a version, or with a digest
              hint: such as "x:1.2" or "x@sha256:…"
            no faults"#]],
    );
}

#[test]
fn needs() {
    table(
        &[
            ("containers/a.json", "{ \"image\": \"x\",\n  \"needs\": [\"b\", \"wrker\", \"nothing-like-it\", \"a\"] }"),
            ("containers/b.json", r#"{ "image": "x", "needs": { "worker": "started", "dbb": "healthy" } }"#),
            ("containers/worker.json", IMAGE),
        ],
        expect![[r#"
            containers/a.json:2:18: unknown container `wrker` in `needs`
              expected: one of `b`, `worker`
              hint: did you mean `worker`?
            containers/a.json:2:27: unknown container `nothing-like-it` in `needs`
              expected: one of `b`, `worker`
            containers/a.json:2:46: container `a` needs itself
              expected: other containers
              hint: take it out
            containers/b.json:1:49: unknown container `dbb` in `needs`
              expected: one of `a`, `worker`
            4 faults in 2 files"#]],
    );
    table(
        &[("containers/a.json", r#"{ "image": "x", "needs": ["b"] }"#)],
        expect![[r#"
        containers/a.json:1:27: unknown container `b` in `needs`
          expected: one that this fleet describes; there is none
        1 fault in 1 file"#]],
    );
}

#[test]
fn cycles() {
    table(
        &[
            ("containers/a.json", "{ \"image\": \"x\",\n  \"needs\": [\"b\"] }"),
            ("containers/b.json", "{ \"image\": \"x\",\n  \"env\": { \"C\": \"{{ containers.c.host }}\" } }"),
            ("containers/c.json", "{ \"image\": \"x\",\n\n  \"command\": [\"{{ variables.app.a }}\"] }"),
            ("containers/d.json", r#"{ "image": "x", "needs": ["a"] }"#),
            ("variables/app.json", r#"{ "a": "{{ containers.a.host }}" }"#),
        ],
        expect![[r#"
            containers/a.json:2:13: cycle: `containers/a` → `containers/b` → `containers/c` → `variables.app.a` → `containers/a`
              also: containers/b.json:2:17
              also: containers/c.json:3:15
              also: variables/app.json:1:8
              expected: `needs` and references without a cycle
              hint: take one of these `needs` or references out
            1 fault in 1 file"#]],
    );
    table(
        &[
            (
                "variables/app.json",
                "{ \"a\": \"{{ variables.app.b }}\",\n  \"b\": \"{{ variables.other.c }}\",\n  \"me\": \"{{ variables.app.me }}\" }",
            ),
            ("variables/other.json", r#"{ "c": "x{{ variables.app.a }}" }"#),
            ("containers/a.json", r#"{ "image": "{{ variables.app.a }}", "ports": ["{{ variables.app.me }}:80"] }"#),
        ],
        expect![[r#"
            variables/app.json:1:8: cycle: `variables.app.a` → `variables.app.b` → `variables.other.c` → `variables.app.a`
              also: variables/app.json:2:8
              also: variables/other.json:1:8
              expected: `needs` and references without a cycle
              hint: take one of these `needs` or references out
            variables/app.json:3:9: cycle: `variables.app.me` → `variables.app.me`
              expected: `needs` and references without a cycle
              hint: take one of these `needs` or references out
            2 faults in 1 file"#]],
    );
    table(
        &[("containers/a.json", r#"{ "image": "x", "ports": ["{{ containers.a.ports.80 }}:80"] }"#)],
        expect![[r#"
            containers/a.json:1:27: cycle: `containers.a.ports` → `containers.a.ports`
              expected: `needs` and references without a cycle
              hint: take one of these `needs` or references out
            1 fault in 1 file"#]],
    );
}

#[test]
fn references() {
    table(
        &[
            ("variables/app.json", r#"{ "region": "eu-1", "x": "{{ variables.app.regoin }}" }"#),
            ("variables/torn.json", "{ \"a\": 1, "),
            (
                "containers/api.json",
                r#"{ "image": "x", "ports": ["127.0.0.1:8080:80"], "env": {
  "A": "{{ variables.ap.region }}", "B": "{{ variables.app.zone }}", "C": "{{ containers.dbb.host }}", "D": "{{ containers.db.ports.81 }}",
  "E": "{{ open", "F": "{{ nothing.at.all }}", "G": "{{ nodes.n1.address }} {{ secrets.password }} {{ tasks.count.outputs.total }}",
  "H": "{{ variables.torn.b }}", "I": "{{ variables.app.x }}", "J": "{{ containers.api.ports.81 }}" } }"#,
            ),
            ("containers/db.json", IMAGE),
            (
                "tasks/t.json",
                r#"{ "image": "{{ variables.app.imge }}", "steps": [ { "run": ["{{ containers.none.host }}", "{{ containers.api.ports.443 }}"] } ] }"#,
            ),
        ],
        expect![[r#"
            containers/api.json:2:8: `{{ variables.ap.region }}`: there is no group of variables `ap`
              expected: one of `app`, `torn`
              hint: did you mean `app`?
            containers/api.json:2:42: `{{ variables.app.zone }}`: group `app` has no variable `zone`
              expected: one of `region`, `x`
              hint: declare it in `variables/app.json`
            containers/api.json:2:75: `{{ containers.dbb.host }}`: there is no container `dbb`
              expected: one of `api`, `db`
              hint: did you mean `db`?
            containers/api.json:2:109: `{{ containers.db.ports.81 }}`: container `db` does not publish its port 81
              expected: a published port; there is none
              hint: add it to `ports` in containers/db.json, such as "127.0.0.1:8080:81"
            containers/api.json:3:8: a reference opens with `{{` and never closes
              expected: a reference such as `{{ variables.app.region }}`
              hint: close it with `}}`, or write `{{{{` for a literal `{{`
            containers/api.json:3:24: `{{ nothing.at.all }}` is no reference
              expected: a reference such as `{{ variables.app.region }}`
              hint: a reference is `variables.<group>.<key>`, `containers.<name>.host`, `containers.<name>.ports.<port>`, `nodes.<name>.address`, `tasks.<name>.outputs.<key>` or `secrets.<key>`
            containers/api.json:3:53: `{{ secrets.password }}`: references to secrets are not built yet
              expected: a reference to a variable, a container or a node
            containers/api.json:3:53: `{{ tasks.count.outputs.total }}`: references to outputs of tasks are not built yet
              expected: a reference to a variable, a container or a node
            containers/api.json:3:53: `{{ nodes.n1.address }}`: there is no node `n1`
              expected: one that this fleet describes; there is none
            containers/api.json:4:69: `{{ containers.api.ports.81 }}`: container `api` does not publish its port 81
              expected: `80`
              hint: add it to `ports` in containers/api.json, such as "127.0.0.1:8080:81"
            tasks/t.json:1:12: `{{ variables.app.imge }}`: group `app` has no variable `imge`
              expected: one of `region`, `x`
              hint: declare it in `variables/app.json`
            tasks/t.json:1:61: `{{ containers.none.host }}`: there is no container `none`
              expected: one of `api`, `db`
            tasks/t.json:1:91: `{{ containers.api.ports.443 }}`: container `api` does not publish its port 443
              expected: `80`
              hint: add it to `ports` in containers/api.json, such as "127.0.0.1:8080:443"
            variables/app.json:1:26: `{{ variables.app.regoin }}`: group `app` has no variable `regoin`
              expected: one of `region`, `x`
              hint: did you mean `region`?
            variables/torn.json:1:1: `{` is not closed before the end of the file
              expected: `}`
            15 faults in 4 files"#]],
    );
}

#[test]
fn ports() {
    table(
        &[
            (
                "containers/a.json",
                "{ \"image\": \"x\",\n  \"ports\": [\"127.0.0.1:8080:80\", \"9000:1/udp\", \"80\", \"{{ variables.app.port }}:5\"] }",
            ),
            (
                "containers/b.json",
                "{ \"image\": \"x\",\n  \"ports\": [\"8080:80\", \"9000:1\", \"127.0.0.1:7000:1\", \"127.0.0.1:7000:1\"] }",
            ),
            (
                "containers/c.json",
                "{ \"image\": 1,\n  \"ports\": [\"10.0.0.1:8080:80\", \"10.0.0.2:7000:1\", \"6000:6000\"] }",
            ),
            ("variables/app.json", r#"{ "port": 6000 }"#),
        ],
        expect![[r#"
            containers/a.json:2:13: host port 8080/tcp is published 3 times
              also: containers/b.json:2:13
              also: containers/c.json:2:13
              expected: each host port once
              hint: give all but one of them another port before the first `:`
            containers/a.json:2:48: `80` is no port mapping
              expected: `[address:]host:container[/tcp|udp]`, such as "127.0.0.1:8080:80", or two ranges of the same length
              hint: write "127.0.0.1:80:80"
            containers/b.json:2:34: host port 7000/tcp is published 2 times
              also: containers/b.json:2:54
              expected: each host port once
              hint: give all but one of them another port before the first `:`
            containers/c.json:1:12: `image` is the number 1
              expected: a string
              hint: write "1"
            4 faults in 3 files"#]],
    );
}

#[test]
fn references_cannot_blow_a_text_up() {
    // Texts of megabytes, were they rendered; then a chain of 20 steps, and one of 25,000.
    let doubles: String = (1..=15)
        .map(|i| format!(", \"v{i}\": \"{{{{ variables.bomb.v{0} }}}}{{{{ variables.bomb.v{0} }}}}\"", i - 1))
        .collect();
    let bomb = format!("{{ \"v0\": \"{}\"{doubles} }}", "x".repeat(1_000));
    let chain = |name: &str, steps: usize| {
        let rest: String =
            (1..=steps).map(|i| format!(", \"v{i}\": \"{{{{ variables.{name}.v{} }}}}\"", i - 1)).collect();
        format!("{{ \"v0\": \"x\"{rest} }}")
    };
    table(
        &[
            ("variables/bomb.json", &bomb),
            ("variables/chain.json", &chain("chain", 20)),
            ("variables/long.json", &chain("long", 25_000)),
            ("containers/a.json", r#"{ "image": "x", "env": { "A": "{{ variables.bomb.v15 }}" } }"#),
            (
                "containers/b.json",
                r#"{ "image": "{{ variables.long.v25000 }}", "env": { "A": "{{ variables.chain.v20 }}" } }"#,
            ),
            (
                "containers/c.json",
                &format!(r#"{{ "image": "x", "command": [{}"x"] }}"#, "\"{{ variables.bomb.v6 }}\", ".repeat(20)),
            ),
        ],
        expect![[r#"
            containers/a.json:1:31: a text of 34275368 bytes once its references are resolved
              expected: at most 131072 bytes (128 KiB)
            containers/c.json:1:1: the texts of a container that are too long once their references are resolved
              expected: at most 1048576 bytes together
            variables/chain.json:1:578: more than 16 references that lead on to each other, from `variables.chain.v17`
              expected: at most 16
            variables/long.json:1:562: more than 16 references that lead on to each other, from `variables.long.v17`
              expected: at most 16
            4 faults in 4 files"#]],
    );
}

#[test]
fn a_file_full_of_faults_is_cut_short() {
    let keys: String = (0..1_000).map(|i| format!("\"k{i}\": 1,\n")).collect();
    let faults =
        check([file("containers/a.json", &format!("{{ \"image\": \"x\",\n{keys} \"z\": 1 }}"))]).unwrap_err().faults;
    assert_eq!(faults.len(), 101);
    expect![[r#"
        containers/a.json:102:1: 901 more faults in this file
          expected: a file without faults"#]]
    .assert_eq(&faults[100].to_string());
}

#[test]
fn only_descriptors_are_wanted() {
    for path in [
        "fleet.json",
        "containers/a.json",
        "tasks",
        "nodes/n.json",
        "Volumes/a.json",
        "container/a.json",
        "containers/a/b",
    ] {
        assert!(wants(path), "{path}");
    }
    for path in ["README.md", "files/a.json", "images/x/Dockerfile", "container/a.txt", "x/fleet.json"] {
        assert!(!wants(path), "{path}");
    }
}
