//! The words of what operators do by hand: `restart`, `stop`, `start`, `exec`, `hold`.

use clap::{Args, Subcommand};
use schemas::names::Name;
use schemas::units::Span;

use super::FleetOptions;

pub const RESTART: &str = "\
Examples:
  fleetlog restart api
  fleetlog restart api --reason 'it leaks' --fleet acme/shop

It is stopped with its own signal and grace and started again; the log says who and why.
Exit status 0 once Docker has started it. Next: fleetlog status";

pub const STOP: &str = "\
Examples:
  fleetlog stop api --reason 'the database is being moved'
  fleetlog start api

A stop is a hold: no push and nothing else starts it, until `fleetlog start` does.";

pub const START: &str = "\
Examples:
  fleetlog start api

What was pushed for it while it was stopped is rolled out then.";

pub const EXEC: &str = "\
Examples:
  fleetlog exec db -- ls -l /data
  fleetlog exec db --reason 'is it there?' -- sh -c 'psql -c \"select 1\"'
  fleetlog exec db --within 5m --json -- vacuumdb --all

Runs as the container's user, without a terminal and without input; what it writes is shown
once it has ended, of each of its outputs the first 256 KiB. What it writes is not in the log;
the command is, or only its program where something in it looks like a secret. Exit status 0
only if it ended with 0. Needs the role `maintainer`.";

pub const HOLD: &str = "\
Examples:
  fleetlog hold                       what is left alone, until when, by whom and why
  fleetlog hold container db --for 1h --reason 'the disk is being replaced'
  fleetlog hold end container db      before its time

While a hold lasts no rollout touches the container, and nobody tells of drift on it. What it
kept from being done is rolled out when it ends.";

/// `restart`, `stop`, `start`
#[derive(Debug, Args)]
pub struct OperateOptions {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub container: Name,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `exec`
#[derive(Debug, Args)]
pub struct ExecOptions {
    /// The container
    #[arg(value_name = "CONTAINER")]
    pub container: Name,
    /// How long the command may run: at most 10m
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    pub within: Span,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
    /// The command and its arguments
    #[arg(value_name = "CMD", last = true, required = true)]
    pub command: Vec<String>,
}

/// `hold`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HoldOptions {
    #[command(subcommand)]
    pub command: Option<HoldCommand>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// What `hold` can do beside the list.
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Leave a container alone
    Container(PlaceOptions),
    /// End a hold before its time
    #[command(subcommand)]
    End(EndCommand),
}

/// `hold container`
#[derive(Debug, Args)]
pub struct PlaceOptions {
    /// The container
    #[arg(value_name = "NAME")]
    pub name: Name,
    /// For how long, such as `1h` [default: until it is ended]
    #[arg(long = "for", value_name = "SPAN")]
    pub lasts: Option<Span>,
    /// Why, for whoever meets it and for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `hold end`
#[derive(Debug, Subcommand)]
pub enum EndCommand {
    /// The hold on a container
    Container(EndOptions),
}

/// `hold end container`
#[derive(Debug, Args)]
pub struct EndOptions {
    /// The container
    #[arg(value_name = "NAME")]
    pub name: Name,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
