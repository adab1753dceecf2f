//! The words of the command line, and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use schemas::names::{FleetId, NodeName};
use schemas::units::Span;

const FIRST_STEPS: &str = "\
First steps:
  fleetlog up                          start the platform; it says `ready http://ADDR`
  export FLEETLOG_TOKEN=$(cat .fleetlog/admin.token)
  cd my-fleet && fleetlog check        look for faults before you push
  git push -o create http://admin:$FLEETLOG_TOKEN@127.0.0.1:7070/git/acme/shop.git main
  fleetlog status                      what should run, and what does

As a client it reads FLEETLOG_URL (default http://127.0.0.1:7070) and FLEETLOG_TOKEN; inside
a clone both are taken from the remote's URL where they are not set.

Exit status: 0 done, 1 the thing asked for failed, 2 wrong usage, 3 not allowed, 4 not reachable.";

/// Run your servers with `git commit` and `git push`.
#[derive(Debug, Parser)]
#[command(name = "fleetlog", version, after_help = FIRST_STEPS, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What it can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the platform: every service in this process, with its own nats-server
    #[command(after_help = UP)]
    Up(Box<UpOptions>),
    #[command(flatten)]
    Client(ClientCommand),
}

const UP: &str = "\
Examples:
  fleetlog up                          everything in ./.fleetlog, on 127.0.0.1:7070
  fleetlog up --data /var/lib/fleetlog --listen 127.0.0.1:80
  fleetlog up --docker tcp://127.0.0.1:2375 --node n1

Prints one line, `ready http://ADDR`, on standard output once every service is up; logs go
to standard error. The first start writes a token to DIR/admin.token. Ctrl-C stops it in
order and leaves containers running; a second Ctrl-C leaves at once. Back up DIR/nats and
DIR/master.key: everything else is made anew from them.

Next: export FLEETLOG_TOKEN=$(cat .fleetlog/admin.token); fleetlog status";

/// Where and how the platform runs.
#[derive(Debug, Args)]
pub struct UpOptions {
    /// The folder that holds the log, the keys and the caches
    #[arg(long, env = "FLEETLOG_DATA", value_name = "DIR", default_value = "./.fleetlog")]
    pub data: PathBuf,
    /// Where HTTP is served, for Git and the API; port 0 takes a free one
    #[arg(long, env = "FLEETLOG_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7070")]
    pub listen: String,
    /// A NATS server that somebody else runs, instead of our own
    #[arg(long, env = "FLEETLOG_NATS", value_name = "URL", hide_env_values = true)]
    pub nats: Option<String>,
    /// The nats-server to run, 2.12 or newer [default: from PATH, else ops/.tools/bin]
    #[arg(long, env = "FLEETLOG_NATS_SERVER", value_name = "PATH")]
    pub nats_server: Option<PathBuf>,
    /// The Docker engine, `unix://…` or `tcp://…` [default: DOCKER_HOST, else the local socket]
    #[arg(long, env = "FLEETLOG_DOCKER", value_name = "URL")]
    pub docker: Option<String>,
    /// What this Docker host is called
    #[arg(long, env = "FLEETLOG_NODE", value_name = "NAME", default_value = "local")]
    pub node: NodeName,
    /// Serve without TLS on an address that others can reach: the token crosses the network in the clear
    #[arg(long, env = "FLEETLOG_INSECURE", value_parser = clap::builder::FalseyValueParser::new())]
    pub insecure: bool,
    /// What to log: a level, or `target=level,…` [default: RUST_LOG, else info]
    #[arg(long, env = "FLEETLOG_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Where a push waits for ever, so that a test can kill the platform exactly there
    #[arg(long, env = "FLEETLOG_FAULT_POINT", hide = true)]
    pub fault_point: Option<git::FaultPoint>,
}

/// What is asked of a running platform.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Show the platform and every fleet's containers
    #[command(after_help = "\
Examples:
  fleetlog status                     exit status 1 while a service is not ready
  fleetlog status --fleet acme/shop --json

Next: fleetlog state --fleet acme/shop, or fleetlog events -f")]
    Status(StatusOptions),
    /// Show the log, oldest first
    #[command(after_help = "\
Examples:
  fleetlog events --fleet acme/shop --type git.pushed
  fleetlog events -f --after 120      what came after position 120, and what comes
  fleetlog events --json | jq .data   one JSON document a line")]
    Events(EventsOptions),
    /// Show what a fleet should be and what it is
    #[command(after_help = "\
Examples:
  fleetlog state                      inside a clone of the fleet
  fleetlog state --fleet acme/shop --json")]
    State(FleetOptions),
    /// Look for faults in a fleet's folder, in the same words as a push; needs no server
    #[command(after_help = "\
Examples:
  fleetlog check                      the current folder
  fleetlog check ops/demo --json      exit status 1 where there are faults

Next: git push; or git push -o plan, to see what it would change")]
    Check(CheckOptions),
    /// Wait until the rollout of a commit ends: exit status 0 only if it succeeded
    #[command(after_help = "\
Examples:
  git push -o no-wait fleet main && fleetlog wait HEAD
  fleetlog wait 1a2b3c4d --fleet acme/shop --within 5m

Next, where it failed: fleetlog rollouts, or fleetlog events --type rollout.step")]
    Wait(WaitOptions),
    /// Show a fleet's newest rollouts, the newest first
    #[command(after_help = "\
Examples:
  fleetlog rollouts --limit 3
  fleetlog rollouts --fleet acme/shop --json

Next: fleetlog events --fleet acme/shop --type rollout.step")]
    Rollouts(RolloutsOptions),
}

/// Which fleet, and how to write.
#[derive(Debug, Args)]
pub struct FleetOptions {
    /// The fleet, `owner/name` [default: the clone's]
    #[arg(long, value_name = "O/F", env = "FLEETLOG_FLEET")]
    pub fleet: Option<FleetId>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusOptions {
    /// Only this fleet, `owner/name`
    #[arg(long, value_name = "O/F")]
    pub fleet: Option<FleetId>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// `events`
#[derive(Debug, Args)]
pub struct EventsOptions {
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// Only events after this position
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: u64,
    /// Only this type, such as `git.pushed`
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only of this fleet, `owner/name`
    #[arg(long, value_name = "O/F")]
    pub fleet: Option<FleetId>,
    /// Write JSON, one event a line
    #[arg(long)]
    pub json: bool,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The fleet's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

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
pub struct RolloutsOptions {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
