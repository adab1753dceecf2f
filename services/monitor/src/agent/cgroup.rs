//! The files of a container's control groups, version 1 and version 2 (the kernel's `admin-guide/cgroup-v1` and
//! `admin-guide/cgroup-v2.rst`).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use schemas::sample::{Cpu, Disk, Memory, Used};

/// A container's folder in each hierarchy.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    /// Version 1, by controller.
    pub controllers: BTreeMap<String, PathBuf>,
    /// Version 2.
    pub unified: Option<PathBuf>,
}

/// What the container used, without its networks. Where both versions are mounted, the controllers are with the first.
pub fn used(folders: &Folders) -> Option<Used> {
    match (folders.controllers.get("cpuacct"), folders.controllers.get("memory")) {
        (Some(cpu), Some(memory)) => first(folders, cpu, memory),
        _ => second(folders.unified.as_deref()?),
    }
}

/// Version 1.
fn first(folders: &Folders, accounting: &Path, memory: &Path) -> Option<Used> {
    let total_ns = number(&accounting.join("cpuacct.usage"))?;
    let throttling = folders.controllers.get("cpu").map(|it| pairs(&it.join("cpu.stat"))).unwrap_or_default();
    let usage = number(&memory.join("memory.usage_in_bytes"))?;
    let stat = pairs(&memory.join("memory.stat"));
    // With `total_`: what the groups below it use counts as its own.
    let total = |name: &str| get(&stat, &format!("total_{name}"));
    let pids = folders.controllers.get("pids");
    Some(Used {
        cpu: Cpu {
            total_ns,
            user_ns: number(&accounting.join("cpuacct.usage_user")).unwrap_or_default(),
            system_ns: number(&accounting.join("cpuacct.usage_sys")).unwrap_or_default(),
            periods: get(&throttling, "nr_periods"),
            throttled_periods: get(&throttling, "nr_throttled"),
            throttled_ns: get(&throttling, "throttled_time"),
        },
        memory: Memory {
            usage,
            working_set: usage.saturating_sub(total("inactive_file")),
            rss: total("rss"),
            cache: total("cache"),
            swap: total("swap"),
            mapped: total("mapped_file"),
            peak: number(&memory.join("memory.max_usage_in_bytes")),
            failures: number(&memory.join("memory.failcnt")),
            kills: pairs(&memory.join("memory.oom_control")).get("oom_kill").copied(),
        },
        networks: BTreeMap::new(),
        disks: folders.controllers.get("blkio").map(|it| throttled_disks(it)).unwrap_or_default(),
        processes: lines(&memory.join("cgroup.procs")),
        threads: pids.and_then(|it| number(&it.join("pids.current"))),
    })
}

/// Version 2.
fn second(folder: &Path) -> Option<Used> {
    let cpu = pairs(&folder.join("cpu.stat"));
    let usage = number(&folder.join("memory.current"))?;
    let stat = pairs(&folder.join("memory.stat"));
    let events = pairs(&folder.join("memory.events"));
    let nanoseconds = |name: &str| get(&cpu, name).saturating_mul(1_000);
    Some(Used {
        cpu: Cpu {
            total_ns: cpu.get("usage_usec")?.saturating_mul(1_000),
            user_ns: nanoseconds("user_usec"),
            system_ns: nanoseconds("system_usec"),
            periods: get(&cpu, "nr_periods"),
            throttled_periods: get(&cpu, "nr_throttled"),
            throttled_ns: nanoseconds("throttled_usec"),
        },
        memory: Memory {
            usage,
            working_set: usage.saturating_sub(get(&stat, "inactive_file")),
            rss: get(&stat, "anon"),
            cache: get(&stat, "file"),
            swap: number(&folder.join("memory.swap.current")).unwrap_or_default(),
            mapped: get(&stat, "file_mapped"),
            peak: number(&folder.join("memory.peak")),
            failures: events.get("max").copied(),
            kills: events.get("oom_kill").copied(),
        },
        networks: BTreeMap::new(),
        disks: unified_disks(&folder.join("io.stat")),
        processes: lines(&folder.join("cgroup.procs")),
        threads: number(&folder.join("pids.current")),
    })
}

/// `8:0 Read 4096` in one file for bytes and one for operations.
fn throttled_disks(folder: &Path) -> BTreeMap<String, Disk> {
    let mut disks: BTreeMap<String, Disk> = BTreeMap::new();
    for (file, is_bytes) in
        [("blkio.throttle.io_service_bytes_recursive", true), ("blkio.throttle.io_serviced_recursive", false)]
    {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        for line in text.lines() {
            let [device, operation, value] = line.split_whitespace().collect::<Vec<_>>()[..] else { continue };
            let Ok(value) = value.parse() else { continue };
            let disk = disks.entry(device.to_owned()).or_default();
            match (operation, is_bytes) {
                ("Read", true) => disk.read_bytes = value,
                ("Write", true) => disk.written_bytes = value,
                ("Read", false) => disk.reads = value,
                ("Write", false) => disk.writes = value,
                _ => {}
            }
        }
    }
    disks
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`
fn unified_disks(file: &Path) -> BTreeMap<String, Disk> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let disk = |line: &str| {
        let (device, rest) = line.split_once(' ')?;
        let pairs: HashMap<&str, u64> = rest
            .split(' ')
            .filter_map(|it| it.split_once('='))
            .filter_map(|(k, v)| Some((k, v.parse().ok()?)))
            .collect();
        let value = |name: &str| pairs.get(name).copied().unwrap_or_default();
        let disk = Disk {
            read_bytes: value("rbytes"),
            written_bytes: value("wbytes"),
            reads: value("rios"),
            writes: value("wios"),
        };
        Some((device.to_owned(), disk))
    };
    text.lines().filter_map(disk).collect()
}

/// A file with one number.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// How many lines a file has.
fn lines(file: &Path) -> Option<u64> {
    u64::try_from(fs::read_to_string(file).ok()?.lines().count()).ok()
}

/// A file with a name and a number in each line.
fn pairs(file: &Path) -> HashMap<String, u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

fn get(pairs: &HashMap<String, u64>, name: &str) -> u64 {
    pairs.get(name).copied().unwrap_or_default()
}
