//! Finds the containers that are ours: at every connection to Docker and by a timer all of them, in between those that
//! its events name. Each gets a reader of its own, also before it is started, so that none is too short-lived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::{Action, Engine, EngineError, Kind, Labels, Scope, State, Wake};
use schemas::logs::{Cursor, Origin};
use schemas::names::Name;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::drain::{Ask, Waits};
use super::gap::lost;
use super::join::Joiner;
use super::read::{Closed, News, Reader, Said};

/// The label that says whose a container is.
const INSTALLATION: &str = "fleetlog.installation";
/// Everything is looked at again after so long.
const EVERY: Duration = Duration::from_secs(60);
/// Between two tries to reach Docker.
const AGAIN: Duration = Duration::from_millis(500);
/// Removals that wait for one container.
const ASKS: usize = 4;
/// Digits of Docker's id that tell containers of one host apart.
const ID_DIGITS: usize = 16;

/// Who finds containers.
pub(super) struct Watch {
    pub engine: Engine,
    pub installation: Uuid,
    /// Where the agent before us stopped, by id: what is not taken up is gone.
    pub recalled: BTreeMap<String, (Origin, Cursor)>,
    pub said: mpsc::Sender<Said>,
    /// Who is about to remove a container.
    pub asks: mpsc::Receiver<Ask>,
    /// A reading that is silent for so long is compared with what Docker has.
    pub quiet: Duration,
    pub shutdown: CancellationToken,
    pub readers: JoinSet<(String, Result<(), Closed>)>,
    pub known: BTreeMap<String, Known>,
}

/// A container that has a reader.
pub(super) struct Known {
    news: watch::Sender<News>,
    /// Removals that wait for it.
    asks: mpsc::Sender<Waits>,
}

