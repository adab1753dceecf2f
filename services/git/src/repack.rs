//! Makes one pack of many. Every push brings a pack; the more of them, the slower is every read, and every rebuild.
//!
//! Writes `PACKS` and one `git.repacked`, which says what the new pack replaces; the sweep erases that later. Everything
//! slow happens beside the pushes: the fleet's lock is held for the append alone. Where two services try, the log lets
//! one of them win; whatever dies on the way leaves a pack that nothing refers to.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use schemas::event::{Data, Draft, Event, GitRepacked, PackRef};
use schemas::names::Oid;
use streams::{AppendError, Expected, with_causes};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::context::{Context, InUse, lock};
use crate::error::{FolderError, GitError, SettleError};
use crate::fault::{FaultPoint, pause};
use crate::follow::catch_up;
use crate::launch::{FRUGAL, complaint};
use crate::layout::{REPACK as WORK, fault, remove};
use crate::settle::{self, load, mark, retire};

/// How often it is looked for, besides when there is something to do.
const EVERY: Duration = Duration::from_secs(3_600);

const PACK_OBJECTS: &str = "pack-objects";

/// Who appends `git.repacked`.
const ACTOR: &str = "git";

/// Why there is no new pack.
#[derive(Debug, thiserror::Error)]
enum RepackError {
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot store the new pack")]
    Store(#[source] streams::PackError),
    #[error("cannot append what it replaces")]
    Append(#[source] AppendError),
}

/// Repacks until the service stops. An error is not fatal: what was not done is done the next time.
pub(crate) async fn repack(context: &Arc<Context>) {
    while !context.shutdown.is_cancelled() {
        tokio::select! {
            // Dropped half way, it leaves a pack without a reference, or one that the log tells of at the next start.
            () = all(context) => {}
            () = context.shutdown.cancelled() => return,
        }
        tokio::select! {
            () = context.many_packs.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
            () = context.shutdown.cancelled() => return,
        }
    }
}

async fn all(context: &Arc<Context>) {
    for fleet in context.known() {
        let Some(repository) = context.enter_known(&fleet) else { continue };
        let done = async {
            load_spare(context, &repository).await?;
            one(context, &repository).await
        };
        if let Err(error) = done.await {
            tracing::warn!(%fleet, error = with_causes(&error), "its packs stay as they are for now");
        }
        *lock(&context.repacking) = None;
    }
}

/// Loads the packs that another service has made, then lets go of those that they replace.
async fn load_spare(context: &Context, repository: &InUse) -> Result<(), RepackError> {
    loop {
        let Some(pack) = repository.state.lock().await.spare.last().cloned() else { return Ok(()) };
        load(&context.bus, &context.launcher, repository, &pack).await?;
        took(repository, &pack).await?;
    }
}

/// The pack lies in the store.
async fn took(repository: &InUse, pack: &PackRef) -> Result<(), FolderError> {
    let mut state = repository.state.lock().await;
    state.spare.retain(|it| it.id != pack.id);
    retire(repository, &state)
}

/// Makes one pack of the smaller packs of a repository, where there are too many.
async fn one(context: &Arc<Context>, repository: &InUse) -> Result<(), RepackError> {
    // A new pack needs room before the old ones give theirs.
    if context.fullness.refusal().is_some() {
        return Ok(());
    }
    let Some((packs, names)) = chosen(context, repository).await? else { return Ok(()) };
    let folder = repository.path.join(WORK);
    remove(&folder)?;
    fs::create_dir_all(&folder).map_err(|e| fault("create", &folder, e))?;
    let name = build(context, &repository.path, &names, &folder).await?;
    let id = streams::clock::new_id();
    *lock(&context.repacking) = Some(id);
    let file = folder.join(format!("{name}.pack"));
    let reader = tokio::fs::File::open(&file).await.map_err(|e| fault("read", &file, e))?;
    let begun = streams::clock::now();
    let stored = context.bus.store_pack(&repository.fleet, id, reader).await.map_err(RepackError::Store)?;
    pause(context, FaultPoint::AfterRepack).await;
    // As of a push: another service may take what was stored so long ago for a pack that nobody wants.
    let fresh = streams::clock::now().duration_since(begun).unsigned_abs() <= context.config.limits.orphan / 2;
    if fresh && append(context, repository, &packs, &stored).await? {
        pause(context, FaultPoint::AfterRepacked).await;
        adopt(&folder, &repository.path, &name)?;
        mark(&repository.path, id, &name)?;
        took(repository, &stored).await?;
        let (fleet, count) = (&repository.fleet, packs.len());
        tracing::info!(%fleet, count, bytes = stored.bytes, "made one pack of many");
    }
    Ok(remove(&folder)?)
}

/// The packs to make one of, with their names in the store.
async fn chosen(context: &Context, repository: &InUse) -> Result<Option<(Vec<Uuid>, Vec<String>)>, RepackError> {
    let mut state = repository.state.lock().await;
    if state.packs.len() <= context.config.limits.repack {
        return Ok(None);
    }
    context.settle(repository, &mut state).await?;
    let packs = smaller(&state.packs);
    let names = settle::names(&repository.path, &packs)?;
    Ok(names.filter(|names| names.len() > 1).map(|names| (packs, names)))
}

/// All packs but those that are more than twice as large as all smaller ones together: so every byte is packed again
/// only as often as its repository doubles.
fn smaller(packs: &HashMap<Uuid, u64>) -> Vec<Uuid> {
    let mut sorted: Vec<(u64, Uuid)> = packs.iter().map(|(id, bytes)| (*bytes, *id)).collect();
    sorted.sort_unstable();
    let mut rest: u64 = sorted.iter().map(|(bytes, _)| bytes).sum();
    while let Some((bytes, _)) = sorted.last() {
        rest -= bytes;
        if *bytes <= 2 * rest {
            break;
        }
        sorted.pop();
    }
    sorted.into_iter().map(|(_, id)| id).collect()
}

/// Packs every object of these packs, also those that no ref leads to any more. Answers the new pack's name.
async fn build(context: &Context, repository: &Path, names: &[String], folder: &Path) -> Result<String, RepackError> {
    let io = |source| GitError::Io { command: PACK_OBJECTS, source };
    let base = folder.join("pack");
    let arguments = ["-c", "pack.windowMemory=32m", PACK_OBJECTS, "-q", "--stdin-packs", "--delta-base-offset"];
    let mut command = context.launcher.git(repository, FRUGAL.into_iter().chain(arguments));
    command.arg(&base).stdin(Stdio::piped());
    let mut child = context.launcher.spawn(command).await.map_err(io)?;
    let list: String = names.iter().map(|name| format!("{name}.pack\n")).collect();
    if let Some(mut stdin) = child.stdin.take() {
        // If it has died already, what it wrote says why.
        let _ = stdin.write_all(list.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(io)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse::<Oid>() {
        Ok(hash) if output.status.success() => Ok(format!("pack-{hash}")),
        _ => Err(GitError::Failed { command: PACK_OBJECTS, stderr: complaint(&output.stderr) }.into()),
    }
}

/// Tells the log; says whether it took that. Not where somebody else has replaced one of the packs meanwhile.
async fn append(context: &Context, repository: &InUse, packs: &[Uuid], stored: &PackRef) -> Result<bool, RepackError> {
    let draft = Draft {
        id: streams::clock::new_id(),
        scope: repository.scope(),
        subject: "packs".to_owned(),
        time: streams::clock::now(),
        actor: ACTOR.to_owned(),
        cause: None,
        data: Data::GitRepacked(GitRepacked { pack: stored.clone(), replaces: packs.to_vec() }),
    };
    let mut state = repository.state.lock().await;
    loop {
        if !packs.iter().all(|pack| state.packs.contains_key(pack)) {
            tracing::info!(fleet = %repository.fleet, "somebody else has made one pack of these");
            return Ok(false);
        }
        match context.bus.append(&draft, Expected::At(state.applied)).await {
            Ok(position) => {
                state.take(&Event { position, draft });
                return Ok(true);
            }
            Err(AppendError::Refused { last }) => catch_up(context, repository, &mut state, last).await?,
            // Where it is stored all the same, the log tells: then the pack is loaded like that of another service.
            Err(error) => return Err(RepackError::Append(error)),
        }
    }
}

/// Moves a new pack into the store. Its index comes last: with it Git sees the pack.
fn adopt(folder: &Path, repository: &Path, name: &str) -> Result<(), FolderError> {
    for end in ["pack", "rev", "idx"] {
        let (from, to): (PathBuf, PathBuf) = (folder.join(format!("{name}.{end}")), repository.join("objects/pack"));
        if from.exists() {
            fs::rename(&from, to.join(format!("{name}.{end}"))).map_err(|e| fault("move", &from, e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(sizes: &[u64]) -> usize {
        let packs = (1..).zip(sizes).map(|(id, size)| (Uuid::from_u128(id), *size)).collect();
        smaller(&packs).len()
    }

    #[test]
    fn a_pack_that_outweighs_the_others_is_left_alone() {
        assert_eq!(left(&[1; 50]), 50);
        assert_eq!(left(&[51, 1, 1, 1]), 3);
        assert_eq!(left(&[1_000, 51, 1, 1, 1]), 3);
        assert_eq!(left(&[6, 1, 1, 1]), 4);
        assert!(left(&[7, 3]) < 2, "nothing to make one of");
    }
}
