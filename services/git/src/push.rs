//! A push under way: what its three hooks tell each other.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use schemas::access::Who;
use schemas::descriptors::Changes;
use schemas::event::{Event, PackRef, RefUpdate};
use schemas::names::{Name, Oid};
use schemas::plan::Step;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::context::{InUse, lock};
use crate::guards::Override;
use crate::options::Options;
use crate::transaction;

/// What somebody is told whose right ended in the middle of what they do.
pub(crate) const NOT_ANY_MORE: &str = "your token or role does not hold any more";

/// A push under way.
pub(crate) struct Push {
    /// Known to its own children only.
    pub(crate) id: Uuid,
    /// Where to.
    pub(crate) repository: InUse,
    /// Who, for events.
    pub(crate) actor: String,
    /// Who, as the door let them in.
    pub(crate) who: Who,
    /// Cancelled once the token or the role that let it in does not hold any more.
    pub(crate) over: CancellationToken,
    /// Cancelled once the client has hung up.
    pub(crate) left: CancellationToken,
    stage: Mutex<Stage>,
    /// Started while the push was inspected, so that it is there when the refs are to move.
    transaction: Mutex<Option<transaction::Idle>>,
}

/// How far it is.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Uploading,
    Looking,
    Inspected(Arc<Inspected>),
    Accepted(Accepted),
    Over,
}

/// What `pre-receive` found, for `proc-receive`.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    pub(crate) updates: Vec<RefUpdate>,
    pub(crate) options: Options,
    /// Whether the fleet is to be made.
    pub(crate) created: bool,
    /// The pack in `PACKS`, and its name in the store.
    pub(crate) pack: Option<(PackRef, String)>,
    /// When storing the pack began.
    pub(crate) stored: Option<Timestamp>,
    /// The deploy branch.
    pub(crate) deploy: String,
    /// Where the deploy branch moves to; none: it stays.
    pub(crate) candidate: Option<Candidate>,
    /// What an owner lets it pass.
    pub(crate) overridden: Option<Override>,
    /// Withdrawn commits that it takes in again.
    pub(crate) reinstated: Vec<Oid>,
}

/// A new state of the deploy branch.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) commit: Oid,
    /// Position since which that was desired which the changes are relative to.
    pub(crate) base: u64,
    pub(crate) changes: Changes,
    /// What was printed: what is to be done.
    pub(crate) steps: Vec<Step>,
    /// Containers on hold that something would be done to.
    pub(crate) left_alone: Vec<Name>,
}

/// What `proc-receive` did, for `post-receive`.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) position: u64,
    /// The commit whose rollout is worth waiting for.
    pub(crate) commit: Option<Oid>,
    pub(crate) no_wait: bool,
    /// The steps that the pusher saw in the plan.
    pub(crate) planned: Vec<Step>,
    /// Containers on hold that something would be done to.
    pub(crate) left_alone: Vec<Name>,
    /// Rollout events since before the append.
    pub(crate) news: broadcast::Receiver<Arc<Event>>,
}

impl Push {
    pub(crate) fn new(id: Uuid, repository: InUse, who: Who, over: CancellationToken) -> Self {
        Self {
            id,
            repository,
            actor: who.name.to_string(),
            who,
            over,
            left: CancellationToken::new(),
            stage: Mutex::default(),
            transaction: Mutex::default(),
        }
    }

    /// A transaction that is ready to begin.
    pub(crate) fn keep(&self, idle: transaction::Idle) {
        *lock(&self.transaction) = Some(idle);
    }

    /// What [`Push::keep`] was given, once.
    pub(crate) fn kept(&self) -> Option<transaction::Idle> {
        lock(&self.transaction).take()
    }

    /// `pre-receive` has it in its hands: from here on every refusal is ours.
    pub(crate) fn looking(&self) {
        *lock(&self.stage) = Stage::Looking;
    }

    /// Whether it never came to `pre-receive`.
    pub(crate) fn is_unseen(&self) -> bool {
        matches!(*lock(&self.stage), Stage::Uploading)
    }

    /// `pre-receive` lets it pass.
    pub(crate) fn inspected(&self, inspected: Inspected) {
        *lock(&self.stage) = Stage::Inspected(Arc::new(inspected));
    }

    /// For `proc-receive`: what was found.
    pub(crate) fn inspection(&self) -> Option<Arc<Inspected>> {
        match &*lock(&self.stage) {
            Stage::Inspected(inspected) => Some(Arc::clone(inspected)),
            _ => None,
        }
    }

    /// Its event is in the log.
    pub(crate) fn accepted(&self, accepted: Accepted) {
        *lock(&self.stage) = Stage::Accepted(accepted);
    }

    /// For `post-receive`, once: what was accepted.
    pub(crate) fn take_accepted(&self) -> Option<Accepted> {
        match std::mem::replace(&mut *lock(&self.stage), Stage::Over) {
            Stage::Accepted(accepted) => Some(accepted),
            _ => None,
        }
    }

    /// It will not be accepted any more, but its objects may lie in the store.
    pub(crate) fn refused(&self) {
        *lock(&self.stage) = Stage::Over;
        self.repository.note_litter();
    }

    /// The id of its pack while no event refers to it.
    pub(crate) fn pack(&self) -> Option<Uuid> {
        self.inspection().and_then(|inspected| inspected.pack.as_ref().map(|(pack, _)| pack.id))
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        // A push that ended between two hooks, such as one whose Git was killed, leaves its objects too.
        if matches!(*lock(&self.stage), Stage::Inspected(_)) {
            self.repository.note_litter();
        }
    }
}
