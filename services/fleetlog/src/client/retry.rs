//! `fleetlog retry`: tries a rollout that has failed again.

use schemas::fleet::{Rollout, RolloutStatus};

use super::failure::Failure;
use super::remote::Remote;
use super::rollouts::{self, Page};
use super::{here, out, wait};
use crate::cli::RetryOptions;

/// Asks for it; with `-f`, waits for its end too.
pub fn run(options: &RetryOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let remote = Remote::find()?;
    let page = Page::newest(&remote, &fleet)?;
    let failed = match &options.target {
        Some(target) => page.find(&fleet, target)?,
        None => page.rollouts.iter().find(|it| it.status == RolloutStatus::Failed).ok_or_else(|| {
            Failure::Failed(format!("no rollout of {fleet} has failed: there is nothing to try again"))
        })?,
    };
    let path = format!("{}/{}/retry", rollouts::path(&fleet), failed.id);
    let reply = remote.send("POST", &path, None)?;
    let again: Rollout = reply.read()?;
    if options.follow {
        return wait::until_the_end(remote, fleet, again.commit.to_string(), &options.fleet);
    }
    if options.fleet.json {
        return out::json(&again);
    }
    let short = again.commit.short();
    out::line(&format!(
        "{fleet} {short} is tried again, as rollout {}\nto wait for it: fleetlog wait {short}",
        again.id
    ))
}
