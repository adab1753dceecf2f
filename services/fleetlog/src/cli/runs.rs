//! The words of `run` and `runs`.

use clap::Args;
use schemas::names::Name;

use super::FleetOptions;

pub const RUN: &str = "\
Examples:
  fleetlog run greet                  says the run's id and leaves
  fleetlog run greet -f               shows what it writes; exit status 0 only if it succeeded
  fleetlog run greet --cancel ID      ends a run

Next: fleetlog runs, or fleetlog logs --query 'run:ID'";

pub const RUNS: &str = "\
Examples:
  fleetlog runs --limit 3
  fleetlog runs --task greet --json

Next: fleetlog events --type run.step";

/// `run`
#[derive(Debug, Args)]
pub struct RunOptions {
    /// The task
    #[arg(value_name = "TASK")]
    pub task: Name,
    /// Show what it writes, until it ends
    #[arg(short, long, conflicts_with = "cancel")]
    pub follow: bool,
    /// End this run of the task instead
    #[arg(long, value_name = "ID")]
    pub cancel: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `runs`
#[derive(Debug, Args)]
pub struct RunsOptions {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// Only of this task
    #[arg(long, value_name = "TASK")]
    pub task: Option<Name>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
