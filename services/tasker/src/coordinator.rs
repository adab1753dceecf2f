//! The half that decides: one at a time, fenced by the positions of the runs' own subjects.
//!
//! Reads all of `EVENTS` and `obs.*`; writes `run.*`, sends `runs.<node>`; asks `req.shazam.nodes`, answers
//! `req.tasker.*`. A run's id is the id of its `run.queued`: one trigger has one id, and so it is one run. Never talks to
//! Docker.

mod agenda;
mod answer;
mod clock;
mod observe;
mod start;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemas::event::{Data, Draft, Scope};
use schemas::names::{FleetId, NodeName};
use schemas::query::{CancelRun, RunRequest, RunsRequest, StartRun, TasksRequest};
use streams::{AppendError, Behind, Bus, Closed, Expected, Question, Questions, View, guarded};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::agenda::Agenda;
pub use self::clock::Clock;
use crate::error::CoordinatorError;
use crate::state::Tasks;

/// Who writes the coordinator's events.
const ACTOR: &str = "tasker";
/// How long the fold of an event of our own may take before it is worth a line.
const FOLD: Duration = Duration::from_secs(5);
/// Clocks are put forward and machines sleep: schedules are looked at this often.
const LOOK: Duration = Duration::from_secs(30);
/// What could not be done now is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// The coordinator: can be asked once it was started, and decides once it runs.
pub struct Coordinator {
    bus: Bus,
    view: View<Tasks>,
    /// Where the log ended when we started: our epoch.
    head: u64,
    asked: Asked,
    clock: Clock,
    shutdown: CancellationToken,
}

struct Asked {
    start: Questions<StartRun>,
    cancel: Questions<CancelRun>,
    run: Questions<RunRequest>,
    runs: Questions<RunsRequest>,
    tasks: Questions<TasksRequest>,
}

/// Looks at the coordinator while it runs.
#[derive(Clone)]
pub struct Readiness {
    view: View<Tasks>,
    head: u64,
}

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        if let Some(why) = self.view.stopped() {
            return Some(format!("stopped: {why}"));
        }
        let position = self.view.position();
        (position < self.head).then(|| format!("reading the log: at position {position} of {}", self.head))
    }
}

impl Coordinator {
    /// Can be asked from now on. Reads where the log ends now: it is ready once it has come so far.
    pub async fn start(bus: Bus, shutdown: CancellationToken) -> Result<Self, CoordinatorError> {
        let asked = Asked {
            start: questions(&bus).await?,
            cancel: questions(&bus).await?,
            run: questions(&bus).await?,
            runs: questions(&bus).await?,
            tasks: questions(&bus).await?,
        };
        let head = bus.head().await?;
        Ok(Self { bus, view: View::new(Tasks::default()), head, asked, clock: Clock::default(), shutdown })
    }

    /// Schedules are read by this clock instead of the system's.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the coordinator.
    pub fn readiness(&self) -> Readiness {
        Readiness { view: self.view.clone(), head: self.head }
    }

    /// Folds the log, answers, and decides, until it is told to stop. An event that cannot be read stops the deciding
    /// but not the platform: readiness is red.
    pub async fn run(self) -> Result<(), CoordinatorError> {
        let Self { bus, view, head, asked: Asked { start, cancel, run, runs, tasks }, clock, shutdown } = self;
        let all = shutdown.child_token();
        let decider = Decider {
            bus: bus.clone(),
            view: view.clone(),
            shutdown: all.clone(),
            epoch: head,
            instance: streams::clock::new_id(),
            lines: BTreeMap::new(),
            node: None,
            agenda: Agenda::default(),
            clock: clock.clone(),
            full: false,
        };
        let fold = guarded(&all, fold(&view, &bus, &all, &shutdown));
        let decide = guarded(&all, decider.run(head, start, cancel));
        let run = guarded(&all, answer::all(run, &view, head, &clock, &all));
        let runs = guarded(&all, answer::all(runs, &view, head, &clock, &all));
        let tasks = guarded(&all, answer::all(tasks, &view, head, &clock, &all));
        tokio::try_join!(fold, decide, run, runs, tasks).map(drop)
    }
}

