//! The services of one process: each is run as a task that is waited for, and asked whether it is ready.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

/// How often a start looks whether everything is ready.
const LOOK: Duration = Duration::from_millis(10);
/// How often a start that takes long says what it waits for.
const SAY: Duration = Duration::from_secs(5);

/// The running services.
pub struct Services {
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
    looks: Vec<(&'static str, api::Look)>,
    stop: CancellationToken,
}

impl Services {
    /// None yet. `shutdown` stops all of them.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), looks: Vec::new(), stop: shutdown.child_token() }
    }

    /// What tells a service to stop.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs one. It ends when it is told to; ending before is a failure of the platform.
    pub fn add(&mut self, name: &'static str, run: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, run.await) });
    }

    /// Waits until each says that it is ready; an end of one ends the wait.
    pub async fn all_ready(&mut self) -> anyhow::Result<()> {
        let (mut look, mut say) = (interval(LOOK), interval(SAY));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        say.tick().await;
        loop {
            // Every arm is cancel-safe: a tick that was not taken comes again, and so does the end of a task.
            tokio::select! {
                end = self.one_ends() => return end,
                _ = look.tick() => {
                    if self.waiting_for().next().is_none() {
                        return Ok(());
                    }
                }
                _ = say.tick() => {
                    for (name, why) in self.waiting_for() {
                        tracing::info!("still starting: `{name}` is not ready: {why}");
                    }
                }
            }
        }
    }

    fn waiting_for(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.looks.iter().filter_map(|(name, look)| Some((*name, look()?)))
    }

    /// Waits until one of them ends. That is fine only where they were told to.
    pub async fn one_ends(&mut self) -> anyhow::Result<()> {
        match self.tasks.join_next().await {
            None => Ok(()),
            Some(end) => judge(end, self.stop.is_cancelled()),
        }
    }

    /// Tells the rest to stop and waits for them. The first failure is the answer; the others are logged.
    pub async fn drain(&mut self, within: Duration) -> anyhow::Result<()> {
        self.stop.cancel();
        let deadline = Instant::now() + within;
        let mut first = Ok(());
        while !self.tasks.is_empty() {
            let Ok(end) = timeout_at(deadline, self.tasks.join_next()).await else {
                self.tasks.shutdown().await;
                return first.and_then(|()| bail!("some services had not stopped after {} s", within.as_secs()));
            };
            match end.map(|end| judge(end, true)) {
                Some(Err(error)) if first.is_ok() => first = Err(error),
                Some(Err(error)) => tracing::error!("{error:#}"),
                Some(Ok(())) | None => {}
            }
        }
        first
    }

    /// What is looked at, by name.
    pub(super) fn looks(&self) -> Vec<(&'static str, api::Look)> {
        self.looks.clone()
    }

    /// Looks at one.
    pub(super) fn look(&mut self, name: &'static str, ready: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.looks.push((name, Arc::new(ready)));
    }
}

/// How a task's end counts.
fn judge(end: Result<(&'static str, anyhow::Result<()>), JoinError>, told: bool) -> anyhow::Result<()> {
    let (name, end) = end.context("a service broke off")?;
    end.with_context(|| format!("`{name}` failed"))?;
    ensure!(told, "`{name}` ended although nobody told it to");
    Ok(())
}
