//! Pull requests: a branch, or one of a fork, asks to be taken into another one.
//!
//! Reads both repositories and asks the registry for the fleet; writes `pull.*`, and `git.pushed` for a merge. Every
//! answer is worked out from what is there at that moment: a merge is bound to the plan that was looked at.

mod act;
mod answer;
mod judge;
mod open;
mod renew;
mod sides;

pub(crate) use self::answer::answer;
pub(crate) use self::renew::renew;

use schemas::pulls::Pull;
use schemas::query::{Fault, FaultCode};

use crate::repository::State;

fn fault(code: FaultCode, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into() }
}

/// How many approvals a merge into this branch needs.
fn needed(state: &State, into: &str) -> u32 {
    if state.deploy.as_deref() == Some(into) { state.accepted.protect.approvals } else { 0 }
}

/// The pull request of a number.
fn find(state: &State, number: u64) -> Result<&Pull, Fault> {
    let missing = || fault(FaultCode::NotFound, format!("there is no pull request {number} here"));
    state.pulls.0.get(&number).ok_or_else(missing)
}
