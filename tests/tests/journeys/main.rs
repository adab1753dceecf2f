//! Journeys: each a story of a user, on a real platform, a real nats-server, a real Docker engine and the real `git`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod apart;
mod archive;
mod compose;
mod doors;
mod drift;
mod faults;
mod files;
mod forks;
mod front;
mod guards;
mod images;
mod keys;
mod kills;
mod logs;
mod logs_docker;
mod metrics;
mod neighbours;
mod operate;
mod outcomes;
mod plans;
mod pulls;
mod pushes;
mod refusals;
mod registry;
mod roles;
mod rollback;
mod rollouts;
mod secrets;
mod start_first;
mod tasks;
mod volumes;
