//! The words of `policy`.

use std::path::PathBuf;

use clap::Subcommand;
use schemas::names::Owner;

use super::profiles::Output;

/// `policy`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show what no push to a deploy branch of an owner's fleets may bring
    Show {
        /// Whose
        #[arg(value_name = "OWNER")]
        owner: Owner,
        #[command(flatten)]
        output: Output,
    },
    /// Give an owner another policy, all of it; needs the role `owner`
    #[command(after_help = "\
Examples:
  echo '{ \"privileged\": \"forbid\", \"max_removals\": 5 }' | fleetlog policy set acme
  fleetlog policy set acme policy.json
  fleetlog policy show acme --json > policy.json     to change what is there

The keys are those of `guards` in fleet.json. A push is held to both, key by key to the
stricter one. For one push the role `owner` may say: git push -o override=\"why\"")]
    Set {
        /// Whose
        #[arg(value_name = "OWNER")]
        owner: Owner,
        /// The policy as JSON [default: standard input]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}
