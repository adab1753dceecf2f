//! This process, under the names that every Prometheus client uses.

use std::fs;

use super::text::{Kind, Text};

/// The kernel shows times in hundredths of a second and memory in pages of 4 KiB, on every machine that we know.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4_096.0;

/// Writes what the kernel tells of us; nothing where it does not.
pub fn write(text: &mut Text) {
    let Some(stat) = fs::read_to_string("/proc/self/stat").ok() else { return };
    // `pid (name) state …`: the name may hold anything, so from the right. The first of these is field 3 of proc(5).
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|it| it.parse().unwrap_or(0.0)).collect())
        .unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
    let cpu = (field(14) + field(15)) / TICKS;
    text.single("process_cpu_seconds_total", Kind::Counter, "Processor time of the platform's process.", cpu);
    let help = "Memory of the platform's process, without nats-server.";
    text.single("process_resident_memory_bytes", Kind::Gauge, help, field(24) * PAGE);
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        text.single("process_open_fds", Kind::Gauge, "Files that the platform has open.", files.count() as f64);
    }
    if let Some(boot) = boot_time() {
        let started = boot + field(22) / TICKS;
        text.single("process_start_time_seconds", Kind::Gauge, "When the platform's process began.", started);
    }
}

/// When the machine was started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
