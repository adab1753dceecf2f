//! The HTTP face: what the platform knows, as JSON.
//!
//! Reads the log by pages over the bus and asks `req.registry.*`; writes nothing. Owns the table of routes, from which
//! the router and `/openapi.json` are both made, and the one border from errors to problem documents. Keeps no state,
//! never checks a token (the door before it does) and never opens the data folder.

// The shapes of the contract are one `json!` of that depth.
#![recursion_limit = "512"]

mod ask;
mod call;
mod events;
mod fleets;
mod forks;
mod health;
mod logs;
mod measure;
mod members;
mod metrics;
mod openapi;
mod operate;
mod plan;
mod policy;
mod problem;
mod profiles;
mod pulls;
mod registry;
mod replay;
mod reply;
mod rollback;
mod rollouts;
mod router;
mod routes;
mod runs;
mod sse;
mod starting;
mod tokens;
mod update;
mod variables;
mod volumes;
mod welcome;

use std::sync::Arc;

use streams::Bus;
use tokio_util::sync::CancellationToken;

pub use self::measure::measure;
pub use self::openapi::document;
pub use self::problem::Problem;
pub use self::reply::POSITION;
pub use self::router::router;
pub use self::routes::{Answer, Parameter, Place, Route, Shape, is_open, routes};
pub use self::sse::Until;
pub use self::starting::{bare, starting};

/// Looks at one service: `None` is ready, else why not.
pub type Look = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What every handler works with.
#[derive(Clone)]
pub struct Api {
    bus: Bus,
    services: Arc<[(&'static str, Look)]>,
    max_scan: usize,
    /// Turns of streams without an end.
    streams: sse::Turns,
    /// Ends them.
    shutdown: CancellationToken,
}

/// Events that one request looks through at most, whatever its filter leaves of them.
const MAX_SCAN: usize = 10_000;

impl Api {
    /// The face of a platform that is reached over `bus`; `services` are what `/readyz` looks at, by name.
    pub fn new(bus: Bus, services: Vec<(&'static str, Look)>) -> Self {
        let (streams, shutdown) = (sse::Turns::new(), CancellationToken::new());
        Self { bus, services: services.into(), max_scan: MAX_SCAN, streams, shutdown }
    }

    /// The same, but streams end when this is cancelled.
    #[must_use]
    pub fn with_shutdown(self, shutdown: CancellationToken) -> Self {
        Self { shutdown, ..self }
    }

    /// The same, but one request looks through so many events at most, instead of 10,000.
    #[must_use]
    pub fn with_max_scan(self, events: usize) -> Self {
        Self { max_scan: events, ..self }
    }
}
