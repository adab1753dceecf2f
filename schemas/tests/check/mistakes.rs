//! Mistakes that people bring along from other tools, and what is no fault for certain.

use expect_test::expect;

use super::{answer, file, table};

#[test]
fn a_volume_map_the_wrong_way_round() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": "x:1", "volumes": { "data": "/data", "./Other_One": "/o", "/ok": "data" } }"#,
            ),
            (
                "containers/b.json",
                r#"{ "image": "x:1", "volumes": ["data:/data", "data:/d:rw"], "env": ["A=1", "B=x=y"] }"#,
            ),
            ("containers/c.json", r#"{ "image": "x:1", "volumes": ["/srv:/data"] }"#),
            ("containers/d.json", r#"{ "image": "x:1", "volumes": { "/data/{{ variables.app.x }}": "data" } }"#),
            (
                "tasks/t.json",
                r#"{ "image": "x:1", "steps": [{ "run": ["x"] }], "volumes": { "data": "/data" }, "tmpfs": { "/{{ x }}": "1MiB" } }"#,
            ),
            ("volumes/data.json", "{}"),
        ],
        expect![[r#"
            containers/a.json:1:32: `data` is mapped to `/data`: the wrong way round
              expected: path in the container → name of the volume, such as "/data": "data"
              hint: write "/data": "data"
            containers/a.json:1:49: `./Other_One` is mapped to `/o`: the wrong way round
              expected: path in the container → name of the volume, such as "/data": "data"
              hint: write "/o": "other-one"
            containers/b.json:1:30: `volumes` is an array
              expected: an object
              hint: write { "/data": "data", "/d": "data" }
            containers/b.json:1:67: `env` is an array
              expected: an object
              hint: write { "A": "1", "B": "x=y" }
            containers/c.json:1:30: `volumes` is an array
              expected: an object
            containers/d.json:1:32: a reference in the path `/data/{{ variables.app.x }}`: it would not be looked up
              expected: references in values only, the path written out
            tasks/t.json:1:61: `data` is mapped to `/data`: the wrong way round
              expected: path in the container → name of the volume, such as "/data": "data"
              hint: write "/data": "data"
            tasks/t.json:1:91: a reference in the path `/{{ x }}`: it would not be looked up
              expected: references in values only, the path written out
            8 faults in 5 files"#]],
    );
}

#[test]
fn a_command_as_one_string() {
    table(
        &[
            ("containers/a.json", r#"{ "image": "x:1", "command": "httpd -f  -p 80" }"#),
            ("containers/b.json", r#"{ "image": "x:1", "command": "echo $A | tee \"b\"", "ports": [8080, "9090"] }"#),
            (
                "containers/c.json",
                r#"{ "image": "x:1", "command": "serve --to {{ variables.app.x }}", "health": { "command": "test -f /up" } }"#,
            ),
            ("tasks/t.json", r#"{ "image": "x:1", "steps": [{ "run": "rake db:migrate" }] }"#),
            ("variables/app.json", r#"{ "x": "y" }"#),
        ],
        expect![[r#"
            containers/a.json:1:30: `command` is the string `httpd -f  -p 80`
              expected: an array of strings
              hint: a command is an array of arguments: write ["httpd","-f","-p","80"]
            containers/b.json:1:30: `command` is the string `echo $A | tee "b"`
              expected: an array of strings
              hint: a command is an array of arguments; for a shell write ["sh","-c","echo $A | tee \"b\""]
            containers/b.json:1:63: `9090` is no port mapping
              expected: `[address:]host:container[/tcp|udp]`, such as "127.0.0.1:8080:80"
              hint: write "127.0.0.1:9090:9090"
            containers/b.json:1:63: item 1 of `ports` is the number 8080
              expected: a string
              hint: write "127.0.0.1:8080:8080"
            containers/c.json:1:30: `command` is the string `serve --to {{ variables.app.x }}`
              expected: an array of strings
              hint: a command is an array of arguments; for a shell write ["sh","-c","serve --to {{ variables.app.x }}"]
            containers/c.json:1:89: `command` is the string `test -f /up`
              expected: an array of strings
              hint: a command is an array of arguments: write ["test","-f","/up"]
            tasks/t.json:1:38: `run` is the string `rake db:migrate`
              expected: an array of strings
              hint: a command is an array of arguments: write ["rake","db:migrate"]
            7 faults in 4 files"#]],
    );
}

#[test]
fn images() {
    table(
        &[
            ("containers/a.json", r#"{ "image": "Demo/Tool:1" }"#),
            ("containers/b.json", r#"{ "image": "demo/tool:" }"#),
            ("tasks/t.json", r#"{ "image": "https://example.org/tool:1", "steps": [{ "run": ["x"] }] }"#),
        ],
        expect![[r#"
            containers/a.json:1:12: `Demo/Tool:1` is no image
              expected: a name with a tag or digest, such as `demo/tool:1`
              hint: image names are lower-case: write "demo/tool:1"
            containers/b.json:1:12: `demo/tool:` is no image
              expected: a name with a tag or digest, such as `demo/tool:1`
            tasks/t.json:1:12: `https://example.org/tool:1` is no image
              expected: a name with a tag or digest, such as `demo/tool:1`
              hint: write "example.org/tool:1"
            3 faults in 3 files"#]],
    );
    let digest = format!(r#"{{ "image": "x@sha256:{}" }}"#, "a".repeat(64));
    table(
        &[
            ("containers/a.json", r#"{ "image": "registry.example.org:5000/demo/tool" }"#),
            ("containers/b.json", r#"{ "image": "demo/tool:latest" }"#),
            ("containers/c.json", r#"{ "image": "{{ variables.app.image }}" }"#),
            ("containers/d.json", &digest),
            ("tasks/t.json", r#"{ "image": "demo/tool", "steps": [{ "run": ["x"] }] }"#),
            ("variables/app.json", r#"{ "image": "demo/web" }"#),
        ],
        expect![[r#"
            warning: containers/a.json:1:12: image `registry.example.org:5000/demo/tool` has neither tag nor digest, and so means `latest`
              expected: an image with a tag of a version, or with a digest
              hint: such as "registry.example.org:5000/demo/tool:1.2" or "registry.example.org:5000/demo/tool@sha256:…"
            warning: containers/b.json:1:12: image `demo/tool:latest` says `latest`: which image that is changes with every push to its registry
              expected: an image with a tag of a version, or with a digest
              hint: such as "demo/tool:1.2" or "demo/tool@sha256:…"
            warning: containers/c.json:1:12: image `demo/web` has neither tag nor digest, and so means `latest`
              expected: an image with a tag of a version, or with a digest
              hint: such as "demo/web:1.2" or "demo/web@sha256:…"
            warning: tasks/t.json:1:12: image `demo/tool` has neither tag nor digest, and so means `latest`
              expected: an image with a tag of a version, or with a digest
              hint: such as "demo/tool:1.2" or "demo/tool@sha256:…"
            no faults"#]],
    );
    table(
        &[
            ("containers/c.json", r#"{ "image": "{{ variables.app.image }}" }"#),
            ("variables/app.json", r#"{ "image": "Demo/web:1" }"#),
        ],
        expect![[r#"
            containers/c.json:1:12: `Demo/web:1` is no image
              expected: a name with a tag or digest, such as `demo/tool:1`
              hint: image names are lower-case: write "demo/web:1"
            1 fault in 1 file"#]],
    );
}

#[test]
fn doubts_are_warnings() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": "x:1", "command": ["httpd -f"], "health": { "command": ["true"], "interval": "1m", "within": "30s" } }"#,
            ),
            (
                "tasks/t.json",
                r#"{ "image": "x:1", "steps": [{ "run": ["ping {{ containers.a.host }}"] }, { "run": ["rake db:migrate"] }] }"#,
            ),
            (
                "tasks/u.json",
                r#"{ "image": "x:1", "network": true, "steps": [{ "run": ["ping", "{{ containers.a.host }}"] }] }"#,
            ),
        ],
        expect![[r#"
            warning: containers/a.json:1:31: a command of one argument with blanks in it: `httpd -f`
              expected: each argument by itself
              hint: a command is an array of arguments: write ["httpd","-f"]
            warning: containers/a.json:1:89: `health`: the first check comes 1m after the start, and `within` ends after 30s
              expected: `interval` shorter than `within`
            warning: tasks/t.json:1:39: container `a` cannot be reached: this task is in no network
              expected: a task in the fleet's network
              hint: add "network": true
            warning: tasks/t.json:1:84: a command of one argument with blanks in it: `rake db:migrate`
              expected: each argument by itself
              hint: a command is an array of arguments: write ["rake","db:migrate"]
            no faults"#]],
    );
}

#[test]
fn what_never_completes() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": "x:1", "needs": { "once": "completed", "job": "completed", "up": "completed" } }"#,
            ),
            ("containers/job.json", r#"{ "image": "x:1", "restart": "on-failure" }"#),
            ("containers/once.json", r#"{ "image": "x:1", "restart": "no" }"#),
            ("containers/up.json", r#"{ "image": "x:1" }"#),
        ],
        expect![[r#"
            containers/a.json:1:77: `up` never completes: Docker starts it again whenever it ends
              also: containers/up.json:1:1
              expected: `restart` of a container that is to complete: `no` or `on-failure`
              hint: add "restart": "on-failure" to containers/up.json
            1 fault in 1 file"#]],
    );
}

#[test]
fn a_fault_between_many_files_names_every_file() {
    let names: Vec<String> = (10..40).map(|it| format!("containers/c{it}.json")).collect();
    let files: Vec<_> = names.iter().map(|path| file(path, r#"{ "image": "x:1", "ports": ["8080:80"] }"#)).collect();
    let text = answer(&files);
    for name in &names {
        assert!(text.contains(name.as_str()), "{name} in:\n{text}");
    }
    assert!(text.contains("also: 9 more places in containers/c31.json, containers/c32.json"), "{text}");
}
