//! The rows of the table: what is measured, and against what.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever};
use tests::{Fleet, Platform, run};

use crate::backend::Backend;
use crate::bare::Bare;
use crate::phases::of_newest_push;
use crate::report::{Report, Row};

fn container(round: usize) -> Value {
    json!({ "image": IMAGE, "command": forever(":"), "env": { "ROUND": round.to_string() } })
}

fn write_all(fleet: &Fleet<'_>, count: usize) {
    for index in 0..count {
        fleet.write(&format!("containers/c{index:02}.json"), container(0));
    }
}

/// Takes a fleet's containers away by a push, so that nothing of it is under way when the next is measured.
fn remove_all(fleet: &Fleet<'_>) {
    fleet.git(&["rm", "-r", "--quiet", "containers"]).ok();
    let commit = fleet.commit("none");
    fleet.push(&[]).ok();
    fleet.rollout_of(&commit);
}

/// How long it takes, in milliseconds.
pub fn milliseconds(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

fn pushed(fleet: &Fleet<'_>, options: &[&str]) -> anyhow::Result<f64> {
    milliseconds(|| {
        let push = fleet.push(options);
        ensure!(push.accepted, "refused:\n{}", push.text);
        ensure!(!push.text.contains("failed"), "failed:\n{}", push.text);
        Ok(())
    })
}

/// Many containers created and started by one push.
pub fn many_containers(bare: &Bare, count: usize, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let platform = Platform::start();
    report.engine = bare.version()?;
    let what = format!("{count} containers created and started by one push");
    let mut row = Row::new(&what, "the same Docker calls, 8 at a time");
    for pair in 0..pairs {
        let fleet = platform.fleet(&format!("many-{pair}"));
        write_all(&fleet, count);
        fleet.commit("all of them");
        let prefix = format!("{}.bare-{pair}", platform.owner());
        // Who goes first changes from pair to pair.
        let (mut ours, mut theirs) = (0.0, 0.0);
        for turn in 0..2 {
            if (turn + pair) % 2 == 0 {
                ours = pushed(&fleet, &["create"])?;
                row.phases.push(of_newest_push(&fleet.events(), ours));
                remove_all(&fleet);
            } else {
                theirs = milliseconds(|| bare.create(&prefix, count, &forever(":")))?;
                bare.take_away(&prefix, count)?;
            }
        }
        row.add(ours, theirs);
    }
    report.rows.push(row);
    Ok(())
}

/// One of many changed, running again.
pub fn one_of_many(bare: &Bare, count: usize, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let platform = Platform::start();
    let fleet = platform.fleet("many");
    write_all(&fleet, count);
    fleet.commit("all of them");
    fleet.push(&["create"]).ok();
    let prefix = format!("{}.bare", platform.owner());
    bare.create(&prefix, count, &forever(":"))?;
    let what = format!("1 of {count} changed, running again");
    let mut row = Row::new(&what, "the bare stop, remove, create, start calls");
    for pair in 0..pairs {
        let index = pair % count;
        fleet.write(&format!("containers/c{index:02}.json"), container(pair + 1)).commit("one");
        let (mut ours, mut theirs) = (0.0, 0.0);
        for turn in 0..2 {
            if (turn + pair) % 2 == 0 {
                ours = pushed(&fleet, &[])?;
            } else {
                theirs = milliseconds(|| bare.replace(&prefix, index, &forever(":")))?;
            }
        }
        row.phases.push(of_newest_push(&fleet.events(), ours));
        row.add(ours, theirs);
    }
    report.rows.push(row);
    bare.take_away(&prefix, count)?;
    Ok(())
}

/// A push that changes nothing about so many containers, against the same push to `git http-backend`.
pub fn nothing_changed(count: usize, pairs: usize, report: &mut Report) -> anyhow::Result<()> {
    let platform = Platform::start();
    let backend = Backend::start()?;
    for (what, options) in [("not waiting (`-o no-wait`)", ["no-wait"].as_slice()), ("waiting", &[])] {
        let containers = if count == 1 { "1 container".to_owned() } else { format!("{count} containers") };
        let what = format!("a push that changes nothing about {containers}, {what}");
        let mut row = Row::new(&what, "the same push to `git http-backend`");
        let fleet = platform.fleet(if options.is_empty() { "waiting" } else { "not-waiting" });
        let name = fleet.id().replace('/', "-");
        let url = backend.repository(&name)?;
        write_all(&fleet, count);
        fleet.commit("all of them");
        fleet.push(&["create"]).ok();
        fleet.push_to(&url, &[], &["main"]).ok();
        for pair in 0..pairs {
            fleet.write_text("notes.txt", &pair.to_string()).commit("nothing");
            let (mut ours, mut theirs) = (0.0, 0.0);
            for turn in 0..2 {
                if (turn + pair) % 2 == 0 {
                    ours = pushed(&fleet, options)?;
                } else {
                    theirs = milliseconds(|| {
                        let push = fleet.push_to(&url, options, &["main"]);
                        ensure!(push.accepted, "refused:\n{}", push.text);
                        Ok(())
                    })?;
                }
            }
            let commit = fleet.git(&["rev-parse", "HEAD"]).ok();
            fleet.succeeds(&commit);
            row.phases.push(of_newest_push(&fleet.events(), ours));
            row.add(ours, theirs);
        }
        report.rows.push(row);
        remove_all(&fleet);
    }
    report.idle = resident(platform.pid());
    Ok(())
}

/// Resident memory of a process, in MiB.
fn resident(pid: u32) -> f64 {
    let mut ps = std::process::Command::new("busybox");
    ps.args(["grep", "VmRSS", &format!("/proc/{pid}/status")]);
    let line = run(&mut ps, Duration::from_secs(5)).ok();
    let kib = line.split_whitespace().nth(1).and_then(|it| it.parse::<f64>().ok());
    kib.unwrap_or_default() / 1_024.0
}
