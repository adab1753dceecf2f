//! `fleetlog rollback`: what was desired before is desired again.

use schemas::check::Fault;
use serde_json::{Value, json};

use super::check::warn;
use super::failure::Failure;
use super::remote::Remote;
use super::{here, out, wait};
use crate::cli::RollbackOptions;

/// Shows the plan; then rolls back and waits for the end of its rollout, unless that is not wanted.
pub fn run(options: &RollbackOptions) -> Result<(), Failure> {
    let how = &options.fleet;
    let fleet = here::fleet(how.fleet.as_ref())?;
    let remote = Remote::find()?;
    let path = format!("/v1/fleets/{fleet}/rollback");
    let to = options.to.as_deref().and_then(here::moment);
    let plan: Value = remote.send("POST", &path, Some(&json!({ "to": to, "only_plan": true })))?.read()?;
    if options.plan && how.json {
        return out::json(&plan);
    }
    if !how.json {
        out::line(plan["text"].as_str().unwrap_or_default())?;
        warn(&serde_json::from_value::<Vec<Fault>>(plan["warnings"].clone()).unwrap_or_default());
    }
    if options.plan {
        return out::line("plan only: nothing was stored");
    }
    // To just that state which the plan is for, whatever comes in between.
    let body = json!({ "to": plan["to"], "reason": options.reason });
    let reply = remote.send("POST", &path, Some(&body))?;
    let done: Value = reply.read()?;
    let commit = done["commit"].as_str().unwrap_or_default().to_owned();
    let short = out::short(Some(&commit));
    let withdrawn = done["withdrawn"].as_array().map_or(0, Vec::len);
    if !how.json {
        out::line(&format!("{fleet} is rolled back to {short} at position {}", reply.position))?;
        if withdrawn > 0 {
            let them = if withdrawn == 1 { "1 commit is" } else { &format!("{withdrawn} commits are") };
            out::line(&format!("{them} withdrawn: the next push reverts what it has of that, or says `-o reinstate`"))?;
        }
    }
    match options.no_wait {
        true if how.json => out::json(&done),
        true => out::line(&format!("not waiting; to wait later: fleetlog wait {short}")),
        false => wait::since(remote, fleet, (commit, reply.position), how),
    }
}
