//! The calls that every engine answers, whichever it is.

use std::time::Duration;

use schemas::spec::Spec;

use crate::docker::Docker;
use crate::error::EngineError;
use crate::exec::Executed;
use crate::records::{Record, Records};
use crate::seen::{Container, Ensured, ImageInfo, Labels, Listed, Network, NetworkAttachment, Scope, Volume};
use crate::simulated::Simulated;
use crate::wake::Wakes;

/// An engine. Cheap to clone; all clones are the same engine, and their calls run concurrently.
///
/// Every call has a deadline and fails with [`EngineError::Away`] while the engine cannot be reached; the next call
/// after it is back succeeds.
#[derive(Debug, Clone)]
pub enum Engine {
    /// A real one.
    Docker(Docker),
    /// One in memory.
    Simulated(Simulated),
}

impl From<Docker> for Engine {
    fn from(docker: Docker) -> Self {
        Self::Docker(docker)
    }
}

impl From<Simulated> for Engine {
    fn from(simulated: Simulated) -> Self {
        Self::Simulated(simulated)
    }
}

/// Hands the call to the engine that it is.
macro_rules! ask {
    ($engine:expr, $it:ident => $call:expr) => {
        match $engine {
            Engine::Docker($it) => $call,
            Engine::Simulated($it) => $call,
        }
    };
}

impl Engine {
    /// Whether the engine answers.
    pub async fn ping(&self) -> Result<(), EngineError> {
        ask!(self, it => it.ping().await)
    }

