//! The words of `logs`.

use clap::Args;
use schemas::names::FleetId;

/// `logs`
#[derive(Debug, Args)]
pub struct LogsOptions {
    /// Only lines with these words; "phrases", field:value, AND, OR, NOT and parentheses in quotes
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// Only of this fleet, `owner/name` [default: the clone's, else all]
    #[arg(long, value_name = "O/F", env = "FLEETLOG_FLEET")]
    pub fleet: Option<FleetId>,
    /// Only of this container or task
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only since then: a span such as `10m`, or a time (RFC 3339)
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only before then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// The newest so many [default: 100; with --since all]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Write JSON, one line a line
    #[arg(long)]
    pub json: bool,
}