impl Watch {
    /// Watches until it is told to stop, or nobody listens any more. Hands back who asks, for the next watch.
    pub async fn run(mut self) -> mpsc::Receiver<Ask> {
        let shutdown = self.shutdown.clone();
        loop {
            let end = tokio::select! {
                () = shutdown.cancelled() => break,
                end = self.connected() => end,
            };
            let Err(error) = end else { break };
            tracing::debug!(error = &error as &dyn std::error::Error, "watching Docker for containers to read ended");
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
        self.readers.shutdown().await;
        self.asks
    }

    /// Watches one connection. `Ok`: nobody listens any more.
    async fn connected(&mut self) -> Result<(), EngineError> {
        // Events first, then the list: what changes in between wakes us.
        let scope = Scope::label(INSTALLATION, self.installation.to_string());
        let mut wakes = self.engine.events(&scope).await?;
        self.list(&scope).await?;
        let mut next = Instant::now() + EVERY;
        loop {
            // Every arm is cancel-safe.
            tokio::select! {
                wake = wakes.next() => self.wake(wake?),
                Some(ask) = self.asks.recv() => self.ask(ask).await?,
                () = tokio::time::sleep_until(next) => {
                    next = Instant::now() + EVERY;
                    self.list(&scope).await?;
                }
                Some(end) = self.readers.join_next() => match end {
                    Ok((id, Ok(()))) => {
                        self.known.remove(&id);
                    }
                    Ok((_, Err(Closed))) => return Ok(()),
                    Err(error) => {
                        tracing::error!(%error, "a reader of a container's lines broke off; it is read anew");
                        self.known.retain(|_, it| !it.news.is_closed());
                    }
                },
            }
        }
    }

    async fn list(&mut self, scope: &Scope) -> Result<(), EngineError> {
        let asked = Instant::now();
        let listed = self.engine.list(scope).await?;
        let there: BTreeSet<String> = listed.iter().map(|it| short(&it.id)).collect();
        for it in listed {
            let ran = it.state != State::Created;
            let runs = matches!(it.state, State::Running | State::Paused | State::Restarting);
            self.news_of(&it.id, &it.labels, |news, new| {
                news.ran |= runs || (new && ran);
                news.listed = if runs { Some(asked) } else { news.listed };
                news.ended = !runs;
            });
        }
        for (id, known) in &self.known {
            if !there.contains(id) {
                known.news.send_modify(|it| (it.count, it.gone) = (it.count + 1, true));
            }
        }
        // Gone while nobody was here.
        for (_, (origin, cursor)) in std::mem::take(&mut self.recalled) {
            if !there.contains(&origin.id) && !self.known.contains_key(&origin.id) {
                let lines = if cursor.drained { Vec::new() } else { vec![lost(&origin, cursor)] };
                let origin = Arc::new(origin);
                let read = Said::Read { origin: origin.clone(), cursor: Cursor { drained: true, ..cursor }, lines };
                // Nobody listens: then the whole watch ends a moment later.
                if self.said.send(read).await.is_err() || self.said.send(Said::Gone { origin }).await.is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn wake(&mut self, wake: Wake) {
        if wake.kind != Kind::Container {
            return;
        }
        match wake.action {
            Action::Create | Action::Start => {
                let started = (wake.action == Action::Start).then_some(wake.at_ns);
                self.news_of(&wake.id, &wake.labels, |news, _| {
                    news.ran |= started.is_some();
                    news.started_ns = news.started_ns.max(started.unwrap_or_default());
                    news.ended = false;
                });
            }
            Action::Die | Action::Destroy => {
                if let Some(known) = self.known.get(&short(&wake.id)) {
                    let gone = wake.action == Action::Destroy;
                    known.news.send_modify(|it| {
                        (it.count, it.ended, it.gone) = (it.count + 1, true, it.gone || gone);
                    });
                }
            }
            _ => {}
        }
    }

    /// Lets the reader of a container answer whoever is about to remove it. One that has none may never have been seen.
    async fn ask(&mut self, ask: Ask) -> Result<(), EngineError> {
        let key = short(&ask.container);
        if !self.known.contains_key(&key) {
            let seen = self.engine.inspect(&ask.container).await?;
            let ours = self.installation.to_string();
            if let Some(seen) = seen.filter(|it| it.labels.get(INSTALLATION) == Some(&ours)) {
                self.news_of(&seen.id, &seen.labels, |news, _| news.ran |= seen.started_ns.is_some());
            }
        }
        match self.known.get(&key) {
            // A reader that is about to end, or full, drops it: then it is asked again.
            Some(known) => drop(known.asks.try_send(ask.waits)),
            // Gone, or a stranger's.
            None => drop(self.said.send(Said::Awaited(ask.waits)).await),
        }
        Ok(())
    }

    /// Tells a container's reader what happened; one that has none gets one.
    fn news_of(&mut self, id: &str, labels: &Labels, change: impl Fn(&mut News, bool)) {
        let key = short(id);
        if let Some(known) = self.known.get(&key) {
            known.news.send_modify(|it| {
                it.count += 1;
                change(it, false);
            });
            return;
        }
        let Some(origin) = origin(&key, labels) else { return };
        let mut first = News { count: 1, ..News::default() };
        let recalled = self.recalled.remove(&key).map(|it| it.1);
        change(&mut first, recalled.is_none_or(|it| !it.drained));
        let (news, heard) = watch::channel(first);
        let (asks, asked) = mpsc::channel(ASKS);
        let reader = Reader {
            engine: self.engine.clone(),
            id: id.to_owned(),
            origin: Arc::new(origin),
            joiner: Joiner::new(recalled.unwrap_or_default()),
            news: heard,
            asked,
            pending: Vec::new(),
            said: self.said.clone(),
            quiet: self.quiet,
            to_its_end: false,
            ended: None,
        };
        self.known.insert(key.clone(), Known { news, asks });
        self.readers.spawn(async move { (key, reader.run().await) });
    }
}

fn short(id: &str) -> String {
    id.chars().take(ID_DIGITS).collect()
}

/// Whose lines a container writes; none: it is not for us.
fn origin(id: &str, labels: &Labels) -> Option<Origin> {
    let label = |name: &str| labels.get(name).map(String::as_str);
    let id = id.to_owned();
    // A fleet's container first: its other labels may be its image's.
    if let Some(fleet) = label("fleetlog.fleet") {
        let container: Name = label("fleetlog.name")?.parse().ok()?;
        return Some(Origin {
            id,
            fleet: fleet.parse().ok()?,
            container: container.to_string(),
            run: None,
            step: None,
        });
    }
    let run = label("fleetlog.run")?.parse().ok()?;
    let (fleet, task) = label("fleetlog.task")?.rsplit_once('/')?;
    let task: Name = task.parse().ok()?;
    let step = label("fleetlog.step").and_then(|it| it.parse().ok());
    Some(Origin { id, fleet: fleet.parse().ok()?, container: task.to_string(), run: Some(run), step })
}
