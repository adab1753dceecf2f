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
            containers/b.json:1:63: item 1 of `ports` is the number 8080
              expected: a string
              hint: write "127.0.0.1:8080:8080"
            containers/b.json:1:69: `9090` is no port mapping
              expected: `[address:]host:container[/tcp|udp]`, such as "127.0.0.1:8080:80", or two ranges of the same length
              hint: write "127.0.0.1:9090:9090"
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

#[test]
fn mounts_that_say_more_and_networks() {
    let names: [(&str, &str); 7] = [
        (
            "containers/a.json",
            r#"{ "image": "x:1", "volumes": { "/a": "/srv", "/b": "./b", "/c": "data:ro", "/d": { "volume": "date" },
              "/e": {}, "/f": { "host": "/a", "tmpfs": "1MiB" }, "/g": { "tmpfs": "1MiB", "read_only": true },
              "/h": { "host": "/h", "subpath": "x" }, "/i": { "host": "../i" } } }"#,
        ),
        (
            "containers/b.json",
            r#"{ "image": "x:1", "network": "bridge", "labels": { "fleetlog.fleet": "x" }, "limits": { "swap": "1GiB" } }"#,
        ),
        ("containers/c.json", r#"{ "image": "x:1", "network": "host", "ports": ["80:80"], "needs": ["d"] }"#),
        (
            "containers/d.json",
            r#"{ "image": "x:1", "network": "container:e", "hostname": "x", "env": { "A": "{{ containers.c.host }}" } }"#,
        ),
        (
            "containers/e.json",
            r#"{ "image": "x:1", "network": "container:c", "health": { "http": "/", "port": 1, "start_period": "1s" } }"#,
        ),
        (
            "containers/f.json",
            r#"{ "image": "x:1", "network": "none", "health": { "http": "/", "port": 1 }, "dns": ["one"], "devices": ["null"] }"#,
        ),
        ("volumes/data.json", "{}"),
    ];
    table(
        &names,
        expect![[r#"
            containers/a.json:1:38: `/a` is `/srv`
              expected: a lower-case DNS label of at most 63 characters, such as `web-1`
              hint: a path of the node is written { "host": "/srv" }
            containers/a.json:1:52: `/b` is `./b`
              expected: a lower-case DNS label of at most 63 characters, such as `web-1`
              hint: a path of the node is absolute: write { "host": "/…" }
            containers/a.json:1:65: `/c` is `data:ro`
              expected: a lower-case DNS label of at most 63 characters, such as `web-1`
              hint: write { "volume": "data", "read_only": true }
            containers/a.json:1:94: unknown volume `date`
              expected: `data`
              hint: did you mean `data`?
            containers/a.json:2:21: a mount of nothing
              expected: exactly one of `volume`, `host`, `tmpfs`
            containers/a.json:2:56: `tmpfs` beside `host`
              expected: exactly one of `volume`, `host`, `tmpfs`
            containers/a.json:2:104: `read_only` beside `tmpfs`
              expected: `read_only` beside `volume` or `host` only
            containers/a.json:3:48: `subpath` beside `host`
              expected: `subpath` beside `volume` only
            containers/b.json:1:30: `network` is `bridge`
              expected: `host`, `none`, or `container:` and the name of a container of the fleet
            containers/b.json:1:52: the label `fleetlog.fleet`
              expected: a label that does not begin with `fleetlog.`: those say whose a container is
            containers/b.json:1:97: `swap` without `memory`
              expected: `memory` beside it
              hint: such as "memory": "512MiB"
            containers/c.json:1:47: `ports` beside "network": "host"
              expected: `ports` of a container with a network of its own
              hint: it is reached at the node's own address: take `ports` out
            containers/c.json:1:68: cycle: `containers/c` → `containers/d` → `containers/c`
              also: containers/d.json:1:76
              expected: `needs` and references without a cycle
              hint: take one of these `needs` or references out
            containers/c.json:1:68: cycle: `containers/c` → `containers/d` → `containers/e` → `containers/c`
              also: containers/d.json:1:30
              also: containers/e.json:1:30
              expected: `needs` and references without a cycle
              hint: take one of these `needs` or references out
            containers/d.json:1:30: container `e` has no network of its own: it says "container:c"
              expected: a container without `network`
            containers/d.json:1:57: `hostname` beside "network": "container:e"
              expected: `hostname` of a container with a network of its own
              hint: `hostname` belongs to `e`, whose network it is
            containers/d.json:1:76: `{{ containers.c.host }}`: container `c` has no name in the fleet's network
              expected: a container in the fleet's network
              hint: it says "network": "host"
            containers/e.json:1:30: container `c` has no network of its own: it says "host"
              expected: a container without `network`
            containers/e.json:1:97: `start_period` beside `http`
              expected: `start_period` beside `command` only
              hint: `within` says how long `http` may take at first
            containers/f.json:1:58: `http` beside "network": "none"
              expected: a `command` that runs inside it
              hint: nobody can ask a container without a network
            containers/f.json:1:84: `one` is no address of a name server
              expected: an IP address, such as `192.0.2.53`
            containers/f.json:1:104: `null` is no device
              expected: `/dev/on-node[:/dev/inside[:rwm]]`
            22 faults in 6 files"#]],
    );
}

#[test]
fn everything_that_can_be_said_of_how_a_container_runs() {
    let all = r#"{ "image": "x:1", "entrypoint": [], "working_dir": "/", "user": "{{ variables.app.user }}", "group_add": ["7"],
        "hostname": "web", "labels": { "org.example/x": "a {{ containers.a.host }} {{{{" }, "extra_hosts": { "up": "host-gateway" },
        "dns": ["192.0.2.1"], "dns_search": ["example.org"], "devices": ["/dev/null", "/dev/null:/dev/x:r"], "shm_size": "1MiB",
        "ulimits": { "nofile": 10, "nproc": { "soft": 1, "hard": -1 } }, "sysctls": { "net.core.somaxconn": "1" },
        "capabilities": { "add": ["NET_ADMIN"], "drop": ["ALL"] }, "security_opt": ["no-new-privileges"], "read_only": true,
        "init": true, "pid": "host", "ipc": "none", "platform": "linux/amd64", "tty": true, "health": "none",
        "log": { "driver": "local", "max_size": "1MiB", "max_files": 2, "options": { "compress": "false" } },
        "ports": ["8000-8002:80-82/udp"], "limits": { "memory": "1GiB", "swap": "1GiB", "pids": 5, "io_weight": 10 },
        "volumes": { "/a": { "volume": "data", "subpath": "x", "read_only": true }, "/b": { "host": "/srv" }, "/c": { "tmpfs": "1MiB" } } }"#;
    let user = r#"{ "user": "1000" }"#;
    table(
        &[("containers/a.json", all), ("variables/app.json", user), ("volumes/data.json", "{}")],
        expect!["no faults"],
    );
    let wrong = r#"{ "image": "x:1", "user": 1000, "ulimits": { "nofile": "10", "x": -2 }, "capabilities": { "add": ["CAP NET"] }, "pid": "h",
        "ports": ["8000-8002:80-81"], "shm_size": 64, "health": "off", "log": "local", "cap_add": ["ALL"], "privileged": "true" }"#;
    table(
        &[("containers/a.json", wrong)],
        expect![[r#"
            containers/a.json:1:27: `user` is the number 1000
              expected: a string
              hint: write "1000"
            containers/a.json:1:56: `nofile` is the string `10`
              expected: a whole number from -1 or an object
              hint: leave the quotes out
            containers/a.json:1:67: `x` is -2
              expected: a whole number from -1
            containers/a.json:1:99: item 1 of `add` is `CAP NET`
              expected: a capability in capitals, such as `NET_ADMIN`, or `ALL`
            containers/a.json:1:120: `pid` is `h`
              expected: `host`
            containers/a.json:2:19: `8000-8002:80-81` is no port mapping
              expected: `[address:]host:container[/tcp|udp]`, such as "127.0.0.1:8080:80", or two ranges of the same length
            containers/a.json:2:51: `shm_size` is the number 64
              expected: a size with its unit (B, KiB, MiB, GiB), such as "64MiB"
            containers/a.json:2:65: `health` is `off`
              expected: `none`
            containers/a.json:2:79: `log` is the string `local`
              expected: an object
            containers/a.json:2:88: unknown key `cap_add`
              expected: one of `capabilities`, `command`, `devices`, `dns`, `dns_search`, `drain`, `entrypoint`, `env`, `extra_hosts`, `files`, `group_add`, `health`, …
              hint: did you mean `capabilities`?
            containers/a.json:2:122: `privileged` is the string `true`
              expected: `true` or `false`
              hint: leave the quotes out
            11 faults in 1 file"#]],
    );
}

#[test]
fn image_policies() {
    table(
        &[
            ("containers/a.json", r#"{ "image": "x:1", "image_policy": "latest" }"#),
            ("containers/b.json", r#"{ "image": "x:1", "image_policy": { "auto": "5s" } }"#),
            ("containers/c.json", r#"{ "image": "x:1", "image_policy": { "auto": "0 25 * * *" } }"#),
            ("containers/d.json", r#"{ "image": "x:1", "image_policy": { "auto": "nightly" } }"#),
            ("containers/e.json", r#"{ "image": "x:1", "image_policy": { "every": "6h" } }"#),
            ("containers/f.json", r#"{ "image": "x:1", "image_policy": { "auto": "6h" } }"#),
            ("containers/g.json", r#"{ "image": "x:1", "image_policy": "notify" }"#),
            ("fleet.json", r#"{ "old_images": "prune" }"#),
        ],
        expect![[r#"
            containers/a.json:1:35: `image_policy` is `latest`
              expected: one of `pinned`, `notify`
            containers/b.json:1:45: `auto`: `5s` is too often
              expected: a duration of at least 1m, or five fields: minute, hour, day of month, month, day of week, such as "*/5 * * * *"
            containers/c.json:1:45: `auto`: `25` is no hour
              expected: `*`, a number from 0 to 23, a range `a-b`, a step `*/n`, or several of them with commas
            containers/d.json:1:45: `auto`: `nightly` is neither a duration nor a cron expression
              expected: a duration such as "6h", or five fields: minute, hour, day of month, month, day of week, such as "*/5 * * * *"
            containers/e.json:1:35: missing key `auto`
              expected: `auto`, a string
            containers/e.json:1:37: unknown key `every` in `image_policy`
              expected: `auto`
            fleet.json:1:17: `old_images` is `prune`
              expected: one of `remove`, `keep`
            7 faults in 6 files"#]],
    );
}

#[test]
fn what_only_one_of_two_can_have() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": "x:1", "update": "start-first", "ports": ["80:80"], "health": { "command": ["x"] },
                "volumes": { "/a": "data", "/b": "many", "/c": { "volume": "data", "read_only": true }, "/d": { "host": "/srv" },
                "/e": { "host": "/srv", "read_only": true }, "/f": { "tmpfs": "1MiB" }, "/g": { "volume": "data" }, "/h": "gone" } }"#,
            ),
            ("containers/b.json", r#"{ "image": "x:1", "drain": "5s" }"#),
            ("containers/c.json", r#"{ "image": "x:1", "update": "recreate", "drain": "5s" }"#),
            ("containers/d.json", r#"{ "image": "x:1", "update": "start-first", "drain": "11m", "network": "host" }"#),
            ("containers/e.json", r#"{ "image": "x:1", "update": "rolling" }"#),
            ("containers/f.json", r#"{ "image": "x:1", "network": "container:g" }"#),
            (
                "containers/g.json",
                r#"{ "image": "x:1", "update": "start-first", "drain": "0s", "ports": [], "volumes": {} }"#,
            ),
            ("volumes/data.json", "{}"),
            ("volumes/many.json", r#"{ "class": "shared" }"#),
        ],
        expect![[r#"
            containers/a.json:1:53: `ports` beside "update": "start-first"
              expected: no `ports`: the old one has them until it is stopped
              hint: publish them from a proxy that finds this container by its name in the fleet's network
            containers/a.json:2:36: `/a` would have two writers while both run
              expected: what is mounted read-only, or a volume of the class `shared`
              hint: write { "volume": "data", "read_only": true }; or "class": "shared" in volumes/data.json, where two may write to it at once
            containers/a.json:2:111: `/d` would have two writers while both run
              expected: what is mounted read-only, or a volume of the class `shared`
              hint: add "read_only": true beside `host`, or take `update` out
            containers/a.json:3:95: `/g` would have two writers while both run
              expected: what is mounted read-only, or a volume of the class `shared`
              hint: write { "volume": "data", "read_only": true }; or "class": "shared" in volumes/data.json, where two may write to it at once
            containers/a.json:3:123: unknown volume `gone`
              expected: one of `data`, `many`
              hint: declare it in `volumes/gone.json`
            containers/b.json:1:28: `drain` without "update": "start-first"
              expected: `drain` beside `start-first` only
              hint: take it out, or add "update": "start-first"
            containers/c.json:1:50: `drain` without "update": "start-first"
              expected: `drain` beside `start-first` only
              hint: take it out, or add "update": "start-first"
            containers/d.json:1:53: `drain` is `11m`
              expected: at most 10m
            containers/d.json:1:71: `network` beside "update": "start-first"
              expected: the fleet's network, where both are found by the name
              hint: take `network` out, or `update`
            containers/e.json:1:29: `update` is `rolling`
              expected: one of `recreate`, `start-first`
            containers/f.json:1:30: container `g` is updated `start-first`: its network goes with the old one
              expected: a container with "update": "recreate"
              hint: take `update` out of containers/g.json, or `network` out of this file
            11 faults in 6 files"#]],
    );
}

#[test]
fn what_becomes_of_a_push_that_fails() {
    table(
        &[("fleet.json", r#"{ "on_failure": "revert" }"#)],
        expect![[r#"
            fleet.json:1:17: `on_failure` is `revert`
              expected: one of `stop`, `rollback`
            1 fault in 1 file"#]],
    );
}
