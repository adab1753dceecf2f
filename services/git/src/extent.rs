//! How far a branch's tree extends: its files and the longest of their paths, also of those that are no descriptors.
//! Whoever clones the fleet gets all of them on the disk.
//!
//! Each folder is looked at once, however often it stands in the tree: a few folders may say billions of files.

use std::collections::HashMap;

use gix::ObjectId;
use gix::bstr::{BString, ByteSlice};
use gix::objs::TreeRefIter;
use gix::objs::tree::EntryKind;
use schemas::names::Oid;

use crate::candidate::{CandidateError, Objects};
use crate::config::Limits;
use crate::limit::{Over, key};

/// What a folder holds, folders in it included.
#[derive(Debug, Clone, Default)]
struct Held {
    files: u64,
    /// The longest path in it.
    longest: BString,
}

/// A folder that is being looked at.
struct Open {
    oid: ObjectId,
    name: BString,
    held: Held,
    /// The folders in it that are still to be looked at.
    waiting: Vec<(BString, ObjectId)>,
}

/// Measures trees that may have folders in common.
pub(crate) struct Extent<'a> {
    objects: &'a Objects,
    limits: &'a Limits,
    known: HashMap<ObjectId, Held>,
}

impl<'a> Extent<'a> {
    pub(crate) fn new(objects: &'a Objects, limits: &'a Limits) -> Self {
        Self { objects, limits, known: HashMap::new() }
    }

    /// Whether the tree of a commit fits.
    pub(crate) fn measure(&mut self, commit: &Oid) -> Result<(), CandidateError> {
        let root = self.objects.root(commit)?;
        let mut open = vec![self.open(root, BString::default())?];
        while let Some(folder) = open.last_mut() {
            if let Some((name, oid)) = folder.waiting.pop() {
                match self.known.get(&oid) {
                    Some(held) => folder.held.take(&name, held),
                    None => {
                        let next = self.open(oid, name)?;
                        open.push(next);
                        // Before anything deeper is looked at: a path that is too long is one already.
                        let names = open.iter().filter(|folder| !folder.name.is_empty());
                        let path = names.map(|folder| folder.name.as_bstr()).collect::<Vec<_>>();
                        self.judge(0, &BString::from(bstr_join(&path)))?;
                    }
                }
                continue;
            }
            self.judge(folder.held.files, &folder.held.longest)?;
            let Some(done) = open.pop() else { break };
            if let Some(outer) = open.last_mut() {
                outer.held.take(&done.name, &done.held);
            }
            self.known.insert(done.oid, done.held);
        }
        Ok(())
    }

    fn open(&self, oid: ObjectId, name: BString) -> Result<Open, CandidateError> {
        let data = self.objects.bytes(&oid, gix::objs::Kind::Tree, "folder", self.limits.held_bytes)?;
        let (mut held, mut waiting) = (Held::default(), Vec::new());
        for entry in TreeRefIter::from_bytes(&data, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|_| CandidateError::Object { oid: oid.to_string(), expected: "folder" })?;
            match entry.mode.kind() {
                EntryKind::Tree => waiting.push((entry.filename.to_owned(), entry.oid.to_owned())),
                _ => held.take(&entry.filename.to_owned(), &Held { files: 1, longest: BString::default() }),
            }
        }
        Ok(Open { oid, name, held, waiting })
    }

    fn judge(&self, files: u64, path: &BString) -> Result<(), CandidateError> {
        let Limits { path_bytes, tree_files, .. } = *self.limits;
        if files > tree_files {
            let what = format!("the fleet has over {tree_files} files");
            let remedy = "keep only what the fleet needs in it";
            let limit = tree_files.to_string();
            return Err(CandidateError::Over(Over { code: "tree-files", what, limit, key: key::TREE_FILES, remedy }));
        }
        if path.len() > path_bytes {
            let shown: String = path.to_str_lossy().chars().take(60).flat_map(char::escape_debug).collect();
            let what = format!("the fleet has a path of {} bytes: `{shown}…`", path.len());
            let limit = path_bytes.to_string();
            return Err(CandidateError::Over(Over {
                code: "path-bytes",
                what,
                limit,
                key: key::PATH_BYTES,
                remedy: "shorten it",
            }));
        }
        Ok(())
    }
}

fn bstr_join(names: &[&gix::bstr::BStr]) -> Vec<u8> {
    names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>().join(&b'/')
}

impl Held {
    /// Takes what lies in it under `name`.
    fn take(&mut self, name: &BString, inner: &Self) {
        self.files = self.files.saturating_add(inner.files);
        let length = name.len() + if inner.longest.is_empty() { 0 } else { 1 + inner.longest.len() };
        if length > self.longest.len() {
            self.longest.clone_from(name);
            if !inner.longest.is_empty() {
                self.longest.push(b'/');
                self.longest.extend_from_slice(&inner.longest);
            }
        }
    }
}
