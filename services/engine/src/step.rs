//! A step of a task's run: a container in a sandbox, a file that it can write, and the wait for its end.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::descriptors::{Stop, TaskLimits};
use schemas::units::Size;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::seen::Labels;

/// What Docker is asked for. No new privileges and no capabilities, whatever else it says; never started again by Docker.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The image, with its tag or digest.
    pub image: String,
    /// The command as an argv array.
    pub command: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// `uid[:gid]`
    pub user: String,
    /// The network; without one there is none.
    pub network: Option<String>,
    /// Path in the container → the volume's name in Docker.
    pub volumes: BTreeMap<String, String>,
    /// Where a nameless volume is mounted that goes with the container.
    pub scratch: String,
    /// Paths that are in memory.
    pub tmpfs: BTreeMap<String, Size>,
    /// Whether the root can be written to.
    pub writable: bool,
    /// How large a file may become, in bytes; none: as large as the disk takes.
    pub largest_file: Option<u64>,
    /// How much of the node it may use.
    pub limits: TaskLimits,
    /// How it is stopped.
    pub stop: Stop,
}

/// A file of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// It has so many bytes, which is more than was asked for.
    TooLarge(u64),
    /// Something else lies there.
    NoFile,
}

impl Engine {
    /// Makes the container of a step without starting it; answers its id. The image, the network and the named volumes
    /// have to be there.
    pub async fn create_step(&self, name: &str, step: &Step, labels: &Labels) -> Result<String, EngineError> {
        match self {
            Self::Docker(it) => it.create_step(name, step, labels).await,
            Self::Simulated(it) => it.create_step(name, step, labels).await,
        }
    }

    /// Puts an empty file that anybody can write into a folder of a container that does not run, over one that is there.
    pub async fn put_file(&self, container: &str, folder: &str, name: &str) -> Result<(), EngineError> {
        match self {
            Self::Docker(it) => it.put_file(container, folder, name).await,
            Self::Simulated(it) => it.put_file(container, folder, name).await,
        }
    }

    /// A file of a container, running or not, where it has at most `limit` bytes. None: it is not there.
    pub async fn get_file(&self, container: &str, path: &str, limit: u64) -> Result<Option<Content>, EngineError> {
        match self {
            Self::Docker(it) => it.get_file(container, path, limit).await,
            Self::Simulated(it) => it.get_file(container, path, limit).await,
        }
    }

    /// Waits until a container does not run any more, or is gone. False: it still runs after `within`.
    pub async fn ended(&self, container: &str, within: Duration) -> Result<bool, EngineError> {
        match self {
            Self::Docker(it) => it.ended(container, within).await,
            Self::Simulated(it) => it.ended(container, within).await,
        }
    }

    /// Removes the container of a step together with its nameless volume. False: it was not there.
    pub async fn remove_step(&self, container: &str) -> Result<bool, EngineError> {
        match self {
            Self::Docker(it) => it.remove_step(container).await,
            Self::Simulated(it) => it.remove(container).await,
        }
    }
}
