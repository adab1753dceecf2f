//! The platform from edge to edge: what it holds, in the order in which it is taken and given back.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use schemas::names::NodeName;
use tokio_util::sync::CancellationToken;

use super::listen::{self, Face};
use super::services::Services;
use super::{folder, keys, lock, nats};
use crate::cli::UpOptions;

/// Where and how, all of it read.
pub struct Plan {
    pub data: PathBuf,
    pub address: std::net::SocketAddr,
    pub nats: Option<String>,
    pub nats_server: Option<PathBuf>,
    pub docker: Option<String>,
    pub node: NodeName,
    pub fault_point: Option<git::FaultPoint>,
}

impl Plan {
    /// Reads the options. What is wrong here is wrong usage.
    pub fn read(options: UpOptions) -> anyhow::Result<Self> {
        let UpOptions { data, listen, nats, nats_server, docker, node, insecure, log: _, fault_point } = options;
        let address = listen::address(&listen, insecure)?;
        Ok(Self { data, address, nats, nats_server, docker, node, fault_point })
    }
}

/// How long the services may take to stop.
const DRAIN: Duration = Duration::from_secs(12);

/// Runs until `shutdown`, or until something fails.
pub async fn run(plan: Plan, shutdown: CancellationToken) -> anyhow::Result<()> {
    let data = folder::open(&plan.data)?;
    // Nothing else in the folder is touched before the lock is ours.
    let in_folder = data.clone();
    let lock =
        tokio::task::spawn_blocking(move || lock::take(&in_folder)).await.context("the lock was not taken")??;
    let face = Face::bind(plan.address).await?;
    let address = face.address();
    tracing::info!("listening on http://{address}; starting");

    let mut services = Services::new(shutdown.clone());
    let opener = face.opener();
    services.add("http", face.serve(services.stop()));

    // Told to stop in the middle of the start: what was started so far stops like everything else.
    let started = tokio::select! {
        started = start(&plan, &data, &lock, &mut services) => Some(started),
        () = shutdown.cancelled() => None,
    };
    let (server, end) = match started {
        None => (None, Ok(())),
        Some(Err(error)) => (None, Err(error)),
        Some(Ok((server, router))) => {
            opener.open(router);
            let end = match services.all_ready().await {
                Ok(()) => {
                    say_ready(&address);
                    services.one_ends().await
                }
                Err(error) => Err(error),
            };
            (server, end)
        }
    };
    let end = end.and(services.drain(DRAIN).await);
    if let Some(server) = server {
        server.stop().await;
    }
    // Given back last: until here nobody else may use the folder.
    drop(lock);
    end
}

/// Everything that takes time, in the order in which one needs the other.
async fn start(
    plan: &Plan,
    data: &std::path::Path,
    lock: &File,
    services: &mut Services,
) -> anyhow::Result<(Option<streams::Server>, axum::Router)> {
    let digest_key = keys::digest_key(data)?;
    let (server, access) = nats::start(data, plan.nats.as_deref(), plan.nats_server.as_deref(), lock).await?;
    let bus = nats::connect(&access).await?;
    let installation = nats::installation(&bus, data).await?;
    let token = keys::admin_token(data)?;
    let router = services.start(plan, data, &bus, digest_key, installation, &token).await?;
    Ok((server, router))
}

/// The one line on standard output.
fn say_ready(address: &std::net::SocketAddr) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "ready http://{address}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads standard output; ready at http://{address}");
    }
}
