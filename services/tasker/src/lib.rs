//! Tasker runs tasks: each step in a fresh container, in a sandbox, once for each trigger.
//!
//! Two halves that speak only over the bus, also inside one process. The [`Coordinator`] reads `git.pushed`,
//! `desired.rolled_back` and `run.*`
//! and decides: it writes `run.*`, one writer, fenced by stream position; sends `runs.<node>`, reads `obs.<node>`, keeps
//! the schedules, answers `req.tasker.*`, and says in `work.dead` what is tried no more. The [`Agent`] sits on a Docker host and acts: it reads `runs.<node>`, makes
//! containers, and writes what came of them to `obs.<node>`; it never writes an event.
//! Neither ever puts what a step printed into an event, and neither removes a named volume.

mod agent;
mod coordinator;
mod error;
mod state;

pub use self::agent::{Agent, AgentConfig};
pub use self::coordinator::{Clock, Coordinator};
pub use self::error::{AgentError, CoordinatorError};
