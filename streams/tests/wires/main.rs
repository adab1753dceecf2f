//! The wires against a real nats-server.

// Clippy knows a test by its attribute; what tests call is test code just as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod append;
mod catalog;
mod drain;
mod faults;
mod follow;
mod level;
mod logs;
mod packs;
mod permissions;
mod provision;
mod request;
mod server;
mod support;
mod view;
mod work;
