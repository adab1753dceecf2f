//! Pull requests of a fleet, folded from its Git events; who has approved what; the mark that binds a merge to the plan
//! that was looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::event::{Data, Event, PullTip};
use crate::names::{FleetId, NameError, Oid};
use crate::plan::Plan;

/// A branch of a fleet, `owner/fleet:branch`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Whose.
    pub fleet: FleetId,
    /// Its name, without `refs/heads/`.
    pub branch: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.fleet, self.branch)
    }
}

impl FromStr for Source {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let expected = "a fleet and a branch of it, such as `acme/shop:fix`";
        let error = || NameError { seen: text.to_owned(), expected };
        let (fleet, branch) = text.split_once(':').ok_or_else(error)?;
        let fleet = fleet.parse().map_err(|_| error())?;
        if branch.is_empty() { Err(error()) } else { Ok(Self { fleet, branch: branch.to_owned() }) }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One pull request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    /// Its number in the fleet.
    pub number: u64,
    /// Id of its `pull.opened`.
    pub id: Uuid,
    /// What it is for.
    pub title: String,
    /// How it stands.
    pub status: PullStatus,
    /// Who opened it.
    pub author: String,
    /// When.
    pub opened: Timestamp,
    /// What is to be taken in.
    pub from: Source,
    /// The branch that takes it in.
    pub into: String,
    /// Where both stand, and what was found.
    pub tip: PullTip,
    /// Who approved what.
    pub approvals: Vec<Approval>,
    /// What the merge led to.
    pub commit: Option<Oid>,
    /// The mark of the plan that it was merged with.
    #[serde(default)]
    pub merged_with: Option<String>,
    /// Id of the event that ended it.
    pub ended: Option<Uuid>,
}

/// How a pull request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullStatus {
    /// It waits.
    Open,
    /// It was taken in.
    Merged,
    /// It will not be.
    Closed,
}

impl PullStatus {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Merged => "merged",
            Self::Closed => "closed",
        }
    }
}

/// Somebody's word that it is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub by: String,
    /// When.
    pub time: Timestamp,
    /// The commit that was looked at.
    pub head: Oid,
    /// The mark of the plan that was looked at.
    pub plan: Option<String>,
}

impl Pull {
    /// Whether an approval counts for a merge of the commit that is there now, with this plan: it was given to exactly
    /// that, by somebody who has neither opened the pull request nor pushed the commit. Once merged, whether it counted.
    pub fn counts(&self, approval: &Approval, plan: Option<&str>) -> bool {
        let plan = if self.status == PullStatus::Merged { self.merged_with.as_deref() } else { plan };
        let own = approval.by == self.author || self.tip.pushed_by.as_ref() == Some(&approval.by);
        !own && approval.head == self.tip.head && approval.plan.as_deref() == plan
    }

    /// How many approvals count.
    pub fn approved(&self, plan: Option<&str>) -> usize {
        self.approvals.iter().filter(|it| self.counts(it, plan)).count()
    }

    /// The ref that keeps what it brings.
    pub fn ref_name(number: u64) -> String {
        format!("refs/pulls/{number}/head")
    }
}

/// Every pull request of a fleet, by its number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pulls(pub BTreeMap<u64, Pull>);

impl Pulls {
    /// Takes one event of the fleet. Never validates and never fails on an accepted event.
    pub fn apply(&mut self, event: &Event) {
        match &event.data {
            Data::PullOpened(it) => {
                let from = Source { fleet: it.from.clone(), branch: it.branch.clone() };
                let pull = Pull {
                    number: it.number,
                    id: event.id,
                    title: it.title.clone(),
                    status: PullStatus::Open,
                    author: event.actor.clone(),
                    opened: event.time,
                    from,
                    into: it.into.clone(),
                    tip: it.tip.clone(),
                    approvals: Vec::new(),
                    commit: None,
                    merged_with: None,
                    ended: None,
                };
                self.0.insert(it.number, pull);
            }
            Data::PullUpdated(it) => self.change(it.number, |pull| {
                if pull.tip.head != it.tip.head {
                    pull.approvals.clear();
                }
                pull.tip = it.tip.clone();
            }),
            Data::PullApproved(it) => self.change(it.number, |pull| {
                pull.approvals.retain(|approval| approval.by != event.actor);
                let (head, plan) = (it.head.clone(), it.plan.clone());
                pull.approvals.push(Approval { by: event.actor.clone(), time: event.time, head, plan });
            }),
            Data::PullMerged(it) => self.change(it.number, |pull| {
                pull.status = PullStatus::Merged;
                (pull.commit, pull.ended) = (Some(it.commit.clone()), Some(event.id));
                pull.merged_with = it.plan.clone().or_else(|| pull.tip.verdict.plan.clone());
            }),
            Data::PullClosed(it) => self.change(it.number, |pull| {
                (pull.status, pull.ended) = (PullStatus::Closed, Some(event.id));
            }),
            _ => {}
        }
    }

    fn change(&mut self, number: u64, change: impl FnOnce(&mut Pull)) {
        if let Some(pull) = self.0.get_mut(&number) {
            change(pull);
        }
    }

    /// Those that wait.
    pub fn open(&self) -> impl Iterator<Item = &Pull> {
        self.0.values().filter(|it| it.status == PullStatus::Open)
    }

    /// The number of the next one.
    pub fn next_number(&self) -> u64 {
        self.0.last_key_value().map_or(1, |(number, _)| number + 1)
    }
}

/// What tells two plans apart: all that they would do and why, whatever the position that they were made at, and however
/// long it is reckoned to take.
pub fn mark(plan: &Plan) -> String {
    let plan = Plan { observed: 0, down: Vec::new(), ..plan.clone() };
    // A plan is plain structs with text keys: serialising it cannot fail.
    let json = serde_json::to_vec(&plan).unwrap_or_default();
    Sha256::digest(&json).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
