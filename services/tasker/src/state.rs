//! What the log says of tasks and runs: the fold that the coordinator decides on and answers from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use schemas::descriptors::{Changes, Desired, Missed, Schedule};
use schemas::event::{Data, Event, Level, LevelRaised, RunQueued, Trigger};
use schemas::fleet::{ObservedTask, RunStatus};
use schemas::names::{FleetId, Name, Oid};
use schemas::runs::{Run, run_of};
use streams::Projection;
use streams::catalog::EVENTS;
use uuid::Uuid;

/// So many runs of a fleet that have ended are kept; older ones are in the log.
const RUNS_KEPT: usize = 1_000;
/// So many of a fleet's newest desired states are kept, for runs that were asked for just before a push.
const STATES_KEPT: usize = 8;

/// Every fleet's tasks and runs.
#[derive(Default)]
pub struct Tasks {
    pub fleets: BTreeMap<FleetId, FleetTasks>,
    /// Runs that nobody has started yet, in the order in which they were queued.
    pub queued: BTreeSet<(u64, FleetId, Uuid)>,
    /// The highest epoch that started a run.
    pub epoch: u64,
    /// Sequence in `OBS` of the last report that became an event.
    pub reported: u64,
    /// What the log says of itself while it is nearly full: then nothing new is started.
    pub full: Option<LevelRaised>,
    /// Moves on whenever a schedule, or whether its last run has ended, may have changed.
    pub agenda: u64,
}

/// One fleet's tasks and runs.
#[derive(Default)]
pub struct FleetTasks {
    /// Position of the last event on `evt.<owner>.<fleet>.run`.
    pub line: u64,
    /// Position of the `git.pushed` or `desired.rolled_back` that is in force.
    pub desired_at: u64,
    pub commit: Option<Oid>,
    pub desired: Arc<Desired>,
    /// The newest desired states by position, oldest first, the one in force included.
    states: VecDeque<(u64, Arc<Desired>)>,
    pub schedules: BTreeMap<Name, Scheduled>,
    /// By the position of their `run.queued`.
    pub runs: BTreeMap<u64, Run>,
    positions: BTreeMap<Uuid, u64>,
    /// What defines the runs that have not ended; none where it is not known any more.
    defined_by: BTreeMap<Uuid, Option<Arc<Desired>>>,
    /// What came of each task's last run.
    pub last: BTreeMap<Name, ObservedTask>,
}

/// A task's schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    pub schedule: Schedule,
    /// Times before this one were never meant.
    pub since: Timestamp,
    /// The last time that was run.
    pub last: Option<Timestamp>,
    /// Whether a scheduled run has not ended.
    pub busy: bool,
}

impl Projection for Tasks {
    fn apply(&mut self, event: &Event) {
        if let Data::LevelRaised(it) = &event.data
            && it.stream == EVENTS
        {
            self.full = (it.level == Level::Critical).then(|| it.clone());
        }
        let Some(id) = event.scope.fleet() else { return };
        match &event.data {
            Data::GitPushed(it) => {
                if let Some(commit) = &it.commit {
                    self.agenda += 1;
                    self.fleets.entry(id.clone()).or_default().desires(event, commit, &it.descriptors);
                }
            }
            Data::DesiredRolledBack(it) => {
                self.agenda += 1;
                self.fleets.entry(id.clone()).or_default().desires(event, &it.commit, &it.descriptors);
            }
            Data::RunQueued(it) => {
                self.agenda += 1;
                self.queued.insert((event.position, id.clone(), event.id));
                self.fleets.entry(id.clone()).or_default().queued(event, it);
            }
            data => {
                let Some(run) = run_of(data) else { return };
                match data {
                    Data::RunStarted(it) => self.epoch = self.epoch.max(it.epoch),
                    Data::RunStep(it) => self.reported = self.reported.max(it.obs.unwrap_or_default()),
                    _ => self.agenda += 1,
                }
                let fleet = self.fleets.entry(id.clone()).or_default();
                if let Some(queued_at) = fleet.positions.get(&run) {
                    self.queued.remove(&(*queued_at, id.clone(), run));
                }
                fleet.moved_on(event, run);
            }
        }
    }
}

impl FleetTasks {
    pub fn run(&self, id: Uuid) -> Option<&Run> {
        self.runs.get(self.positions.get(&id)?)
    }

    /// What defines a run: the desired state that it was queued with.
    pub fn definition(&self, id: Uuid) -> Option<Arc<Desired>> {
        self.defined_by.get(&id)?.clone()
    }

    /// A push, or a rollback, changes what should be.
    fn desires(&mut self, event: &Event, commit: &Oid, changes: &Changes) {
        self.desired_at = event.position;
        self.commit = Some(commit.clone());
        Arc::make_mut(&mut self.desired).apply(changes);
        self.states.push_back((event.position, self.desired.clone()));
        if self.states.len() > STATES_KEPT {
            self.states.pop_front();
        }
        let before = std::mem::take(&mut self.schedules);
        for (name, task) in &self.desired.tasks {
            let Some(schedule) = task.schedule.clone() else { continue };
            let known = before.get(name);
            let same = known.filter(|it| same_times(&it.schedule, &schedule));
            let scheduled = Scheduled {
                schedule,
                since: same.map_or(event.time, |it| it.since),
                last: known.and_then(|it| it.last),
                busy: known.is_some_and(|it| it.busy),
            };
            self.schedules.insert(name.clone(), scheduled);
        }
    }

