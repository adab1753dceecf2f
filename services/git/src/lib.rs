//! The Git door: a push comes in here, and leaves as one event.
//!
//! *Reads* `EVENTS` and `PACKS`, asks the registry, Shazam and the logger, answers `req.git.*`. *Writes* `git.pushed`,
//! `git.refused`, `git.repacked`, `pull.*`, `fleet.forked`, `desired.*` and packs. *Owns* `DIR/git`, which is only a cache: everything
//! in it can be made from the log. *Never* moves a ref without an event, and never says "refused" where the event may be
//! stored.
//!
//! In the order in which a push meets them: the `door` takes the request and reads its `opening`; `receive` measures
//! the pack with the `gauge` on its way into `git receive-pack`, whose [`hook`]s report at the `desk`: `inspect` checks
//! and plans, `accept` appends and moves the refs, `progress` shows the rollout. `pulls`, `fork` and `rollback` make
//! what no push brings, the first two on a `workbench`, and `record` it. Beside them, `follow`, `settle` and `settler` keep the repositories at the
//! log's state, `repack` makes one pack of many, and `sweep` clears up.

pub mod hook;

mod accept;
mod ancestry;
mod ask;
mod body;
mod candidate;
mod config;
mod context;
mod desk;
mod door;
mod error;
mod exchange;
mod extent;
mod fault;
mod files;
mod follow;
mod fork;
mod fullness;
mod gauge;
mod guards;
mod history;
mod inspect;
mod launch;
mod layout;
mod limit;
mod losses;
mod neighbours;
mod opening;
mod options;
mod pktline;
mod plan;
mod progress;
mod pulls;
mod push;
mod receive;
mod record;
mod refs;
mod refuse;
mod repack;
mod repository;
mod rollback;
mod service;
mod settle;
mod settler;
mod sweep;
mod tally;
mod transaction;
mod verdict;
mod withdrawn;
mod workbench;

pub use self::config::{Config, Limits};
pub use self::error::{FolderError, RunError, StartError};
pub use self::fault::FaultPoint;
pub use self::limit::key;
pub use self::service::{Readiness, Service};
