//! A push of a large pack: by how much the platform's resident memory grows at its highest, against the pack's size.

use std::fs;

use anyhow::{Context, ensure};
use tests::Platform;
use tests::descriptors::plain;

use super::noise;
use crate::table::{Line, Table};

/// Megabytes of one file: far below what a blob may have.
const FILE: usize = 10;

/// Pushes of `size` MB, each of new content.
pub fn memory(size: usize, pairs: usize, table: &mut Table) -> anyhow::Result<()> {
    let platform = Platform::start();
    let fleet = platform.fleet("large");
    fleet.write("containers/a.json", plain()).commit("one");
    fleet.push(&["create"]).ok();
    let what = format!("resident memory at its highest, above before, in a push of {size} MB");
    let mut line = Line::new(what, "the size of the pack", "MiB", "large", "at most 64 MiB");
    // Longer than most: as many as there is patience for.
    for _ in 0..pairs.min(5) {
        for file in 0..size.div_ceil(FILE) {
            // Printable, so that a fifth of it is packed away.
            let bytes = (size - file * FILE).min(FILE) * 1_250_000;
            fleet.write_text(&format!("noise/{file}"), &noise(bytes));
        }
        fleet.commit("noise");
        let packs = || packed(&platform);
        let before = (rest(platform.pid())?, packs()?);
        let push = fleet.push(&["no-wait"]);
        ensure!(push.accepted, "refused:\n{}", push.text);
        let highest = field(platform.pid(), "VmHWM")?;
        line.add(highest - before.0, packs()? - before.1);
    }
    table.lines.push(line);
    Ok(())
}

/// Resident memory now, in MiB; from here on the highest counts anew.
fn rest(pid: u32) -> anyhow::Result<f64> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot reset the highest resident memory")?;
    field(pid, "VmRSS")
}

/// A field of `/proc/PID/status`, in MiB.
fn field(pid: u32, name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1_024.0)
}

/// Every pack in the data folder together, in MiB.
fn packed(platform: &Platform) -> anyhow::Result<f64> {
    let mut bytes = 0;
    let mut open = vec![platform.data().join("git")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => open.push(entry.path()),
                false if entry.path().extension().is_some_and(|it| it == "pack") => bytes += entry.metadata()?.len(),
                false => {}
            }
        }
    }
    Ok(bytes as f64 / f64::from(1 << 20))
}
