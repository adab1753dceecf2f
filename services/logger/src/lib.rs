//! Every line that a container wrote, found within two seconds and for as long as lines are kept.
//!
//! Two halves that speak only over the bus, also inside one process. The [`Agent`] sits on a Docker host: it reads what
//! containers with our installation's label write and appends it to `log.<node>`, together with where it stopped, so that
//! no line is lost or doubled. The [`Service`] follows `LOGS`, indexes it and answers `req.logger.search`.
//! Neither decides who may see what: the question says whose lines it is about.

mod agent;
mod error;
mod index;

pub use self::agent::{Agent, AgentConfig, AgentReadiness};
pub use self::error::{AgentError, Error, IndexError};
pub use self::index::{Config, KEEP_DAYS, Readiness, Service};