async fn questions<Q: Question>(bus: &Bus) -> Result<Questions<Q>, CoordinatorError> {
    bus.answer().await.map_err(|source| CoordinatorError::Answer { subject: Q::SUBJECT, source })
}

/// Folds the log. Where it stops on an event, it says so once and waits for the end.
async fn fold(
    view: &View<Tasks>,
    bus: &Bus,
    all: &CancellationToken,
    shutdown: &CancellationToken,
) -> Result<(), CoordinatorError> {
    let Err(error) = view.run(bus.clone(), all.clone()).await else { return Ok(()) };
    tracing::error!(error = &error as &dyn std::error::Error, "the tasker stopped reading the log");
    shutdown.cancelled().await;
    Ok(())
}

/// Decides, on what the view shows.
struct Decider {
    bus: Bus,
    view: View<Tasks>,
    shutdown: CancellationToken,
    epoch: u64,
    /// What is sent again by the next one must not count as sent already: its agent would wait for the old delivery.
    instance: Uuid,
    /// Positions of our own newest events on the runs' subjects, which the view may not show yet.
    lines: BTreeMap<FleetId, u64>,
    /// The platform's only agent, once it was heard of.
    node: Option<NodeName>,
    agenda: Agenda,
    clock: Clock,
    /// Whether the log is so full that nothing is started.
    full: bool,
}

