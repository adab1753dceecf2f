//! What mistakes in tasks are answered with: their steps, their schedules, their sandboxes.

use expect_test::expect;

use super::table;

#[test]
fn steps() {
    table(
        &[
            (
                "tasks/a.json",
                "{\n  \"image\": \"x\", \"step\": [], \"timeout\": \"1m\",\n  \"cron\": \"* * * * *\", \"command\": [\"x\"] }",
            ),
            ("tasks/b.json", r#"{ "image": "x" }"#),
            ("tasks/c.json", r#"{ "image": "x", "steps": [] }"#),
            (
                "tasks/d.json",
                r#"{ "image": "x", "steps": [ { "run": [] }, { "run": "echo hello" }, "echo hello", {} ] }"#,
            ),
            ("tasks/e.json", r#"{ "steps": [ { "run": ["x"], "within": "10" } ], "within": "soon" }"#),
            (
                "tasks/f.json",
                r#"{ "image": "x", "steps": [ { "run": ["x"] } ], "within": 60, "stop": { "grace": "-1s", "after": "1s" } }"#,
            ),
            ("tasks/Nightly.json", r#"{ "image": "x", "steps": [ { "run": ["x"] } ] }"#),
        ],
        expect![[r#"
            tasks/Nightly.json:1:1: bad file name `Nightly.json`
              expected: `tasks/<name>.json`, the name a lower-case DNS label such as `web-1`
              hint: rename it to `tasks/nightly.json`
            tasks/a.json:2:17: unknown key `step`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
              hint: did you mean `steps`?
            tasks/a.json:2:29: unknown key `timeout`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
              hint: did you mean `within`?
            tasks/a.json:3:3: unknown key `cron`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
              hint: did you mean `schedule`?
            tasks/a.json:3:24: unknown key `command`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
            tasks/b.json:1:1: missing key `steps`
              expected: `steps`, an array of objects
            tasks/c.json:1:26: `steps` is an empty array
              expected: at least one item
            tasks/d.json:1:37: `run` is an empty array
              expected: at least one item
            tasks/d.json:1:52: `run` is the string `echo hello`
              expected: an array of strings
              hint: a command is an array of arguments: write ["echo","hello"]
            tasks/d.json:1:68: item 3 of `steps` is the string `echo hello`
              expected: an object
            tasks/d.json:1:82: missing key `run`
              expected: `run`, an array of strings
            tasks/e.json:1:1: missing key `image`
              expected: `image`, a string
            tasks/e.json:1:40: `within` is `10`
              expected: a duration with its unit (ms, s, m, h), such as "500ms" or "30s"
              hint: write "10s"
            tasks/e.json:1:60: `within` is `soon`
              expected: a duration with its unit (ms, s, m, h), such as "500ms" or "30s"
            tasks/f.json:1:58: `within` is the number 60
              expected: a duration with its unit (ms, s, m, h), such as "500ms" or "30s"
            tasks/f.json:1:81: `grace` is `-1s`
              expected: a duration with its unit (ms, s, m, h), such as "500ms" or "30s"
            tasks/f.json:1:88: unknown key `after` in `stop`
              expected: one of `grace`, `signal`
            17 faults in 7 files"#]],
    );
}

#[test]
fn schedules() {
    let task = |schedule: &str| {
        format!("{{ \"image\": \"x\", \"steps\": [ {{ \"run\": [\"x\"] }} ],\n  \"schedule\": {schedule} }}")
    };
    table(
        &[
            ("tasks/a.json", &task(r#"{ "cron": "* * *" }"#)),
            ("tasks/b.json", &task(r#"{ "cron": "0 0 * * * *" }"#)),
            ("tasks/c.json", &task(r#"{ "cron": "@daily", "timezone": "Europe/Berln" }"#)),
            ("tasks/d.json", &task(r#"{ "cron": "61 * * * *", "timezone": "CEST+2", "missed": "all" }"#)),
            ("tasks/e.json", &task(r#"{ "cron": "0 0 31 2 *", "timezone": "" }"#)),
            ("tasks/f.json", &task(r#"{ "cron": "* * * * mon-fry", "tz": "UTC", "missed": true }"#)),
            ("tasks/g.json", &task(r#""* * * * *""#)),
            ("tasks/h.json", &task(r#"{ "cron": "" }"#)),
            ("tasks/i.json", &task(r#"{ "timezone": "UTC", "missed": "onse" }"#)),
            (
                "tasks/fine.json",
                &task(r#"{ "cron": "*/5 9-17 * * mon-fri", "timezone": "Europe/Berlin", "missed": "once" }"#),
            ),
        ],
        expect![[r#"
            tasks/a.json:2:25: `cron`: `* * *` has 3 fields
              expected: five fields: minute, hour, day of month, month, day of week, such as "*/5 * * * *"
              hint: write "* * * * *"
            tasks/b.json:2:25: `cron`: `0 0 * * * *` has 6 fields
              expected: five fields: minute, hour, day of month, month, day of week, such as "*/5 * * * *"
              hint: there are no seconds: write "0 * * * *"
            tasks/c.json:2:25: `cron`: `@daily` is a nickname
              expected: five fields: minute, hour, day of month, month, day of week, such as "*/5 * * * *"
              hint: write "0 0 * * *"
            tasks/c.json:2:47: `timezone` is `Europe/Berln`
              expected: the name of a time zone, such as "Europe/Berlin" or "UTC"
              hint: did you mean `Europe/Berlin`?
            tasks/d.json:2:25: `cron`: `61` is no minute
              expected: `*`, a number from 0 to 59, a range `a-b`, a step `*/n`, or several of them with commas
            tasks/d.json:2:51: `timezone` is `CEST+2`
              expected: the name of a time zone, such as "Europe/Berlin" or "UTC"
            tasks/d.json:2:71: `missed` is `all`
              expected: one of `skip`, `once`
            tasks/e.json:2:25: `cron`: `0 0 31 2 *` never comes
              expected: a day that exists in some year
            tasks/e.json:2:51: `timezone` is an empty string
              expected: at least one character
            tasks/f.json:2:25: `cron`: `mon-fry` is no day of week
              expected: `*`, a number from 0 to 7, or `sun` to `sat`, a range `a-b`, a step `*/n`, or several of them with commas
            tasks/f.json:2:44: unknown key `tz` in `schedule`
              expected: one of `cron`, `missed`, `timezone`
            tasks/f.json:2:67: `missed` is `true`
              expected: one of `skip`, `once`
            tasks/g.json:2:15: `schedule` is the string `* * * * *`
              expected: an object
            tasks/h.json:2:25: `cron` is an empty string
              expected: at least one character
            tasks/i.json:2:15: missing key `cron`
              expected: `cron`, a string
            tasks/i.json:2:46: `missed` is `onse`
              expected: one of `skip`, `once`
              hint: did you mean `once`?
            16 faults in 9 files"#]],
    );
}

#[test]
fn sandboxes() {
    let task = |keys: &str| format!("{{ \"image\": \"x\", \"steps\": [ {{ \"run\": [\"x\"] }} ],\n  {keys} }}");
    table(
        &[
            ("tasks/a.json", &task(r#""user": "root", "network": "front", "writable": "yes""#)),
            ("tasks/b.json", &task(r#""user": 1000, "network": ["front"], "writable": 1"#)),
            (
                "tasks/c.json",
                &task(r#""volumes": { "/x": "dta", "y": "data", "/fleetlog": "data", "/z/../w": "data" }"#),
            ),
            (
                "tasks/d.json",
                &task(r#""tmpfs": { "tmp": "64MiB", "/tmp": "64", "/a:ro": "1MiB", "/fleetlog/x": "1MiB" }"#),
            ),
            ("tasks/e.json", &task(r#""tmpfs": { "/tmp": "1MiB" }, "volumes": { "/tmp/": "data" }"#)),
            ("tasks/f.json", &task(r#""limits": { "memory": "lots", "cpus": 0, "pids": 0, "swap": "1GiB" }"#)),
            ("tasks/g.json", &task(r#""limits": { "memory": 256, "cpus": "1", "pids": 1.5 }"#)),
            ("tasks/h.json", &task(r#""privileged": true, "ports": ["80:80"], "restart": "always", "needs": ["x"]"#)),
            ("volumes/data.json", "{}"),
        ],
        expect![[r#"
            tasks/a.json:2:11: `user` is `root`
              expected: a user's number, with or without a group's, such as "1000" or "1000:1000"
            tasks/a.json:2:30: `network` is the string `front`
              expected: `true` or `false`
            tasks/a.json:2:51: `writable` is the string `yes`
              expected: `true` or `false`
            tasks/b.json:2:11: `user` is the number 1000
              expected: a user's number, with or without a group's, such as "1000" or "1000:1000"
            tasks/b.json:2:28: `network` is an array
              expected: `true` or `false`
            tasks/b.json:2:51: `writable` is the number 1
              expected: `true` or `false`
            tasks/c.json:2:22: unknown volume `dta`
              expected: `data`
              hint: did you mean `data`?
            tasks/c.json:2:29: bad mount path `y`
              expected: an absolute path below `/`, without `.` and `..`
              hint: write "/y"
            tasks/c.json:2:42: `/fleetlog` is taken: `$FLEETLOG_OUTPUT` lies there
              expected: another path
            tasks/c.json:2:63: bad mount path `/z/../w`
              expected: an absolute path below `/`, without `.` and `..`
            tasks/d.json:2:14: bad path `tmp` in `tmpfs`
              expected: an absolute path below `/`, without `.`, `..`, `:` and `,`
            tasks/d.json:2:38: `/tmp` is `64`
              expected: a size with its unit (B, KiB, MiB, GiB), such as "64MiB"
              hint: write "64MiB"
            tasks/d.json:2:44: bad path `/a:ro` in `tmpfs`
              expected: an absolute path below `/`, without `.`, `..`, `:` and `,`
            tasks/d.json:2:61: `/fleetlog/x` is taken: `$FLEETLOG_OUTPUT` lies there
              expected: another path
            tasks/e.json:2:14: `/tmp` is in `tmpfs` and in `volumes`
              expected: each path once
            tasks/f.json:2:25: `memory` is `lots`
              expected: a size with its unit (B, KiB, MiB, GiB), such as "64MiB"
            tasks/f.json:2:41: `cpus` is 0
              expected: a number from 0.01 to 1024
            tasks/f.json:2:52: `pids` is 0
              expected: a whole number from 1 to 1000000
            tasks/f.json:2:55: unknown key `swap` in `limits`
              expected: one of `cpus`, `memory`, `pids`
            tasks/g.json:2:25: `memory` is the number 256
              expected: a size with its unit (B, KiB, MiB, GiB), such as "64MiB"
            tasks/g.json:2:38: `cpus` is the string `1`
              expected: a number from 0.01 to 1024
              hint: leave the quotes out
            tasks/g.json:2:51: `pids` is the number 1.5
              expected: a whole number from 1 to 1000000
            tasks/h.json:2:3: unknown key `privileged`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
            tasks/h.json:2:23: unknown key `ports`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
            tasks/h.json:2:43: unknown key `restart`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
            tasks/h.json:2:64: unknown key `needs`
              expected: one of `env`, `image`, `limits`, `network`, `schedule`, `steps`, `stop`, `tmpfs`, `user`, `volumes`, `within`, `writable`
            26 faults in 8 files"#]],
    );
}
