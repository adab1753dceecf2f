//! When tasks run by themselves. Pure: "now" comes in as an argument.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemas::cron::{Cron, time_zone};
use schemas::descriptors::Missed;
use schemas::names::{FleetId, Name};

use crate::state::{Scheduled, Tasks};

/// A time that could not be started within this span was missed.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// The next time of every schedule.
#[derive(Default)]
pub struct Agenda {
    seen: u64,
    entries: BTreeMap<(FleetId, Name), Entry>,
}

struct Entry {
    scheduled: Scheduled,
    /// Times up to here are dealt with.
    base: Timestamp,
    due: Option<Timestamp>,
}

/// A time that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    pub fleet: FleetId,
    pub task: Name,
    pub at: Timestamp,
}

impl Agenda {
    /// Takes over what changed.
    pub fn refresh(&mut self, tasks: &Tasks) {
        if self.seen == tasks.agenda {
            return;
        }
        self.seen = tasks.agenda;
        let mut before = std::mem::take(&mut self.entries);
        for (id, fleet) in &tasks.fleets {
            for (name, scheduled) in &fleet.schedules {
                let key = (id.clone(), name.clone());
                let dealt_with = before.remove(&key).filter(|it| it.scheduled.since == scheduled.since);
                let base = scheduled.since.max(scheduled.last.unwrap_or(Timestamp::MIN));
                let base = base.max(dealt_with.map_or(Timestamp::MIN, |it| it.base));
                let entry = Entry { due: next(scheduled, base), scheduled: scheduled.clone(), base };
                self.entries.insert(key, entry);
            }
        }
    }

    /// When to look again; none: nothing is scheduled.
    pub fn next(&self) -> Option<Timestamp> {
        self.entries.values().filter(|it| !it.waits()).filter_map(|it| it.due).min()
    }

    /// When a task runs next.
    pub fn due(scheduled: &Scheduled, now: Timestamp) -> Option<Timestamp> {
        next(scheduled, scheduled.since.max(now))
    }

    /// The times that have come: of each schedule at most one, the newest.
    pub fn take(&mut self, now: Timestamp) -> Vec<Occurrence> {
        let mut taken = Vec::new();
        for ((fleet, task), entry) in &mut self.entries {
            // The clock was ahead once: nothing that lies in the future was dealt with. Each time has one id, so
            // nothing runs twice.
            if entry.base.duration_since(now) > ON_TIME {
                entry.base = now;
                entry.due = next(&entry.scheduled, now);
            }
            if entry.waits() || entry.due.is_none_or(|due| due > now) {
                continue;
            }
            let Some(at) = last(&entry.scheduled, entry.base, now) else { continue };
            let missed = now.duration_since(at) > ON_TIME;
            let skipped = entry.scheduled.schedule.missed == Missed::Skip && (missed || entry.scheduled.busy);
            if skipped {
                tracing::info!(%fleet, %task, %at, busy = entry.scheduled.busy, "a scheduled time was missed");
            } else {
                taken.push(Occurrence { fleet: fleet.clone(), task: task.clone(), at });
            }
            entry.base = at;
            entry.due = next(&entry.scheduled, at);
        }
        taken
    }

    /// A time that was taken could not be started: it comes again.
    pub fn give_back(&mut self, it: &Occurrence) {
        if let Some(entry) = self.entries.get_mut(&(it.fleet.clone(), it.task.clone())) {
            entry.base = it.at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(it.at);
            entry.due = Some(it.at);
        }
    }
}

impl Entry {
    /// A missed time waits for the end of the run before it.
    fn waits(&self) -> bool {
        self.scheduled.busy && self.scheduled.schedule.missed == Missed::Once
    }
}

/// Schedules were checked at the push; one that cannot be read all the same never comes.
fn next(it: &Scheduled, after: Timestamp) -> Option<Timestamp> {
    it.schedule.cron.parse::<Cron>().ok()?.next(after, &time_zone(&it.schedule.timezone)?)
}

