//! Answers all faults of a fleet's tree at once, or what the tree desires.
//!
//! Reads files as they came in; never looks at the disk, Docker or the log.

mod amounts;
mod defaults;
mod doubts;
mod fault;
mod files;
mod fleet;
mod graph;
mod guards;
mod hints;
mod images;
mod inside;
mod judge;
mod nearest;
mod network;
mod places;
mod ports;
mod references;
mod rule;
mod secrets;
mod takes;
mod task;
mod tree;
mod update;
mod values;

use serde::{Deserialize, Serialize};

pub(crate) use self::fault::quote;
pub use self::fault::{Code, Fault, Place, report, warned};
pub use self::guards::policy;
pub use self::places::Places;
pub use self::secrets::likely_secret;
pub use self::takes::Takes;
use crate::descriptors::{Desired, may_be_taken};
use crate::names::Oid;

/// How large a descriptor may be, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// A file of a fleet's tree.
#[derive(Debug, Clone, Copy)]
pub struct TreeFile<'a> {
    /// Its path relative to the fleet's root, with `/` between folders.
    pub path: &'a str,
    /// What it is in Git.
    pub kind: EntryKind,
    /// What it says.
    pub content: Content<'a>,
}

/// What an entry of a tree is in Git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that can be executed.
    Executable,
    /// A symbolic link; its content does not matter.
    Symlink,
    /// Another repository; it has no content.
    Submodule,
}

/// What a file says.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// So many bytes: more than [`MAX_BYTES`], and so not read.
    TooLarge(u64),
    /// It was not looked at, because nothing asks for it: see [`Takes`].
    Unread,
    /// It is known without being there to be looked at.
    Known {
        /// Git's id of it.
        blob: &'a Oid,
        /// How many bytes it has.
        size: u64,
    },
}

/// A tree without a fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// What it desires.
    pub desired: Desired,
    /// What looks like a mistake and is none for certain.
    pub warnings: Vec<Fault>,
    /// Where its keys stand, for who judges them by more than the tree.
    #[serde(default)]
    pub places: Places,
}

/// What there is to say about a tree with faults.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// At least one.
    pub faults: Vec<Fault>,
    /// What can be told for certain although there are faults.
    pub warnings: Vec<Fault>,
}

/// How many faults of one file are told.
const MAX_FAULTS: usize = 100;

/// Checks a tree. Faults and warnings come sorted by file, line and column.
pub fn check<'a>(files: impl IntoIterator<Item = TreeFile<'a>>) -> Result<Checked, Broken> {
    let (files, taken) = files::apart(files);
    let mut tree = tree::Tree::read(files);
    let mut faults = Vec::new();
    for source in &tree.sources {
        inside::read(&tree, source, &mut faults);
    }
    let variables = references::variables(&tree);
    let mut texts = references::read(&tree, &variables, &mut faults);
    let found = files::read(references::Known { tree: &tree, variables: &variables }, &taken, &mut texts, &mut faults);
    let renderable = values::follow(&tree, &variables, &texts, &mut faults);
    inside::never_complete(&tree, &mut faults);
    ports::faults(&tree, &texts, &renderable, &mut faults);
    faults.extend(tree.faults.iter().cloned());
    let mut warnings = tree.warnings.clone();
    // Without a fault it is known that no text grows without end.
    images::judge(&tree, faults.is_empty() && tree.secrets.is_empty(), &mut faults, &mut warnings);
    doubts::tell(&tree, &texts, &mut warnings);
    if faults.is_empty() {
        files::filled(&tree, &taken, &found.contents, &mut faults);
    }
    let secrets = tree.secrets.iter().chain(&found.secrets).cloned().collect();
    secrets::refuse(secrets, &mut faults, &mut warnings);
    let warnings = sorted(warnings, "warning");
    if !faults.is_empty() {
        return Err(Broken { faults: sorted(faults, "fault"), warnings });
    }
    tree.desired.contents = found.contents;
    Ok(Checked { desired: tree.desired, warnings, places: tree.places })
}

/// What is most likely a secret in one file of a tree, whatever else is wrong with it: for commits that are carried and
/// never applied.
pub fn likely_secrets(file: TreeFile<'_>) -> Vec<Fault> {
    let tree = tree::Tree::read([file]);
    let mut faults = tree.secrets;
    if let Content::Bytes(bytes) = file.content
        && tree.sources.iter().all(|source| source.root.is_none())
    {
        // Nobody can say what its author meant: its lines are looked at as they are.
        secrets::refuse_lines(file.path, bytes, &mut faults);
    }
    sorted(faults, "fault")
}

/// Whether [`check`] needs to see the file at this path, whatever the descriptors say: see [`Takes`] for the files that
/// containers take in. All others are carried and ignored.
pub fn wants(path: &str) -> bool {
    tree::wants(path)
}

/// The likely secrets in a file that a container takes in.
pub fn likely_secrets_taken(path: &str, bytes: &[u8]) -> Vec<Fault> {
    let mut faults = Vec::new();
    files::scan(path, bytes, &mut faults);
    faults
}

/// Whether the file at this path can be one that containers take in.
pub fn may_take(path: &str) -> bool {
    may_be_taken(path)
}

/// Sorts the faults; of a file with very many the first ones.
fn sorted(mut faults: Vec<Fault>, noun: &str) -> Vec<Fault> {
    faults.sort();
    faults.dedup();
    let mut told: Vec<Fault> = Vec::with_capacity(faults.len());
    for file in faults.chunk_by(|a, b| a.path == b.path) {
        told.extend(file.iter().take(MAX_FAULTS).cloned());
        if let Some(next) = file.get(MAX_FAULTS) {
            let seen = format!("{} more {noun}s in this file", file.len() - MAX_FAULTS);
            let expected = format!("a file without {noun}s");
            told.push(Fault::new(next.place(), "too-many-faults", seen, expected));
        }
    }
    told
}
