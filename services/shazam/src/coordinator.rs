//! The half that decides: one at a time, fenced by the position at which it took over.
//!
//! Reads all of `EVENTS`, `obs.*` and `beat.*`; writes `rollout.*`, `container.*`, `image.*`, `hold.*`, `operator.*`,
//! `coordinator.took` and `work.dead`; sends `work.<node>`; answers `req.shazam.nodes`, `req.shazam.retry`,
//! `req.shazam.update`, `req.shazam.hold` and `req.shazam.operate`; asks agents to act and about images, and Git to roll
//! back. Never talks to Docker.

mod answer;
mod command;
mod decide;
mod drift;
mod gaps;
mod hold;
mod images;
mod looks;
mod nodes;
mod observe;
mod operate;
mod retry;
mod rollout;
mod undo;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use schemas::descriptors::Desired;
use schemas::event::{CoordinatorTook, Data, Draft, Event, Level, RolloutResumed, Scope, StepStatus, Topic};
use schemas::fleet::{Fleet, RolloutStatus};
use schemas::names::{FleetId, Oid};
use schemas::query::{HoldRequest, Operate, RetryRollout, UpdateImages};
use schemas::spec::DigestKey;
use streams::{AppendError, Bus, Closed, Expected, Filter, Follow, Question, ReadError, clock};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::command::Fence;
use self::drift::Compared;
use self::gaps::{LONG, Watches};
use self::hold::Answered;
use self::looks::{Looks, NOTIFY};
use self::nodes::Nodes;
use self::operate::UnderWay;
use self::undo::{Undo, undone};
use crate::error::CoordinatorError;

/// Who writes the coordinator's events.
const ACTOR: &str = "shazam";

/// The coordinator: takes over once it has read the log, then runs until it is told to stop.
pub struct Coordinator {
    bus: Bus,
    key: DigestKey,
    shutdown: CancellationToken,
    instance: Uuid,
    fence: Fence,
    follow: Follow,
    /// Position of the last event that was folded.
    position: u64,
    /// Sequence in `OBS` of the last report that became an event.
    reported: u64,
    /// Position and instance of the last `coordinator.took`.
    took: (u64, Uuid),
    fleets: BTreeMap<FleetId, Fleet>,
    /// What may be running of each fleet since before its newest push or rollback: it tells a plan what changed.
    before: BTreeMap<FleetId, Desired>,
    /// What was desired of each fleet until something newer overtook it before it was planned: positions and commits, oldest
    /// first.
    overtaken: BTreeMap<FleetId, VecDeque<(u64, Option<Oid>)>>,
    /// Fleets about which something may have to be done.
    dirty: BTreeSet<FleetId>,
    nodes: Nodes,
    /// Until when each node was watched.
    watches: Watches,
    /// How full the log is.
    fullness: Level,
    /// When each fleet is compared with what it should be.
    compared: Compared,
    /// When tags are looked at, and what was asked of nodes.
    looks: Looks,
    /// Sequence in `OBS` of the first report that waits until there is room.
    held: Option<u64>,
    /// What operators asked for and has not ended.
    under_way: UnderWay,
    /// Sequence in `OBS` of the newest report that was taken.
    heard: u64,
    /// What was answered about holds.
    answered: Answered,
    /// Pushes that failed and are to be undone.
    undo: Undo,
    state: State,
}

/// Looks at the coordinator while it runs.
#[derive(Clone)]
pub struct Readiness(State);

impl Readiness {
    /// `None`: ready. Else why not, for people.
    pub fn ready(&self) -> Option<String> {
        self.0.get()
    }
}

/// Why it is not ready; none: it is. Clones share it.
#[derive(Clone)]
struct State(Arc<Mutex<Option<String>>>);

impl State {
    fn new(why: &str) -> Self {
        Self(Arc::new(Mutex::new(Some(why.to_owned()))))
    }

