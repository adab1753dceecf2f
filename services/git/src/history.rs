//! Looks for likely secrets in everything that a push brings: each new commit, by whatever ref it came, not only the
//! trees that are checked as a whole. What is accepted stays in Git and in the log for ever, whatever a later commit says.
//!
//! The files that containers take in are looked through as well: those at the paths that they have where the push leads to.
//!
//! Reads the new descriptors and folders once each, so that the work is that of the pack: at most [`OBJECTS`] new
//! objects and [`TOTAL`] bytes of descriptors.

use std::collections::HashSet;

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind as GitKind;
use gix::objs::{CommitRefIter, Kind, TagRefIter, TreeRefIter};
use schemas::check::{
    Content, EntryKind, Fault, MAX_BYTES, Takes, TreeFile, likely_secrets, likely_secrets_taken, may_take, wants,
};
use schemas::names::Oid;

use crate::candidate::{self, CandidateError, DEPTH, FOLDER, Objects};

/// New commits, folders and descriptors that are looked at in one push.
const OBJECTS: usize = 200_000;

/// Bytes of new descriptors in one push.
const TOTAL: u64 = 256 << 20;

/// Commits with a secret that are told.
const TOLD: usize = 10;

/// What one commit holds.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) commit: String,
    pub(crate) faults: Vec<Fault>,
}

/// The likely secrets of all commits that only this push brings, the oldest first.
pub(crate) fn secrets(objects: &Objects, tips: &[Oid]) -> Result<Vec<Found>, CandidateError> {
    let mut look = Look { objects, takes: Takes::default(), seen: HashSet::new(), count: 0, bytes: 0 };
    let mut found = Vec::new();
    let (commits, trees) = look.commits(tips)?;
    // What containers take in is judged by where the push leads to: earlier commits are never applied.
    let new: HashSet<String> = commits.iter().map(|(commit, _)| commit.to_string()).collect();
    for tip in tips {
        let Some(tip) = look.commit_of(tip)?.filter(|tip| new.contains(tip.as_str())) else { continue };
        look.takes = std::mem::take(&mut look.takes).and(candidate::takes(objects, &tip)?);
    }
    // The oldest first, so that the commit is named that brought it.
    let roots = commits.into_iter().rev().map(|(commit, tree)| (commit.to_string(), tree));
    for (commit, tree) in roots.chain(trees.into_iter().map(|tree| (tree.to_string(), tree))) {
        let faults = look.tree(tree)?;
        if !faults.is_empty() {
            found.push(Found { commit, faults });
            if found.len() == TOLD {
                break;
            }
        }
    }
    Ok(found)
}

fn object(oid: &Oid) -> Result<ObjectId, CandidateError> {
    let wrong = |_| CandidateError::Object { oid: oid.to_string(), expected: "object" };
    ObjectId::from_hex(oid.as_str().as_bytes()).map_err(wrong)
}

struct Look<'a> {
    objects: &'a Objects,
    /// The files that containers take in where the push leads to.
    takes: Takes,
    /// What was looked at, and under which path: a descriptor is judged by its folder.
    seen: HashSet<(ObjectId, String)>,
    count: usize,
    bytes: u64,
}

