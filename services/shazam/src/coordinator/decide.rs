//! What to do next about a fleet, decided from its fold alone.

use schemas::event::StepStatus;
use schemas::fleet::{Fleet, Rollout, RolloutStatus};
use schemas::plan::{Action, Step};
use uuid::Uuid;

use super::operate::is_moving;

/// One thing to do about a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Its newest desired state has no rollout yet, or one that failed is to be tried again, or its tags lead to other
    /// images by now: plan one.
    Plan,
    /// A hold has ended since the newest rollout was planned: plan what it kept from being done.
    Release {
        /// Id of the `hold.ended`.
        ended: Uuid,
    },
    /// A newer push or a rollback took over.
    Supersede {
        /// The rollout that ends.
        rollout: Uuid,
        /// Position of that.
        by: u64,
    },
    /// The first step goes out.
    Start {
        /// The rollout.
        rollout: Uuid,
    },
    /// A step's turn has come.
    Send {
        /// The rollout.
        rollout: Uuid,
        /// Its step.
        step: u32,
    },
    /// A step's turn has come, and its container is on hold: it is left out.
    LeaveOut {
        /// The rollout.
        rollout: Uuid,
        /// Its step.
        step: u32,
    },
    /// Every step succeeded, or was left out.
    Succeed {
        /// The rollout.
        rollout: Uuid,
    },
    /// A step failed, and nothing is under way any more.
    Fail {
        /// The rollout.
        rollout: Uuid,
        /// The first step that failed.
        step: u32,
        /// Why.
        error: String,
    },
}

/// Everything that can be done about a fleet now; empty: wait for the next event.
pub fn decide(fleet: &Fleet) -> Vec<Act> {
    let newest = fleet.rollouts.last();
    match newest.filter(|rollout| !rollout.status.is_over()) {
        Some(rollout) if rollout.desired < fleet.desired_at => match under_way(rollout) {
            // The next safe point is when nothing is under way.
            0 => vec![Act::Supersede { rollout: rollout.id, by: fleet.desired_at }],
            _ => Vec::new(),
        },
        Some(rollout) => carry_on(fleet, rollout),
        None if newest.map_or(0, |rollout| rollout.desired) < fleet.desired_at => vec![Act::Plan],
        None if newest.is_some_and(|rollout| rollout.retried.is_some()) => vec![Act::Plan],
        None if newest.is_some() && fleet.images.versions.updating.is_some() => vec![Act::Plan],
        None => fleet.released.filter(|_| can_release(fleet)).map(|ended| Act::Release { ended }).into_iter().collect(),
    }
}

/// What failed stays failed, and an operation that ended a hold is to do first what it was asked for.
fn can_release(fleet: &Fleet) -> bool {
    let rests = |it: &Rollout| it.status == RolloutStatus::Succeeded && it.desired == fleet.desired_at;
    fleet.rollouts.last().is_some_and(rests) && !is_moving(fleet)
}

fn carry_on(fleet: &Fleet, rollout: &Rollout) -> Vec<Act> {
    let id = rollout.id;
    let failed = (0..).zip(&rollout.steps).find(|(_, step)| step.status == StepStatus::Failed);
    if let Some((step, state)) = failed {
        let error = state.error.clone().unwrap_or_default();
        return if under_way(rollout) == 0 { vec![Act::Fail { rollout: id, step, error }] } else { Vec::new() };
    }
    if rollout.steps.iter().all(|step| step.status.is_done()) {
        return vec![Act::Succeed { rollout: id }];
    }
    let done = |step: &u32| rollout.steps.get(*step as usize).is_none_or(|it| it.status.is_done());
    let start = (rollout.status == RolloutStatus::Planned).then_some(Act::Start { rollout: id });
    let sends = (0..)
        .zip(&rollout.steps)
        .filter(|(_, it)| it.status == StepStatus::Waiting && it.step.after.iter().all(done))
        .map(|(step, it)| match is_held(fleet, &it.step) {
            true => Act::LeaveOut { rollout: id, step },
            false => Act::Send { rollout: id, step },
        });
    start.into_iter().chain(sends).collect()
}

