//! Monitor measures what runs, and serves it together with what the platform itself does, in Prometheus' format.
//!
//! Two halves that speak only over the bus, also inside one process. The [`Agent`] sits on a Docker host: it reads the
//! kernel's and Docker's figures of its containers and writes `metric.<node>`. The [`Service`] reads `METRICS` and, from
//! its start on, `EVENTS`; asks the registry for fleets; answers `req.monitor.scrape` and `req.monitor.targets`. Owns the
//! recorder of the platform's own figures ([`Figures`]). Neither writes an event, decides anything, or keeps a history:
//! that is Prometheus' part.

mod agent;
mod error;
mod figures;
mod service;

pub use self::agent::{Agent, AgentConfig};
pub use self::error::{AgentError, FiguresError, ServiceError};
pub use self::figures::Figures;
pub use self::service::{Readiness, Service};
