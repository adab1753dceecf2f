//! Shazam makes Docker match the containers that should run.
//!
//! Two halves that speak only over the bus, also inside one process. The [`Coordinator`] reads `git.pushed` and
//! `desired.rolled_back` and decides:
//! it writes `rollout.*`, sends steps to `work.<node>`, reads `obs.<node>` and writes `container.*`; one at a time,
//! fenced by stream position. The [`Agent`] sits on a Docker host and acts: it reads `work.<node>`, converges its engine,
//! and writes what it did and saw to `obs.<node>`; it never writes an event.
//! Neither decides *what* should run: that is the fleet. Neither ever removes a volume, but for an ephemeral one that a push
//! removed and named.

mod agent;
mod coordinator;
mod error;

pub use self::agent::{Agent, AgentConfig};
pub use self::coordinator::Coordinator;
pub use self::error::{AgentError, CoordinatorError};