impl Look<'_> {
    /// The commit that a tip leads to, through however many tags; none: to something else.
    fn commit_of(&self, tip: &Oid) -> Result<Option<Oid>, CandidateError> {
        let mut oid = object(tip)?;
        loop {
            match self.objects.kind(&oid)? {
                Kind::Commit => return Ok(oid.to_string().parse().ok()),
                Kind::Tag => oid = self.target(oid)?,
                Kind::Tree | Kind::Blob => return Ok(None),
            }
        }
    }

    /// What a tag names.
    fn target(&self, tag: ObjectId) -> Result<ObjectId, CandidateError> {
        let data = self.objects.bytes(&tag, Kind::Tag, "tag", FOLDER)?;
        let target = TagRefIter::from_bytes(&data, gix::hash::Kind::Sha1).target_id();
        target.map_err(|_| CandidateError::Object { oid: tag.to_string(), expected: "tag" })
    }

    /// The new commits with their trees, and the trees that a tag names without a commit.
    #[allow(clippy::type_complexity, reason = "both lists are taken apart at once")]
    fn commits(&mut self, tips: &[Oid]) -> Result<(Vec<(ObjectId, ObjectId)>, Vec<ObjectId>), CandidateError> {
        let missing = |oid: &str, expected| CandidateError::Object { oid: oid.to_owned(), expected };
        let mut waiting = tips.iter().map(object).collect::<Result<Vec<_>, _>>()?;
        let (mut commits, mut trees) = (Vec::new(), Vec::new());
        while let Some(oid) = waiting.pop() {
            if !self.is_new(oid, "")? {
                continue;
            }
            match self.objects.kind(&oid)? {
                Kind::Commit => {
                    let data = self.objects.bytes(&oid, Kind::Commit, "commit", FOLDER)?;
                    let read = || CommitRefIter::from_bytes(&data, gix::hash::Kind::Sha1);
                    let tree = read().tree_id().map_err(|_| missing(&oid.to_string(), "commit"))?;
                    waiting.extend(read().parent_ids());
                    commits.push((oid, tree));
                }
                Kind::Tag => waiting.push(self.target(oid)?),
                Kind::Tree => {
                    self.seen.remove(&(oid, String::new()));
                    trees.push(oid);
                }
                // Without a path it is nobody's descriptor.
                Kind::Blob => {}
            }
        }
        Ok((commits, trees))
    }

    /// The likely secrets in what is new of a tree.
    fn tree(&mut self, root: ObjectId) -> Result<Vec<Fault>, CandidateError> {
        let mut faults = Vec::new();
        let mut folders = vec![(String::new(), root, 0)];
        while let Some((folder, oid, depth)) = folders.pop() {
            if !self.is_new(oid, &folder)? {
                continue;
            }
            let data = self.objects.bytes(&oid, Kind::Tree, "folder", FOLDER)?;
            for entry in TreeRefIter::from_bytes(&data, gix::hash::Kind::Sha1) {
                let entry = entry.map_err(|_| CandidateError::Object { oid: oid.to_string(), expected: "folder" })?;
                let path = format!("{folder}{}", entry.filename.to_str_lossy());
                let may_be_taken = !self.takes.is_empty() && may_take(&path);
                if !wants(&path) && !may_be_taken {
                    continue;
                }
                match entry.mode.kind() {
                    GitKind::Tree if depth < DEPTH => {
                        folders.push((format!("{path}/"), entry.oid.to_owned(), depth + 1));
                    }
                    GitKind::Blob | GitKind::BlobExecutable
                        if (wants(&path) || self.takes.scans(&path)) && self.is_new(entry.oid.to_owned(), &path)? =>
                    {
                        faults.extend(self.file(&path, entry.oid)?);
                    }
                    // Known already, or nothing that says something here.
                    _ => {}
                }
            }
        }
        faults.sort();
        Ok(faults)
    }

    fn file(&mut self, path: &str, oid: &gix::hash::oid) -> Result<Vec<Fault>, CandidateError> {
        let size = self.objects.size(oid)?;
        if size > MAX_BYTES {
            // No descriptor, and never applied.
            return Ok(Vec::new());
        }
        self.bytes += size;
        if self.bytes > TOTAL {
            return Err(CandidateError::TooMuchAtOnce { what: "bytes of new descriptors", limit: TOTAL });
        }
        let bytes = self.objects.bytes(oid, Kind::Blob, "file", MAX_BYTES)?;
        if !wants(path) {
            return Ok(likely_secrets_taken(path, &bytes));
        }
        Ok(likely_secrets(TreeFile { path, kind: EntryKind::File, content: Content::Bytes(&bytes) }))
    }

    /// Whether it came with this push, and was not looked at yet under this path.
    fn is_new(&mut self, oid: ObjectId, path: &str) -> Result<bool, CandidateError> {
        if self.seen.contains(&(oid, path.to_owned())) || !self.objects.is_new(&oid) {
            return Ok(false);
        }
        self.count += 1;
        if self.count > OBJECTS {
            return Err(CandidateError::TooMuchAtOnce {
                what: "new commits, folders and descriptors",
                limit: OBJECTS as u64,
            });
        }
        self.seen.insert((oid, path.to_owned()));
        Ok(true)
    }
}
