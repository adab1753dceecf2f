//! The service: prepares the folder, makes every repository show what the log says, then serves until told to stop.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use schemas::names::FleetId;
use streams::{Bus, Filter, Follow, with_causes};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::context::{Context, lock};
use crate::error::{FolderError, RunError, StartError};
use crate::launch::Launcher;
use crate::layout::{Layout, fault, remove};
use crate::settle::drop_strangers;
use crate::{desk, door, files, follow, fork, plan, pulls, repack, rollback, settler, sweep};

/// The Git service.
pub struct Service {
    context: Arc<Context>,
    follow: Follow,
    listener: UnixListener,
}

/// Whether the service can serve. Clone is cheap.
#[derive(Clone)]
pub struct Readiness {
    context: Arc<Context>,
}

impl Service {
    /// Clears what a killed platform left, reads the log to its head, repairs every repository, and opens the hooks'
    /// socket. The caller holds the lock on the data folder.
    pub async fn start(config: Config, bus: Bus, shutdown: CancellationToken) -> Result<Self, StartError> {
        let layout = Layout::prepare(&config.folder, &config.program, config.limits.pack_bytes)?;
        let launcher = Launcher::start(&layout)?;
        let head = bus.head().await.map_err(StartError::Log)?;
        let mut follow = bus.follow(Filter::All, 0).named("git");
        let context = Arc::new(Context::new(config, layout, launcher, bus, shutdown));
        match follow::fold(&context, &mut follow, head).await {
            Ok(()) => repair(&context).await?,
            // Nothing on the disk is touched by who does not know everything; readiness says so.
            Err(error) => {
                tracing::error!(error = with_causes(&error), "the refs cannot follow the log");
                *lock(&context.stopped) = Some(Arc::new(error));
            }
        }
        let socket = |error| StartError::from(fault("open the hooks' socket in", context.layout.root(), error));
        let listener = UnixListener::from_std(context.layout.listen().map_err(socket)?).map_err(socket)?;
        Ok(Self { context, follow, listener })
    }

    /// The routes, to be mounted at `/git` behind a door that authenticates and leaves `schemas::access::Who` it was as
    /// an extension of the request.
    pub fn router(&self) -> Router {
        door::router(Arc::clone(&self.context))
    }

    /// For readiness, also while the service runs.
    pub fn readiness(&self) -> Readiness {
        Readiness { context: Arc::clone(&self.context) }
    }

    /// Whether the service can serve now, or why not.
    pub fn ready(&self) -> Result<(), String> {
        self.readiness().check()
    }

    /// Runs until `shutdown`: refs follow the log, hooks are served, unreferenced packs are swept. Pushes under way are
    /// given time to finish.
    pub async fn run(self) -> Result<(), RunError> {
        let Self { context, follow, listener } = self;
        let stopped = lock(&context.stopped).is_some();
        let following =
            async { if stopped { context.shutdown.cancelled().await } else { follow::follow(&context, follow).await } };
        let over = CancellationToken::new();
        // Each of them ends when `shutdown` is cancelled, and not before; the hooks' desk after the last push.
        tokio::join!(
            following,
            settler::settle_all(&context),
            sweep::sweep(&context),
            repack::repack(&context),
            plan::answer(&context),
            files::answer(&context),
            pulls::answer(&context),
            pulls::renew(&context),
            fork::answer(&context),
            rollback::answer(&context),
            desk::serve(&context, listener, &over),
            drain(&context, &over)
        );
        let after = *context.position.borrow();
        let stopped = lock(&context.stopped).clone();
        stopped.map_or(Ok(()), |source| Err(RunError::Stopped { after, source }))
    }
}

impl Readiness {
    /// Whether the service can serve now, or why not.
    pub fn check(&self) -> Result<(), String> {
        if let Some(reason) = self.context.stop_reason() {
            return Err(format!("the refs no longer follow the log: {reason}"));
        }
        if !self.context.bus.is_connected() {
            return Err("the event log does not answer".to_owned());
        }
        Ok(())
    }
}

/// Waits for the end of the service, then for the pushes under way.
async fn drain(context: &Context, over: &CancellationToken) {
    context.shutdown.cancelled().await;
    context.tasks.close();
    if tokio::time::timeout(context.config.limits.drain, context.tasks.wait()).await.is_err() {
        let left = context.tasks.len();
        tracing::warn!(left, "pushes under way did not finish in time; the log says what became of them");
    }
    over.cancel();
}

/// Makes the disk show exactly what the log says: repositories that it does not know go, refs and packs are made equal.
async fn repair(context: &Arc<Context>) -> Result<(), FolderError> {
    let known: HashSet<PathBuf> = context.known_paths().into_iter().collect();
    for path in context.layout.repositories()? {
        if !known.contains(&path) {
            tracing::info!(path = %path.display(), "removing a repository that the log does not know");
            remove(&path)?;
        }
    }
    for fleet in context.known() {
        repair_one(context, &fleet).await?;
    }
    Ok(())
}

async fn repair_one(context: &Arc<Context>, fleet: &FleetId) -> Result<(), FolderError> {
    let repository = context.enter(fleet);
    drop_strangers(&repository.path)?;
    let mut state = repository.state.lock().await;
    if let Err(error) = context.settle(&repository, &mut state).await {
        // One damaged repository does not keep the others away; tried again whenever somebody asks for it.
        tracing::error!(%fleet, error = with_causes(&error), "a repository cannot be brought to the log's state");
    }
    Ok(())
}
