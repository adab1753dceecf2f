//! The calls of [`crate::Engine`], on the simulated world.

use std::sync::MutexGuard;
use std::time::Duration;

use futures_util::StreamExt;
use schemas::spec::Spec;
use tokio::sync::broadcast::error::RecvError;

use super::life::KILLED;
use super::world::{Signal, World};
use super::{Simulated, world};
use crate::error::EngineError;
use crate::seen::{Container, Ensured, Labels, Listed, Network, NetworkAttachment, Scope, State, Volume};
use crate::wake::{Kind, Wakes};

impl Simulated {
    /// A call arrives: it takes its time, and finds the engine there or not.
    pub(super) async fn arrive(&self) -> Result<MutexGuard<'_, World>, EngineError> {
        let latency = self.world().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let world = self.world();
        if world.away { Err(away()) } else { Ok(world) }
    }

    /// See [`crate::Engine::ping`].
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.arrive().await.map(|_| ())
    }

    /// See [`crate::Engine::list`].
    pub async fn list(&self, scope: &Scope) -> Result<Vec<Listed>, EngineError> {
        let world = self.arrive().await?;
        let ours = world.containers.values().map(|it| &it.seen).filter(|it| scope.holds(&it.labels));
        let listed = |it: &Container| Listed {
            id: it.id.clone(),
            name: it.name.clone(),
            labels: it.labels.clone(),
            state: it.state,
        };
        Ok(ours.map(listed).collect())
    }

    /// See [`crate::Engine::inspect`].
    pub async fn inspect(&self, container: &str) -> Result<Option<Container>, EngineError> {
        let mut world = self.arrive().await?;
        Ok(world.entry(container).ok().map(|it| it.seen.clone()))
    }

    /// See [`crate::Engine::create`].
    pub async fn create(
        &self,
        name: &str,
        spec: &Spec,
        labels: &Labels,
        network: &NetworkAttachment,
    ) -> Result<String, EngineError> {
        self.arrive().await?.create(name, spec, labels, network)
    }

    /// See [`crate::Engine::update`].
    pub async fn update(&self, container: &str, spec: &Spec) -> Result<(), EngineError> {
        self.arrive().await?.update(container, spec)
    }

    /// See [`crate::Engine::disconnect`].
    pub async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        self.arrive().await?.disconnect(container, network)
    }

    /// See [`crate::Engine::rename`].
    pub async fn rename(&self, container: &str, name: &str) -> Result<(), EngineError> {
        self.arrive().await?.rename(container, name)
    }

    /// See [`crate::Engine::changes`].
    pub async fn changes(&self, container: &str) -> Result<Vec<String>, EngineError> {
        Ok(self.arrive().await?.entry(container)?.files.keys().cloned().collect())
    }

    /// See [`crate::Engine::unpause`].
    pub async fn unpause(&self, container: &str) -> Result<(), EngineError> {
        self.arrive().await?.freeze(container, false)
    }

    /// See [`crate::Engine::start`].
    pub async fn start(&self, container: &str) -> Result<(), EngineError> {
        self.arrive().await?.start(container)
    }

    /// See [`crate::Engine::stop`].
    pub async fn stop(&self, container: &str, signal: Option<&str>, grace: Duration) -> Result<(), EngineError> {
        let ends_with = {
            let mut world = self.arrive().await?;
            let entry = world.entry(container)?;
            if !matches!(entry.seen.state, State::Running | State::Paused) {
                return Ok(());
            }
            let signal = signal.unwrap_or(&entry.seen.shown.stop.signal).trim_start_matches("SIG");
            entry.handlers.get(signal).copied().unwrap_or(Some(0))
        };
        if ends_with.is_none() {
            // As Docker, which counts whole seconds.
            tokio::time::sleep(Duration::from_secs(grace.as_secs() + u64::from(grace.subsec_nanos() > 0))).await;
        }
        self.world().stopped(container, ends_with.unwrap_or(KILLED))
    }

    /// See [`crate::Engine::remove`].
    pub async fn remove(&self, container: &str) -> Result<bool, EngineError> {
        self.arrive().await?.remove(container)
    }

    /// See [`crate::Engine::logs`].
    pub async fn logs(&self, container: &str, tail: usize) -> Result<Vec<String>, EngineError> {
        let mut world = self.arrive().await?;
        let lines = &world.entry(container)?.lines;
        Ok(lines[lines.len().saturating_sub(tail)..].to_vec())
    }

    /// See [`crate::Engine::ensure_network`].
    pub async fn ensure_network(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        let mut world = self.arrive().await?;
        let made = world.ensure_network(name, labels);
        let labels = world.networks.get(name).map(|it| it.labels.clone()).unwrap_or_default();
        Ok(Ensured { made, labels })
    }

    /// See [`crate::Engine::remove_network`].
    pub async fn remove_network(&self, name: &str) -> Result<bool, EngineError> {
        self.arrive().await?.remove_network(name)
    }

    /// See [`crate::Engine::network`].
    pub async fn network(&self, name: &str) -> Result<Option<Network>, EngineError> {
        let world = self.arrive().await?;
        let Some(found) = world.networks.get(name) else { return Ok(None) };
        let containers = world.containers.values().filter(|it| it.network.network == name).count();
        Ok(Some(Network { id: found.id.clone(), name: name.to_owned(), labels: found.labels.clone(), containers }))
    }

    /// See [`crate::Engine::networks`].
    pub async fn networks(&self, scope: &Scope) -> Result<Vec<String>, EngineError> {
        let world = self.arrive().await?;
        Ok(world.networks.iter().filter(|(_, it)| scope.holds(&it.labels)).map(|(name, _)| name.clone()).collect())
    }

    /// See [`crate::Engine::ensure_volume`].
    pub async fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<Ensured, EngineError> {
        let mut world = self.arrive().await?;
        let made = world.ensure_volume(name, labels);
        let labels = world.volumes.get(name).map(|it| it.labels.clone()).unwrap_or_default();
        Ok(Ensured { made, labels })
    }

    /// See [`crate::Engine::copy_volume`].
    pub async fn copy_volume(&self, from: &str, to: &str, _: &Labels, _: Duration) -> Result<u64, EngineError> {
        self.arrive().await?.copy_volume(from, to)
    }

    /// See [`crate::Engine::drop_carriers`]: here a copy needs none.
    pub async fn drop_carriers(&self, _: &Labels) -> Result<(), EngineError> {
        self.arrive().await.map(|_| ())
    }

    /// See [`crate::Engine::volume`].
    pub async fn volume(&self, name: &str) -> Result<Option<Volume>, EngineError> {
        let world = self.arrive().await?;
        Ok(world.volumes.get(name).map(|it| volume(name, it)))
    }

    /// See [`crate::Engine::remove_volume`].
    pub async fn remove_volume(&self, name: &str) -> Result<bool, EngineError> {
        self.arrive().await?.remove_volume(name)
    }

    /// See [`crate::Engine::volumes`].
    pub async fn volumes(&self, scope: &Scope) -> Result<Vec<Volume>, EngineError> {
        let world = self.arrive().await?;
        let ours = world.volumes.iter().filter(|(_, it)| scope.holds(&it.labels));
        Ok(ours.map(|(name, it)| volume(name, it)).collect())
    }

    /// See [`crate::Engine::events`].
    pub async fn events(&self, scope: &Scope) -> Result<Wakes, EngineError> {
        let signals = self.arrive().await?.follow();
        let scope = scope.clone();
        let wakes = futures_util::stream::unfold(Some(signals), async |signals| {
            let mut signals = signals?;
            match signals.recv().await {
                Ok(Signal::Wake(wake)) => Some((Ok(wake), Some(signals))),
                Ok(Signal::Gone) | Err(RecvError::Closed) => Some((Err(away()), None)),
                Err(RecvError::Lagged(lost)) => {
                    Some((Err(EngineError::Away { reason: format!("{lost} events were lost") }), None))
                }
            }
        });
        let meant = move |wake: &Result<_, _>| {
            std::future::ready(match wake {
                Ok(crate::wake::Wake { kind: Kind::Container, labels, .. }) => scope.holds(labels),
                Ok(_) | Err(_) => true,
            })
        };
        Ok(Wakes(wakes.filter(meant).boxed()))
    }
}

fn volume(name: &str, it: &world::SimulatedVolume) -> Volume {
    Volume { name: name.to_owned(), labels: it.labels.clone() }
}

pub(super) fn away() -> EngineError {
    EngineError::Away { reason: "the simulated engine was taken away".to_owned() }
}
