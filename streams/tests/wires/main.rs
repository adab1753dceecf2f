//! The wires against a real nats-server.

mod append;
mod catalog;
mod faults;
mod follow;
mod packs;
mod permissions;
mod provision;
mod request;
mod server;
mod support;
mod view;
mod work;
