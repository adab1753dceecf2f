//! The flags of `up`. What a flag does not say, a variable, a file or a default does: see [`crate::config`].

use std::path::PathBuf;

use clap::Args;

mod git;

pub use self::git::GitFlags;

/// Where and how the platform runs.
#[derive(Debug, Default, Args)]
pub struct UpFlags {
    /// A TOML file with these settings [FLEETLOG_CONFIG, else /etc/fleetlog/fleetlog.toml if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder that holds the log, the keys and the caches [FLEETLOG_DATA, else ./.fleetlog]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Where HTTP is served; port 0 takes a free one [FLEETLOG_LISTEN, else 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// A NATS server that somebody else runs, instead of our own [FLEETLOG_NATS]
    #[arg(long, value_name = "URL")]
    pub nats: Option<String>,
    /// The nats-server to run where there is no --nats, 2.12 or newer [FLEETLOG_NATS_SERVER, else from PATH, else ops/.tools/bin]
    #[arg(long, value_name = "PATH")]
    pub nats_server: Option<String>,
    /// The Docker engine, `unix://…` or `tcp://…` [FLEETLOG_DOCKER, else DOCKER_HOST, else the local socket]
    #[arg(long, value_name = "URL")]
    pub docker: Option<String>,
    /// What this Docker host is called [FLEETLOG_NODE, else local]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Serve without TLS on an address that others can reach: tokens cross the network in the clear
    /// [FLEETLOG_INSECURE]
    #[arg(long)]
    pub insecure: bool,
    /// What to log: a level, or `target=level,…` [FLEETLOG_LOG, else RUST_LOG, else info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    #[command(flatten)]
    pub git: GitFlags,
    /// Where a push waits for ever, so that a test can kill the platform exactly there
    #[arg(long, hide = true)]
    pub fault_point: Option<String>,
}

impl UpFlags {
    /// The flags that were given, by their setting's key.
    pub fn given(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("data", &self.data),
            ("listen", &self.listen),
            ("nats", &self.nats),
            ("nats_server", &self.nats_server),
            ("docker", &self.docker),
            ("node", &self.node),
            ("log", &self.log),
            ("fault_point", &self.fault_point),
        ];
        let mut given: Vec<_> = texts.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect();
        if self.insecure {
            given.push(("insecure", "true".to_owned()));
        }
        given.extend(self.git.given());
        given
    }
}

/// `config`
#[derive(Debug, Args)]
pub struct ConfigOptions {
    #[command(flatten)]
    pub up: UpFlags,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}
