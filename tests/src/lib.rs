//! The harness: a real platform, a real nats-server, a real Docker engine and the real `git`, in sentences.
//!
//! Reads nothing of the services but what a user sees: the binary, its HTTP door, Docker. Each test has its own folder,
//! ports, owner and node. Whatever a test made is gone when its [`Platform`] is dropped, and the drop checks it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod beside;
mod binary;
pub mod descriptors;
pub mod docker;
mod eventually;
mod fleet;
mod platform;
mod process;
mod registry;
mod seen;

pub use self::beside::{Beside, Nats};
pub use self::binary::{fleetlog, root};
pub use self::eventually::eventually;
pub use self::fleet::{Fleet, Push};
pub use self::platform::Platform;
pub use self::process::{Ran, run};
pub use self::registry::{Faulty, Registry};
pub use self::seen::Events;

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

/// A number that no other test has.
pub fn unique() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A port of 127.0.0.1 that nobody listens on, outside the range that the kernel hands out by itself.
pub fn free_port() -> u16 {
    loop {
        let port = 20_000 + u16::try_from(unique() % 12_000).expect("fits");
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}
