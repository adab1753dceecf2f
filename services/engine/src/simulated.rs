//! An engine in memory, for tests: names, ports, life cycle, health, events and labels as Docker has them.
//! What a container does by itself (ending, passing a check) is what the test says.

mod calls;
mod exec;
mod files;
mod images;
mod life;
mod records;
mod stats;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::spec::Port;
use tokio::sync::broadcast;

use self::world::{Signal, World};
use crate::error::EngineError;
use crate::seen::{HealthStatus, ImageInfo, State};

/// How many wake-ups wait for a slow reader; one that falls behind further is told that it lost some.
const WAKES: usize = 4_096;

/// The platform of the engine, and of every image that says nothing else.
const PLATFORM: &str = "linux/amd64";

/// An engine in memory. All clones are the same engine.
#[derive(Debug, Clone)]
pub struct Simulated {
    world: Arc<Mutex<World>>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulated {
    /// An empty engine.
    pub fn new() -> Self {
        Self::starting_at(world::EPOCH)
    }

    /// The same, with a clock that shows this time now, in nanoseconds since 1970.
    pub fn starting_at(now_ns: i64) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(broadcast::Sender::new(WAKES), now_ns))) }
    }

    /// Puts an image on the engine.
    pub fn add_image(&self, name: &str, has_healthcheck: bool) {
        self.world().images.take(name, image(name, has_healthcheck));
    }

    /// Builds another image on the engine: the tag leads to it from now on.
    pub fn build_image(&self, name: &str, content: &str) {
        self.world().images.take(name, image(&format!("{name} {content}"), false));
    }

    /// Gives an image of the engine one more name, as somebody else would.
    pub fn tag(&self, image: &str, name: &str) {
        let mut world = self.world();
        if let Some(image) = world.images.find(image).cloned() {
            world.images.take(name, image);
        }
    }

    /// Puts an image into the registry, from where it can be pulled.
    pub fn publish_image(&self, name: &str, has_healthcheck: bool) {
        self.publish(name, image(name, has_healthcheck));
    }

    /// Puts another image into the registry: the tag leads to it from now on.
    pub fn push_image(&self, name: &str, content: &str) {
        self.publish(name, image(&format!("{name} {content}"), false));
    }

    /// Puts the variant for a platform into the registry, beside those that are there.
    pub fn publish_image_for(&self, name: &str, platform: &str) {
        let mut image = image(&format!("{name} {platform}"), false);
        image.platform = platform.to_owned();
        self.publish(name, image);
    }

    fn publish(&self, name: &str, image: ImageInfo) {
        self.world().registry.push((name.to_owned(), with_digest(name, image)));
    }

    /// While this is set every pull fails with it, for a cause that can pass.
    pub fn set_registry_fault(&self, message: Option<&str>) {
        self.world().registry_fault = message.map(str::to_owned);
    }

    /// Takes the engine away (its containers go on, their events are lost), or brings it back.
    pub fn set_away(&self, away: bool) {
        let mut world = self.world();
        world.away = away;
        if away {
            world.send(Signal::Gone);
            world.changed();
        }
    }

    /// How long every call takes.
    pub fn set_latency(&self, latency: Duration) {
        self.world().latency = latency;
    }

    /// Takes a port of the node, as a process outside of the engine would.
    pub fn occupy(&self, port: Port) {
        self.world().occupied.push(port);
    }

    /// Gives it back.
    pub fn vacate(&self, port: &Port) {
        self.world().occupied.retain(|it| it != port);
    }

    /// The container's process ends by itself; its restart policy decides what comes next.
    pub fn exit(&self, container: &str, code: i64) -> Result<(), EngineError> {
        self.world().end(container, code, false)
    }

    /// The same, and the times that Docker shows say that it ended a moment before it started.
    pub fn exit_before_its_start(&self, container: &str, code: i64) -> Result<(), EngineError> {
        let mut world = self.world();
        world.end(container, code, false)?;
        let seen = &mut world.entry(container)?.seen;
        seen.finished_ns = seen.started_ns.map(|started| started - 2_000_000);
        Ok(())
    }

    /// Another hand freezes the container's processes.
    pub fn pause(&self, container: &str) -> Result<(), EngineError> {
        self.world().freeze(container, true)
    }

    /// The container's process is killed for want of memory.
    pub fn run_out_of_memory(&self, container: &str) -> Result<(), EngineError> {
        let mut world = self.world();
        world.run_out_of_memory(container)
    }

    /// What the container's health checks say from now on.
    pub fn set_health(&self, container: &str, status: HealthStatus) -> Result<(), EngineError> {
        self.world().set_health(container, status)
    }

    /// What the container's process does on a signal that asks it to end: it ends with this code (0 where nobody said
    /// otherwise), or ignores it.
    pub fn on_signal(&self, container: &str, signal: &str, code: Option<i64>) -> Result<(), EngineError> {
        let signal = signal.trim_start_matches("SIG").to_owned();
        self.world().entry(container)?.handlers.insert(signal, code);
        Ok(())
    }

    /// The container writes a line.
    pub fn write_line(&self, container: &str, line: &str) -> Result<(), EngineError> {
        self.world().entry(container)?.lines.push(line.to_owned());
        self.write_record(container, crate::records::Output::Stdout, line, true)
    }

    /// The container writes a file, into a volume where one is mounted there.
    pub fn write_file(&self, container: &str, path: &str, text: &str) -> Result<(), EngineError> {
        self.world().files(container, path)?.insert(path.to_owned(), text.to_owned());
        Ok(())
    }

    /// What the container reads from a file.
    pub fn read_file(&self, container: &str, path: &str) -> Result<Option<String>, EngineError> {
        Ok(self.world().files(container, path)?.get(path).cloned())
    }

    /// The address that the container finds for a name in its network.
    pub fn resolve(&self, container: &str, alias: &str) -> Result<Option<IpAddr>, EngineError> {
        let mut world = self.world();
        let network = world.entry(container)?.network.network.clone();
        let named = world
            .containers
            .values()
            .find(|it| it.seen.state == State::Running && it.network.network == network && it.network.alias == alias);
        Ok(named.and_then(|it| it.seen.addresses.get(&network).copied()))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn image(name: &str, has_healthcheck: bool) -> ImageInfo {
    // An id that is the same for the same name, so that a pulled image is the published one.
    let digest = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let (id, platform) = (format!("sha256:{digest:064x}"), PLATFORM.to_owned());
    ImageInfo { id, digests: Vec::new(), platform, has_healthcheck, claims: None }
}

/// The image as it comes from a registry: its digest there is another number than its id.
fn with_digest(name: &str, mut image: ImageInfo) -> ImageInfo {
    let digits: String = image.id.trim_start_matches("sha256:").chars().rev().collect();
    image.digests = vec![format!("{}@sha256:{digits}", schemas::image::repository(name))];
    image
}

/// Path → text.
type Files = BTreeMap<String, String>;
