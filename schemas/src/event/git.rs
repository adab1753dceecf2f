//! Pushes, accepted and refused.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::descriptors::Changes;
use crate::names::{Name, Oid};

/// A push was accepted: its refs have moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GitPushed {
    /// Whether this push made the fleet.
    pub created: bool,
    /// Every ref that moved, in the order of the push.
    pub refs: Vec<RefUpdate>,
    /// The objects that came with it; none where the server had them all.
    pub pack: Option<PackRef>,
    /// The deploy branch.
    pub deploy: String,
    /// The deploy branch's new commit; none where it did not move.
    pub commit: Option<Oid>,
    /// What changed of the descriptors relative to the last accepted deploy state; empty where it did not move.
    pub descriptors: Changes,
    /// `-o reason=…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `-o allow-destroy=…`: ephemeral volumes whose descriptors this push removes, and whose data goes with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_destroy: Vec<Name>,
}

/// One ref's move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// The full name, such as `refs/heads/main`.
    pub name: String,
    /// Where it was; none: it is new.
    pub old: Option<Oid>,
    /// Where it is; none: it is deleted.
    pub new: Option<Oid>,
}

/// Where the chunks of a pack lie in `PACKS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackRef {
    /// The id that every chunk carries.
    pub id: Uuid,
    /// Sequence of the first chunk.
    pub first: u64,
    /// Sequence of the last chunk.
    pub last: u64,
    /// How many chunks.
    pub chunks: u32,
    /// How many bytes in all.
    pub bytes: u64,
    /// SHA-256 over all bytes, in hexadecimal.
    pub sha256: String,
}

/// Many packs became one that holds the same objects: no ref has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRepacked {
    /// The one pack.
    pub pack: PackRef,
    /// The ids of the packs that nobody needs any more.
    pub replaces: Vec<Uuid>,
}

/// A push to an existing fleet was refused: nothing has changed. Carries no content of the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRefused {
    /// The refs that it wanted to move.
    pub refs: Vec<RefUpdate>,
    /// Why.
    pub refusal: Refusal,
    /// The codes of its faults, each once, sorted; for `race` and the like just that word.
    pub codes: Vec<String>,
    /// How many faults there were.
    pub faults: u32,
}

/// An owner let a push pass guards that it hits. Stands right behind the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideUsed {
    /// Id of the `git.pushed`.
    pub push: Uuid,
    /// The keys of the guards that it hit, each once, sorted.
    pub guards: Vec<String>,
    /// `-o override=…`
    pub reason: String,
}

/// What should be went back to what had been desired before. No ref has moved: the deploy branch leads to what it led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesiredRolledBack {
    /// The commit that is desired again.
    pub commit: Oid,
    /// The commit that was desired until then.
    pub from: Oid,
    /// A position at which `commit` was desired: what was desired there is desired again.
    pub to: u64,
    /// What changes of the descriptors relative to what was desired until then.
    pub descriptors: Changes,
    /// Commits that are not wanted any more, the newest first: those that `from` leads to and `commit` does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Oid>,
    /// Commits that an earlier rollback withdrew, and that are wanted again as `commit` leads to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reinstated: Vec<Oid>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A push took commits in again that a rollback had withdrawn. Stands right behind the push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredReinstated {
    /// Id of the `git.pushed`.
    pub push: Uuid,
    /// Which, the newest first.
    pub commits: Vec<Oid>,
}

/// Why a push was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The tree has faults.
    Faults,
    /// Somebody else was first.
    Race,
    /// What it asks for is not allowed, such as deleting the deploy branch.
    NotAllowed,
}