    fn set(&self, why: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Coordinator {
    /// Makes ready to read the log; everything else happens in [`run`](Self::run).
    pub fn start(bus: Bus, key: DigestKey, shutdown: CancellationToken) -> Self {
        let follow = bus.follow(Filter::All, 0).named("coordinator");
        Self {
            fence: Fence { incarnation: bus.incarnation(), epoch: 0 },
            instance: clock::new_id(),
            bus,
            key,
            shutdown,
            follow,
            position: 0,
            reported: 0,
            took: (0, Uuid::nil()),
            fleets: BTreeMap::new(),
            before: BTreeMap::new(),
            overtaken: BTreeMap::new(),
            dirty: BTreeSet::new(),
            nodes: Nodes::default(),
            watches: Watches::new(LONG),
            fullness: Level::Normal,
            compared: Compared::default(),
            looks: Looks::new(NOTIFY),
            held: None,
            under_way: UnderWay::default(),
            heard: 0,
            answered: Answered::default(),
            undo: Undo::default(),
            state: State::new("reading the log"),
        }
    }

    /// The same, but a time without an agent's eye on its Docker is a gap from this length on, instead of 10 s.
    #[must_use]
    pub fn with_gaps_from(self, long: jiff::SignedDuration) -> Self {
        Self { watches: Watches::new(long), ..self }
    }

    /// The same, but tags of containers whose policy is `"notify"` are looked at this often, instead of each hour.
    #[must_use]
    pub fn with_looks_every(self, notify: Duration) -> Self {
        Self { looks: Looks::new(notify), ..self }
    }

    /// Tells whether it is ready, also while [`run`](Self::run) has the coordinator.
    pub fn readiness(&self) -> Readiness {
        Readiness(self.state.clone())
    }

    /// Folds the log to its head, takes over, resumes what is unfinished, and coordinates until it is told to stop.
    ///
    /// On an event that it cannot read it stops deciding, says so in its readiness, and waits for the end: the rest of
    /// the platform goes on.
    pub async fn run(self) -> Result<(), CoordinatorError> {
        let (state, shutdown) = (self.state.clone(), self.shutdown.clone());
        let answers = answer::nodes(self.bus.clone(), self.nodes.clone(), shutdown.clone());
        let end = tokio::select! {
            end = answers => end,
            end = self.coordinate() => end,
        };
        let Err(error) = &end else { return end };
        state.set(Some(error.to_string()));
        if matches!(error, CoordinatorError::Read(ReadError::Decode { .. })) {
            tracing::error!(error = error as &dyn std::error::Error, "the coordinator stopped reading the log");
            shutdown.cancelled().await;
            return Ok(());
        }
        end
    }

    async fn coordinate(mut self) -> Result<(), CoordinatorError> {
        let mut beats = self.bus.beats().await?;
        let head = self.bus.head().await?;
        self.catch_up(head).await?;
        self.take_over().await?;
        self.resume().await?;
        self.conclude_what_was_left().await?;
        self.state.set(None);
        let mut reports = self.bus.reports(self.reported);
        self.heard = self.reported;
        let mut retries = self.bus.answer::<RetryRollout>().await?;
        let mut holds = self.bus.answer::<HoldRequest>().await?;
        let mut operations = self.bus.answer::<Operate>().await?;
        let mut updates = self.bus.answer::<UpdateImages>().await?;
        let shutdown = self.shutdown.clone();
        self.compared.all(self.fleets.keys());
        loop {
            self.drive().await?;
            self.let_go();
            let (due, expiry, look) = (self.compared.next(), self.next_expiry(), self.looks.next());
            if let Some(obs) = self.released() {
                tracing::info!(obs, "the log has room again: taking what was held back");
                reports = self.bus.reports(obs.saturating_sub(1));
            }
            // Every arm is cancel-safe: what was not returned comes with the next call.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                event = self.follow.next() => self.fold(&event?)?,
                asked = retries.next() => match asked {
                    Some(asked) => self.asked_to_retry(asked).await?,
                    None => return Err(Closed { subject: RetryRollout::SUBJECT }.into()),
                },
                asked = holds.next() => match asked {
                    Some(asked) => self.asked_to_hold(asked).await?,
                    None => return Err(Closed { subject: HoldRequest::SUBJECT }.into()),
                },
                asked = operations.next() => match asked {
                    Some(asked) => self.asked_to_operate(asked).await?,
                    None => return Err(Closed { subject: Operate::SUBJECT }.into()),
                },
                () = expiry => self.expire().await?,
                report = reports.next() => {
                    let (obs, node, report) = report?;
                    self.observe(obs, node, report).await?;
                    self.heard(obs).await?;
                }
                end = self.under_way.next() => self.operation_ended(end).await?,
                asked = updates.next() => match asked {
                    Some(asked) => self.asked_to_update(asked).await,
                    None => return Err(Closed { subject: UpdateImages::SUBJECT }.into()),
                },
                Some(came) = self.looks.under_way.next(), if !self.looks.under_way.is_empty() => self.came(came).await?,
                (fleet, end) = self.undo.next() => undone(&fleet, &end),
                id = due => self.compare(&id).await?,
                id = look => self.look_for_news(&id),
                beat = beats.next() => {
                    if let Some(beat) = beat && self.nodes.heard(beat, Instant::now()) {
                        self.dirty.extend(self.fleets.keys().cloned());
                    }
                }
            }
        }
    }

    /// Takes one event of the log.
    fn fold(&mut self, event: &Event) -> Result<(), CoordinatorError> {
        self.position = event.position;
        self.reported = self.reported.max(observe::sequence(&event.data));
        self.watches.fold(event);
        if let Data::LevelRaised(it) = &event.data
            && it.stream == streams::catalog::EVENTS
        {
            self.fullness = it.level;
        }
        match (&event.data, event.scope.fleet()) {
            (Data::CoordinatorTook(it), _) => {
                self.took = (event.position, it.instance);
                if self.fence.epoch > 0 && it.instance != self.instance {
                    return Err(CoordinatorError::TakenOver { epoch: event.position });
                }
            }
            (_, Some(id)) => {
                let fleet = self.fleets.entry(id.clone()).or_insert_with(|| Fleet::new(id.clone()));
                let moves = match &event.data {
                    Data::GitPushed(it) => it.commit.is_some(),
                    Data::DesiredRolledBack(_) => true,
                    _ => false,
                };
                if moves {
                    remember(self.before.entry(id.clone()).or_default(), fleet);
                    let planned = fleet.rollouts.last().map_or(0, |rollout| rollout.desired);
                    if planned < fleet.desired_at {
                        let overtaken = (fleet.desired_at, fleet.commit.clone());
                        self.overtaken.entry(id.clone()).or_default().push_back(overtaken);
                    }
                }
                fleet.apply(event);
                self.undo.fold(id, event);
                if moves {
                    self.looks.follow(fleet, clock::now());
                }
                if matches!(event.data, Data::RolloutSucceeded(_)) && self.fence.epoch > 0 {
                    self.looks.settled.insert(id.clone());
                }
                if let (Data::RolloutPlanned(it), Some(overtaken)) = (&event.data, self.overtaken.get_mut(id)) {
                    overtaken.retain(|(position, _)| *position > it.desired);
                }
                self.dirty.insert(id.clone());
                self.compared.soon(id, &event.data);
            }
            _ => {}
        }
        Ok(())
    }

    /// Folds the log up to `position`.
    async fn catch_up(&mut self, position: u64) -> Result<(), CoordinatorError> {
        while self.position < position {
            let event = self.follow.next().await?;
            self.fold(&event)?;
        }
        Ok(())
    }

    /// Says in the log that it is this coordinator's turn. Its position fences everything that follows.
    async fn take_over(&mut self) -> Result<(), CoordinatorError> {
        loop {
            let data = Data::CoordinatorTook(CoordinatorTook { instance: self.instance });
            let draft = self.draft(Scope::Platform, "coordinator".to_owned(), None, data);
            match self.append(&draft, Expected::At(self.took.0)).await? {
                Ok(epoch) => {
                    self.catch_up(epoch).await?;
                    self.fence.epoch = epoch;
                    return Ok(());
                }
                Err(last) => self.catch_up(last).await?,
            }
        }
    }

    /// Carries on with every unfinished rollout: says so, which makes a zombie's next append fail, and sends again what
    /// is under way, because nobody knows whether its agent has it.
    async fn resume(&mut self) -> Result<(), CoordinatorError> {
        let unfinished: Vec<_> = self
            .fleets
            .values()
            .filter_map(|fleet| {
                fleet.rollouts.last().filter(|it| !it.status.is_over()).map(|it| (fleet.id.clone(), it.id))
            })
            .collect();
        for (id, rollout) in unfinished {
            let data = Data::RolloutResumed(RolloutResumed { rollout, epoch: self.fence.epoch });
            if !self.append_rollout(&id, rollout, None, data).await? {
                continue;
            }
            let under_way: Vec<u32> = self.fleets[&id]
                .rollouts
                .last()
                .into_iter()
                .flat_map(|rollout| (0..).zip(&rollout.steps))
                .filter(|(_, step)| step.status == StepStatus::Started)
                .map(|(index, _)| index)
                .collect();
            for step in under_way {
                self.send(&id, rollout, step).await?;
            }
            self.dirty.insert(id);
        }
        Ok(())
    }

    /// Does what can be done about every fleet that something happened to.
    async fn drive(&mut self) -> Result<(), CoordinatorError> {
        while let Some(id) = self.dirty.pop_first() {
            self.advance(&id).await?;
            self.undo_what_failed(&id);
        }
        Ok(())
    }

    fn draft(&self, scope: Scope, subject: String, cause: Option<Uuid>, data: Data) -> Draft {
        Draft { id: clock::new_id(), scope, subject, time: clock::now(), actor: ACTOR.to_owned(), cause, data }
    }

    /// Appends until the answer is definite. The inner error: somebody else was first, at that position.
    async fn append(&mut self, draft: &Draft, expected: Expected) -> Result<Result<u64, u64>, CoordinatorError> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.bus.append(draft, expected).await {
                Ok(position) => return Ok(Ok(position)),
                Err(AppendError::Refused { last }) => return Ok(Err(last)),
                // The same draft again: it is stored once, and the answer will tell.
                Err(error @ (AppendError::Unavailable | AppendError::Unknown { .. })) => {
                    tracing::warn!(%error, event = draft.data.kind(), "the log does not answer, trying again");
                    tokio::select! {
                        () = self.shutdown.cancelled() => {
                            return Err(CoordinatorError::Append { what: draft.data.kind().to_owned(), source: error });
                        }
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
                    }
                }
                Err(source) => return Err(CoordinatorError::Append { what: draft.data.kind().to_owned(), source }),
            }
        }
    }

    /// Position of the last event on the fleet's line of rollouts.
    fn line(&self, id: &FleetId) -> u64 {
        self.fleets.get(id).map_or(0, |fleet| fleet.lines.rollout)
    }

    /// Appends an event of a rollout and folds it. False: somebody else was first, so decide anew.
    async fn append_rollout(
        &mut self,
        id: &FleetId,
        rollout: Uuid,
        event: Option<Uuid>,
        data: Data,
    ) -> Result<bool, CoordinatorError> {
        debug_assert_eq!(data.topic(), Topic::Rollout);
        let mut draft = self.draft(Scope::Fleet(id.clone()), format!("rollouts/{rollout}"), Some(rollout), data);
        draft.id = event.unwrap_or(draft.id);
        match self.append(&draft, Expected::At(self.line(id))).await? {
            Ok(position) => self.catch_up(position).await.map(|()| true),
            Err(last) => {
                // A coordinator that took over ends us in the fold; whatever else it is, decide on it.
                self.catch_up(last).await?;
                self.dirty.insert(id.clone());
                Ok(false)
            }
        }
    }
}

/// Takes what a fleet desired until now over into what may be running of it: all of it where it was rolled out, else
/// only what is new there, because nobody knows how far it came.
fn remember(before: &mut Desired, fleet: &Fleet) {
    let newest = fleet.rollouts.last();
    let rolled_out =
        |it: &schemas::fleet::Rollout| it.desired == fleet.desired_at && it.status == RolloutStatus::Succeeded;
    if newest.is_some_and(rolled_out) {
        before.clone_from(&fleet.desired);
        return;
    }
    for (name, container) in &fleet.desired.containers {
        before.containers.entry(name.clone()).or_insert_with(|| container.clone());
    }
    before.volumes.extend(fleet.desired.volumes.clone());
    before.nodes.extend(fleet.desired.nodes.clone());
    before.variables.extend(fleet.desired.variables.clone());
}
