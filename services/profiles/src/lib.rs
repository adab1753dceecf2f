//! Who there is, who is what with whom, and what opens the door.
//!
//! Reads `sys.>` of `EVENTS`, from its first event at each start; writes `profile.*`, `token.*`, `member.*` and `policy.set`, each
//! behind the last event on its subject, and sealed mail addresses to `KEYS`; answers `req.profiles.*`. Owns the fold
//! in memory, which every door of the process asks through its [`Doorkeeper`], and `DIR/profiles/last-used.json`. Where
//! the service runs in another process, a [`Gate`] is that fold and nothing else.
//! Never writes a token, a mail address or the key to one into an event, a log line or an error.

mod admit;
mod answer;
mod begin;
mod desk;
mod error;
mod gate;
mod keys;
mod known;
mod members;
mod policy;
mod profiles;
mod seal;
mod service;
mod token;
mod tokens;
mod used;

pub use self::admit::{Denied, Doorkeeper, Pass};
pub use self::error::Error;
pub use self::gate::{Gate, GateReadiness};
pub use self::keys::Keys;
pub use self::service::{Config, Readiness, Service};
pub use self::token::mint;
