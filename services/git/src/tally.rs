//! How many refusals the log still remembers of somebody's pushes to one fleet: events are for ever, and a loop of
//! refused pushes must not fill the log.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use schemas::names::FleetId;
use tokio::time::Instant;

use crate::context::lock;

/// Refusals of one profile's pushes to one fleet that are remembered however fast they come.
pub(crate) const AT_ONCE: u32 = 30;

/// The time after which one more of them is.
pub(crate) const ONE_MORE: Duration = Duration::from_secs(10);

/// Pairs of profile and fleet that are kept in mind before those that may do everything again are forgotten.
const PAIRS: usize = 1_024;

/// What was remembered lately. The moment is when all of it may be forgotten: `AT_ONCE` refusals before that the next
/// one is not remembered.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<HashMap<(String, FleetId), Instant>>);

impl Tally {
    /// Whether one more refusal is to be remembered; counts it.
    pub(crate) fn one_more(&self, profile: &str, fleet: &FleetId, now: Instant) -> bool {
        let mut all = lock(&self.0);
        if all.len() >= PAIRS {
            all.retain(|_, until| *until > now);
        }
        let until = all.entry((profile.to_owned(), fleet.clone())).or_insert(now);
        let next = (*until).max(now) + ONE_MORE;
        let may = next <= now + ONE_MORE * AT_ONCE;
        if may {
            *until = next;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_one_at_a_time() {
        let (tally, start) = (Tally::default(), Instant::now());
        let (shop, till): (FleetId, FleetId) = ("acme/shop".parse().unwrap(), "acme/till".parse().unwrap());
        let taken = |profile: &str, fleet: &FleetId, at: Instant| {
            (0..1_000).filter(|_| tally.one_more(profile, fleet, at)).count()
        };
        assert_eq!(taken("ann", &shop, start), 30);
        assert_eq!(taken("ann", &till, start), 30, "another fleet");
        assert_eq!(taken("bob", &shop, start), 30, "somebody else");
        assert_eq!(taken("ann", &shop, start + ONE_MORE * 3 / 2), 1);
        assert_eq!(taken("ann", &shop, start + ONE_MORE * 4), 3);
        // As slow as this they are all remembered.
        assert!((10..1_000).all(|at| tally.one_more("ann", &shop, start + ONE_MORE * at)));
        assert_eq!(taken("ann", &shop, start + ONE_MORE * 10_000), 30);
    }

    #[test]
    fn who_has_not_been_heard_of_for_long_is_forgotten() {
        let (tally, start) = (Tally::default(), Instant::now());
        let shop: FleetId = "acme/shop".parse().unwrap();
        for profile in 0..PAIRS {
            assert!(tally.one_more(&format!("p{profile}"), &shop, start));
        }
        assert!(tally.one_more("ann", &shop, start + ONE_MORE * 2));
        assert_eq!(lock(&tally.0).len(), 1);
    }
}