    fn queued(&mut self, event: &Event, queued: &RunQueued) {
        self.line = event.position;
        let definition = self.states.iter().find(|(at, _)| *at == queued.desired).map(|(_, it)| it.clone());
        self.defined_by.insert(event.id, definition);
        self.positions.insert(event.id, event.position);
        self.runs.insert(event.position, Run::queued(event, queued));
        if let (Trigger::Cron { at }, Some(it)) = (&queued.trigger, self.schedules.get_mut(&queued.task)) {
            it.last = it.last.max(Some(*at));
            it.busy = true;
        }
    }

    fn moved_on(&mut self, event: &Event, id: Uuid) {
        self.line = event.position;
        let Some(run) = self.positions.get(&id).and_then(|at| self.runs.get_mut(at)) else { return };
        let was_over = run.status.is_over();
        run.apply(event);
        if was_over || !run.status.is_over() {
            return;
        }
        self.defined_by.remove(&id);
        let before = self.last.remove(&run.task).map(|it| it.outputs).unwrap_or_default();
        let outputs = if run.status == RunStatus::Succeeded { run.outputs.clone() } else { before };
        let observed =
            ObservedTask { run: id, status: run.status, exit_code: run.exit_code, outputs, since: event.position };
        self.last.insert(run.task.clone(), observed);
        if let (Trigger::Cron { .. }, Some(it)) = (&run.trigger, self.schedules.get_mut(&run.task)) {
            it.busy = false;
        }
        self.forget_old();
    }

    /// Runs that have not ended are never forgotten.
    fn forget_old(&mut self) {
        let surplus = self.runs.len().saturating_sub(self.defined_by.len() + RUNS_KEPT);
        let over = self.runs.iter().filter(|(_, run)| run.status.is_over());
        let old: Vec<(u64, Uuid)> = over.take(surplus).map(|(at, run)| (*at, run.id)).collect();
        for (at, id) in old {
            self.runs.remove(&at);
            self.positions.remove(&id);
        }
    }
}

/// Whether two schedules name the same times; what becomes of missed ones may differ.
fn same_times(a: &Schedule, b: &Schedule) -> bool {
    let times = |it: &Schedule| Schedule { missed: Missed::Skip, ..it.clone() };
    times(a) == times(b)
}

#[cfg(test)]
mod tests {
    use schemas::event::{DesiredRolledBack, Draft, GitPushed, Scope};

    use super::*;

    fn event(position: u64, data: Data) -> Event {
        let draft = Draft {
            id: Uuid::from_u128(position.into()),
            scope: Scope::Fleet("acme/shop".parse().unwrap()),
            subject: "x".to_owned(),
            time: Timestamp::from_second(i64::try_from(position).unwrap()).unwrap(),
            actor: "ann".to_owned(),
            cause: None,
            data,
        };
        Event { position, draft }
    }

    fn changes(text: &str) -> Changes {
        serde_json::from_str(text).unwrap()
    }

    fn pushed(position: u64, descriptors: &str) -> Event {
        let pushed = GitPushed {
            created: position == 1,
            refs: Vec::new(),
            pack: None,
            deploy: "main".to_owned(),
            commit: Some(format!("{position:040x}").parse().unwrap()),
            descriptors: changes(descriptors),
            reason: None,
            allow_destroy: Vec::new(),
        };
        event(position, Data::GitPushed(pushed))
    }

    #[test]
    fn a_rollback_takes_tasks_and_their_schedules_back() {
        let task = r#"{ "image": "a:1", "steps": [{ "run": ["true"] }], "schedule": { "cron": "0 3 * * *" } }"#;
        let [old, new] = ["old", "new"].map(|name| format!("tasks/{name}.json"));
        let mut tasks = Tasks::default();
        tasks.apply(&pushed(1, &format!(r#"{{ "set": {{ "{old}": {task} }}, "removed": [] }}"#)));
        tasks.apply(&pushed(2, &format!(r#"{{ "set": {{ "{new}": {task} }}, "removed": ["{old}"] }}"#)));
        let [commit, from] = [1, 2].map(|at| format!("{at:040x}").parse().unwrap());
        let back = DesiredRolledBack {
            commit,
            withdrawn: vec![],
            from,
            to: 1,
            descriptors: changes(&format!(r#"{{ "set": {{ "{old}": {task} }}, "removed": ["{new}"] }}"#)),
            reinstated: vec![],
            reason: None,
        };
        let before = tasks.agenda;
        tasks.apply(&event(3, Data::DesiredRolledBack(back)));
        let fleet = tasks.fleets.values().next().unwrap();
        assert_eq!(fleet.schedules.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["old"]);
        assert_eq!((fleet.desired_at, tasks.agenda), (3, before + 1));
        assert_eq!(
            fleet.schedules.values().next().unwrap().since,
            Timestamp::from_second(3).unwrap(),
            "not for times before"
        );
    }
}
