//! The one door to Docker.
//! Reads and writes containers, volumes, networks and images of one engine; real ([`Docker`]) or in memory
//! ([`Simulated`]), with one suite of behaviours for both.
//! Owns the connection and the API version; nothing else knows which client library is used.
//! Never decides what should run, never removes a volume, and never uses what a stranger made: it shows the labels, and
//! the caller decides.

mod docker;
mod engine;
mod error;
mod exec;
mod files;
mod records;
mod seen;
mod simulated;
mod stats;
mod step;
mod wake;

pub use self::docker::Docker;
pub use self::engine::Engine;
pub use self::error::EngineError;
pub use self::exec::Executed;
pub use self::files::NewFile;
pub use self::records::{Output, Record, Records};
pub use self::seen::{
    Container, Ensured, Health, HealthStatus, ImageInfo, Labels, Listed, Network, NetworkAttachment, Scope, State,
    Volume,
};
pub use self::simulated::Simulated;
pub use self::stats::{Run, Running};
pub use self::step::{Content, Step};
pub use self::wake::{Action, Kind, Wake, Wakes};
