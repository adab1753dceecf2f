//! Keeps a container whose descriptor is gone for a while: stopped, and under a name that says until when. So what it wrote
//! beside its volumes is not gone at once, and whoever looks with `docker ps -a` sees what it is.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{Container, EngineError, Listed, State};
use jiff::Timestamp;
use jiff::fmt::strtime;
use schemas::descriptors::Restart;
use schemas::event::ArchiveEnd;
use schemas::fleet::{Archived, Fleet};
use schemas::names::{FleetId, Name};
use schemas::spec::{Spec, resource_name};
use schemas::units::Span;
use schemas::work::{ArchiveReport, Command, Report, observation_id};
use streams::clock;
use uuid::Uuid;

use super::error::StepError;
use super::host::{Host, Slot, container_name, fleet_of};
use super::look::Why;

/// Between a container's own name and the time until which it is kept.
const UNTIL: &str = ".until-";

/// How that time is written: in UTC, to the second.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// A container that is kept, by its name in Docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub fleet: FleetId,
    pub container: Name,
    pub docker_id: String,
    pub until: Timestamp,
}

/// The name under which a container is kept.
fn kept_name(name: &str, until: Timestamp) -> String {
    format!("{name}{UNTIL}{}", until.strftime(TIME))
}

/// Until when a container of this name in Docker is kept; none: it is not.
fn kept_until(name: &str) -> Option<Timestamp> {
    let (_, time) = name.rsplit_once(UNTIL)?;
    strtime::parse(TIME, time)
        .and_then(|it| it.to_datetime()?.to_zoned(jiff::tz::TimeZone::UTC))
        .ok()
        .map(|it| it.timestamp())
}

fn kept(listed: &Listed) -> Option<Kept> {
    let (fleet, container) = fleet_of(&listed.labels)?;
    let until = kept_until(&listed.name).filter(|_| listed.name != container_name(&fleet, &container))?;
    Some(Kept { fleet, container, docker_id: listed.id.clone(), until })
}

/// Whether nothing of it runs, and nobody has paused it.
pub(super) fn rests(seen: &Container) -> bool {
    matches!(seen.state, State::Created | State::Exited | State::Dead)
}

/// Whether a volume of this name in Docker is mounted in it.
pub(super) fn has_volume(seen: &Container, volume: &str) -> bool {
    seen.shown.volumes.values().any(|it| it.as_volume().is_some_and(|it| it == volume))
}

