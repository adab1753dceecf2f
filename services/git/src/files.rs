//! `req.git.files`: what the files say that containers take in. Agents ask, before they put them in place.
//!
//! Reads a repository's objects, and asks the registry what is accepted: nothing else of a repository is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::descriptors::MAX_FILE;
use schemas::names::Oid;
use schemas::query::{Fault, FaultCode, FilesAnswer, FilesRequest};
use streams::with_causes;

use crate::ask::{AT_ONCE, serve};
use crate::candidate::{self, CandidateError};
use crate::context::Context;
use crate::plan;

/// Answers until the service ends.
pub(crate) async fn answer(context: &Arc<Context>) {
    serve(context, AT_ONCE, |context, question: FilesRequest| async move { tell(&context, question).await }).await;
}

async fn tell(context: &Arc<Context>, request: FilesRequest) -> Result<FilesAnswer, Fault> {
    let behind = |message: String| Fault { code: FaultCode::Behind, message };
    context.at_head().await.map_err(|error| behind(with_causes(&error)))?;
    let missing = |message: String| Fault { code: FaultCode::NotFound, message };
    let repository = context.enter_known(&request.fleet);
    let repository = repository.ok_or_else(|| missing(format!("there is no fleet `{}`", request.fleet)))?;
    let at = {
        let mut state = repository.state.lock().await;
        context.settle(&repository, &mut state).await.map_err(|error| behind(with_causes(&error)))?;
        state.applied.max(request.min_position)
    };
    let (_, fleet) = plan::now(context, &request.fleet, at).await?;
    let accepted: BTreeSet<&Oid> = fleet.desired.contents.values().map(|it| &it.blob).collect();
    if let Some(other) = request.blobs.iter().find(|blob| !accepted.contains(blob)) {
        let message = format!("no file of the accepted state of `{}` is {}", request.fleet, other.short());
        return Err(missing(message));
    }
    let (store, blobs) = (repository.path.join("objects"), request.blobs);
    let read = tokio::task::spawn_blocking(move || read(store, &blobs)).await;
    let read = read.map_err(|_| behind("reading the files broke down, try again".to_owned()))?;
    read.map_err(|error| behind(format!("the files of `{}` cannot be read: {}", request.fleet, with_causes(&error))))
}

/// As many as fit into one answer, and at least one.
fn read(store: PathBuf, blobs: &[Oid]) -> Result<FilesAnswer, CandidateError> {
    let objects = candidate::open(None, &store)?;
    let (mut contents, mut bytes) = (BTreeMap::new(), 0);
    for blob in blobs {
        let content = objects.blob(blob, MAX_FILE)?;
        bytes += content.len() as u64;
        if bytes > FilesRequest::MOST && !contents.is_empty() {
            break;
        }
        contents.insert(blob.clone(), STANDARD.encode(content));
    }
    Ok(FilesAnswer { contents })
}
