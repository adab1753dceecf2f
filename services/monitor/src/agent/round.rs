//! One round: who runs, what each of them used, in one message.
//!
//! One call lists everything that changes often. What an inspection shows is asked for once a run and looked at again
//! now and then; the figures come from the kernel, and from Docker only where that does not tell.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, EngineError, HealthStatus, Run, Running, Scope};
use futures_util::{StreamExt, stream};
use schemas::fleet::HealthState;
use schemas::names::FleetId;
use schemas::sample::{Part, Sample, Samples, Used};
use schemas::spec::resource_name;
use streams::clock;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

use super::AgentConfig;
use super::kernel::{Kernel, Unread};
use super::whose::{INSTALLATION, whose};

/// Containers in one message.
const MAX_CONTAINERS: usize = 4_000;
/// Calls that are under way in Docker.
const CALLS: usize = 8;
/// After so many rounds a run is looked at again, in case Docker started it again without our noticing.
const LOOK_AGAIN: u64 = 12;
/// What a call may take at least, however short the rounds are.
const PATIENCE: Duration = Duration::from_secs(3);

/// Measures round after round.
pub struct Measurer {
    config: AgentConfig,
    kernel: Arc<Kernel>,
    /// By Docker's id.
    known: BTreeMap<String, Known>,
    rounds: u64,
}

/// A run that was looked at.
#[derive(Debug, Clone)]
struct Known {
    run: Run,
    /// Whether the kernel tells its figures.
    in_kernel: bool,
    /// Processor time when it was last measured: less of it is another run.
    total_ns: u64,
}

/// A container of a fleet that runs.
struct Ours {
    running: Running,
    fleet: FleetId,
    part: Part,
}

impl Measurer {
    pub fn new(config: AgentConfig) -> Self {
        let kernel = Arc::new(Kernel::look(&config.root));
        Self { config, kernel, known: BTreeMap::new(), rounds: 0 }
    }

    pub fn every(&self) -> Duration {
        self.config.every
    }

    /// Measures everything once. Fails only where the measuring itself broke off.
    pub async fn round(&mut self) -> Result<Samples, JoinError> {
        let begun = Instant::now();
        self.rounds += 1;
        let mut samples = Samples {
            node: self.config.node.clone(),
            at: clock::now(),
            every_ms: u64::try_from(self.config.every.as_millis()).unwrap_or(u64::MAX),
            took_us: 0,
            away: None,
            machine: None,
            containers: Vec::new(),
            unread: Vec::new(),
            left_out: 0,
        };
        let scope = Scope::label(INSTALLATION, self.config.installation.to_string());
        match self.in_time(self.config.engine.running(&scope)).await {
            Ok(running) => self.measure(running, &mut samples).await?,
            Err(error) => samples.away = Some(error.to_string()),
        }
        samples.took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(samples)
    }

    async fn measure(&mut self, running: Vec<Running>, samples: &mut Samples) -> Result<(), JoinError> {
        let mut ours: Vec<Ours> = running
            .into_iter()
            .filter_map(|running| whose(&running.labels).map(|(fleet, part)| Ours { running, fleet, part }))
            .collect();
        samples.left_out = u64::try_from(ours.len().saturating_sub(MAX_CONTAINERS)).unwrap_or(u64::MAX);
        ours.truncate(MAX_CONTAINERS);
        let there: BTreeSet<&String> = ours.iter().map(|it| &it.running.id).collect();
        self.known.retain(|id, _| there.contains(id));
        let due: Vec<String> = there.iter().filter(|id| self.is_due(id)).map(|it| (*it).clone()).collect();

        let mut ended = self.look(due).await;
        let (mut used, not_its) = self.ask_kernel(None).await?;
        if !not_its.is_empty() {
            // Started again meanwhile; or Docker's processes are not this machine's.
            ended.extend(self.look(not_its.clone()).await);
            let (again, still_not) = self.ask_kernel(Some(not_its)).await?;
            used.extend(again);
            for id in still_not {
                self.known.entry(id).and_modify(|it| it.in_kernel = false);
            }
        }
        let unmeasured: Vec<String> = self.known.keys().filter(|id| !used.contains_key(*id)).cloned().collect();
        ended.extend(self.ask_docker(unmeasured, &mut used).await);

        let all_in_kernel = self.known.values().all(|it| it.in_kernel);
        samples.machine = if all_in_kernel { self.kernel.machine() } else { None };
        for it in ours {
            let id = &it.running.id;
            match (self.known.get_mut(id), used.remove(id)) {
                (Some(known), Some(used)) => {
                    known.total_ns = used.cpu.total_ns;
                    samples.containers.push(sample(it, &known.run, used));
                }
                // It ended while we were looking.
                _ if ended.contains(id) => {}
                _ => samples.unread.push(it.running.id),
            }
        }
        Ok(())
    }

