//! Many pushers to as many fleets at once: the slowest of them, against a lone push. And the same with `git http-backend`,
//! because all clients share the machine with the server here.

use std::thread;

use anyhow::{Context, ensure};
use serde_json::json;
use tests::{Fleet, Platform};

use crate::backend::Backend;
use crate::rows::milliseconds;
use crate::table::{Line, Table};

/// One pusher's work tree, and where it pushes to.
struct Pusher<'p> {
    fleet: Fleet<'p>,
    bare: String,
}

/// `size` pushers.
pub fn at_once(size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let (platform, backend) = (Platform::start(), Backend::start()?);
    let mut pushers = Vec::new();
    for index in 0..size {
        let fleet = platform.fleet(&format!("crowd-{index}"));
        // Nothing of theirs runs, so that Docker takes no part in it.
        fleet.write("variables/app.json", json!({ "region": "eu-1" })).commit("one");
        let bare = backend.repository(&format!("crowd-{index}"))?;
        fleet.push_to(&bare, &[], &["main"]).ok();
        fleet.push(&["create", "no-wait"]).ok();
        pushers.push(Pusher { fleet, bare });
    }
    for pusher in &pushers {
        pusher.fleet.succeeds(&pusher.fleet.git(&["rev-parse", "HEAD"]).ok());
    }
    let what = |who: &str| format!("the slowest of {size} pushes to {size} fleets at once, {who}");
    let mut ours = Line::new(what("fleetlog"), "a lone push", "ms", "crowd", "at most 3×");
    let mut theirs = Line::new(what("`git http-backend`"), "a lone push to it", "ms", "crowd", "(for comparison)");
    for pair in 0..pairs {
        for pusher in &pushers {
            pusher.fleet.write_text("notes.txt", &pair.to_string()).commit("nothing");
        }
        for turn in 0..2 {
            let bare = (turn + pair) % 2 == 1;
            let at_once = slowest(&pushers, bare)?;
            pushers[0].fleet.write_text("notes.txt", &format!("{pair} {turn}")).commit("nothing");
            let alone = push(&pushers[0], bare)?;
            if bare { theirs.add(at_once, alone) } else { ours.add(at_once, alone) }
        }
    }
    table.lines.extend([ours, theirs]);
    Ok(())
}

fn push(pusher: &Pusher<'_>, bare: bool) -> anyhow::Result<f64> {
    let url = if bare { pusher.bare.clone() } else { pusher.fleet.remote() };
    milliseconds(|| {
        let push = pusher.fleet.push_to(&url, &["no-wait"], &["main"]);
        ensure!(push.accepted, "refused:\n{}", push.text);
        Ok(())
    })
}

/// All of them at once; how long the last one took.
fn slowest(pushers: &[Pusher<'_>], bare: bool) -> anyhow::Result<f64> {
    thread::scope(|scope| {
        let under_way: Vec<_> = pushers.iter().map(|pusher| scope.spawn(move || push(pusher, bare))).collect();
        let mut slowest = 0.0_f64;
        for pushing in under_way {
            slowest = slowest.max(pushing.join().ok().context("a pusher broke off")??);
        }
        Ok(slowest)
    })
}
