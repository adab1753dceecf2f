//! Reads a pushed commit's tree while its objects still lie in quarantine, and checks it.
//!
//! Looks for each object among the new ones first, then in the store. Only files that the check wants are read, and
//! none that is larger than a descriptor may be.

use std::path::Path;

use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind as GitKind;
use gix::objs::{Exists, FindExt};
use gix::prelude::HeaderExt;
use schemas::check::{Broken, Checked, Content, EntryKind, MAX_BYTES, Takes, TreeFile, check, may_take, wants};
use schemas::names::Oid;

use crate::limit::Over;

/// Entries of a tree's descriptor folders at most.
const ENTRIES: usize = 10_000;

/// Bytes of all descriptors together at most.
const TOTAL: u64 = 64 << 20;

/// Bytes of one folder's own object at most.
pub(crate) const FOLDER: u64 = 8 << 20;

/// Folders inside each other at most.
pub(crate) const DEPTH: usize = 16;

/// The objects of a push: those in quarantine, then those in the store.
pub(crate) struct Objects {
    /// In this order.
    all: Vec<gix::odb::Handle>,
    /// Whether the first of them holds what the push brings; else it brings nothing.
    with_new: bool,
}

/// Why a tree could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CandidateError {
    /// An object is not there, or is not what it should be.
    #[error("object {oid} is missing, or is not a {expected}")]
    Object { oid: String, expected: &'static str },
    /// More than an operator lets in.
    #[error(transparent)]
    Over(Over),
    /// The objects cannot be read at all.
    #[error("cannot open the objects of the push")]
    Open(#[source] std::io::Error),
    /// More than anybody needs.
    #[error("the fleet has {what}, at most {limit} fit")]
    TooMuch { what: &'static str, limit: u64 },
    /// More than is looked through in one push.
    #[error(
        "the push has over {limit} {what}: push older commits first, in parts (`git push origin COMMIT:refs/heads/…`)"
    )]
    TooMuchAtOnce { what: &'static str, limit: u64 },
}

struct Read {
    path: String,
    kind: EntryKind,
    size: u64,
    /// None: nothing asks for it, or it is too large.
    bytes: Option<Vec<u8>>,
}

impl Read {
    fn shown(&self) -> TreeFile<'_> {
        let content = match &self.bytes {
            Some(bytes) => Content::Bytes(bytes),
            None if self.size > 0 => Content::TooLarge(self.size),
            None => Content::Unread,
        };
        TreeFile { path: &self.path, kind: self.kind, content }
    }
}

/// Opens the objects that a push brought, and those that were there.
pub(crate) fn open(quarantine: Option<&Path>, store: &Path) -> Result<Objects, CandidateError> {
    let open = |folder: &Path| {
        let mut odb = gix::odb::at(folder, gix::hash::Kind::Sha1).map_err(CandidateError::Open)?;
        // Nothing is added while this is used: what is not there is not looked for again.
        odb.refresh_never();
        Ok(odb)
    };
    let all = quarantine.into_iter().chain([store]).map(open).collect::<Result<_, _>>()?;
    Ok(Objects { all, with_new: quarantine.is_some() })
}

/// Checks the tree of a commit: what it desires, or all its faults.
pub(crate) fn inspect(objects: &Objects, commit: &Oid) -> Result<Result<Checked, Broken>, CandidateError> {
    inspect_root(objects, objects.root(commit)?)
}

/// The same for a tree that no commit names yet.
pub(crate) fn inspect_tree(objects: &Objects, tree: &Oid) -> Result<Result<Checked, Broken>, CandidateError> {
    let missing = || CandidateError::Object { oid: tree.to_string(), expected: "folder" };
    inspect_root(objects, gix::hash::ObjectId::from_hex(tree.as_str().as_bytes()).map_err(|_| missing())?)
}

fn inspect_root(objects: &Objects, root: gix::hash::ObjectId) -> Result<Result<Checked, Broken>, CandidateError> {
    let descriptors = read(objects, root, &Wanted { path: &wants, bytes: &|_| true })?;
    let takes = Takes::of(descriptors.iter().map(Read::shown));
    let taken = match takes.is_empty() {
        true => Vec::new(),
        false => read(objects, root, &Wanted { path: &may_take, bytes: &|path| takes.wants(path) })?,
    };
    Ok(check(descriptors.iter().chain(&taken).map(Read::shown)))
}

/// The files that containers of a commit take in.
pub(crate) fn takes(objects: &Objects, commit: &Oid) -> Result<Takes, CandidateError> {
    let says_it = |path: &str| ["fleet.json", "containers"].contains(&path) || path.starts_with("containers/");
    let files = read(objects, objects.root(commit)?, &Wanted { path: &says_it, bytes: &|_| true })?;
    Ok(Takes::of(files.iter().map(Read::shown)))
}

/// Which files of a tree are listed, and which of those are read.
struct Wanted<'a> {
    path: &'a dyn Fn(&str) -> bool,
    bytes: &'a dyn Fn(&str) -> bool,
}

