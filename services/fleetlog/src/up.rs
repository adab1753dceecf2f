//! `fleetlog up`, `serve` and `agent`: load, bind early, start the services, run, drain with a deadline, say how it ended.

mod choice;
mod door;
mod folder;
mod keys;
mod listen;
mod lock;
mod log;
mod logger;
mod monitor;
mod nats;
mod platform;
mod services;
mod signals;
mod start;
mod tasker;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use self::choice::Choice;
use self::platform::Plan;
use self::signals::Signals;
use crate::cli::{ServeFlags, Service, UpFlags};
use crate::config::{Config, Process, UpOptions};

pub use self::listen::address;

/// How long everything may take to stop in order.
const DRAIN: Duration = Duration::from_secs(20);
/// Threads that run tasks. Most of the time all of them wait for the network.
const WORKERS: usize = 2;
/// Threads for blocking calls: files, Git objects, name resolution.
const BLOCKING: usize = 32;

/// Runs the platform. 0: it was asked to stop and did; 1: it could not start or go on; 2: wrong usage.
pub fn main(flags: &UpFlags) -> ExitCode {
    begin(flags, Plan::of_all)
}

/// Runs some of the services, with the same ends.
pub fn serve(flags: &ServeFlags) -> ExitCode {
    begin(&flags.up, |options| Plan::of_some(options, Choice::of(&flags.services)))
}

/// Runs the halves that sit on a Docker host, with the same ends.
pub fn agent(flags: &UpFlags) -> ExitCode {
    begin(flags, |options| Plan::of_some(options, Choice::of(&[Service::Agent])))
}

fn begin(flags: &UpFlags, plan: impl FnOnce(UpOptions) -> anyhow::Result<Plan>) -> ExitCode {
    let options = match Config::read(flags, &Process) {
        Ok((_, options)) => options,
        Err(faults) => return crate::config::complain(&faults),
    };
    if let Err(error) = log::start(options.log.as_deref()) {
        return complain(2, &error);
    }
    let plan = match plan(options) {
        Ok(plan) => plan,
        Err(error) => return complain(2, &error),
    };
    match run(plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &error),
    }
}

/// The one place where an error's whole chain is said.
fn complain(status: u8, error: &anyhow::Error) -> ExitCode {
    tracing::error!("{error:#}");
    ExitCode::from(status)
}

fn run(plan: Plan) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let end = runtime.block_on(until_told(plan));
    // Whatever still hangs in a blocking call must not keep the process.
    runtime.shutdown_background();
    end
}

/// Runs the platform until it fails, or until a signal asks it to stop and it has.
async fn until_told(plan: Plan) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let shutdown = CancellationToken::new();
    let mut platform = std::pin::pin!(platform::run(plan, shutdown.clone()));
    let asked = tokio::select! {
        end = &mut platform => return end,
        name = signals.next() => name,
    };
    tracing::info!("{asked}: stopping in order; once more to leave at once");
    shutdown.cancel();
    tokio::select! {
        end = &mut platform => end.map(|()| tracing::info!("stopped")),
        name = signals.next() => anyhow::bail!("{name} again: left at once, without waiting for the services"),
        () = tokio::time::sleep(DRAIN) => anyhow::bail!("still not stopped after {} s: left", DRAIN.as_secs()),
    }
}
