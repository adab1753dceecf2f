//! The kernel's own figures of a container, found by the id of its first process.
//!
//! Reads `/proc` and wherever the cgroup file systems are mounted. A process counts as the container's only where its
//! cgroup carries Docker's id of the container: process ids are used again, and Docker may be on another machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use schemas::sample::{Machine, Network, Traffic, Used};

use super::cgroup::{self, Folders};

/// Where the figures of containers are.
#[derive(Debug, Clone)]
pub struct Kernel {
    root: PathBuf,
    /// cgroup v1: where each controller is mounted.
    controllers: BTreeMap<String, Mount>,
    /// cgroup v2.
    unified: Option<Mount>,
}

/// A mounted cgroup file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    /// What of the hierarchy is mounted there.
    root: String,
}

/// Why the kernel's figures of a container cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// No such process, or it is another container's: the container was started again, or is on another machine.
    NotIts,
    /// The files cannot be read.
    Unreadable,
}

impl Kernel {
    /// Looks where the cgroup file systems are mounted.
    pub fn look(root: &Path) -> Self {
        let mut kernel = Self { root: root.to_owned(), controllers: BTreeMap::new(), unified: None };
        let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
        mounts.lines().for_each(|line| kernel.take_mount(line));
        kernel
    }

    /// `36 25 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory` (proc(5)).
    fn take_mount(&mut self, line: &str) {
        let Some((left, right)) = line.split_once(" - ") else { return };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let ([_, _, _, root, at, ..], [kind, _, options]) = (left.as_slice(), right.as_slice()) else { return };
        let mount = Mount { at: self.root.join(at.trim_start_matches('/')), root: (*root).to_owned() };
        match *kind {
            "cgroup2" => self.unified = Some(mount),
            "cgroup" => {
                for option in options.split(',') {
                    self.controllers.insert(option.to_owned(), mount.clone());
                }
            }
            _ => {}
        }
    }

    /// What the container used that has this id and this first process.
    pub fn used(&self, id: &str, pid: u32) -> Result<Used, Unread> {
        let process = self.root.join("proc").join(pid.to_string());
        let groups = fs::read_to_string(process.join("cgroup")).map_err(|_| Unread::NotIts)?;
        let folders = self.folders(id, &groups)?;
        let mut used = cgroup::used(&folders).ok_or(Unread::Unreadable)?;
        used.disks = used.disks.into_iter().map(|(number, disk)| (self.device(&number), disk)).collect();
        let traffic = fs::read_to_string(process.join("net/dev")).map_err(|_| Unread::Unreadable)?;
        used.networks = interfaces(&traffic);
        Ok(used)
    }

    /// The container's folder in each hierarchy, from `9:memory:/docker/<id>` and `0::/docker/<id>`.
    fn folders(&self, id: &str, groups: &str) -> Result<Folders, Unread> {
        let mut folders = Folders::default();
        let mut is_its = false;
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
            if !path.contains(id) {
                continue;
            }
            is_its = true;
            if controllers.is_empty() {
                folders.unified = self.unified.as_ref().map(|mount| mount.folder(path));
            }
            for controller in controllers.split(',') {
                if let Some(mount) = self.controllers.get(controller) {
                    folders.controllers.insert(controller.to_owned(), mount.folder(path));
                }
            }
        }
        if is_its { Ok(folders) } else { Err(Unread::NotIts) }
    }

    /// `/dev/sda` of `8:0`, where the kernel knows the name.
    fn device(&self, number: &str) -> String {
        let link = fs::read_link(self.root.join("sys/dev/block").join(number)).ok();
        let name = link.as_deref().and_then(Path::file_name).map(|it| format!("/dev/{}", it.to_string_lossy()));
        name.unwrap_or_else(|| number.to_owned())
    }

    /// The machine.
    pub fn machine(&self) -> Option<Machine> {
        let processors = fs::read_to_string(self.root.join("proc/cpuinfo")).ok()?;
        let memory = fs::read_to_string(self.root.join("proc/meminfo")).ok()?;
        let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
        Some(Machine { cores: u64::try_from(cores).ok().filter(|&it| it > 0)?, memory_bytes: kib * 1_024 })
    }
}

impl Mount {
    fn folder(&self, path: &str) -> PathBuf {
        let inside = path.strip_prefix(self.root.as_str()).unwrap_or(path);
        self.at.join(inside.trim_start_matches('/'))
    }
}

/// Every interface but the loopback, from `/proc/<pid>/net/dev`.
fn interfaces(text: &str) -> BTreeMap<String, Network> {
    let line = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> = numbers.split_whitespace().map_while(|it| it.parse().ok()).collect();
        let direction = |from: usize| {
            let [bytes, packets, errors, dropped] = *numbers.get(from..from + 4)? else { return None };
            Some(Traffic { bytes, packets, errors, dropped })
        };
        Some((name.trim().to_owned(), Network { received: direction(0)?, sent: direction(8)? }))
    };
    text.lines().filter_map(line).filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
#[path = "kernel/tests.rs"]
mod tests;
