//! Waits for a platform that goes away in the middle of something long.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::out;

/// How long a platform that goes away in the middle of a wait may take to come back.
const AWAY: Duration = Duration::from_secs(60);
/// The time between two tries meanwhile.
const AGAIN: Duration = Duration::from_millis(200);

/// Bears a platform that goes away and comes back, as one does that is started again.
#[derive(Default)]
pub struct Patience {
    since: Option<Instant>,
}

impl Patience {
    /// It answered.
    pub fn rest(&mut self) {
        self.since = None;
    }

    /// It did not. Returns when it is time for another try; the failure, where it was away for too long.
    pub fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        let since = match self.since {
            Some(since) => since,
            None => {
                out::note("the platform is away; waiting for it to come back");
                *self.since.insert(Instant::now())
            }
        };
        if since.elapsed() > AWAY {
            return Err(failure);
        }
        // Nothing but another try tells when it is back.
        std::thread::sleep(AGAIN);
        Ok(())
    }
}
