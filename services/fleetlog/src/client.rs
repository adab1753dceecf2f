//! The command-line client: blocking, over HTTP, one file a command. Never opens the data folder.

mod check;
mod events;
mod failure;
mod here;
mod out;
mod remote;
mod rollouts;
mod state;
mod status;
mod wait;

use std::process::ExitCode;

use self::failure::Failure;
use crate::cli::ClientCommand;

/// Does what was asked, and says why where it could not.
pub fn main(command: ClientCommand) -> ExitCode {
    let end = match command {
        ClientCommand::Status(options) => status::run(&options),
        ClientCommand::Events(options) => events::run(&options),
        ClientCommand::State(options) => state::run(&options),
        ClientCommand::Check(options) => check::run(&options),
        ClientCommand::Wait(options) => wait::run(&options),
        ClientCommand::Rollouts(options) => rollouts::run(&options),
    };
    match end {
        // Whoever read our output has seen enough: `fleetlog events | head` is no failure.
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            out::note(&failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}
