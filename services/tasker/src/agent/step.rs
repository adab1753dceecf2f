//! One step: a container that is made, started, waited for and read, or adopted wherever an earlier agent left it.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Container, EngineError, State, Step};
use jiff::{SignedDuration, Timestamp};
use schemas::names::{FleetId, Key, Name};
use schemas::runs::{RUN_LABEL, RunNews, STEP_LABEL, TASK_LABEL};
use schemas::spec::{OUTPUT_FOLDER, RenderedStep, resource_name};
use schemas::units::Span;
use streams::clock;
use tokio::sync::watch;

use super::explain::{Ended, sandbox};
use super::host::{Host, Slot};
use super::output;
use super::run::{Broken, Errand};

/// The file in [`OUTPUT_FOLDER`] that `$FLEETLOG_OUTPUT` names.
const OUTPUT_FILE: &str = "output";
/// How many of the last lines of a step that failed are looked at.
const LAST_WORDS: usize = 20;
/// A wait for an end looks up this often, in case it was missed.
const LOOK: Duration = Duration::from_secs(30);
/// A step without `volumes` and `writable` writes no larger file than this, or than its largest `tmpfs`, in bytes.
const LARGEST_FILE: u64 = 64 << 20;

/// One step of an errand.
pub struct Place<'a> {
    pub host: &'a Host,
    pub errand: &'a Errand,
    pub slot: &'a Slot,
    pub index: u32,
    pub rendered: &'a RenderedStep,
}

/// How a step ended.
pub struct StepEnd {
    pub exit_code: Option<i64>,
    /// None: it succeeded.
    pub error: Option<String>,
    pub duration_ms: u64,
    pub outputs: BTreeMap<Key, String>,
}

/// Which limit a step has reached.
#[derive(Clone, Copy)]
enum Late {
    /// Its own.
    Step(Span),
    /// The run's.
    Run(Span),
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(within) => write!(f, "took longer than {within}: its `within`"),
            Self::Run(within) => write!(f, "was stopped: the run took longer than {within}, its `within`"),
        }
    }
}

/// Sees to what the first step needs: image, network, volumes.
pub async fn prepare(host: &Host, errand: &Errand) -> Result<(), EngineError> {
    let Errand { fleet, spec, .. } = errand;
    if spec.network {
        let name = resource_name(fleet, None);
        let made = host.engine.ensure_network(&name, &fleet_labels(host, fleet, None)).await?;
        ours(host, made.made, &made.labels, "network", &name)?;
    }
    for volume in spec.volumes.values() {
        let name = resource_name(fleet, Some(volume));
        let made = host.engine.ensure_volume(&name, &fleet_labels(host, fleet, Some(volume))).await?;
        ours(host, made.made, &made.labels, "volume", &name)?;
    }
    Ok(())
}

/// The labels of what belongs to the fleet, as for its containers.
fn fleet_labels(host: &Host, fleet: &FleetId, name: Option<&Name>) -> engine::Labels {
    let mut labels = host.labels();
    labels.insert("fleetlog.fleet".to_owned(), fleet.to_string());
    labels.extend(name.map(|name| ("fleetlog.name".to_owned(), name.to_string())));
    labels
}

fn ours(host: &Host, made: bool, labels: &engine::Labels, kind: &str, name: &str) -> Result<(), EngineError> {
    if made || host.is_ours(labels) {
        return Ok(());
    }
    let message = format!("{kind} `{name}` exists and is not of this installation: remove or rename it");
    Err(EngineError::Refused { what: format!("use {kind} `{name}`"), status: 409, message })
}

