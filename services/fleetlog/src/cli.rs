//! The words of the command line, and their help.

mod import;
mod logs;
mod operate;
mod policy;
mod profiles;
mod pulls;
mod registry;
mod rollouts;
mod runs;
mod serve;
mod up;
mod volume;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use schemas::names::FleetId;

pub use self::import::{ComposeOptions, ImportCommand};
pub use self::logs::LogsOptions;
pub use self::operate::{EndCommand, EndOptions, ExecOptions, HoldCommand, HoldOptions, OperateOptions, PlaceOptions};
pub use self::policy::PolicyCommand;
pub use self::profiles::{LoginOptions, MemberCommand, ProfileCommand, TokenCommand};
pub use self::pulls::{CreateOptions, ForkOptions, ListOptions, OneOptions, PrCommand, SeenOptions};
pub use self::registry::{DiffOptions, ReplayOptions, StateOptions, VarsOptions};
pub use self::rollouts::{
    RetryOptions, RollbackOptions, RolloutsCommand, RolloutsOptions, ShowOptions, UpdateOptions, WaitOptions,
};
pub use self::runs::{RunOptions, RunsOptions};
pub use self::serve::{ServeFlags, Service};
#[cfg(test)]
pub use self::up::GitFlags;
pub use self::up::{ConfigOptions, UpFlags};
pub use self::volume::VolumeCommand;

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
    Up(Box<UpFlags>),
    /// Run some of the services on a NATS server that others share
    #[command(after_help = serve::SERVE)]
    Serve(Box<ServeFlags>),
    /// Run what sits on a Docker host, for a platform on a NATS server that others share
    #[command(after_help = serve::AGENT)]
    Agent(Box<UpFlags>),
    /// Show every setting of `up`, and from where: flag, variable, file or default
    #[command(after_help = CONFIG)]
    Config(Box<ConfigOptions>),
    #[command(flatten)]
    Client(ClientCommand),
}

const CONFIG: &str = "\
Examples:
  fleetlog config                     what `fleetlog up` would run with, here
  fleetlog config --config my.toml    with that file
  fleetlog config --json | jq .settings.listen.from

The file has one key a setting, the flag's name with `_` for `-`:
  listen = \"127.0.0.1:7070\"
  nats_server = \"/usr/local/bin/nats-server\"
A flag goes before a variable, that before the file, that before the default. Exit status
2, and every fault with its place, where `up` would not start.";

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
    /// Show what containers and runs wrote: the newest lines, oldest first
    #[command(after_help = "\
Examples:
  fleetlog logs -f                    the newest lines, and what comes
  fleetlog logs 'timeout OR \"connection refused\" -health' --since 2h
  fleetlog logs stream:stderr --container api --limit 20
  fleetlog logs run:0198c0de-0000-7000-8000-000000000000 --json

`|` stands before what went to standard output, `!` before standard error, `#` before a line
that tells of lines that could not be had.")]
    Logs(LogsOptions),
    /// Show what a fleet should be and what it is
    #[command(after_help = "\
Examples:
  fleetlog state                      inside a clone of the fleet
  fleetlog state --at HEAD~1          as it was when that commit was desired
  fleetlog state --at 2026-01-31T12:00:00Z --fleet acme/shop --json")]
    State(StateOptions),
    /// Show every variable and observed fact of a fleet, or one of them through time
    #[command(after_help = "\
Examples:
  fleetlog vars                       all of them, with since when, by which commit and whom
  fleetlog vars --at 120              as they were at position 120
  fleetlog vars containers.api.state  one of them, the newest range first")]
    Vars(VarsOptions),
    /// Show what is not the same about a fleet at two moments
    #[command(after_help = "\
Examples:
  fleetlog diff HEAD~1 HEAD           what the last commit changed, in the descriptors and in Docker
  fleetlog diff 120 --fleet acme/shop from position 120 until now
  fleetlog diff 2026-01-31T12:00:00Z now --json")]
    Diff(DiffOptions),
    /// Make a projection anew from the log and compare it with the one that grew: exit status 1 where they differ
    #[command(after_help = "\
