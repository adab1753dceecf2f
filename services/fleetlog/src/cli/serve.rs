//! The words of `serve` and `agent`: some of the services, on a NATS server that others share.

use clap::{Args, ValueEnum};

use super::UpFlags;

pub const SERVE: &str = "\
Examples:
  fleetlog serve git --nats nats://10.0.0.5:4222 --data /var/lib/fleetlog-git
  fleetlog serve git registry api --nats nats://10.0.0.5:4222 --listen 127.0.0.1:7071

Its log is the one on that server; nothing else is shared but `master.key`, which has to lie
in DIR: copy it from the folder of the platform that began the log. `profiles` begins a new
log where there is none, with a key of its own; the others make no streams.

Run `git`, `registry`, `logger` and `api` as often as you like, each with a folder of its own;
`shazam`, `tasker`, `monitor` and `profiles` once. `fleetlog up --nats URL` is all of them.
One line `ready http://ADDR` says that they are up; /healthz and /readyz are everywhere.";

pub const AGENT: &str = "\
Examples:
  fleetlog agent --nats nats://10.0.0.5:4222 --node web-1 --data /var/lib/fleetlog-agent

It needs no `master.key`, and gives none away. A name is one host's: two agents with the same
name take each other's work.";

/// A service, by its name in the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Service {
    /// The Git server: clone, fetch, push
    Git,
    /// Every value of every fleet
    Registry,
    /// Decides what happens on the nodes
    Shazam,
    /// Decides which task runs when
    Tasker,
    /// Finds log lines again
    Logger,
    /// Answers Prometheus
    Monitor,
    /// Says who may do what; begins a log that is not begun yet
    Profiles,
    /// The HTTP API
    Api,
    /// The halves that sit on a Docker host
    Agent,
}

/// Which services run, and how.
#[derive(Debug, Args)]
pub struct ServeFlags {
    /// What to run
    #[arg(value_name = "SERVICE", required = true, value_enum)]
    pub services: Vec<Service>,
    #[command(flatten)]
    pub up: UpFlags,
}
