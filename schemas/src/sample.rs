//! What the agent of a node measured of its containers, on `METRICS`. No events: kept for minutes, and never folded.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::fleet::HealthState;
use crate::names::{FleetId, Name, NodeName};

/// One round of one node: every container of ours that runs there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// The node.
    pub node: NodeName,
    /// When the round began, by the node's clock.
    pub at: Timestamp,
    /// The time between two rounds, in milliseconds.
    pub every_ms: u64,
    /// How long the round took, in microseconds.
    pub took_us: u64,
    /// Why nothing could be measured; none: Docker answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<String>,
    /// The node itself, where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// What was measured.
    pub containers: Vec<Sample>,
    /// Docker's ids of those that run but could not be measured this time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// How many were left out because a message holds only so many.
    #[serde(default)]
    pub left_out: u64,
}

/// The node itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors.
    pub cores: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

/// One container at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Docker's id.
    pub id: String,
    /// Its name in Docker.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// Whose it is.
    pub fleet: FleetId,
    /// Which part of the fleet it is.
    pub part: Part,
    /// Its address in the fleet's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What Docker's own health check says; none: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthState>,
    /// When it was last started, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ns: Option<i64>,
    /// How often Docker started it again by itself.
    pub restarts: u64,
    /// What it may use.
    pub limits: Allowed,
    /// What it used.
    pub used: Used,
}

/// Which part of a fleet a container is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A descriptor's container.
    Container(Name),
    /// A step of a run of a task.
    Task {
        /// Which task.
        task: Name,
        /// Which run.
        run: Uuid,
    },
}

impl Part {
    /// The descriptor's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Container(name) | Self::Task { task: name, .. } => name,
        }
    }
}

/// What a container may use; none: as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The period in which processor time is shared out, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_period_us: Option<u64>,
    /// Processor time in each period, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota_us: Option<u64>,
    /// Its weight where processors are short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
}

/// What a container used since it was started, or uses now. None: the kernel does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Processor time.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// The network, by interface.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, Network>,
    /// Disks, by device (`/dev/sda`, else `8:0`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disks: BTreeMap<String, Disk>,
    /// Processes now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Threads now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
}

/// Processor time, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// In all.
    pub total_ns: u64,
    /// In the programs themselves.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
    /// Periods in which a quota was looked at.
    #[serde(default)]
    pub periods: u64,
    /// Periods in which it was used up.
    #[serde(default)]
    pub throttled_periods: u64,
    /// How long it was kept waiting for want of quota.
    #[serde(default)]
    pub throttled_ns: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All of it, the page cache included.
    pub usage: u64,
    /// Without the part of the page cache that can be dropped first.
    pub working_set: u64,
    /// Anonymous memory.
    pub rss: u64,
    /// The page cache.
    pub cache: u64,
    /// Swapped out.
    pub swap: u64,
    /// Files mapped into memory.
    pub mapped: u64,
    /// The highest usage so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<u64>,
    /// How often the limit was hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// How often a process was killed for want of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kills: Option<u64>,
}

/// One interface, since the container was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
}

/// One device, since the container was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}
