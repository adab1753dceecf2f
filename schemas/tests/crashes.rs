//! Runs that end by themselves soon after they began, again and again: counted from what agents saw, and from Docker's count
//! of those that came too fast to be seen.
#![allow(clippy::unwrap_used, reason = "helpers are part of the tests")]

use schemas::event::{ContainerChange, Data, Draft, Event, Scope, Sighting};
use schemas::fleet::{CRASH_LOOP, Fleet, State};

/// A fleet whose container is told of at these seconds.
struct Story(Fleet, u64);

impl Story {
    fn new() -> Self {
        Self(Fleet::new("acme/shop".parse().unwrap()), 0)
    }

    fn tell(mut self, second: i64, what: fn(ContainerChange) -> Data, restarts: u64) -> Self {
        self.1 += 1;
        let change = ContainerChange {
            container: "api".parse().unwrap(),
            seen: Sighting { node: "local".parse().unwrap(), at_ns: second * 1_000_000_000, obs: self.1 },
            docker_id: "1".to_owned(),
            image: None,
            spec: None,
            commit: None,
            live: None,
            files: None,
            checked: false,
            exit_code: None,
            out_of_memory: false,
            restarts,
        };
        let draft = Draft {
            id: uuid::Uuid::from_u128(self.1.into()),
            scope: Scope::Fleet(self.0.id.clone()),
            subject: "containers/api".to_owned(),
            time: "2026-12-04T10:15:00Z".parse().unwrap(),
            actor: "fleetlog".to_owned(),
            cause: None,
            data: what(change),
        };
        self.0.apply(&Event { position: self.1, draft });
        self
    }

    fn seen(&self) -> (State, u64) {
        let seen = self.0.observed.containers.values().next().unwrap();
        (seen.state, seen.crashes)
    }
}

#[test]
fn runs_that_end_soon_are_counted_until_one_lasts_or_somebody_stops_it() {
    let made = Story::new().tell(1, Data::ContainerCreated, 0).tell(2, Data::ContainerStarted, 0);
    let once = made.tell(5, Data::ContainerDied, 0);
    assert_eq!(once.seen(), (State::Exited, 1));
    let looping =
        once.tell(6, Data::ContainerStarted, 1).tell(9, Data::ContainerDied, 1).tell(10, Data::ContainerStarted, 2);
    let looping = looping.tell(11, Data::ContainerDied, 2);
    assert_eq!(looping.seen(), (State::Exited, CRASH_LOOP));
    let runs = looping.tell(70, Data::ContainerStarted, 3);
    assert_eq!(runs.seen(), (State::Running, 3), "a start is no proof");
    let lasted = runs.tell(200, Data::ContainerDied, 3);
    assert_eq!(lasted.seen(), (State::Exited, 1));
    let stopped = lasted.tell(201, Data::ContainerStarted, 4).tell(202, Data::ContainerStopped, 4);
    assert_eq!(stopped.seen(), (State::Exited, 0));
}

#[test]
fn runs_that_nobody_saw_count_by_what_docker_counts() {
    let made = Story::new().tell(1, Data::ContainerCreated, 0).tell(2, Data::ContainerStarted, 0);
    let fast = made.tell(200, Data::ContainerDied, 7);
    assert_eq!(fast.seen(), (State::Exited, 7), "198 seconds for seven runs");
    // Whoever starts it by hand makes Docker count anew.
    let anew = fast.tell(300, Data::ContainerStarted, 0).tell(301, Data::ContainerDied, 0);
    assert_eq!(anew.seen(), (State::Exited, 8));
}

#[test]
fn a_frozen_container_is_that_until_it_goes_on_or_ends() {
    let runs = Story::new().tell(1, Data::ContainerCreated, 0).tell(2, Data::ContainerStarted, 0);
    let healthy = runs.tell(3, Data::ContainerHealthy, 0);
    let health = |it: &Story| it.0.observed.containers.values().next().unwrap().health;
    let (before, frozen) = (health(&healthy), healthy.tell(4, Data::ContainerPaused, 0));
    assert_eq!((frozen.seen().0, health(&frozen)), (State::Paused, before));
    let on = frozen.tell(5, Data::ContainerUnpaused, 0);
    assert_eq!((on.seen().0, health(&on)), (State::Running, before));
    let ended = on.tell(6, Data::ContainerPaused, 0).tell(7, Data::ContainerStopped, 0);
    assert_eq!((ended.seen().0, health(&ended)), (State::Exited, None));
}