fn last(it: &Scheduled, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
    it.schedule.cron.parse::<Cron>().ok()?.last(after, now, &time_zone(&it.schedule.timezone)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a broken expectation is a failed test")]
mod tests {
    use schemas::descriptors::Schedule;

    use super::*;
    use crate::state::FleetTasks;

    fn at(time: &str) -> Timestamp {
        format!("2026-03-01T{time}Z").parse().unwrap()
    }

    fn tasks(missed: Missed, last: Option<Timestamp>, busy: bool, agenda: u64) -> Tasks {
        let schedule = Schedule { cron: "*/10 * * * *".to_owned(), timezone: "UTC".to_owned(), missed };
        let scheduled = Scheduled { schedule, since: at("09:55:00"), last, busy };
        let mut fleet = FleetTasks::default();
        fleet.schedules.insert("t".parse().unwrap(), scheduled);
        Tasks { fleets: [("a/b".parse().unwrap(), fleet)].into(), agenda, ..Tasks::default() }
    }

    fn taken(agenda: &mut Agenda, now: &str) -> Vec<Timestamp> {
        agenda.take(at(now)).into_iter().map(|it| it.at).collect()
    }

    #[test]
    fn each_time_comes_once() {
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Skip, None, false, 1));
        assert_eq!(agenda.next(), Some(at("10:00:00")));
        assert_eq!(taken(&mut agenda, "09:59:59"), []);
        assert_eq!(taken(&mut agenda, "10:00:00"), [at("10:00:00")]);
        assert_eq!(taken(&mut agenda, "10:00:00"), []);
        // Folded, and after a restart: the log knows that it was run.
        agenda.refresh(&tasks(Missed::Skip, Some(at("10:00:00")), true, 2));
        assert_eq!(taken(&mut agenda, "10:00:30"), []);
        let mut later = Agenda::default();
        later.refresh(&tasks(Missed::Once, Some(at("10:00:00")), false, 2));
        assert_eq!(taken(&mut later, "10:00:30"), []);
        assert_eq!(later.next(), Some(at("10:10:00")));
    }

    #[test]
    fn a_clock_that_was_ahead_stops_no_schedule() {
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Skip, Some(at("23:00:00")), false, 1));
        assert_eq!(taken(&mut agenda, "10:05:00"), []);
        assert_eq!(agenda.next(), Some(at("10:10:00")));
        assert_eq!(taken(&mut agenda, "10:10:00"), [at("10:10:00")]);
    }

    #[test]
    fn missed_times_are_skipped_or_run_once() {
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Skip, None, false, 1));
        assert_eq!(taken(&mut agenda, "10:35:00"), []);
        assert_eq!(agenda.next(), Some(at("10:40:00")));
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Once, None, false, 1));
        assert_eq!(taken(&mut agenda, "10:35:00"), [at("10:30:00")]);
        assert_eq!(taken(&mut agenda, "10:35:01"), []);
    }

    #[test]
    fn one_scheduled_run_of_a_task_at_a_time() {
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Once, Some(at("10:00:00")), true, 1));
        assert_eq!(agenda.next(), None);
        assert_eq!(taken(&mut agenda, "10:25:00"), []);
        agenda.refresh(&tasks(Missed::Once, Some(at("10:00:00")), false, 2));
        assert_eq!(taken(&mut agenda, "10:25:00"), [at("10:20:00")]);
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Skip, Some(at("10:00:00")), true, 1));
        assert_eq!(taken(&mut agenda, "10:10:00"), []);
        assert_eq!(agenda.next(), Some(at("10:20:00")));
    }

    #[test]
    fn what_could_not_be_started_comes_again() {
        let mut agenda = Agenda::default();
        agenda.refresh(&tasks(Missed::Skip, None, false, 1));
        let taken = agenda.take(at("10:00:00"));
        agenda.give_back(&taken[0]);
        assert_eq!(agenda.take(at("10:00:01")), taken);
    }
}
