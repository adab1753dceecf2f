//! Waits until a container is as somebody needs it. Docker's wake-ups make it look; a slow clock makes sure.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use engine::{Container, HealthStatus, State};
use schemas::descriptors::Condition;
use schemas::spec::{Probe, Readiness};
use schemas::work::Command;
use tokio::time::Instant;

use super::apply::ends_by_itself;
use super::error::StepError;
use super::host::{Host, IN_THE_NETWORK_OF, Slot};
use super::look::Why;
use super::probe;

/// Without a wake-up, look again after so long.
const LOOK: Duration = Duration::from_secs(1);

/// An HTTP path that does not answer yet is asked again after so long at first, doubled up to the probe's own interval.
const FIRST: Duration = Duration::from_millis(25);

/// A container that is not started again when it ends, and that nothing checks, has to run for so long.
const SETTLE: Duration = Duration::from_millis(500);

/// Whose container is waited for.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// One that somebody needs.
    Needed,
    /// The step's own: what is seen of it is told.
    Step(&'a Command),
    /// The one that is to take the place of the step's own, whose slot this is: nothing is told of it yet.
    Beside(&'a Slot),
}

/// What one look says.
enum Verdict {
    /// It is as it is needed.
    Ready,
    /// It never will be.
    Never(String),
    /// Not yet; what was seen.
    NotYet(String),
}

impl Host {
    /// Waits until `name` is in the condition, for as long as it may take.
    pub(super) async fn ready(
        &self,
        name: &str,
        readiness: &Readiness,
        condition: Condition,
        of: Of<'_>,
    ) -> Result<Container, StepError> {
        let named;
        let slot = match of {
            // Docker's wake-ups go to a container by its labels, whatever it is called.
            Of::Beside(slot) => slot,
            Of::Needed | Of::Step(_) => {
                named = self.slot(name);
                &*named
            }
        };
        let deadline = Instant::now() + readiness.within.into();
        let mut pause = FIRST;
        let mut running_since = None;
        loop {
            // Registered before the look: what happens after it wakes us.
            let wake = slot.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            let seen = self.engine.inspect(name).await?.filter(|seen| self.is_ours(&seen.labels));
            if let (Some(seen), Of::Step(it)) = (&seen, of) {
                self.tell(slot, &it.fleet, &it.container, seen, Why::Step(it.cause)).await;
            }
            let verdict = match &seen {
                None => Verdict::NotYet("it is not there".to_owned()),
                Some(seen) => judge(self, seen, readiness, condition).await,
            };
            let verdict = match (verdict, &seen, of) {
                // Its start says nothing yet: a mistake in its command shows in the moment after.
                (Verdict::Ready, Some(seen), Of::Step(_) | Of::Beside(_)) if only_runs(seen, readiness, condition) => {
                    let since: &mut Instant = running_since.get_or_insert_with(Instant::now);
                    if since.elapsed() < SETTLE {
                        Verdict::NotYet("it has just been started".to_owned())
                    } else {
                        Verdict::Ready
                    }
                }
                (verdict, ..) => verdict,
            };
            let why = match (verdict, seen) {
                (Verdict::Ready, Some(seen)) => return Ok(seen),
                (Verdict::Never(why), _) => return Err(StepError::NotReady { why }),
                (Verdict::NotYet(why), _) => why,
                (Verdict::Ready, None) => String::new(),
            };
            let (look, limit) = match &readiness.probe {
                Probe::Http { interval, .. } => (pause, Duration::from(*interval)),
                Probe::Docker if running_since.is_some() => (SETTLE, SETTLE),
                Probe::Docker => (LOOK, LOOK),
            };
            pause = (pause * 2).min(limit).max(FIRST);
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {
                    let wanted = match condition {
                        Condition::Started => "started",
                        Condition::Healthy => "healthy",
                        Condition::Completed => "completed",
                    };
                    return Err(StepError::NotReady { why: format!("not {wanted} within {}: {why}", readiness.within) });
                }
                () = &mut wake => {}
                () = tokio::time::sleep(look) => {}
            }
        }
    }
}

/// Whether that it runs is all that can be said of it, and it ends for good when it ends.
fn only_runs(seen: &Container, readiness: &Readiness, condition: Condition) -> bool {
    let unchecked = matches!(readiness.probe, Probe::Docker) && seen.health.is_none();
    seen.state == State::Running && condition == Condition::Healthy && unchecked && ends_by_itself(seen)
}

async fn judge(host: &Host, seen: &Container, readiness: &Readiness, condition: Condition) -> Verdict {
    let code = seen.exit_code.unwrap_or_default();
    match (seen.state, condition) {
        (State::Exited, Condition::Completed) if code == 0 => Verdict::Ready,
        (State::Exited | State::Dead, Condition::Completed) => Verdict::Never(format!("it ended with code {code}")),
        (_, Condition::Completed) => Verdict::NotYet(format!("it is {}", seen.state)),
        (State::Running, Condition::Started) => Verdict::Ready,
        (State::Running, Condition::Healthy) => healthy(host, seen, readiness).await,
        (State::Exited, _) if code == 0 && ends_by_itself(seen) => Verdict::Ready,
        (State::Exited | State::Dead, _) => {
            let memory = if seen.out_of_memory { ", out of memory" } else { "" };
            let shows = match super::beside::is_next(&seen.name) {
                // It is gone a moment later, and its lines are not.
                true => "`fleetlog logs`".to_owned(),
                false => format!("`docker logs {}`", seen.name),
            };
            Verdict::Never(format!("it ended with code {code}{memory}; {shows} shows why"))
        }
        (state, _) => Verdict::NotYet(format!("it is {state}")),
    }
}

async fn healthy(host: &Host, seen: &Container, readiness: &Readiness) -> Verdict {
    match &readiness.probe {
        Probe::Docker => match seen.health {
            None => Verdict::Ready,
            Some(health) if health.status == HealthStatus::Healthy => Verdict::Ready,
            Some(health) => Verdict::NotYet(format!("its check says {}", health.status)),
        },
        Probe::Http { path, port, timeout, .. } => {
            let Some(address) = host.address(seen).await else {
                return Verdict::NotYet("it has no address yet".to_owned());
            };
            match probe::get(address, *port, path, (*timeout).into()).await {
                Ok(()) => Verdict::Ready,
                Err(why) => Verdict::NotYet(format!("http port {port} {path}: {why}")),
            }
        }
    }
}

impl Host {
    /// A container's address: in its fleet's network, or in the one that it joined.
    pub(super) async fn address(&self, seen: &Container) -> Option<IpAddr> {
        match seen.shown.network.as_deref() {
            // The agent is on the same node.
            Some("host") => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(mode) => {
                let other = self.engine.inspect(mode.strip_prefix(IN_THE_NETWORK_OF)?).await.ok()??;
                other.addresses.values().next().copied()
            }
            None => seen.addresses.values().next().copied(),
        }
    }
}
