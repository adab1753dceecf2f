//! What the log tells as it grows: pushes, rollouts and runs as figures, and where it ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use schemas::event::{Data, Event};
use streams::ReadError;

use crate::figures::ended;

/// Events whose arrival is remembered, to tell how long a reader is behind.
const RECENT: usize = 10_000;

/// Where the log ends, and when it came there.
#[derive(Debug)]
pub struct Log {
    head: u64,
    since: Instant,
    recent: VecDeque<(u64, Instant)>,
    stopped: Option<String>,
}

impl Log {
    /// A log that ends at `head` now.
    pub fn new(head: u64, now: Instant) -> Self {
        Self { head, since: now, recent: VecDeque::new(), stopped: None }
    }

    /// It has grown up to `position`.
    pub fn take(&mut self, position: u64, now: Instant) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((position, now));
        self.head = position;
    }

    /// It cannot be read any further.
    pub fn stop(&mut self, error: &ReadError) {
        self.stopped = Some(error.to_string());
    }

    /// Why it cannot be read any further.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Its last position.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// How far a reader at `position` is behind: in events, and since when the first of them has been waiting. Longer
    /// than what is remembered counts from there.
    pub fn lag(&self, position: u64, now: Instant) -> (u64, Duration) {
        let behind = self.head.saturating_sub(position);
        if behind == 0 {
            return (0, Duration::ZERO);
        }
        let first = self.recent.partition_point(|(it, _)| *it <= position);
        // Before the first that is remembered: it waits at least since our own start.
        let remembered = self.recent.front().is_some_and(|(it, _)| *it <= position + 1);
        let since = if remembered { self.recent.get(first).map(|it| it.1) } else { None };
        (behind, now.duration_since(since.unwrap_or(self.since)))
    }
}

/// Counts what an event tells.
pub fn count(event: &Event) {
    let rollout = |outcome, took| ended("fleetlog_rollouts_total", "fleetlog_rollout_duration_seconds", outcome, took);
    let run = |outcome, took| ended("fleetlog_runs_total", "fleetlog_run_duration_seconds", outcome, Some(took));
    match &event.data {
        Data::GitPushed(_) => metrics::counter!("fleetlog_pushes_total", "outcome" => "accepted").increment(1),
        Data::GitRefused(_) => metrics::counter!("fleetlog_pushes_total", "outcome" => "refused").increment(1),
        Data::RolloutSucceeded(it) => rollout("succeeded", Some(it.duration_ms)),
        Data::RolloutFailed(it) => rollout("failed", Some(it.duration_ms)),
        Data::RolloutSuperseded(_) => rollout("superseded", None),
        Data::RunSucceeded(it) => run("succeeded", it.duration_ms),
        Data::RunFailed(it) => run("failed", it.duration_ms),
        Data::RunCancelled(it) => run("cancelled", it.duration_ms),
        _ => {}
    }
}

/// Docker's id of the container that an event says is gone.
pub fn removed(event: &Event) -> Option<&str> {
    match &event.data {
        Data::ContainerRemoved(it) => Some(&it.docker_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_counts_from_the_first_event_that_waits() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut log = Log::new(10, begun);
        assert_eq!(log.lag(10, at(5)), (0, Duration::ZERO));
        // Behind already when we started: since then at least.
        assert_eq!(log.lag(4, at(5)), (6, Duration::from_secs(5)));
        log.take(11, at(6));
        log.take(12, at(8));
        assert_eq!(log.lag(12, at(9)), (0, Duration::ZERO));
        assert_eq!(log.lag(11, at(9)), (1, Duration::from_secs(1)));
        assert_eq!(log.lag(10, at(9)), (2, Duration::from_secs(3)));
        assert_eq!(log.lag(9, at(9)), (3, Duration::from_secs(9)));
        for position in 13..13 + RECENT as u64 {
            log.take(position, at(20));
        }
        assert_eq!(log.recent.len(), RECENT);
    }
}
