//! Brings a repository on the disk to the state that the log says: its packs, its refs, its `HEAD`.
//!
//! Reads `PACKS`; writes only under the fleet's own folder. What the log does not know goes.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use schemas::event::PackRef;
use schemas::names::Oid;
use streams::Bus;
use uuid::Uuid;

use crate::error::{FolderError, GitError, SettleError};
use crate::launch::{FRUGAL, Launcher, complaint};
use crate::layout::{entries, fault, gone, make_bare, point_head, remove, write_whole};
use crate::repository::{Repository, State};

const INDEX_PACK: &str = "index-pack";

/// Makes the disk show `state`, unless it does. The caller holds the fleet's lock.
pub(crate) async fn settle(
    bus: &Bus,
    launcher: &Launcher,
    repository: &Repository,
    state: &mut State,
) -> Result<(), SettleError> {
    if state.settled {
        return Ok(());
    }
    make_bare(&repository.path)?;
    let there = there(&repository.path)?;
    while let Some(pack) = state.wanted.last() {
        if !there.contains(&pack.id) {
            load(bus, launcher, repository, pack).await?;
        }
        state.wanted.pop();
    }
    retire(repository, state)?;
    write_refs(&repository.path, &state.refs)?;
    if let Some(deploy) = &state.deploy {
        point_head(&repository.path, deploy)?;
    }
    state.settled = true;
    Ok(())
}

/// Remembers that a pack of the log lies in the store, and under which name (`pack-<hash>`).
pub(crate) fn mark(repository: &Path, pack: Uuid, name: &str) -> Result<(), FolderError> {
    let marker = repository.join("fleetlog/packs").join(format!("{pack}.{name}"));
    fs::write(&marker, "").map_err(|e| fault("write", &marker, e))
}

/// Lets go of packs that the log does not refer to any more. They go once nobody uses the repository.
pub(crate) fn retire(repository: &Repository, state: &State) -> Result<(), FolderError> {
    // A pack that is still to come holds what these hold.
    if !state.wanted.is_empty() || !state.spare.is_empty() {
        return Ok(());
    }
    for (id, name) in markers(&repository.path)? {
        if !state.packs.contains_key(&id) {
            let marker = repository.path.join("fleetlog/packs").join(format!("{id}.{name}"));
            gone(fs::remove_file(&marker)).map_err(|e| fault("remove", &marker, e))?;
            repository.note_litter();
        }
    }
    Ok(())
}

/// Removes objects that no accepted push brought. Only while no push is on its way into this repository.
pub(crate) fn drop_strangers(repository: &Path) -> Result<(), FolderError> {
    let ours: HashSet<String> = markers(repository)?.into_iter().map(|(_, name)| name).collect();
    for path in entries(&repository.join("objects/pack"))? {
        if !path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| ours.contains(stem)) {
            gone(fs::remove_file(&path)).map_err(|e| fault("remove", &path, e))?;
        }
    }
    for path in entries(&repository.join("objects"))? {
        // Single objects lie in folders of two digits; pushes come as packs, so there should be none.
        if path.file_name().is_some_and(|name| name.len() == 2) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The names in the store of packs of the log; none: one of them is not there.
pub(crate) fn names(repository: &Path, packs: &[Uuid]) -> Result<Option<Vec<String>>, FolderError> {
    let marked: BTreeMap<Uuid, String> = markers(repository)?.into_iter().collect();
    let there = there(repository)?;
    let name = |id| marked.get(id).filter(|_| there.contains(id)).cloned();
    Ok(packs.iter().map(name).collect())
}

/// Every marker: the pack's id in the log, and its name in the store.
fn markers(repository: &Path) -> Result<Vec<(Uuid, String)>, FolderError> {
    let names = entries(&repository.join("fleetlog/packs"))?;
    let split = |path: &Path| {
        let (id, name) = path.file_name()?.to_str()?.split_once('.')?;
        Some((id.parse().ok()?, name.to_owned()))
    };
    Ok(names.iter().filter_map(|path| split(path)).collect())
}

/// The packs of the log that lie in the store.
fn there(repository: &Path) -> Result<HashSet<Uuid>, FolderError> {
    let store = repository.join("objects/pack");
    let whole = |name: &str| ["pack", "idx"].iter().all(|end| store.join(format!("{name}.{end}")).is_file());
    let marked = markers(repository)?.into_iter().filter(|(_, name)| whole(name));
    Ok(marked.map(|(id, _)| id).collect())
}

/// Streams a pack from the log into the store.
pub(crate) async fn load(
    bus: &Bus,
    launcher: &Launcher,
    repository: &Repository,
    pack: &PackRef,
) -> Result<(), SettleError> {
    let io = |source| GitError::Io { command: INDEX_PACK, source };
    let mut command = launcher.git(&repository.path, FRUGAL.into_iter().chain([INDEX_PACK, "--stdin"]));
    command.stdin(Stdio::piped());
    let mut child = launcher.spawn(command).await.map_err(io)?;
    let stdin = child.stdin.take().ok_or_else(|| io(std::io::Error::other("it has no standard input")))?;
    // What it says is a line, and fits into the pipe: it can be read once everything is written.
    let loaded = bus.load_pack(&repository.fleet, pack, stdin).await;
    if let Err(source) = loaded {
        return Err(SettleError::Pack { fleet: repository.fleet.clone(), source });
    }
    let output = child.wait_with_output().await.map_err(io)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let hash = text.split_whitespace().last().filter(|_| output.status.success());
    let Some(hash) = hash.and_then(|hash| hash.parse::<Oid>().ok()) else {
        return Err(GitError::Failed { command: INDEX_PACK, stderr: complaint(&output.stderr) }.into());
    };
    Ok(mark(&repository.path, pack.id, &format!("pack-{hash}"))?)
}

/// Writes every ref into `packed-refs` and removes those that lie alone: exact whatever was there before.
fn write_refs(repository: &Path, refs: &BTreeMap<String, Oid>) -> Result<(), FolderError> {
    // Sorted, as Git wants it: a `BTreeMap` orders by bytes.
    let mut text = "# pack-refs with: sorted \n".to_owned();
    for (name, oid) in refs {
        text.push_str(&format!("{oid} {name}\n"));
    }
    write_whole(&repository.join("packed-refs"), &text)?;
    let loose = repository.join("refs");
    for path in entries(&loose)? {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        gone(removed).map_err(|e| fault("remove", &path, e))?;
    }
    make_bare(repository)
}