/// Every file that is wanted.
fn read(objects: &Objects, root: gix::hash::ObjectId, wanted: &Wanted<'_>) -> Result<Vec<Read>, CandidateError> {
    let mut files = Vec::new();
    let mut total = 0;
    let mut folders = vec![(String::new(), root, 0)];
    let mut seen = 0;
    while let Some((folder, oid, depth)) = folders.pop() {
        let data = objects.bytes(&oid, gix::objs::Kind::Tree, "folder", FOLDER)?;
        for entry in gix::objs::TreeRefIter::from_bytes(&data, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|_| CandidateError::Object { oid: oid.to_string(), expected: "folder" })?;
            let path = format!("{folder}{}", entry.filename.to_str_lossy());
            if !(wanted.path)(&path) {
                continue;
            }
            seen += 1;
            if seen > ENTRIES {
                return Err(CandidateError::TooMuch { what: "more files than that", limit: ENTRIES as u64 });
            }
            let kind = match entry.mode.kind() {
                GitKind::Tree if depth < DEPTH => {
                    folders.push((format!("{path}/"), entry.oid.to_owned(), depth + 1));
                    continue;
                }
                GitKind::Tree => return Err(CandidateError::TooMuch { what: "folders too deep", limit: DEPTH as u64 }),
                GitKind::Blob => EntryKind::File,
                GitKind::BlobExecutable => EntryKind::Executable,
                GitKind::Link => EntryKind::Symlink,
                GitKind::Commit => EntryKind::Submodule,
            };
            let mut file = Read { path, kind, size: 0, bytes: None };
            if matches!(kind, EntryKind::File | EntryKind::Executable) && (wanted.bytes)(&file.path) {
                file.size = objects.size(entry.oid)?;
                if file.size <= MAX_BYTES {
                    total += file.size;
                    if total > TOTAL {
                        let what = "more bytes of descriptors, or of files that containers take in";
                        return Err(CandidateError::TooMuch { what, limit: TOTAL });
                    }
                    file.bytes = Some(objects.bytes(entry.oid, gix::objs::Kind::Blob, "file", MAX_BYTES)?);
                }
            }
            files.push(file);
        }
    }
    Ok(files)
}

impl Objects {
    /// The object whose id begins like this; the inner error: several do.
    pub(crate) fn find(&self, digits: &str) -> Option<Result<Oid, ()>> {
        let prefix = gix::hash::Prefix::from_hex(digits).ok()?;
        let found = self.all.iter().find_map(|odb| odb.lookup_prefix(prefix, None).ok().flatten())?;
        Some(found.and_then(|id| id.to_string().parse().map_err(|_| ())))
    }

    /// What a file says.
    pub(crate) fn blob(&self, blob: &Oid, limit: u64) -> Result<Vec<u8>, CandidateError> {
        let missing = || CandidateError::Object { oid: blob.to_string(), expected: "file" };
        let oid = gix::hash::ObjectId::from_hex(blob.as_str().as_bytes()).map_err(|_| missing())?;
        self.bytes(&oid, gix::objs::Kind::Blob, "file", limit)
    }

    /// The tree of a commit.
    pub(crate) fn root(&self, commit: &Oid) -> Result<gix::hash::ObjectId, CandidateError> {
        let missing = || CandidateError::Object { oid: commit.to_string(), expected: "commit" };
        let oid = gix::hash::ObjectId::from_hex(commit.as_str().as_bytes()).map_err(|_| missing())?;
        let data = self.bytes(&oid, gix::objs::Kind::Commit, "commit", FOLDER)?;
        gix::objs::CommitRefIter::from_bytes(&data, gix::hash::Kind::Sha1).tree_id().map_err(|_| missing())
    }

    /// Whether only this push brings it. (A pack may repeat what the store has, where it builds on that.)
    pub(crate) fn is_new(&self, oid: &gix::hash::oid) -> bool {
        match self.all.as_slice() {
            [new, old @ ..] if self.with_new => new.exists(oid) && !old.iter().any(|odb| odb.exists(oid)),
            _ => false,
        }
    }

    /// The same for a commit by its name; what is no id is nowhere.
    pub(crate) fn is_new_commit(&self, commit: &Oid) -> bool {
        gix::hash::ObjectId::from_hex(commit.as_str().as_bytes()).is_ok_and(|oid| self.is_new(&oid))
    }

    /// What it is.
    pub(crate) fn kind(&self, oid: &gix::hash::oid) -> Result<gix::objs::Kind, CandidateError> {
        self.header(oid, "object").map(|header| header.kind())
    }

    pub(crate) fn size(&self, oid: &gix::hash::oid) -> Result<u64, CandidateError> {
        self.header(oid, "file").map(|header| header.size())
    }

    fn header(&self, oid: &gix::hash::oid, expected: &'static str) -> Result<gix::odb::find::Header, CandidateError> {
        let header = self.all.iter().find_map(|odb| odb.header(oid).ok());
        header.ok_or_else(|| CandidateError::Object { oid: oid.to_string(), expected })
    }

    /// All of an object that is no larger than `limit` bytes.
    pub(crate) fn bytes(
        &self,
        oid: &gix::hash::oid,
        kind: gix::objs::Kind,
        expected: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, CandidateError> {
        if oid == gix::hash::ObjectId::empty_tree(gix::hash::Kind::Sha1) {
            return Ok(Vec::new());
        }
        if self.size(oid)? > limit {
            return Err(CandidateError::TooMuch { what: "an object with too many bytes", limit });
        }
        let mut buffer = Vec::new();
        let found = self.all.iter().any(|odb| odb.find(oid, &mut buffer).is_ok_and(|data| data.kind == kind));
        if found { Ok(buffer) } else { Err(CandidateError::Object { oid: oid.to_string(), expected }) }
    }
}
