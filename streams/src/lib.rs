//! The wires: everything that crosses from one service to another goes through here, as an event, a command, a report or
//! a question.
//!
//! Reads and writes the streams of the [`catalog`], and owns the `nats-server` that holds them. The only crate that names
//! the NATS client. Never knows what an event means: that is `schemas`, and what follows from it is the services'.
//! In the order in which a record meets them: [`find_server`] and [`Server`] hold the log, [`provision`] makes its
//! streams, [`Bus::append`] adds to it, [`Bus::follow`] and [`Bus::page`] read it, a [`View`] folds it into a state.

pub mod catalog;
pub mod clock;

mod access;
mod append;
mod beats;
mod bus;
mod connection;
mod drain;
mod error;
mod find;
mod follow;
mod images;
mod keys;
mod level;
mod logs;
mod metrics;
mod operate;
mod packs;
mod progress;
mod provision;
mod publish;
mod pull;
mod read;
mod reports;
mod request;
mod runs;
mod serve;
mod server;
mod view;
mod wire;
mod work;
mod yardstick;

pub use self::access::{Access, AccessError, Credentials};
pub use self::append::Expected;
pub use self::beats::Beats;
pub use self::bus::Bus;
pub use self::catalog::User;
pub use self::drain::Drain;
pub use self::error::{AppendError, AskError, ConnectError, PackError, ReadError, SendError, with_causes};
pub use self::find::{Found, find_server};
pub use self::follow::{Filter, Follow};
pub use self::keys::{KeyError, KeyPart};
pub use self::level::{LevelError, LevelWatch, Room, Thresholds};
pub use self::logs::{DRAIN_STEP, Kept, Lines, LinesError};
pub use self::metrics::SampleReader;
pub use self::progress::{Progress, Reached};
pub use self::provision::{ProvisionError, provision, verify};
pub use self::read::Page;
pub use self::reports::Reports;
pub use self::request::{Asked, Question, Questions};
pub use self::serve::{AtEnd, Closed, guarded};
pub use self::server::{Server, ServerConfig, ServerError, Users};
pub use self::view::{Behind, Projection, View};
pub use self::wire::Unreadable;
pub use self::work::{Job, WorkQueue};