impl Place<'_> {
    /// Makes the container and answers its name; the image is fetched where it is not there.
    pub async fn make(&self) -> Result<String, EngineError> {
        let Errand { fleet, task, run, .. } = self.errand;
        let id = run.simple().to_string();
        // The end of a UUIDv7 is random; its beginning is the time.
        let short = &id[id.len() - 8..];
        let name = format!("{}.{}.{task}.run-{short}.{}", fleet.owner, fleet.name, self.index);
        let (step, labels) = (self.step(), self.labels());
        let engine = &self.host.engine;
        let mut image = engine.image(&step.image).await?;
        if image.is_none() {
            engine.pull(&step.image, None).await?;
            image = engine.image(&step.image).await?;
        }
        // A step has no label `fleetlog.fleet` of ours that would stand against the image's.
        if let Some(label) = image.and_then(|it| it.claims) {
            return Err(EngineError::ImageClaims { image: step.image, label });
        }
        engine.create_step(&name, &step, &labels).await.map(|_| name)
    }

    fn labels(&self) -> engine::Labels {
        let Errand { fleet, task, run, .. } = self.errand;
        let mut labels = self.host.labels();
        labels.insert(RUN_LABEL.to_owned(), run.to_string());
        labels.insert(TASK_LABEL.to_owned(), format!("{fleet}/{task}"));
        labels.insert(STEP_LABEL.to_owned(), self.index.to_string());
        labels
    }

    fn step(&self) -> Step {
        let Errand { fleet, task, run, spec, .. } = self.errand;
        let mut env = spec.env.clone();
        env.insert("FLEETLOG_RUN".to_owned(), run.to_string());
        env.insert("FLEETLOG_TASK".to_owned(), task.to_string());
        env.insert("FLEETLOG_OUTPUT".to_owned(), format!("{OUTPUT_FOLDER}/{OUTPUT_FILE}"));
        let closed = spec.volumes.is_empty() && !spec.writable;
        let largest = spec.tmpfs.values().map(|it| it.0).max().unwrap_or_default().max(LARGEST_FILE);
        let volumes = spec.volumes.iter();
        Step {
            image: spec.image.clone(),
            command: self.rendered.command.clone(),
            env,
            user: spec.user.clone(),
            network: spec.network.then(|| resource_name(fleet, None)),
            volumes: volumes.map(|(path, name)| (path.clone(), resource_name(fleet, Some(name)))).collect(),
            scratch: OUTPUT_FOLDER.to_owned(),
            tmpfs: spec.tmpfs.clone(),
            writable: spec.writable,
            largest_file: closed.then_some(largest),
            limits: spec.limits.clone(),
            stop: spec.stop.clone(),
        }
    }

    /// Starts the container unless it has been, and waits for its end. `made`: it was made just now. The inner error:
    /// who cancelled the run.
    pub async fn to_its_end(&self, container: &str, made: bool) -> Result<Result<StepEnd, String>, Broken> {
        if let Some(failed) = self.start(container, made).await? {
            return Ok(Ok(failed));
        }
        let mut cancelled = self.slot.cancelled.subscribe();
        let mut late = None;
        loop {
            let Some(seen) = self.host.engine.inspect(container).await? else {
                return Ok(Ok(StepEnd::failed("lost its container: somebody removed it")));
            };
            if !matches!(seen.state, State::Running | State::Paused | State::Restarting) {
                return Ok(Ok(self.ended(&seen, late).await?));
            }
            let (left, limit) = self.left(&seen);
            if left.is_zero() {
                self.stop(container).await?;
                late = Some(limit);
                continue;
            }
            // Every arm is cancel-safe: a wait that was dropped has waited for nothing.
            tokio::select! {
                () = self.host.shutdown.cancelled() => return Err(Broken::Stopped),
                by = asked_to_end(&mut cancelled) => {
                    self.stop(container).await?;
                    return Ok(Err(by));
                }
                ended = self.host.engine.ended(container, left.min(LOOK)) => { ended?; }
            }
        }
    }

    /// Starts what was never started. A failure to start is an end.
    async fn start(&self, container: &str, made: bool) -> Result<Option<StepEnd>, Broken> {
        if !made {
            let seen = self.host.engine.inspect(container).await?;
            if seen.is_none_or(|seen| seen.state != State::Created) {
                return Ok(None);
            }
        }
        self.host.engine.put_file(container, OUTPUT_FOLDER, OUTPUT_FILE).await?;
        let news = RunNews::StepStarted { step: self.index };
        let told = self.host.report(&self.errand.fleet, self.errand.run, news);
        // Side by side: the first output waits for Docker only, and what Docker did is told whatever comes of it.
        let (started, told) = tokio::join!(self.host.engine.start(container), told);
        match started {
            Ok(()) if told => Ok(None),
            Ok(()) => Err(Broken::Stopped),
            Err(error) if error.is_passing() => Err(error.into()),
            Err(error) => {
                let words = [error.to_string()];
                let ended = Ended { exit_code: None, out_of_memory: false, words: &words };
                let hint = sandbox(&ended, &self.errand.spec).map_or_else(String::new, |it| format!("; {it}"));
                Ok(Some(StepEnd::failed(&format!("did not start: {error}{hint}"))))
            }
        }
    }

    async fn stop(&self, container: &str) -> Result<(), EngineError> {
        match self.host.engine.stop(container, None, self.errand.spec.stop.grace.into()).await {
            Err(EngineError::NotFound { .. }) => Ok(()),
            stopped => stopped,
        }
    }

    /// How long a running container may go on, and which limit it has reached then.
    fn left(&self, seen: &Container) -> (Duration, Late) {
        let now = clock::now();
        let until = |from: Timestamp, within: Span| {
            let gone = now.duration_since(from);
            Duration::from(within).saturating_sub(Duration::try_from(gone).unwrap_or_default())
        };
        let whole = self.errand.spec.within;
        let run = (until(self.errand.since, whole), Late::Run(whole));
        let step = self.rendered.within.map(|within| (until(started(seen), within), Late::Step(within)));
        step.filter(|step| step.0 <= run.0).unwrap_or(run)
    }

    /// Reads what a container that has ended left. `stopped`: we stopped it for this limit, whatever Docker's clock says.
    /// All else comes from Docker: whoever looks again, after a restart, sees the same.
    async fn ended(&self, seen: &Container, stopped: Option<Late>) -> Result<StepEnd, Broken> {
        let spec = &self.errand.spec;
        let finished = seen.finished_ns.map_or_else(clock::now, timestamp);
        let took = finished.duration_since(started(seen)).max(SignedDuration::ZERO);
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or_default();
        let exit_code = seen.exit_code;
        let late = |from: Timestamp, within: Span| {
            finished.duration_since(from)
                >= SignedDuration::try_from(Duration::from(within)).unwrap_or(SignedDuration::MAX)
        };
        let step = || self.rendered.within.filter(|it| late(started(seen), *it)).map(Late::Step);
        let run = || late(self.errand.since, spec.within).then_some(Late::Run(spec.within));
        // What was stopped at its limit may end with 0 all the same: it was not done.
        let error = match stopped.or_else(step).or_else(run) {
            Some(late) => Some(late.to_string()),
            None if exit_code != Some(0) => Some(self.why(seen).await?),
            None => None,
        };
        let path = format!("{OUTPUT_FOLDER}/{OUTPUT_FILE}");
        let read = match &error {
            Some(_) => Ok(BTreeMap::new()),
            None => output::read(self.host.engine.get_file(&seen.id, &path, output::MAX_BYTES).await?),
        };
        let (outputs, error) = match read {
            Ok(outputs) => (outputs, error),
            Err(why) => (BTreeMap::new(), Some(format!("ended with code 0, but {why}"))),
        };
        Ok(StepEnd { exit_code, error, duration_ms, outputs })
    }

    /// Why a step failed by itself.
    async fn why(&self, seen: &Container) -> Result<String, EngineError> {
        let words = self.host.engine.logs(&seen.id, LAST_WORDS).await?;
        let ended = Ended { exit_code: seen.exit_code, out_of_memory: seen.out_of_memory, words: &words };
        let hint = sandbox(&ended, &self.errand.spec).map_or_else(String::new, |it| format!("; {it}"));
        let code = seen.exit_code.map_or_else(|| "without a code".to_owned(), |code| format!("with code {code}"));
        Ok(format!("ended {code}{hint}"))
    }
}

impl StepEnd {
    fn failed(error: &str) -> Self {
        Self { exit_code: None, error: Some(error.to_owned()), duration_ms: 0, outputs: BTreeMap::new() }
    }
}

/// Who wants the run to end, once somebody does.
async fn asked_to_end(cancelled: &mut watch::Receiver<Option<String>>) -> String {
    let by = cancelled.wait_for(Option::is_some).await;
    by.ok().and_then(|it| it.clone()).unwrap_or_default()
}

fn started(seen: &Container) -> Timestamp {
    timestamp(seen.started_ns.unwrap_or(seen.created_ns))
}

fn timestamp(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}
