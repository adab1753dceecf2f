//! What an engine shows: containers, volumes, networks and images as they are.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use schemas::descriptors::Restart;
use schemas::spec::Spec;

/// Labels of a container, a volume or a network.
pub type Labels = BTreeMap<String, String>;

/// Which things are meant: those that carry all of these labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope(pub Labels);

impl Scope {
    /// Those that carry this label with this value.
    pub fn label(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self(Labels::from([(key.into(), value.into())]))
    }

    /// Whether something with these labels is meant.
    pub fn holds(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Docker's id.
    pub id: String,
    /// Its name, without Docker's leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its state.
    pub state: State,
}

/// A container, as Docker shows it. Times are Docker's own, in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Docker's id.
    pub id: String,
    /// Its name, without Docker's leading slash.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Id of the image that it was made from (`sha256:…`).
    pub image: String,
    /// Its state.
    pub state: State,
    /// How its last run ended; none before it ended once, and while it runs.
    pub exit_code: Option<i64>,
    /// Whether its last run was killed for want of memory.
    pub out_of_memory: bool,
    /// When it was made.
    pub created_ns: i64,
    /// When it was last started.
    pub started_ns: Option<i64>,
    /// When its last run ended.
    pub finished_ns: Option<i64>,
    /// Whether Docker checks its health, be it by the spec's check or by the image's own.
    pub has_healthcheck: bool,
    /// What the checks say; none where there is no check, and before the first start.
    pub health: Option<Health>,
    /// How often Docker started it again by itself.
    pub restarts: u64,
    /// When Docker starts it again by itself.
    pub restart: Restart,
    /// Its address in each network that it is attached to; only while it runs.
    pub addresses: BTreeMap<String, IpAddr>,
    /// Its aliases in each network.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// What Docker was asked for, together with what came from the image.
    pub shown: Spec,
}

/// What the health checks of a running container say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// When the newest check ended, in nanoseconds since 1970.
    pub checked_ns: Option<i64>,
    /// How many checks failed in a row.
    pub failing_streak: u64,
}

/// A container's health, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// Not known yet.
    Starting,
    /// Its check passes.
    Healthy,
    /// Its check failed as often in a row as the spec says.
    Unhealthy,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}

/// A container's state, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Runs, but is frozen.
    Paused,
    /// Ended, and Docker is about to start it again.
    Restarting,
    /// Is being removed.
    Removing,
    /// Ended.
    Exited,
    /// Could not be removed as a whole.
    Dead,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        })
    }
}

/// The network that a container is attached to, and its name in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAttachment {
    /// The network's name.
    pub network: String,
    /// The name under which the others in it find the container.
    pub alias: String,
}

/// A volume or a network that was asked for and is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ensured {
    /// Whether it was made just now.
    pub made: bool,
    /// Its labels: where ours are not among them it is a stranger's, and nothing was changed.
    pub labels: Labels,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Docker's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// How many containers are attached to it, also those that do not run.
    pub containers: usize,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its id (`sha256:…`).
    pub id: String,
    /// Where it can be had again: `name@sha256:…` of each registry that it came from or went to.
    pub digests: Vec<String>,
    /// Its operating system and processor: `linux/amd64`, with a variant `linux/arm/v7`.
    pub platform: String,
    /// Whether it brings a health check of its own.
    pub has_healthcheck: bool,
    /// A label of it that begins with `fleetlog.`: Docker adds an image's labels to its containers, and with one of ours
    /// a container could pass for somebody else's.
    pub claims: Option<String>,
}

impl ImageInfo {
    /// Whether it is the variant that is wanted; a variant that is not named may be any.
    pub fn is_for(&self, platform: Option<&str>) -> bool {
        let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        platform.is_none_or(|wanted| parts(&self.platform).starts_with(&parts(wanted)))
    }
}
