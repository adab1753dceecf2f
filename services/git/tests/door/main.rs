//! The Git door, used by the real `git` client, over a real nats-server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod access;
mod bad;
mod files;
mod guards;
mod healing;
mod histories;
mod http;
mod limits;
mod neighbours;
mod outage;
mod platform;
mod progress;
mod pushing;
mod racing;
mod raw;
mod refusing;
mod repacking;
mod revoking;
mod rolling_back;
mod speaking;
mod sweeping;
mod workdir;
