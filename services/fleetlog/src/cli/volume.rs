//! The words of `volume`.

use clap::{Args, Subcommand};
use schemas::names::Name;
use schemas::operate::SnapshotTime;

use super::FleetOptions;

pub const VOLUME: &str = "\
Examples:
  fleetlog volume ls
  fleetlog stop db; fleetlog volume snapshot data --reason 'before the upgrade'; fleetlog start db
  fleetlog stop db; fleetlog volume restore data 20261204T101500Z
  fleetlog volume rm data --snapshot 20261204T101500Z
  fleetlog volume rm data             with its data, once no descriptor mounts it

Nothing that has a volume may run while it is copied: `fleetlog stop` says who does. A restore
first copies what the volume holds, and what was stopped for it is started again after it.";

/// What `volume` can do.
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    /// Show the volumes that are there, who mounts them, and their snapshots
    #[command(visible_alias = "list")]
    Ls(FleetOptions),
    /// Remove a volume that nothing mounts, with its data; or one of its snapshots
    Rm(RmOptions),
    /// Copy what a volume holds beside it
    Snapshot(SnapshotOptions),
    /// Let a volume hold again what one of its snapshots has
    Restore(RestoreOptions),
}

/// `volume rm`
#[derive(Debug, Args)]
pub struct RmOptions {
    /// The volume
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// Only this snapshot of it
    #[arg(long, value_name = "TIME")]
    pub snapshot: Option<SnapshotTime>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `volume snapshot`
#[derive(Debug, Args)]
pub struct SnapshotOptions {
    /// The volume
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `volume restore`
#[derive(Debug, Args)]
pub struct RestoreOptions {
    /// The volume
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// The snapshot's time, as `fleetlog volume ls` shows it
    #[arg(value_name = "TIME")]
    pub snapshot: SnapshotTime,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