    /// The containers in scope, in every state, in the order of their names.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<Listed>, EngineError> {
        ask!(self, it => it.list(scope).await)
    }

    /// One container, by name or id.
    pub async fn inspect(&self, container: &str) -> Result<Option<Container>, EngineError> {
        ask!(self, it => it.inspect(container).await)
    }

    /// Makes a container without starting it; answers its id. The image has to be there, see [`Engine::pull`]. Volumes
    /// should be there too: the engine makes missing ones without labels.
    pub async fn create(
        &self,
        name: &str,
        spec: &Spec,
        labels: &Labels,
        network: &NetworkAttachment,
    ) -> Result<String, EngineError> {
        ask!(self, it => it.create(name, spec, labels, network).await)
    }

    /// Gives a container the limits and the restart policy of a spec, also while it runs. What the spec does not limit
    /// stays as it is.
    pub async fn update(&self, container: &str, spec: &Spec) -> Result<(), EngineError> {
        ask!(self, it => it.update(container, spec).await)
    }

    /// Takes a container that does not run out of a network that it is attached to.
    pub async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        ask!(self, it => it.disconnect(container, network).await)
    }

    /// Gives a container another name.
    pub async fn rename(&self, container: &str, name: &str) -> Result<(), EngineError> {
        ask!(self, it => it.rename(container, name).await)
    }

    /// Starts a container; one that runs already stays as it is.
    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        ask!(self, it => it.start(container).await)
    }

    /// The paths inside a container that are not as its image has them, folders included, without what is mounted there.
    pub async fn changes(&self, container: &str) -> Result<Vec<String>, EngineError> {
        ask!(self, it => it.changes(container).await)
    }

    /// Lets a frozen container go on; one that is not frozen stays as it is.
    pub async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        ask!(self, it => it.unpause(container).await)
    }

    /// Asks a container to end, with `signal` or else with the one that it was made with, and kills it after `grace`
    /// (Docker counts whole seconds: it is rounded up). Answers once it has ended; one that does not run stays as it is.
    pub async fn stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError> {
        ask!(self, it => it.stop(container, signal, grace).await)
    }

    /// Removes a container, also one that runs, never its named volumes. False: it was not there.
    pub async fn remove(&self, container: &str) -> Result<bool, EngineError> {
        ask!(self, it => it.remove(container).await)
    }

    /// Runs a command in a container that runs, as its user and without input, and answers once it has ended; of each of
    /// the two outputs the first `most` bytes are kept. After `within` it is [`EngineError::Slow`]: nobody waits any more,
    /// and the command goes on.
    pub async fn exec(
        &self,
        container: &str,
        command: &[String],
        most: usize,
        within: Duration,
    ) -> Result<Executed, EngineError> {
        ask!(self, it => it.exec(container, command, most, within).await)
    }

    /// The last `tail` lines that a container wrote, oldest first as Docker took them: it keeps the order within each
    /// of the two streams, and none between them.
    pub async fn logs(&self, container: &str, tail: usize) -> Result<Vec<String>, EngineError> {
        ask!(self, it => it.logs(container, tail).await)
    }

    /// What a container wrote from `since_ns` on, record by record (some of the second before come too); with `follow`
    /// also what it writes until it ends. That the container is not there is told by the first record.
    pub async fn records(&self, container: &str, since_ns: i64, follow: bool) -> Result<Records, EngineError> {
        ask!(self, it => it.records(container, since_ns, follow).await)
    }

    /// The record that a container wrote last, as far as Docker still has it: cheap, however much it wrote.
    pub async fn last_record(&self, container: &str) -> Result<Option<Record>, EngineError> {
        ask!(self, it => it.last_record(container).await)
    }

    /// Makes a network unless there is one with this name.
    pub async fn ensure_network(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        ask!(self, it => it.ensure_network(name, labels).await)
    }

    /// Removes a network. False: it was not there. One that a running container is attached to is refused.
    pub async fn remove_network(&self, name: &str) -> Result<bool, EngineError> {
        ask!(self, it => it.remove_network(name).await)
    }

    /// One network.
    pub async fn network(&self, name: &str) -> Result<Option<Network>, EngineError> {
        ask!(self, it => it.network(name).await)
    }

    /// The names of the networks in scope, in order.
    pub async fn networks(&self, scope: &Scope) -> Result<Vec<String>, EngineError> {
        ask!(self, it => it.networks(scope).await)
    }

    /// Makes a volume unless there is one with this name.
    pub async fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        ask!(self, it => it.ensure_volume(name, labels).await)
    }

    /// One volume.
    pub async fn volume(&self, name: &str) -> Result<Option<Volume>, EngineError> {
        ask!(self, it => it.volume(name).await)
    }

    /// Copies everything that is in volume `from` into volume `to`, with owners, modes and times; answers how many bytes
    /// that was, as an archive. Nothing that writes to either of them should run meanwhile. Both have to be there; `to` should
    /// be empty: what it has besides stays. The labels are for what is made for it and gone again.
    pub async fn copy_volume(
        &self,
        from: &str,
        to: &str,
        labels: &Labels,
        within: Duration,
    ) -> Result<u64, EngineError> {
        ask!(self, it => it.copy_volume(from, to, labels, within).await)
    }

    /// Removes what copies of volumes that broke off have left behind, of those that were made with these labels. None of
    /// them may be under way.
    pub async fn drop_carriers(&self, labels: &Labels) -> Result<(), EngineError> {
        ask!(self, it => it.drop_carriers(labels).await)
    }

    /// Removes a volume with its data. False: it was not there. One that a container has, also one that does not run, is
    /// refused.
    pub async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        ask!(self, it => it.remove_volume(name).await)
    }

    /// The volumes in scope, in the order of their names.
    pub async fn volumes(&self, scope: &Scope) -> Result<Vec<Volume>, EngineError> {
        ask!(self, it => it.volumes(scope).await)
    }

    /// An image, by its name as a spec has it.
    pub async fn image(&self, name: &str) -> Result<Option<ImageInfo>, EngineError> {
        ask!(self, it => it.image(name).await)
    }

    /// Fetches an image from its registry: the variant for this platform, else the one for the engine's own.
    pub async fn pull(&self, name: &str, platform: Option<&str>) -> Result<(), EngineError> {
        ask!(self, it => it.pull(name, platform).await)
    }

    /// The digest that an image's name leads to in its registry now (`sha256:…`). Fetches nothing.
    pub async fn registry_digest(&self, name: &str) -> Result<String, EngineError> {
        ask!(self, it => it.registry_digest(name).await)
    }

    /// Removes an image by its id. False: it was not there. One that a container has, also one that does not run, or that
    /// goes by more than one name, is refused.
    pub async fn remove_image(&self, id: &str) -> Result<bool, EngineError> {
        ask!(self, it => it.remove_image(id).await)
    }

    /// Wake-ups from now on: what happens after this call was made comes, whatever happens before the first
    /// [`Wakes::next`]. Containers are those in scope; of volumes and networks Docker tells no labels, so all come.
    pub async fn events(&self, scope: &Scope) -> Result<Wakes, EngineError> {
        ask!(self, it => it.events(scope).await)
    }
}
