//! Values that look fine and that Docker would refuse, once the old container is gone.

use expect_test::expect;

use super::table;

#[test]
fn a_signal_is_one_of_linux() {
    let stop = |signal: &str| format!(r#"{{ "image": "x:1", "stop": {{ "signal": {signal} }} }}"#);
    let files: Vec<(String, String)> =
        ["\"KABOOM\"", "\"SIGTREM\"", "\"RTMIN+16\"", "\"RTMAX-0\"", "15", "\"9\"", "\"99\""]
            .iter()
            .enumerate()
            .map(|(n, signal)| (format!("containers/c{n}.json"), stop(signal)))
            .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    table(
        &files,
        expect![[r#"
        containers/c0.json:1:39: `signal` is `KABOOM`
          expected: a signal of Linux, such as `TERM`, `INT`, `QUIT`, `HUP`, `USR1` or `RTMIN+3`
        containers/c1.json:1:39: `signal` is `SIGTREM`
          expected: a signal of Linux, such as `TERM`, `INT`, `QUIT`, `HUP`, `USR1` or `RTMIN+3`
          hint: did you mean `TERM`?
        containers/c2.json:1:39: `signal` is `RTMIN+16`
          expected: a signal of Linux, such as `TERM`, `INT`, `QUIT`, `HUP`, `USR1` or `RTMIN+3`
        containers/c3.json:1:39: `signal` is `RTMAX-0`
          expected: a signal of Linux, such as `TERM`, `INT`, `QUIT`, `HUP`, `USR1` or `RTMIN+3`
          hint: did you mean `RTMAX`?
        containers/c4.json:1:39: `signal` is the number 15
          expected: a signal of Linux by its name, such as `TERM`
          hint: write "TERM"
        containers/c5.json:1:39: `signal` is `9`
          expected: a signal of Linux by its name, such as `TERM`
          hint: write "KILL"
        containers/c6.json:1:39: `signal` is `99`
          expected: a signal of Linux by its name, such as `TERM`
        7 faults in 7 files"#]],
    );
    let fine: Vec<(String, String)> = ["TERM", "SIGINT", "RTMIN", "RTMIN+15", "SIGRTMAX-14", "RTMAX", "WINCH"]
        .iter()
        .enumerate()
        .map(|(n, signal)| (format!("containers/c{n}.json"), stop(&format!("\"{signal}\""))))
        .collect();
    let fine: Vec<_> = fine.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    table(&fine, expect!["no faults"]);
}

#[test]
fn times_and_sizes_are_what_docker_takes() {
    table(
        &[
            (
                "containers/a.json",
                r#"{ "image": "x:1", "health": { "command": ["t"], "interval": "0s", "timeout": "0ms", "within": "0s" },
  "stop": { "grace": "999999999h" }, "limits": { "memory": "5MiB", "swap": "9999999GiB" }, "shm_size": "0B" }"#,
            ),
            (
                "containers/b.json",
                r#"{ "image": "x:1", "health": { "http": "/", "port": 80, "interval": "0s", "within": "721h" },
  "limits": { "memory": "8000000000GiB", "pids": -1, "cpus": -0.5 } }"#,
            ),
            (
                "containers/fine.json",
                r#"{ "image": "x:1", "health": { "command": ["t"], "interval": "1ms", "within": "720h", "start_period": "0s" },
  "stop": { "grace": "0s" }, "limits": { "memory": "6MiB", "swap": "0B" } }"#,
            ),
            ("tasks/t.json", r#"{ "image": "x:1", "steps": [{ "run": ["x"] }], "limits": { "memory": "1MiB" } }"#),
        ],
        expect![[r#"
            containers/a.json:1:61: `interval` is `0s`
              expected: at least 1ms
            containers/a.json:1:78: `timeout` is `0ms`
              expected: at least 1ms
            containers/a.json:1:95: `within` is `0s`
              expected: at least 1ms
            containers/a.json:2:22: `grace` is `999999999h`
              expected: at most 720h
            containers/a.json:2:60: `memory` is `5MiB`
              expected: at least 6MiB
            containers/a.json:2:76: `swap` is `9999999GiB`
              expected: at most 1048576GiB
            containers/a.json:2:104: `shm_size` is `0B`
              expected: at least 1B
            containers/b.json:1:68: `interval` is `0s`
              expected: at least 1ms
            containers/b.json:1:84: `within` is `721h`
              expected: at most 720h
            containers/b.json:2:25: `memory` is `8000000000GiB`
              expected: at most 1048576GiB
            containers/b.json:2:50: `pids` is -1
              expected: a whole number from 1
            containers/b.json:2:62: `cpus` is -0.5
              expected: a number from 0.01 to 1024
            tasks/t.json:1:70: `memory` is `1MiB`
              expected: at least 6MiB
            13 faults in 3 files"#]],
    );
}