/// Whether a step is about a container on hold. A volume that may have its name is none.
fn is_held(fleet: &Fleet, step: &Step) -> bool {
    step.action != Action::Destroy && fleet.holds.contains_key(&step.container)
}

fn under_way(rollout: &Rollout) -> usize {
    rollout.steps.iter().filter(|step| step.status == StepStatus::Started).count()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use schemas::fleet::RolloutStepState;
    use schemas::operate::{Hold, Operated, Operation};

    use super::*;

    fn rollout(desired: u64, status: RolloutStatus, steps: &[(StepStatus, &[u32])]) -> Rollout {
        let steps = steps.iter().map(|(status, after)| RolloutStepState {
            step: Step {
                container: "c".parse().unwrap(),
                action: Action::Create,
                reasons: vec![],
                after: after.to_vec(),
            },
            status: *status,
            sent: None,
            error: (*status == StepStatus::Failed).then(|| "broken".to_owned()),
            duration_ms: None,
        });
        Rollout {
            id: Uuid::from_u128(desired.into()),
            status,
            commit: "a".repeat(40).parse().unwrap(),
            desired,
            planned_at: desired + 1,
            planned: Timestamp::UNIX_EPOCH,
            epoch: 1,
            node: "local".parse().unwrap(),
            steps: steps.collect(),
            error: None,
            duration_ms: None,
            retries: None,
            retried: None,
            heals: false,
        }
    }

    fn fleet(desired_at: u64, rollouts: Vec<Rollout>) -> Fleet {
        let mut fleet = Fleet::new("acme/shop".parse().unwrap());
        fleet.desired_at = desired_at;
        fleet.rollouts = rollouts;
        fleet
    }

    use RolloutStatus::{Failed as Over, Planned, Running};
    use StepStatus::{Failed, Started, Succeeded, Waiting};

    const ONE: Uuid = Uuid::from_u128(1);

    #[test]
    fn nothing_was_pushed_nothing_to_do() {
        assert_eq!(decide(&fleet(0, vec![])), []);
    }

    #[test]
    fn every_push_is_planned_once() {
        assert_eq!(decide(&fleet(1, vec![])), [Act::Plan]);
        assert_eq!(decide(&fleet(2, vec![rollout(1, Over, &[])])), [Act::Plan]);
        assert_eq!(decide(&fleet(1, vec![rollout(1, Over, &[(Failed, &[])])])), []);
    }

    #[test]
    fn what_failed_is_planned_again_once_somebody_asked_for_it() {
        let mut failed = rollout(1, Over, &[(Failed, &[])]);
        failed.retried = Some(Uuid::from_u128(7));
        assert_eq!(decide(&fleet(1, vec![failed.clone()])), [Act::Plan]);
        // Its plan is there: the old one's wish is done.
        let again = rollout(1, Over, &[(Failed, &[])]);
        assert_eq!(decide(&fleet(1, vec![failed, again])), []);
    }

    #[test]
    fn a_rollout_without_steps_succeeds_without_starting() {
        assert_eq!(decide(&fleet(1, vec![rollout(1, Planned, &[])])), [Act::Succeed { rollout: ONE }]);
    }

    #[test]
    fn steps_go_out_together_as_soon_as_what_they_wait_for_is_done() {
        let steps: &[(StepStatus, &[u32])] = &[(Waiting, &[]), (Waiting, &[]), (Waiting, &[0, 1])];
        let send = |step| Act::Send { rollout: ONE, step };
        assert_eq!(
            decide(&fleet(1, vec![rollout(1, Planned, steps)])),
            [Act::Start { rollout: ONE }, send(0), send(1)]
        );
        let steps: &[(StepStatus, &[u32])] = &[(Succeeded, &[]), (Started, &[]), (Waiting, &[0, 1])];
        assert_eq!(decide(&fleet(1, vec![rollout(1, Running, steps)])), []);
        let steps: &[(StepStatus, &[u32])] = &[(Succeeded, &[]), (Succeeded, &[]), (Waiting, &[0, 1])];
        assert_eq!(decide(&fleet(1, vec![rollout(1, Running, steps)])), [send(2)]);
    }

    #[test]
    fn a_failure_waits_for_what_is_under_way_and_starts_nothing_more() {
        let steps: &[(StepStatus, &[u32])] = &[(Failed, &[]), (Started, &[]), (Waiting, &[])];
        assert_eq!(decide(&fleet(1, vec![rollout(1, Running, steps)])), []);
        let steps: &[(StepStatus, &[u32])] = &[(Failed, &[]), (Succeeded, &[]), (Waiting, &[])];
        let fail = Act::Fail { rollout: ONE, step: 0, error: "broken".to_owned() };
        assert_eq!(decide(&fleet(1, vec![rollout(1, Running, steps)])), [fail]);
    }

    fn hold(id: u128) -> Hold {
        Hold { id: Uuid::from_u128(id), until: None, by: "ann".to_owned(), reason: None, stopped: false, since: 1 }
    }

    #[test]
    fn a_step_on_hold_is_left_out_when_its_turn_comes_and_keeps_nothing_waiting() {
        let steps: &[(StepStatus, &[u32])] = &[(Succeeded, &[]), (Waiting, &[0]), (Waiting, &[1])];
        let mut held = fleet(1, vec![rollout(1, Running, steps)]);
        held.rollouts[0].steps[1].step.container = "db".parse().unwrap();
        held.holds.insert("db".parse().unwrap(), hold(7));
        assert_eq!(decide(&held), [Act::LeaveOut { rollout: ONE, step: 1 }]);
        held.rollouts[0].steps[1].status = StepStatus::Held;
        assert_eq!(decide(&held), [Act::Send { rollout: ONE, step: 2 }]);
        held.rollouts[0].steps[2].status = Succeeded;
        assert_eq!(decide(&held), [Act::Succeed { rollout: ONE }]);
        // What is under way already is not broken off.
        held.rollouts[0].steps[1].status = Started;
        assert_eq!(decide(&held), []);
    }

    #[test]
    fn what_a_hold_left_out_is_planned_once_it_has_ended_and_the_fleet_rests() {
        let ended = Uuid::from_u128(9);
        let mut fleet = fleet(1, vec![rollout(1, RolloutStatus::Succeeded, &[])]);
        fleet.released = Some(ended);
        assert_eq!(decide(&fleet), [Act::Release { ended }]);
        // An operation that ended it comes first.
        fleet.operated.push(Operated {
            snapshot: None,
            id: ONE,
            what: Operation::Start,
            container: "db".parse().unwrap(),
            node: "local".parse().unwrap(),
            command: vec![],
            by: "ann".to_owned(),
            reason: None,
            asked: Timestamp::UNIX_EPOCH,
            end: None,
        });
        assert_eq!(decide(&fleet), []);
        fleet.operated[0].what = Operation::Exec;
        assert_eq!(decide(&fleet), [Act::Release { ended }], "a command may run for long");
        fleet.operated.clear();
        fleet.rollouts[0].status = Over;
        assert_eq!(decide(&fleet), [], "what failed stays failed");
        fleet.desired_at = 5;
        assert_eq!(decide(&fleet), [Act::Plan], "a newer push plans all of it");
    }

    #[test]
    fn a_newer_push_takes_over_when_nothing_is_under_way() {
        let busy = rollout(1, Running, &[(Started, &[]), (Waiting, &[0])]);
        assert_eq!(decide(&fleet(9, vec![busy])), []);
        let idle = rollout(1, Running, &[(Succeeded, &[]), (Waiting, &[0])]);
        assert_eq!(decide(&fleet(9, vec![idle])), [Act::Supersede { rollout: ONE, by: 9 }]);
    }
}
