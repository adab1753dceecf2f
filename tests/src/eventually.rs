//! Waits for levels, never for edges.

use std::thread;
use std::time::{Duration, Instant};

/// Looks again and again until `look` finds what it looks for; after `limit` it fails with what was seen last.
#[track_caller]
pub fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => panic!("{what}: not within {limit:?}; last seen: {seen}"),
            Err(_) => thread::sleep(Duration::from_millis(25)),
        }
    }
}
