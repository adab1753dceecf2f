//! The words of `rollouts`, `retry`, `rollback`, `update` and `wait`.

use clap::{Args, Subcommand};
use schemas::names::Name;
use schemas::units::Span;

use super::FleetOptions;

pub const WAIT: &str = "\
Examples:
  git push -o no-wait fleet main && fleetlog wait HEAD
  fleetlog wait 1a2b3c4d --fleet acme/shop --within 5m

Next, where it failed: fleetlog rollouts show 1a2b3c4d, fleetlog retry, or fleetlog rollback";

pub const ROLLOUTS: &str = "\
Examples:
  fleetlog rollouts --limit 3
  fleetlog rollouts show HEAD         steps, how long they took, and what to do where one failed
  fleetlog rollouts --fleet acme/shop --json

Next, where the newest failed: fleetlog retry, or fleetlog rollback";

pub const SHOW: &str = "\
Examples:
  fleetlog rollouts show 0198c0de-0000-7000-8000-000000000000
  fleetlog rollouts show HEAD         the newest one of this commit
  fleetlog rollouts show 1a2b3c4d --fleet acme/shop --json";

pub const RETRY: &str = "\
Examples:
  fleetlog retry                      the newest rollout that failed
  fleetlog retry HEAD -f              and waits for its end; exit status 0 only if it succeeded
  fleetlog retry 1a2b3c4d --fleet acme/shop

What is desired stays as it is; what has to be done is planned anew.
Next: fleetlog wait COMMIT";

pub const ROLLBACK: &str = "\
Examples:
  fleetlog rollback --plan            what would be done; nothing is stored
  fleetlog rollback                   to what the last rollout that succeeded before this one applied
  fleetlog rollback --to HEAD~2 --reason 'the new region answers nobody'
  fleetlog rollback --to 120 --no-wait

The branch stays where it is: a later push that still has what was taken back has to revert
it (`git revert COMMIT`), or to say `git push -o reinstate`. The data of volumes, and what
containers and tasks did elsewhere, do not go back. Exit status 0 only if its rollout succeeds.";

pub const UPDATE: &str = "\
Examples:
  fleetlog update --plan              which tags lead to another image by now; nothing is stored
  fleetlog update                     takes those images, and waits for the rollout
  fleetlog update api --reason 'the fix of today' --no-wait

A tag is resolved when its container is first rolled out, and its image is kept until
somebody asks for another one: a tag that moves changes nothing by itself. An image that
came from no registry is looked up on its node. Exit status 0 only if its rollout succeeds.
Next, to go back to the images of before: fleetlog rollback";

/// `wait`
#[derive(Debug, Args)]
pub struct WaitOptions {
    /// The commit: its id, the first digits of it, or a name that Git knows here
    #[arg(value_name = "COMMIT")]
    pub commit: String,
    /// Give up after so long, such as `5m` [default: never]
    #[arg(long, value_name = "SPAN")]
    pub within: Option<Span>,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `rollouts`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RolloutsOptions {
    #[command(subcommand)]
    pub command: Option<RolloutsCommand>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// What `rollouts` can do beside the list.
#[derive(Debug, Subcommand)]
pub enum RolloutsCommand {
    /// Show one rollout: its steps, why and how long each, and where it failed what its container wrote and what to do
    #[command(after_help = SHOW)]
    Show(ShowOptions),
}

/// `rollouts show`
#[derive(Debug, Args)]
pub struct ShowOptions {
    /// The rollout's id; or a commit, for its newest one: its id, the first digits of it, or a name that Git knows here
    #[arg(value_name = "ID|COMMIT")]
    pub target: String,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `retry`
#[derive(Debug, Args)]
pub struct RetryOptions {
    /// The rollout's id; or a commit, for its newest one [default: the newest that failed]
    #[arg(value_name = "ID|COMMIT")]
    pub target: Option<String>,
    /// Wait until it ends
    #[arg(short, long)]
    pub follow: bool,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `rollback`
#[derive(Debug, Args)]
pub struct RollbackOptions {
    /// What was desired then: a commit, or a position [default: the last rollout that succeeded before the current one]
    #[arg(long, value_name = "COMMIT|POSITION")]
    pub to: Option<String>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only show what would be done
    #[arg(long)]
    pub plan: bool,
    /// Do not wait for its rollout
    #[arg(long, conflicts_with = "plan")]
    pub no_wait: bool,
    #[command(flatten)]
    pub fleet: FleetOptions,
}

/// `update`
#[derive(Debug, Args)]
pub struct UpdateOptions {
    /// Only this container [default: all of the fleet's]
    #[arg(value_name = "CONTAINER")]
    pub container: Option<Name>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only show what would change
    #[arg(long)]
    pub plan: bool,
    /// Do not wait for its rollout
    #[arg(long, conflicts_with = "plan")]
    pub no_wait: bool,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