    /// Whether a run has to be looked at: not all of them in the same round.
    fn is_due(&self, id: &str) -> bool {
        let turn = id.bytes().map(u64::from).sum::<u64>();
        !self.known.contains_key(id) || (self.rounds + turn).is_multiple_of(LOOK_AGAIN)
    }

    /// Looks at these runs; answers which of them have ended.
    async fn look(&mut self, ids: Vec<String>) -> BTreeSet<String> {
        let mut ended = BTreeSet::new();
        for (id, run) in self.ask(ids, async |engine, id| engine.run_of(id).await).await {
            match run {
                Ok(Some(run)) => {
                    let in_kernel = run.pid.is_some();
                    self.known.insert(id, Known { run, in_kernel, total_ns: 0 });
                }
                Ok(None) => {
                    self.known.remove(&id);
                    ended.insert(id);
                }
                // What is known of it is used on; what is not known yet goes unmeasured this time.
                Err(error) => tracing::debug!(container = id, %error, "a run was not looked at"),
            }
        }
        ended
    }

    /// The kernel's figures: of these, else of all. Besides, those whose processes are not theirs.
    async fn ask_kernel(&self, ids: Option<Vec<String>>) -> Result<(BTreeMap<String, Used>, Vec<String>), JoinError> {
        let meant = |id: &String| ids.as_ref().is_none_or(|ids| ids.contains(id));
        let wanted: Vec<(String, u32)> = self
            .known
            .iter()
            .filter(|(id, it)| it.in_kernel && meant(id))
            .filter_map(|(id, it)| Some((id.clone(), it.run.pid?)))
            .collect();
        let kernel = self.kernel.clone();
        // Files of the kernel are read in microseconds, but there are a dozen a container.
        spawn_blocking(move || {
            let (mut used, mut not_its) = (BTreeMap::new(), Vec::new());
            for (id, pid) in wanted {
                match kernel.used(&id, pid) {
                    Ok(it) => drop(used.insert(id, it)),
                    Err(Unread::NotIts) => not_its.push(id),
                    Err(Unread::Unreadable) => {}
                }
            }
            (used, not_its)
        })
        .await
    }

    /// Docker's figures of these; answers which of them have ended.
    async fn ask_docker(&mut self, ids: Vec<String>, used: &mut BTreeMap<String, Used>) -> BTreeSet<String> {
        let (mut ended, mut again) = (BTreeSet::new(), Vec::new());
        for (id, stats) in self.ask(ids, async |engine, id| engine.stats(id).await).await {
            match stats {
                Ok(Some(it)) => {
                    if self.known.get(&id).is_some_and(|known| it.cpu.total_ns < known.total_ns) {
                        again.push(id.clone());
                    }
                    used.insert(id, it);
                }
                Ok(None) => drop(ended.insert(id)),
                Err(error) => tracing::debug!(container = id, %error, "a container was not measured"),
            }
        }
        let in_docker = |known: &mut Known| known.in_kernel = false;
        let looked = again.clone();
        ended.extend(self.look(again).await);
        for id in looked {
            self.known.entry(id).and_modify(in_docker);
        }
        ended
    }

    /// Asks Docker for each of these, a few at a time.
    async fn ask<T>(
        &self,
        ids: Vec<String>,
        call: impl AsyncFn(&Engine, &str) -> Result<T, EngineError>,
    ) -> Vec<(String, Result<T, EngineError>)> {
        let call = &call;
        let asked = stream::iter(ids).map(|id| async move {
            let answer = self.in_time(call(&self.config.engine, &id)).await;
            (id, answer)
        });
        asked.buffer_unordered(CALLS).collect().await
    }

    /// No call may keep a round much longer than a round takes.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
        let within = self.config.every.max(PATIENCE);
        let late = |_| Err(EngineError::Slow { what: "measure containers".to_owned(), within });
        timeout(within, call).await.unwrap_or_else(late)
    }
}

fn sample(it: Ours, run: &Run, used: Used) -> Sample {
    let Ours { running, fleet, part } = it;
    let own = running.addresses.get(&resource_name(&fleet, None));
    Sample {
        address: own.or_else(|| running.addresses.values().next()).copied(),
        health: running.health.map(|it| match it {
            HealthStatus::Starting => HealthState::Starting,
            HealthStatus::Healthy => HealthState::Healthy,
            HealthStatus::Unhealthy => HealthState::Unhealthy,
        }),
        id: running.id,
        name: running.name,
        image: running.image,
        fleet,
        part,
        started_ns: run.started_ns,
        restarts: run.restarts,
        limits: run.limits,
        used,
    }
}
