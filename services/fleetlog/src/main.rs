//! The one binary: the platform, its command-line client, and Git's hooks.
//!
//! As `up` it owns the data folder and runs every service in one process, as `serve` and `agent` some of them; as a client
//! it speaks HTTP and never opens that folder. Called by a hook's name it is that hook, before anything else.

mod cli;
mod client;
mod config;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use self::cli::Command;

/// Linear where glibc's own is not: a large fleet is very many small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(hook) = called_as_hook() {
        return git::hook::main(&hook);
    }
    match cli::Cli::parse().command {
        Command::Up(flags) => up::main(&flags),
        Command::Serve(flags) => up::serve(&flags),
        Command::Agent(flags) => up::agent(&flags),
        Command::Config(options) => config::main(&options),
        Command::Client(command) => client::main(command),
    }
}

/// The name under which Git calls us, where it is a hook's.
fn called_as_hook() -> Option<String> {
    let program = std::env::args_os().next()?;
    let name = Path::new(&program).file_name()?.to_str()?;
    git::hook::NAMES.contains(&name).then(|| name.to_owned())
}
