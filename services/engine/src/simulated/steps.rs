//! The container of a step, simulated: what it writes and how it ends is what the test says.

use std::time::Duration;

use schemas::descriptors::{Limits, Mount, Restart};
use schemas::spec::Spec;
use tokio::time::{Instant, timeout_at};

use super::Simulated;
use crate::error::EngineError;
use crate::seen::{Labels, NetworkAttachment, State};
use crate::step::{Content, Step};

impl Simulated {
    /// See [`crate::Engine::create_step`].
    pub async fn create_step(&self, name: &str, step: &Step, labels: &Labels) -> Result<String, EngineError> {
        let spec = Spec {
            image: step.image.clone(),
            command: Some(step.command.clone()),
            env: step.env.clone(),
            volumes: step.volumes.iter().map(|(path, volume)| (path.clone(), Mount::volume(volume.clone()))).collect(),
            restart: Restart::No,
            stop: step.stop.clone(),
            limits: Limits { memory: Some(step.limits.memory), cpus: Some(step.limits.cpus), ..Limits::default() },
            ..Spec::default()
        };
        let network = step.network.clone().unwrap_or_else(|| "none".to_owned());
        let mut world = self.arrive().await?;
        if step.network.is_none() {
            world.ensure_network("none", &Labels::new());
        }
        world.create(name, &spec, labels, &NetworkAttachment { network, alias: String::new() })
    }

    /// See [`crate::Engine::put_file`].
    pub async fn put_file(&self, container: &str, folder: &str, name: &str) -> Result<(), EngineError> {
        let mut world = self.arrive().await?;
        let path = format!("{folder}/{name}");
        world.files(container, &path)?.insert(path.clone(), String::new());
        Ok(())
    }

    /// See [`crate::Engine::get_file`].
    pub async fn get_file(&self, container: &str, path: &str, limit: u64) -> Result<Option<Content>, EngineError> {
        let mut world = self.arrive().await?;
        Ok(world.files(container, path)?.get(path).map(|text| {
            let length = text.len() as u64;
            if length > limit { Content::TooLarge(length) } else { Content::Bytes(text.clone().into_bytes()) }
        }))
    }

    /// See [`crate::Engine::ended`].
    pub async fn ended(&self, container: &str, within: Duration) -> Result<bool, EngineError> {
        let deadline = Instant::now() + within;
        let mut signals = self.arrive().await?.follow();
        loop {
            let state = self.inspect(container).await?.map(|seen| seen.state);
            if state != Some(State::Running) {
                return Ok(true);
            }
            if timeout_at(deadline, signals.recv()).await.is_err() {
                return Ok(false);
            }
        }
    }
}
