//! The words of `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Turn the compose files of a folder into a fleet's descriptors; needs no server and no Docker
    #[command(after_help = COMPOSE)]
    Compose(ComposeOptions),
}

const COMPOSE: &str = "\
Examples:
  fleetlog import compose ~/shop --out shop-fleet
  fleetlog import compose . -f compose.yaml -f compose.prod.yaml --profile jobs --out ../fleet
  fleetlog import compose . --out fleet --env TAG --allow-secret 'DEMO_TOKEN=everybody knows it'

Reads compose.yaml (or compose.yml, docker-compose.yml, docker-compose.yaml) and its override,
`.env`, and what they include, extend and name as env_file. Variables come from --env, then
from `.env`; nothing else of the environment is looked at. The descriptors are written at
once or not at all, into a folder that is new, empty, or a fleet without these files.

A line says what was not carried and what to do: FILE:LINE:COLUMN: KEY: what. One that
begins with `note:` tells what is carried and means something else. Values that look like
secrets are left out and listed.

Exit status: 0 done, also where something was not carried; 1 no compose file can be read as
such, or the result has faults (it is written, and each is told); 2 wrong usage.

Next: cd FLEET && git init -b main; fleetlog check; git push -o create …";

/// `import compose`
#[derive(Debug, Args)]
pub struct ComposeOptions {
    /// The folder with the compose files
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The fleet's folder
    #[arg(long, value_name = "FLEET")]
    pub out: PathBuf,
    /// A compose file instead of the usual ones, relative to DIR; several are merged in order
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Take the services of this profile, too; `*`: of every profile
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Take this variable from the environment (or NAME=VALUE), before `.env`
    #[arg(long, value_name = "NAME")]
    pub env: Vec<String>,
    /// Keep a variable of `environment` that looks like a secret, and say why it is none
    #[arg(long, value_name = "NAME=WHY", value_parser = allowed)]
    pub allow_secret: Vec<(String, String)>,
    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

fn allowed(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, why)) if !name.is_empty() && !why.trim().is_empty() => Ok((name.to_owned(), why.to_owned())),
        _ => Err("expected NAME=WHY, such as 'DEMO_TOKEN=everybody knows it'".to_owned()),
    }
}
