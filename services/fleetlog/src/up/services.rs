//! Every service in one process: each is started, run as a task that is waited for, and asked whether it is ready.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::{Router, middleware};
use engine::{Docker, Engine};
use schemas::spec::DigestKey;
use streams::{LevelWatch, Thresholds, User};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::door;
use super::nats::Wires;
use super::platform::Plan;

/// Calls that the agent has under way in Docker: more make dockerd no faster.
const CALLS_IN_FLIGHT: usize = 8;
/// How often it is looked how full the log is.
const LEVELS: Duration = Duration::from_secs(5);
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

    /// Starts all of them in the order in which one needs the other. Answers the platform's router, behind the door.
    pub async fn start(
        &mut self,
        plan: &Plan,
        data: &Path,
        wires: &Wires,
        digest_key: DigestKey,
        installation: Uuid,
        profiles: profiles::Config,
    ) -> anyhow::Result<Router> {
        self.look("nats", wires.lost());
        let levels = LevelWatch::new(wires.platform.clone(), wires.room.clone(), Thresholds::default());
        let stop = self.stop();
        self.add("levels", async move {
            levels.run(LEVELS, stop).await;
            Ok(())
        });
        self.start_monitor(wires).await?;
        self.start_logger(wires, data).await?;

        let bus = wires.bus(User::Profiles).await?;
        let profiles = profiles::Service::start(profiles, bus, self.stop()).await.context("cannot start `profiles`")?;
        let readiness = profiles.readiness();
        let doorkeeper = profiles.doorkeeper();
        self.look("profiles", move || readiness.ready());
        self.add("profiles", async { Ok(profiles.run().await?) });

        let bus = wires.bus(User::Registry).await?;
        let registry = registry::Service::start(data.join("registry"), bus, self.stop());
        let registry = registry.await.context("cannot start `registry`")?;
        let readiness = registry.readiness();
        self.look("registry", move || readiness.ready());
        self.add("registry", async { Ok(registry.run().await?) });

        let bus = wires.bus(User::Coordinator).await?;
        let coordinator = shazam::Coordinator::start(bus, digest_key.clone(), self.stop());
        let readiness = coordinator.readiness();
        self.look("coordinator", move || readiness.ready());
        self.add("coordinator", async { Ok(coordinator.run().await?) });

        let bus = wires.bus(User::Agent).await?;
        let engine = Engine::from(Docker::connect(plan.docker.as_deref()));
        let node = plan.node.clone();
        self.start_measuring(&bus, &engine, &node, installation);
        self.start_collecting(&bus, &engine, &node, installation).await?;
        self.start_tasker(wires, &bus, &engine, &node, installation).await?;
        let config = shazam::AgentConfig { node, installation, engine, calls_in_flight: CALLS_IN_FLIGHT };
        let agent = shazam::Agent::start(config, bus, self.stop()).await.context("cannot start `agent`")?;
        let readiness = agent.readiness();
        self.look("agent", move || readiness.ready());
        self.add("agent", async { Ok(agent.run().await?) });

        let bus = wires.bus(User::Git).await?;
        let program = std::env::current_exe().context("cannot tell where our own executable is")?;
        let folder = data.join("git");
        let config =
            git::Config { folder, program, digest_key, limits: git::Limits::default(), pause_at: plan.fault_point };
        let git = git::Service::start(config, bus, self.stop()).await.context("cannot start `git`")?;
        let readiness = git.readiness();
        self.look("git", move || readiness.check().err());
        let git_router = git.router();
        self.add("git", async { Ok(git.run().await?) });

        let bus = wires.bus(User::Api).await?;
        let api = api::Api::new(bus, self.looks.clone()).with_shutdown(self.stop());
        let inner = api::router(api).nest("/git", git_router);
        let inner = inner.layer(middleware::from_fn_with_state(doorkeeper, door::check));
        Ok(inner.layer(middleware::from_fn(api::measure)))
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
