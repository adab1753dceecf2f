//! The walls around a step, and the keys that loosen them.

use schemas::runs::RunStatus;
use serde_json::{Value, json};

use crate::acts::Act::{self, Bursts, Exits, Puts, Says};
use crate::behaviours::failed;
use crate::lab::Lab;

/// A task of one step with more keys.
fn with(lab: &Lab, shell: &str, acts: &[Act], keys: Value) -> Value {
    let mut task = lab.task(shell, acts);
    task.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    task
}

pub async fn a_wall_that_a_step_runs_into_names_its_key(lab: &mut Lab) {
    let cases = [
        (
            "network",
            with(
                lab,
                "wget http://192.0.2.1/",
                &[Says("wget: can't connect to remote host (192.0.2.1): Network is unreachable"), Exits(1)],
                json!({}),
            ),
            "it has no network: `network: true`",
        ),
        (
            "writable",
            with(
                lab,
                "echo x > /etc/x",
                &[Says("sh: can't create /etc/x: Read-only file system"), Exits(1)],
                json!({}),
            ),
            "its root is read-only: `tmpfs`, `volumes` or `writable`",
        ),
        (
            "user",
            with(
                lab,
                "echo x > /data/x",
                &[Says("sh: can't create /data/x: Permission denied"), Exits(1)],
                json!({ "volumes": { "/data": "data" } }),
            ),
            "it runs as user 65534:65534 without capabilities, and nothing in `tmpfs` can be executed: `user`",
        ),
        (
            "tmpfs",
            with(
                lab,
                "dd if=/dev/zero of=/tmp/x bs=1M count=2",
                &[Says("dd: error writing '/tmp/x': No space left on device"), Exits(1)],
                json!({ "tmpfs": { "/tmp": "1MiB" } }),
            ),
            "a path in memory is full: `tmpfs`",
        ),
        (
            "volumes",
            with(lab, "yes > $FLEETLOG_OUTPUT", &[Exits(153)], json!({})),
            "a file grew too large for a step without `volumes` and `writable`",
        ),
        (
            "memory",
            with(lab, "tail /dev/zero", &[Bursts], json!({ "limits": { "memory": "16MiB" } })),
            "out of memory: `limits.memory` is 16MiB",
        ),
        (
            "pids",
            with(
                lab,
                "sleep 9 & sleep 9 & sleep 9 & sleep 9 & wait",
                &[Says("sh: can't fork: Resource temporarily unavailable"), Exits(2)],
                json!({ "limits": { "pids": 3 } }),
            ),
            "it ran out of processes: `limits.pids` is 3",
        ),
    ];
    lab.push(cases.iter().map(|(name, task, _)| ((*name).to_owned(), task.clone())).collect()).await;
    let mut runs = Vec::new();
    for (name, ..) in &cases {
        runs.push(lab.start_run(name).await);
    }
    for (run, (.., expected)) in runs.into_iter().zip(&cases) {
        failed(&lab.ended(run).await, expected);
    }
}

pub async fn each_key_loosens_its_wall(lab: &mut Lab) {
    let ok = |shell: &str, keys: Value| {
        let said = [Puts("seen=yes".to_owned()), Exits(0)];
        with(lab, &format!("set -e; {shell}; echo seen=yes > $FLEETLOG_OUTPUT"), &said, keys)
    };
    let cases = [
        ("network", ok("grep -q eth0 /proc/net/dev", json!({ "network": true }))),
        ("writable", ok("echo x > /x; rm /x", json!({ "writable": true, "user": "0" }))),
        ("user", ok("[ $(id -u):$(id -g) = 1000:1001 ]", json!({ "user": "1000:1001" }))),
        (
            "volumes",
            ok(
                "echo x > /data/x; head -c 70000000 /dev/zero > /data/y; rm /data/y",
                json!({ "volumes": { "/data": "data" }, "user": "0" }),
            ),
        ),
        ("tmpfs", ok("head -c 2000000 /dev/zero > /scratch/x", json!({ "tmpfs": { "/scratch": "4MiB" } }))),
        // As it is without any key, also where the image keeps this folder to itself.
        ("nothing", ok("echo x > /tmp/x; [ ! -w /etc ]", json!({}))),
        (
            "limits",
            ok(
                "sleep 0.1 & sleep 0.1 & sleep 0.1 & wait",
                json!({ "limits": { "pids": 8, "memory": "32MiB", "cpus": 0.5 } }),
            ),
        ),
    ];
    lab.push(cases.iter().map(|(name, task)| ((*name).to_owned(), task.clone())).collect()).await;
    let mut runs = Vec::new();
    for (name, _) in &cases {
        runs.push(lab.start_run(name).await);
    }
    for (run, (name, _)) in runs.into_iter().zip(&cases) {
        let run = lab.ended(run).await;
        assert_eq!((run.status, run.outputs.len()), (RunStatus::Succeeded, 1), "{name}: {run:#?}");
    }
}