Examples:
  fleetlog replay registry --verify   only compare
  fleetlog replay registry            and put the new one in place of the old one")]
    Replay(ReplayOptions),
    /// Look for faults in a fleet's folder, in the same words as a push; needs no server
    #[command(after_help = "\
Examples:
  fleetlog check                      the current folder
  fleetlog check ops/demo --json      exit status 1 where there are faults
  fleetlog check --format github      in a workflow: each fault at its line in the pull request
  cp ops/hooks/pre-commit .git/hooks/ before every commit

Next: git push; or git push -o plan, to see what it would change")]
    Check(CheckOptions),
    /// Show what a commit, or a folder, would change: in the words of a push, and nothing changes
    #[command(after_help = "\
Examples:
  fleetlog plan                       the current folder, committed or not
  fleetlog plan HEAD                  a commit that was pushed
  fleetlog plan ops/demo --json       exit status 1 where a push would be refused

Next: git push")]
    Plan(PlanOptions),
    /// Begin a fleet from what runs otherwise
    #[command(subcommand)]
    Import(ImportCommand),
    /// Begin a fleet as a copy of another one, with its history
    #[command(after_help = pulls::FORK)]
    Fork(ForkOptions),
    /// Pull requests: ask, look, approve, merge
    #[command(subcommand)]
    Pr(PrCommand),
    /// Say who there is
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Make, show and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Say who is what with an owner
    #[command(subcommand)]
    Member(MemberCommand),
    /// Say what no push of an owner's fleets may bring
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Keep the token on standard input for a platform, so that FLEETLOG_TOKEN need not be set
    #[command(after_help = "\
Examples:
  fleetlog login http://127.0.0.1:7070 < .fleetlog/admin.token
  fleetlog token create laptop | fleetlog login https://fleet.example.org

It is kept in ~/.config/fleetlog/login.json, for you alone to read.")]
    Login(LoginOptions),
    /// Wait until the rollout of a commit ends: exit status 0 only if it succeeded
    #[command(after_help = rollouts::WAIT)]
    Wait(WaitOptions),
    /// Show a fleet's newest rollouts, the newest first, or one of them
    #[command(after_help = rollouts::ROLLOUTS)]
    Rollouts(RolloutsOptions),
    /// Try the newest rollout again, which has failed
    #[command(after_help = rollouts::RETRY)]
    Retry(RetryOptions),
    /// Go back to what was desired before: the log says so, the branch stays
    #[command(after_help = rollouts::ROLLBACK)]
    Rollback(RollbackOptions),
    /// Stop a container and start it again
    #[command(after_help = operate::RESTART)]
    Restart(OperateOptions),
    /// Stop a container, and hold it until it is started
    #[command(after_help = operate::STOP)]
    Stop(OperateOptions),
    /// Start a container that was stopped, and end its hold
    #[command(after_help = operate::START)]
    Start(OperateOptions),
    /// Run a command in a container
    #[command(after_help = operate::EXEC)]
    Exec(ExecOptions),
    /// Look at volumes, copy them, restore or remove them
    #[command(subcommand, after_help = volume::VOLUME)]
    Volume(VolumeCommand),
    /// Show what is left alone, or leave a container alone for a while
    #[command(after_help = operate::HOLD)]
    Hold(HoldOptions),
    /// Take the images that tags lead to by now: resolve them anew, and roll out what changes
    #[command(after_help = rollouts::UPDATE)]
    Update(UpdateOptions),
    /// Run a task
    #[command(after_help = runs::RUN)]
    Run(RunOptions),
    /// Show a fleet's newest runs, the newest first
    #[command(after_help = runs::RUNS)]
    Runs(RunsOptions),
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
    /// How to write: for people, as one JSON document, or as GitHub's workflow commands
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// Write JSON: the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How `check` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    Text,
    /// `{ "faults": […], "warnings": […] }`
    Json,
    /// `::error file=…,line=…,col=…,title=CODE::…`, a line each
    Github,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanOptions {
    /// A folder; or a pushed commit: its id, the first digits of it, a branch, or a name that Git knows here
    #[arg(value_name = "COMMIT|DIR", default_value = ".")]
    pub target: String,
    #[command(flatten)]
    pub fleet: FleetOptions,
}
