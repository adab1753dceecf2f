//! The platform from edge to edge: what it holds, in the order in which it is taken and given back.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use schemas::names::NodeName;
use streams::Server;
use tokio_util::sync::CancellationToken;

use super::choice::Choice;
use super::listen::{self, Face, Opener};
use super::nats::{self, Wires};
use super::services::Services;
use super::start::Ground;
use super::{folder, keys, lock};
use crate::config::UpOptions;

/// Where and how, all of it read.
pub struct Plan {
    pub choice: Choice,
    pub data: PathBuf,
    pub address: SocketAddr,
    pub nats: Option<String>,
    pub nats_server: Option<PathBuf>,
    pub docker: Option<String>,
    pub node: NodeName,
    pub fault_point: Option<git::FaultPoint>,
    pub git: git::Limits,
}

impl Plan {
    /// Everything, in one process. What is wrong here is wrong usage.
    pub fn of_all(options: UpOptions) -> anyhow::Result<Self> {
        Self::read(options, Choice::all())
    }

    /// Some of it, on a server that others share. What is wrong here is wrong usage.
    pub fn of_some(options: UpOptions, choice: Choice) -> anyhow::Result<Self> {
        ensure!(
            options.nats.is_some(),
            "`--nats URL` is missing: services of their own meet others on a NATS server that somebody runs, such as \
             nats://127.0.0.1:4222; `fleetlog up` runs all of them with a server of its own"
        );
        Self::read(options, choice)
    }

    fn read(options: UpOptions, choice: Choice) -> anyhow::Result<Self> {
        let UpOptions { data, listen, nats, nats_server, docker, node, insecure, log: _, fault_point, git } = options;
        let address = listen::address(&listen, insecure)?;
        Ok(Self { choice, data, address, nats, nats_server, docker, node, fault_point, git })
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

    let mut server = None;
    // Told to stop in the middle of the start: what was started so far stops like everything else.
    let end = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        end = start_and_watch(&plan, &data, &lock, address, &opener, &mut server, &mut services) => end,
    };
    let drained = services.drain(DRAIN).await;
    if let Some(server) = server {
        server.stop().await;
    }
    // Given back last: until here nobody else may use the folder.
    drop(lock);
    match (end, drained) {
        (Err(first), Err(second)) => {
            tracing::error!("{second:#}");
            Err(first)
        }
        (end, drained) => end.and(drained),
    }
}

/// Starts everything, says that it is ready, and returns when a service ends.
async fn start_and_watch(
    plan: &Plan,
    data: &Path,
    lock: &File,
    address: SocketAddr,
    opener: &Opener,
    server: &mut Option<Server>,
    services: &mut Services,
) -> anyhow::Result<()> {
    opener.open(start(plan, data, lock, server, services).await?);
    services.all_ready().await?;
    say_ready(address);
    services.one_ends().await
}

/// Everything that takes time, in the order in which one needs the other.
async fn start(
    plan: &Plan,
    data: &Path,
    lock: &File,
    server: &mut Option<Server>,
    services: &mut Services,
) -> anyhow::Result<Router> {
    let begins = plan.choice.begins();
    let master = plan.choice.needs_key().then(|| keys::master(data, begins)).transpose()?;
    let (nats, program) = (plan.nats.as_deref(), plan.nats_server.as_deref());
    let (ours, access) = nats::start(data, nats, program, lock, &plan.node).await?;
    *server = ours;
    let wires = Wires::connect(access, server.as_ref().map(Server::room), begins).await?;
    if let Some(server) = server {
        server.drop_provision().await.context("cannot take the right to make streams away")?;
    }
    let mark = master.as_ref().map(|it| profiles::Keys::derive(it).mark());
    let installation = nats::installation(&wires.platform, data, mark, begins).await?;
    services.start(&Ground { plan, data, wires: &wires, installation, master }).await
}

/// The one line on standard output.
fn say_ready(address: SocketAddr) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "ready http://{address}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads standard output; ready at http://{address}");
    }
}
