//! `fleetlog check [DIR]`: the faults of a fleet's folder, in the words in which a push would tell them.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use schemas::check::{
    Broken, Checked, Content, EntryKind, Fault, MAX_BYTES, Takes, TreeFile, check, may_take, report, wants, warned,
};
use serde_json::json;

use super::annotations::annotation;
use super::failure::Failure;
use super::{here, out};
use crate::cli::{CheckFormat, CheckOptions};

/// A file as it was read.
pub(super) struct Found {
    pub(super) path: String,
    pub(super) kind: EntryKind,
    pub(super) content: Read,
}

/// What it says.
pub(super) enum Read {
    Bytes(Vec<u8>),
    TooLarge(u64),
    Unread,
}

impl Found {
    pub(super) fn shown(&self) -> TreeFile<'_> {
        let content = match &self.content {
            Read::Bytes(bytes) => Content::Bytes(bytes),
            Read::TooLarge(size) => Content::TooLarge(*size),
            Read::Unread => Content::Unread,
        };
        TreeFile { path: &self.path, kind: self.kind, content }
    }
}

/// Prints faults, or that there are none. Exit status 1 where there are.
pub fn run(options: &CheckOptions) -> Result<(), Failure> {
    let (faults, warnings, containers) = match checked(&options.folder)? {
        Ok(checked) => (Vec::new(), checked.warnings, checked.desired.containers.len()),
        Err(Broken { faults, warnings }) => (faults, warnings, 0),
    };
    let format = if options.json { CheckFormat::Json } else { options.format };
    match format {
        CheckFormat::Json => out::json(&json!({ "faults": faults, "warnings": warnings }))?,
        CheckFormat::Github => {
            for (kind, all) in [("error", &faults), ("warning", &warnings)] {
                all.iter().try_for_each(|fault| out::line(&annotation(kind, &options.folder, fault)))?;
            }
        }
        CheckFormat::Text if faults.is_empty() => {
            warn(&warnings);
            out::line(&format!("no faults: {containers} container{}", if containers == 1 { "" } else { "s" }))?;
        }
        CheckFormat::Text => {
            warn(&warnings);
            out::line(&report(&faults))?;
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

fn checked(folder: &Path) -> Result<Result<Checked, Broken>, Failure> {
    let mut found = Vec::new();
    Walk { wanted: &wants, read: &|_| true }.folder(folder, "", &mut found)?;
    let gitlinks = here::submodules(folder);
    // What Git keeps as another repository, a push brings as such, whatever lies there now.
    found
        .retain(|it| !gitlinks.iter().any(|link| it.path.strip_prefix(link).is_some_and(|rest| rest.starts_with('/'))));
    for path in gitlinks.into_iter().filter(|it| wants(it)) {
        if !found.iter().any(|known| known.path == path) {
            found.push(Found { path, kind: EntryKind::Submodule, content: Read::Bytes(Vec::new()) });
        }
    }
    if found.is_empty() {
        let folder = folder.display();
        return Err(Failure::Failed(format!(
            "there is no fleet in `{folder}`: expected `fleet.json`, or descriptors such as `containers/api.json`; \
             another folder is said as `fleetlog check DIR`"
        )));
    }
    let taken = taken(folder, &Takes::of(found.iter().map(Found::shown)))?;
    Ok(check(found.iter().chain(&taken).map(Found::shown)))
}

/// The faults of a fleet's folder, and its warnings.
pub(super) fn folder(folder: &Path) -> Result<(Vec<Fault>, Vec<Fault>), Failure> {
    Ok(match checked(folder)? {
        Ok(checked) => (Vec::new(), checked.warnings),
        Err(Broken { faults, warnings }) => (faults, warnings),
    })
}

pub(super) fn warn(warnings: &[Fault]) {
    if !warnings.is_empty() {
        out::note(warned(warnings).trim_end());
    }
}

/// Every descriptor of a folder.
pub(super) fn descriptors(folder: &Path) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    Walk { wanted: &wants, read: &|_| true }.folder(folder, "", &mut found)?;
    Ok(found)
}

/// The files that containers take in, and the names of those that they could.
pub(super) fn taken(folder: &Path, takes: &Takes) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    if !takes.is_empty() {
        Walk { wanted: &may_take, read: &|path| takes.wants(path) }.folder(folder, "", &mut found)?;
    }
    Ok(found)
}

/// Which files are taken note of, and which of those are read.
struct Walk<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    read: &'a dyn Fn(&str) -> bool,
}

impl Walk<'_> {
    /// Takes every file that is wanted, in the order of their names; a link is taken as what it is and not followed. `within`
    /// is the path relative to the fleet's root, empty or ending in `/`.
    fn folder(&self, folder: &Path, within: &str, found: &mut Vec<Found>) -> Result<(), Failure> {
        let failed = |error| Failure::Usage(format!("cannot read `{}`: {error}", folder.display()));
        let mut entries: Vec<_> = fs::read_dir(folder).and_then(Iterator::collect).map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            // A name that is no text cannot be a descriptor's; the check says so about its lossy form.
            let path = format!("{within}{}", entry.file_name().to_string_lossy());
            if !(self.wanted)(&path) {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_symlink() {
                found.push(Found { path, kind: EntryKind::Symlink, content: Read::Bytes(Vec::new()) });
            } else if kind.is_dir() {
                if entry.path().join(".git").exists() {
                    // Added, it is no folder to Git but another repository.
                    found.push(Found { path, kind: EntryKind::Submodule, content: Read::Bytes(Vec::new()) });
                    continue;
                }
                self.folder(&entry.path(), &format!("{path}/"), found)?;
            } else if kind.is_file() {
                let content = if (self.read)(&path) { read(&entry.path())? } else { Read::Unread };
                // As Git sees it.
                let executable = entry.metadata().map_err(failed)?.permissions().mode() & 0o100 != 0;
                let kind = if executable { EntryKind::Executable } else { EntryKind::File };
                found.push(Found { path, kind, content });
            }
        }
        Ok(())
    }
}

/// Reads a file, but no more than a descriptor may have.
fn read(path: &Path) -> Result<Read, Failure> {
    let failed = |error| Failure::Failed(format!("cannot read `{}`: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let read = bytes.len() as u64;
    Ok(if read > MAX_BYTES { Read::TooLarge(size.max(read)) } else { Read::Bytes(bytes) })
}