impl Decider {
    async fn run(
        mut self,
        head: u64,
        mut starts: Questions<StartRun>,
        mut cancels: Questions<CancelRun>,
    ) -> Result<(), CoordinatorError> {
        if !self.reach(head).await {
            return Ok(());
        }
        let reported = self.view.read(|tasks, _| tasks.reported);
        let mut reports = self.bus.reports(reported);
        let mut positions = self.view.positions();
        self.send_again().await?;
        loop {
            let again = self.drive().await?;
            let wake = self.wake(again);
            let (shutdown, mut clock) = (self.shutdown.clone(), self.clock.clone());
            // Every arm is cancel-safe: what was not returned comes with the next call.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                asked = starts.next() => match asked {
                    Some(asked) => self.asked_to_start(asked).await?,
                    None => return Err(Closed { subject: StartRun::SUBJECT }.into()),
                },
                asked = cancels.next() => match asked {
                    Some(asked) => self.asked_to_cancel(asked).await?,
                    None => return Err(Closed { subject: CancelRun::SUBJECT }.into()),
                },
                report = reports.next() => {
                    let (obs, _, report) = report?;
                    self.observe(obs, report).await?;
                }
                changed = positions.changed() => if changed.is_err() { return Ok(()) },
                () = clock.moved() => self.clock = clock,
                () = sleep_until(wake) => {}
            }
        }
    }

    /// When to look at the schedules again.
    fn wake(&self, again: bool) -> Instant {
        if self.full {
            return Instant::now() + LOOK;
        }
        let now = self.clock.now();
        let until = self
            .agenda
            .next()
            .map_or(LOOK, |due| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO));
        let until = if again { until.max(AGAIN) } else { until };
        Instant::now() + until.min(LOOK)
    }

    /// Starts what is queued, and queues what is due. True: something has to be tried again.
    async fn drive(&mut self) -> Result<bool, CoordinatorError> {
        self.view.read(|tasks, _| self.agenda.refresh(tasks));
        let epoch = self.view.read(|tasks, _| tasks.epoch);
        if epoch > self.epoch {
            return Err(CoordinatorError::TakenOver { epoch });
        }
        if self.is_full() {
            return Ok(false);
        }
        let mut again = false;
        for due in self.agenda.take(self.clock.now()) {
            if !self.scheduled(&due).await? {
                self.agenda.give_back(&due);
                again = true;
            }
        }
        while let Some((_, fleet, run)) = self.view.read(|tasks, _| tasks.queued.first().cloned()) {
            let known = self.view.read(|tasks, _| {
                let fleet = tasks.fleets.get(&fleet)?;
                Some((fleet.run(run)?.clone(), fleet.definition(run)))
            });
            let Some((run, definition)) = known else { break };
            if !self.launch(&fleet, &run, definition).await? {
                again = true;
                break;
            }
        }
        Ok(again)
    }

    /// Whether the log is so full that nothing is started: what is queued waits, and scheduled times are missed as their
    /// policy says once there is room.
    fn is_full(&mut self) -> bool {
        let told = self.view.read(|tasks, _| tasks.full.as_ref().map(ToString::to_string));
        match (&told, self.full) {
            (Some(told), false) => tracing::warn!("{told}: no run is started until there is room"),
            (None, true) => tracing::info!("there is room in the log again: runs are started"),
            _ => {}
        }
        self.full = told.is_some();
        self.full
    }

    /// The position that an append of ours to a fleet's runs expects.
    fn line(&self, fleet: &FleetId) -> u64 {
        let folded = self.view.read(|tasks, _| tasks.fleets.get(fleet).map_or(0, |it| it.line));
        folded.max(self.lines.get(fleet).copied().unwrap_or_default())
    }

    /// Waits until the view shows an event of our own. False: told to stop, or the view has stopped.
    async fn reach(&self, position: u64) -> bool {
        loop {
            let reached = tokio::select! {
                () = self.shutdown.cancelled() => return false,
                reached = self.view.at_least(position, FOLD) => reached,
            };
            match reached {
                Ok(()) => return true,
                Err(Behind::Late { position: at, .. }) => tracing::warn!(at, position, "the tasker is behind the log"),
                // The rest of the platform goes on; nothing is decided on a state that may be wrong.
                Err(Behind::Stopped { .. }) => {
                    self.shutdown.cancelled().await;
                    return false;
                }
            }
        }
    }

    fn draft(&self, fleet: &FleetId, run: Uuid, data: Data) -> Draft {
        Draft {
            id: streams::clock::new_id(),
            scope: Scope::Fleet(fleet.clone()),
            subject: format!("runs/{run}"),
            time: streams::clock::now(),
            actor: ACTOR.to_owned(),
            cause: Some(run),
            data,
        }
    }

    /// Appends one event of a run, unless somebody else was first: then none, and the view shows it.
    async fn append(&mut self, fleet: &FleetId, draft: &Draft) -> Result<Option<u64>, CoordinatorError> {
        let position = self.store(draft, Expected::At(self.line(fleet))).await?;
        if let Some(position) = position {
            self.lines.insert(fleet.clone(), position);
        }
        Ok(position)
    }

    /// Appends until the answer is definite. None: somebody else was first, and the view shows it.
    async fn store(&self, draft: &Draft, expected: Expected) -> Result<Option<u64>, CoordinatorError> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.bus.append(draft, expected).await {
                Ok(position) => return Ok(Some(position)),
                Err(AppendError::Refused { last }) => {
                    self.reach(last).await;
                    return Ok(None);
                }
                // The same draft again: it is stored once, and the answer will tell. A log that is full has room again
                // one day, and everything else goes on meanwhile.
                Err(
                    error @ (AppendError::Unavailable | AppendError::Unknown { .. } | AppendError::Rejected { .. }),
                ) => {
                    let what = draft.data.kind();
                    tracing::warn!(%error, event = what, "the log does not answer, trying again");
                    tokio::select! {
                        () = self.shutdown.cancelled() => {
                            return Err(CoordinatorError::Append { what, source: error });
                        }
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
                    }
                }
                Err(source) => return Err(CoordinatorError::Append { what: draft.data.kind(), source }),
            }
        }
    }
}

/// Clocks may step back: then no time has passed.
fn elapsed_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
}
