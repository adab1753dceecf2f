//! What a test sees of a lab, and what it waits for: the log, the engine, and the clock of the schedules.

use std::time::Duration;

use engine::{Listed, Scope};
use schemas::event::{Event, Trigger};
use schemas::query::TasksRequest;
use schemas::runs::{RUN_LABEL, Run, RunStatus};
use streams::{AskError, clock};
use uuid::Uuid;

use crate::lab::{INSTALLATION, LIMIT, Lab};

impl Lab {
    /// Waits until the log's runs are as `wanted` says.
    pub async fn eventually(&self, what: &str, wanted: impl Fn(&[Run]) -> bool) {
        let mut positions = self.view.positions();
        let limit = tokio::time::Instant::now() + LIMIT;
        while !self.view.read(|log, _| wanted(&log.runs)) {
            let changed = tokio::time::timeout_at(limit, positions.changed()).await;
            assert!(changed.is_ok(), "not within {LIMIT:?}: {what}; last seen: {:#?}", self.runs());
        }
    }

    /// Waits until something that the log does not show is there.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let limit = tokio::time::Instant::now() + LIMIT;
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            assert!(tokio::time::Instant::now() < limit, "not within {LIMIT:?}: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the one container of a run says `ready`; answers its name.
    pub async fn ready(&self, run: Uuid) -> String {
        self.until("a step is ready", async || {
            let name = self.containers(Some(run)).await.pop()?.name;
            let lines = self.engine.logs(&name, 10).await.ok()?;
            lines.iter().any(|it| it == "ready").then_some(name)
        })
        .await
    }

    pub async fn containers(&self, run: Option<Uuid>) -> Vec<Listed> {
        let mut scope = Scope::label(INSTALLATION, self.installation.to_string());
        scope.0.extend(run.map(|run| (RUN_LABEL.to_owned(), run.to_string())));
        self.engine.list(&scope).await.unwrap()
    }

    pub async fn nothing_is_left(&self) {
        assert!(self.runs().iter().all(|it| it.status.is_over()), "a test waits for its runs: {:#?}", self.runs());
        self.until("the containers of runs that have ended are gone", async || {
            self.containers(None).await.is_empty().then_some(())
        })
        .await;
    }

    pub fn runs(&self) -> Vec<Run> {
        self.view.read(|log, _| log.runs.clone())
    }

    pub fn events(&self) -> Vec<Event> {
        self.view.read(|log, _| log.events.clone())
    }

    /// The events of this `ce-type`, without `fleetlog.` and `.v1`.
    pub fn of_kind(&self, kind: &str) -> Vec<Event> {
        let kind = format!("fleetlog.{kind}.v1");
        self.events().into_iter().filter(|it| it.data.kind() == kind).collect()
    }

    /// The log as far as it goes now was read.
    pub async fn caught_up(&self) {
        self.view.at_least(self.bus.head().await.unwrap(), LIMIT).await.unwrap();
    }

    /// Moves the clock that schedules are read by, and returns once the coordinator has looked at them.
    pub async fn now(&self, time: &str) {
        self.now_while_down(time);
        self.looked().await;
    }

    /// Moves it while nobody looks.
    pub fn now_while_down(&self, time: &str) {
        self.time.as_ref().unwrap().send_replace(time.parse().unwrap());
    }

    /// The one step of a run in the simulated engine ends well.
    pub async fn end(&self, run: Uuid) {
        let container = self.ready(run).await;
        self.simulated.as_ref().unwrap().exit(&container, 0).unwrap();
        self.ended(run).await;
    }

    /// Returns once the coordinator has gone on. It looks at its schedules before each question that it takes: after two
    /// answers, it has looked since.
    pub async fn looked(&self) {
        let (fleet, min_position) = (self.fleet.clone(), self.bus.head().await.unwrap());
        self.bus.ask(&TasksRequest { fleet, min_position }, LIMIT).await.unwrap();
        for _ in 0..2 {
            let asked = self.ask_to_start("no-such-task", clock::new_id()).await;
            assert!(matches!(asked, Err(AskError::Fault(_))), "{asked:?}");
        }
        self.caught_up().await;
    }

    /// The times of the scheduled runs so far.
    pub fn scheduled(&self) -> Vec<(String, RunStatus)> {
        let at = |it: &Run| match &it.trigger {
            Trigger::Cron { at } => Some((at.to_string(), it.status)),
            Trigger::Manual => None,
        };
        self.runs().iter().filter_map(at).collect()
    }
}
