//! `fleetlog wait COMMIT`: what a script asks to know how a push ended.

use std::time::{Duration, Instant};

use schemas::event::StepStatus;
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::names::FleetId;
use schemas::units::Span;
use serde_json::{Value, json};

use super::failure::Failure;
use super::remote::{Patience, Remote};
use super::rollouts::{self, took};
use super::{failed, here, out, state};
use crate::cli::{FleetOptions, WaitOptions};

/// A wait that has nothing new to say says so this often.
const SAY: Duration = Duration::from_secs(15);
/// One request waits no longer than this for news.
const REQUEST: Duration = Duration::from_secs(30);

/// What is waited for.
struct Wait<'a> {
    remote: Remote,
    fleet: FleetId,
    /// All or the first digits of the commit.
    commit: String,
    /// Rollouts of what was desired before are not meant: that a rollback took up again has older ones.
    since: u64,
    /// Nor are those that were planned before: an update of images has the commit of the rollout before it.
    planned_after: u64,
    within: Option<Span>,
    how: &'a FleetOptions,
    began: Instant,
    said: (String, Instant),
}

/// Waits. Exit status 0 only where the commit's rollout succeeded.
pub fn run(options: &WaitOptions) -> Result<(), Failure> {
    let fleet = here::fleet(options.fleet.fleet.as_ref())?;
    let commit = commit(&options.commit)?;
    Wait::new(Remote::find()?, fleet, commit, options.within, &options.fleet).run()
}

/// Waits for the end of the newest rollout of a commit, however long that takes.
pub fn until_the_end(remote: Remote, fleet: FleetId, commit: String, how: &FleetOptions) -> Result<(), Failure> {
    Wait::new(remote, fleet, commit, None, how).run()
}

/// The same for the rollout of what is desired since a position.
pub fn since(
    remote: Remote,
    fleet: FleetId,
    (commit, position): (String, u64),
    how: &FleetOptions,
) -> Result<(), Failure> {
    Wait { since: position, ..Wait::new(remote, fleet, commit, None, how) }.run()
}

/// The same for the first rollout of a commit that is planned after a position.
pub fn planned_after(
    remote: Remote,
    fleet: FleetId,
    (commit, position): (String, u64),
    how: &FleetOptions,
) -> Result<(), Failure> {
    Wait { planned_after: position, ..Wait::new(remote, fleet, commit, None, how) }.run()
}

/// What the user means: digits as they are, else a name that Git knows here.
pub fn commit(text: &str) -> Result<String, Failure> {
    let digits = text.len() >= 4 && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits {
        return Ok(text.to_ascii_lowercase());
    }
    here::commit(text).ok_or_else(|| {
        Failure::Usage(format!(
            "`{text}` is no commit: expected at least 4 digits of its id, or a name that Git knows here"
        ))
    })
}

impl<'a> Wait<'a> {
    fn new(remote: Remote, fleet: FleetId, commit: String, within: Option<Span>, how: &'a FleetOptions) -> Self {
        let began = Instant::now();
        Self { remote, fleet, commit, since: 0, planned_after: 0, within, how, began, said: (String::new(), began) }
    }

    fn run(mut self) -> Result<(), Failure> {
        let mut position = self.head()?;
        let mut patience = Patience::default();
        loop {
            let left = self.left()?;
            // The platform answers as soon as something is new, so a change is seen at once and nobody polls.
            let page = match self.page(position, left) {
                Err(failure @ Failure::NotReachable(_)) => {
                    patience.bear(failure)?;
                    continue;
                }
                page => page?,
            };
            patience.rest();
            let Some(page) = page else {
                self.say_again();
                continue;
            };
            position = page.position + 1;
            let rollout = newest(&page.rollouts, &self.commit)?
                .filter(|it| it.desired >= self.since && it.planned_at > self.planned_after);
            match rollout {
                Some(rollout) if rollout.status.is_over() => {
                    // A rollback may have made it the desired one again, whose next rollout is still to come.
                    let desired_at = self.desired_at(page.position)?;
                    if desired_at <= rollout.desired {
                        return self.end(&page.rollouts, rollout);
                    }
                    self.since = desired_at;
                    position = page.position;
                }
                Some(rollout) => {
                    let text = progress(rollout);
                    self.say(text);
                }
                None => {
                    self.must_be_desired(page.position)?;
                    self.say("accepted, not planned yet".to_owned());
                }
            }
        }
    }

    /// How long one request may wait; an error where the time is up.
    fn left(&self) -> Result<Duration, Failure> {
        let Some(within) = self.within else { return Ok(REQUEST) };
        let left = Duration::from(within).checked_sub(self.began.elapsed()).filter(|it| !it.is_zero());
        left.map(|it| it.min(REQUEST)).ok_or_else(|| {
            let last = if self.said.0.is_empty() { String::new() } else { format!("; last seen: {}", self.said.0) };
            Failure::Failed(format!("the rollout has not ended within {within}{last}"))
        })
    }

