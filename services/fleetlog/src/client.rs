//! The command-line client: blocking, over HTTP, one file a command. Never opens the data folder.

mod annotations;
mod check;
mod compose;
mod diff;
mod events;
mod failed;
mod failure;
mod fork;
mod here;
mod hold;
mod login;
mod logs;
mod messages;
mod operate;
pub mod out;
mod patience;
mod plan;
mod policy;
mod profile;
mod pulls;
mod remote;
mod replay;
mod retry;
mod rollback;
mod rollouts;
mod runs;
mod state;
mod status;
mod update;
mod vars;
mod volume;
mod wait;

use std::process::ExitCode;

use schemas::operate::Operation;

pub use self::failure::Failure;
pub use self::profile::Expires;
use crate::cli::{ClientCommand, ImportCommand};

/// Does what was asked, and says why where it could not.
pub fn main(command: ClientCommand) -> ExitCode {
    let end = match command {
        ClientCommand::Status(options) => status::run(&options),
        ClientCommand::Events(options) => events::run(&options),
        ClientCommand::Logs(options) => logs::run(&options),
        ClientCommand::State(options) => state::run(&options),
        ClientCommand::Vars(options) => vars::run(&options),
        ClientCommand::Diff(options) => diff::run(&options),
        ClientCommand::Replay(options) => replay::run(&options),
        ClientCommand::Check(options) => check::run(&options),
        ClientCommand::Plan(options) => plan::run(&options),
        ClientCommand::Import(ImportCommand::Compose(options)) => compose::run(&options),
        ClientCommand::Fork(options) => fork::run(&options),
        ClientCommand::Pr(command) => pulls::run(&command),
        ClientCommand::Profile(command) => profile::profile(&command),
        ClientCommand::Token(command) => profile::token(&command),
        ClientCommand::Member(command) => profile::member(&command),
        ClientCommand::Policy(command) => policy::run(&command),
        ClientCommand::Login(options) => login::run(&options),
        ClientCommand::Wait(options) => wait::run(&options),
        ClientCommand::Rollouts(options) => rollouts::run(&options),
        ClientCommand::Retry(options) => retry::run(&options),
        ClientCommand::Rollback(options) => rollback::run(&options),
        ClientCommand::Restart(options) => operate::run(&options, Operation::Restart),
        ClientCommand::Stop(options) => operate::run(&options, Operation::Stop),
        ClientCommand::Start(options) => operate::run(&options, Operation::Start),
        ClientCommand::Exec(options) => operate::exec(&options),
        ClientCommand::Volume(command) => volume::run(&command),
        ClientCommand::Hold(options) => hold::run(&options),
        ClientCommand::Update(options) => update::run(&options),
        ClientCommand::Run(options) => runs::run(&options),
        ClientCommand::Runs(options) => runs::list(&options),
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
