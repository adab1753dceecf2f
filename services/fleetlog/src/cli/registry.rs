//! The words of what was: `state`, `vars`, `diff`, `replay`.

use clap::{Args, ValueEnum};

use super::FleetOptions;

/// `state`
#[derive(Debug, Args)]
pub struct StateOptions {
    /// As it was: a position, a time (RFC 3339), or a commit [default: now]
    #[arg(long, value_name = "WHEN")]
    pub at: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `vars`
#[derive(Debug, Args)]
pub struct VarsOptions {
    /// One of them, through time, such as `variables.app.region` or `containers.api.state`
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// As it was: a position, a time (RFC 3339), or a commit [default: now]
    #[arg(long, value_name = "WHEN")]
    pub at: Option<String>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `diff`
#[derive(Debug, Args)]
pub struct DiffOptions {
    /// A position, a time (RFC 3339), a commit, or `now`
    #[arg(value_name = "A")]
    pub from: String,
    /// The same
    #[arg(value_name = "B", default_value = "now")]
    pub to: String,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `replay`
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// Which projection
    #[arg(value_name = "PROJECTION")]
    pub projection: Projection,
    /// Only compare: the one that grew stays
    #[arg(long)]
    pub verify: bool,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be made anew from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Projection {
    /// Every state and every value through time
    Registry,
    /// The index of the log lines
    Logs,
}

impl Projection {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Logs => "logs",
        }
    }
}