    /// Where the log ends now: what was pushed before we were called is below.
    fn head(&self) -> Result<u64, Failure> {
        Ok(self.remote.get("/v1/events", &[("limit", "1".to_owned())], 0)?.position)
    }

    fn page(&self, position: u64, at_most: Duration) -> Result<Option<rollouts::Page>, Failure> {
        let query = [("limit", "1000".to_owned())];
        let reply = self.remote.get_once_at(&rollouts::path(&self.fleet), &query, position, at_most)?;
        reply.map(|it| it.read()).transpose()
    }

    /// Since which position the commit is desired; 0: it is not.
    fn desired_at(&self, position: u64) -> Result<u64, Failure> {
        let state = state::fetch(&self.remote, &self.fleet, position)?;
        let desired = state["commit"].as_str().is_some_and(|it| it.starts_with(&self.commit));
        Ok(if desired { state["desired_at"].as_u64().unwrap_or_default() } else { 0 })
    }

    /// Without a rollout there is something to wait for only where the commit is the one that should run.
    fn must_be_desired(&self, position: u64) -> Result<(), Failure> {
        let state = state::fetch(&self.remote, &self.fleet, position)?;
        let desired = state["commit"].as_str();
        if desired.is_some_and(|it| it.starts_with(&self.commit)) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "no rollout of commit `{}` is known in {}: its deploy branch `{}` is at {}; was it pushed, and to that branch?",
            self.commit,
            self.fleet,
            state["deploy"].as_str().unwrap_or("?"),
            out::short(desired),
        )))
    }

    /// Says how it ended, and why.
    fn end(&self, all: &[Rollout], rollout: &Rollout) -> Result<(), Failure> {
        if self.how.json {
            out::json(&json!(rollout))?;
        }
        let commit = rollout.commit.short();
        let after = rollout.duration_ms.map(|ms| format!(" after {}", took(ms))).unwrap_or_default();
        match rollout.status {
            RolloutStatus::Succeeded if self.how.json => Ok(()),
            RolloutStatus::Succeeded => out::line(&format!("{} {commit} succeeded{after}", self.fleet)),
            RolloutStatus::Superseded => Err(Failure::Failed(format!(
                "{} {commit} was superseded: a newer push or a rollback took over; wait for that one",
                self.fleet
            ))),
            _ => {
                if !self.how.json {
                    let told = failed::told(&self.remote, &self.fleet, self.how.fleet.as_ref(), all, rollout)?;
                    told.iter().for_each(|line| out::note(line));
                }
                Err(Failure::Failed(format!("{} {commit} failed: {}", self.fleet, failed::why(rollout))))
            }
        }
    }

    fn say(&mut self, text: String) {
        if text == self.said.0 {
            return self.say_again();
        }
        out::note(&text);
        self.said = (text, Instant::now());
    }

    fn say_again(&mut self) {
        if self.said.1.elapsed() >= SAY {
            let waited = self.began.elapsed().as_secs();
            out::note(&format!("{} ({waited} s)", self.said.0));
            self.said.1 = Instant::now();
        }
    }
}

/// The newest rollout of a commit, by all or the first of its digits. Digits that fit more than one commit are refused.
pub fn newest<'r>(rollouts: &'r [Rollout], digits: &str) -> Result<Option<&'r Rollout>, Failure> {
    let mut fitting = rollouts.iter().filter(|it| it.commit.as_str().starts_with(digits));
    let newest = fitting.next();
    match newest.and_then(|newest| fitting.find(|it| it.commit != newest.commit).map(|other| (newest, other))) {
        Some((one, other)) => Err(Failure::Failed(format!(
            "`{digits}` fits more than one commit, {} and {}: give more digits",
            one.commit, other.commit
        ))),
        None => Ok(newest),
    }
}

/// A rollout under way, in a line.
fn progress(rollout: &Rollout) -> String {
    let total = rollout.steps.len();
    let done = rollout.steps.iter().filter(|it| it.status.is_done()).count();
    let now: Vec<_> = rollout
        .steps
        .iter()
        .filter(|it| it.status == StepStatus::Started)
        .map(|it| format!("{} {}", action(&json!(it.step.action)), it.step.container))
        .collect();
    let now = if now.is_empty() { String::new() } else { format!(": {}", now.join(", ")) };
    format!("{} {}, {done} of {total} steps done{now}", rollout.commit.short(), rollout.status.as_str())
}

fn action(word: &Value) -> &str {
    word.as_str().unwrap_or("?")
}