impl Host {
    /// Stops a container and keeps it for a while, under another name.
    pub(super) async fn put_aside(
        &self,
        command: &Command,
        seen: &Container,
        keep: Span,
        slot: &Slot,
    ) -> Result<(), StepError> {
        self.end(command, seen, slot).await?;
        // Or Docker would start it again when it is itself started.
        self.engine.update(&seen.id, &Spec { restart: Restart::No, ..Spec::default() }).await?;
        // Or it would keep the fleet's network, and be found there under its name where somebody starts it.
        let network = resource_name(&command.fleet, None);
        if seen.aliases.contains_key(&network) {
            match self.engine.disconnect(&seen.id, &network).await {
                Ok(()) | Err(EngineError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut until = clock::now() + Duration::from(keep);
        let name = loop {
            let name = kept_name(&seen.name, until);
            match self.engine.rename(&seen.id, &name).await {
                Ok(()) => break name,
                // Another one of the same second.
                Err(EngineError::NameTaken { .. }) => until += Duration::from_secs(1),
                Err(error) => return Err(error.into()),
            }
        };
        let Command { fleet, container, cause, .. } = command;
        // As the name says it.
        let until = kept_until(&name).unwrap_or(until);
        let it = Kept { fleet: fleet.clone(), container: container.clone(), docker_id: seen.id.clone(), until };
        self.tell_kept(&name, &it, Some(*cause)).await;
        self.tell_removed(slot, fleet, container, &seen.id, None, Why::Step(*cause)).await;
        Ok(())
    }

    /// What a step before this one may have put aside without a chance to tell it.
    pub(super) async fn tell_put_aside(&self, name: &str, cause: Uuid) -> Result<(), EngineError> {
        for listed in self.engine.list(&self.scope()).await? {
            if let Some(it) = kept(&listed).filter(|it| container_name(&it.fleet, &it.container) == name) {
                self.tell_kept(&listed.name, &it, Some(cause)).await;
            }
        }
        Ok(())
    }

    /// Takes over what the log says is kept on this host.
    pub(super) fn remember_kept(&self, fleet: &Fleet) {
        let mut all = self.kept();
        for (name, Archived { container, docker_id, node, until, .. }) in &fleet.archived {
            if *node == self.node {
                let (fleet, container, docker_id) = (fleet.id.clone(), container.clone(), docker_id.clone());
                all.entry(name.clone()).or_insert(Kept { fleet, container, docker_id, until: *until });
            }
        }
    }

    /// Compares what is kept with what is there, and removes what was kept long enough. What runs again by another hand's
    /// wish stays.
    pub(super) async fn look_at_kept(&self, listed: &[Listed]) -> Result<(), EngineError> {
        let there: BTreeMap<&str, Kept> = listed.iter().filter_map(|it| Some((it.name.as_str(), kept(it)?))).collect();
        let gone: Vec<_> = self
            .kept()
            .iter()
            .filter(|(name, _)| !there.contains_key(name.as_str()))
            .map(|(name, it)| (name.clone(), it.clone()))
            .collect();
        for (name, it) in gone {
            self.tell_let_go(&name, &it, ArchiveEnd::Seen).await;
        }
        let now = clock::now();
        for (name, it) in there {
            self.tell_kept(name, &it, None).await;
            // Looked at once more: somebody may have started it since.
            if it.until <= now && self.engine.inspect(&it.docker_id).await?.is_some_and(|seen| rests(&seen)) {
                self.let_go(name, &it, ArchiveEnd::Expired).await?;
            }
        }
        Ok(())
    }

    /// Removes what is kept and has this volume, which is about to go or to be made anew: Docker keeps one that anything has.
    pub(super) async fn let_go_of_volume(&self, volume: &str) -> Result<(), EngineError> {
        for listed in self.engine.list(&self.scope()).await? {
            let Some(it) = kept(&listed) else { continue };
            let Some(seen) = self.engine.inspect(&it.docker_id).await? else { continue };
            if rests(&seen) && has_volume(&seen, volume) {
                self.let_go(&listed.name, &it, ArchiveEnd::Volume).await?;
            }
        }
        Ok(())
    }

    /// Another hand removed a container: perhaps one that is kept.
    pub(super) async fn lost_kept(&self, name: &str, docker_id: &str) {
        let known = self.kept().get(name).filter(|it| it.docker_id == docker_id).cloned();
        if let Some(it) = known {
            self.tell_let_go(name, &it, ArchiveEnd::Seen).await;
        }
    }

    async fn let_go(&self, name: &str, it: &Kept, why: ArchiveEnd) -> Result<(), EngineError> {
        // First, or whoever watches takes it for another hand's work.
        self.kept().remove(name);
        self.engine.remove(&it.docker_id).await?;
        self.tell_let_go(name, it, why).await;
        Ok(())
    }

    async fn tell_kept(&self, name: &str, it: &Kept, cause: Option<Uuid>) {
        if self.kept().get(name) != Some(it) && self.tell_archive(name, it, None, cause).await {
            self.kept().insert(name.to_owned(), it.clone());
            self.kept_changed.notify_one();
        }
    }

    async fn tell_let_go(&self, name: &str, it: &Kept, why: ArchiveEnd) {
        if self.tell_archive(name, it, Some(why), None).await {
            self.kept().remove(name);
        }
    }

    async fn tell_archive(&self, name: &str, it: &Kept, end: Option<ArchiveEnd>, cause: Option<Uuid>) -> bool {
        let at_ns = i64::try_from(clock::now().as_nanosecond()).unwrap_or(i64::MAX);
        let Kept { fleet, container, docker_id, until } = it.clone();
        let report = ArchiveReport { fleet, container, name: name.to_owned(), docker_id, until, end, at_ns, cause };
        let id = observation_id(
            &self.node,
            &format!("{name} {}", it.docker_id),
            0,
            if end.is_none() { "kept" } else { "let go" },
        );
        self.report(&Report::Archive(report), id).await
    }

    /// Waits until the next container was kept long enough, of those that were not yet at the time of the last look.
    pub(super) async fn until_one_expires(&self, looked: Timestamp) {
        loop {
            let changed = self.kept_changed.notified();
            let next = self.kept().values().map(|it| it.until).filter(|it| *it > looked).min();
            let Some(next) = next else {
                changed.await;
                continue;
            };
            let left = Duration::try_from(next.duration_since(clock::now())).unwrap_or_default();
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(left) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_until_when_a_container_is_kept() {
        let until: Timestamp = "2026-12-04T10:15:00Z".parse().unwrap();
        let name = kept_name("acme.shop.api", until);
        assert_eq!(name, "acme.shop.api.until-20261204T101500Z");
        assert_eq!(kept_until(&name), Some(until));
        for other in ["acme.shop.api", "acme.shop.api.until-", "acme.shop.api.until-tomorrow", "until-20261204T101500Z"]
        {
            assert_eq!(kept_until(other), None, "{other}");
        }
    }
}
