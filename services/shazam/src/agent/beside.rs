//! Lets a new container take the place of one that runs, without a moment in which neither does.
//!
//! The new one is made beside the old one, under a name of its own. Once it is ready, both go on for a while; then the
//! names change hands, and the old one is stopped in its own way and removed. Whoever comes by afterwards, after whatever
//! crash, sees by the names how far that came: see [`Host::settle`].
//!
//! The old one stays in the fleet's network until it has ended. Docker takes a container out of a network by taking its
//! interface: what it is answering would be cut off, and whoever waits for it would hear nothing.

use std::sync::Arc;
use std::time::Duration;

use engine::{Container, EngineError, Listed};
use schemas::descriptors::Condition;
use schemas::names::{FleetId, Name};
use schemas::units::Span;
use schemas::work::{Command, Target};
use tokio::time::timeout;
use uuid::Uuid;

use super::error::StepError;
use super::files::Contents;
use super::host::{Host, Slot, container_name, fleet_of};
use super::image::Chosen;
use super::look::Why;
use super::ready::Of;

/// Behind a container's own name: it is not ready yet, or nobody has seen that it is. No container's name has a fourth part
/// that is a word.
const NEXT: &str = ".next";

/// The same: another one has taken its place, and it is about to end.
const LAST: &str = ".last";

/// By then everything is looked at again.
const A_WHILE: Duration = Duration::from_secs(60);

/// Whether a container of this name in Docker is to take the place of another one.
pub(super) fn is_next(name: &str) -> bool {
    name.ends_with(NEXT)
}

/// Whose a listed container is that is there beside the one of its name.
pub(super) fn beside(listed: &Listed) -> Option<(FleetId, Name)> {
    let (fleet, container) = fleet_of(&listed.labels)?;
    let name = container_name(&fleet, &container);
    let suffix = listed.name.strip_prefix(&name)?;
    [NEXT, LAST].contains(&suffix).then_some((fleet, container))
}

impl Host {
    /// Makes a container beside `old`, and lets it take over. Whatever fails before that, `old` goes on as it was.
    pub(super) async fn replace(
        &self,
        command: &Command,
        target: &Target,
        image: &Chosen,
        old: &Container,
        (overlap, contents, slot): (Span, Contents<'_>, &Slot),
    ) -> Result<(), StepError> {
        let next = format!("{}{NEXT}", old.name);
        let last = format!("{}{LAST}", old.name);
        if self.engine.inspect(&last).await?.is_some() {
            return Err(not_replaced(&stranger(last)));
        }
        self.may_be_twice(&old.name);
        match self.make(command, target, image, &next, (&contents, slot)).await {
            Err(StepError::Engine(EngineError::NameTaken { .. })) => return Err(not_replaced(&stranger(next))),
            Err(error) if error.is_away() || error.is_passing() => return Err(error),
            Err(error) => return Err(not_replaced(&error)),
            Ok(()) => {}
        }
        // It may be a while until the old one is gone: others need the room.
        drop(contents);
        let new = match self.until_it_may_take_over(target, &next, overlap, slot).await {
            // Nothing is known: the next try begins with what is there.
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                if let Some(new) = self.engine.inspect(&next).await? {
                    self.end_beside(command, &new, slot).await?;
                }
                return Err(not_replaced(&error));
            }
            Ok(new) => new,
        };
        match self.take_over(old, &new).await {
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                self.end_beside(command, &new, slot).await?;
                return Err(not_replaced(&error));
            }
            Ok(()) => {}
        }
        self.end_beside(command, old, slot).await
    }

    async fn until_it_may_take_over(
        &self,
        target: &Target,
        next: &str,
        overlap: Span,
        slot: &Slot,
    ) -> Result<Container, StepError> {
        let ready = || self.ready(next, &target.readiness, Condition::Healthy, Of::Beside(slot));
        let new = ready().await?;
        if overlap.0 == 0 {
            return Ok(new);
        }
        // Whoever keeps the address of the old one for a while learns that of the new one meanwhile.
        tokio::time::sleep(overlap.into()).await;
        ready().await
    }

    /// The names change hands: from here on the new one is the container.
    async fn take_over(&self, old: &Container, new: &Container) -> Result<(), StepError> {
        let last = format!("{}{LAST}", old.name);
        match self.engine.rename(&old.id, &last).await {
            Err(EngineError::NameTaken { .. }) => return Err(stranger(last)),
            end => end?,
        }
        if let Err(error) = self.engine.rename(&new.id, &old.name).await {
            self.engine.rename(&old.id, &old.name).await?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Brings a container that is there twice to an end of that, by what Docker shows: the one that had not taken over goes,
    /// the one that had stays, and where only one is left it gets the name. Who calls holds its slot.
    pub(super) async fn settle(
        &self,
        (fleet, container): (&FleetId, &Name),
        slot: &Slot,
        cause: Option<Uuid>,
    ) -> Result<(), StepError> {
        let name = container_name(fleet, container);
        let next = self.ours_beside(&name, NEXT).await?;
        let last = self.ours_beside(&name, LAST).await?;
        if next.is_none() && last.is_none() {
            return Ok(());
        }
        tracing::info!(%fleet, %container, "it is there twice, and nobody is at it any more");
        let end = async |seen: &Container| self.end_one_of_two((fleet, container), seen, slot, cause).await;
        match (self.engine.inspect(&name).await?, next, last) {
            // It was about to take over, or another hand has removed the old one.
            (None, Some(next), last) => {
                self.engine.rename(&next.id, &name).await?;
                if let Some(last) = last {
                    end(&last).await?;
                }
            }
            // Another hand has removed the one that took over.
            (None, None, Some(last)) => self.engine.rename(&last.id, &name).await?,
            (_, next, last) => {
                for seen in next.iter().chain(&last) {
                    end(seen).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether one is there under another name that is about to have this one.
    pub(super) async fn is_beside(&self, name: &str) -> Result<bool, EngineError> {
        Ok(self.ours_beside(name, NEXT).await?.is_some() || self.ours_beside(name, LAST).await?.is_some())
    }

    /// Takes note of a container that is there twice from now on.
    fn may_be_twice(&self, name: &str) {
        if let Some(twice) = self.twice().as_mut() {
            twice.insert(name.to_owned());
        }
    }

    /// Takes note of everything that is there twice, by all that is there.
    pub(super) fn are_twice(&self, listed: &[Listed]) {
        let names = listed.iter().filter_map(beside).map(|(fleet, container)| container_name(&fleet, &container));
        *self.twice() = Some(names.collect());
    }

    /// Whether it has to be looked whether a container is there twice; nobody has looked at all yet: it has.
    pub(super) fn is_perhaps_twice(&self, name: &str) -> bool {
        self.twice().as_ref().is_none_or(|it| it.contains(name))
    }

    async fn ours_beside(&self, name: &str, suffix: &str) -> Result<Option<Container>, EngineError> {
        let seen = self.engine.inspect(&format!("{name}{suffix}")).await?;
        Ok(seen.filter(|seen| self.is_ours(&seen.labels)))
    }

    /// Settles what nobody is at, beside everything else: to stop a container may take long.
    pub(super) fn settle_in_time(self: &Arc<Self>, fleet: FleetId, container: Name) {
        let host = self.clone();
        self.probes.spawn(async move {
            let name = container_name(&fleet, &container);
            let slot = host.slot(&name);
            // A step has both of them on purpose, and leaves one.
            let Ok(busy) = timeout(A_WHILE, slot.busy.lock()).await else { return };
            let end = tokio::select! {
                () = host.shutdown.cancelled() => return,
                end = host.settle((&fleet, &container), &slot, None) => end,
            };
            drop(busy);
            let end = match end {
                Ok(()) => host.look_at(&name).await.map_err(StepError::from),
                error => error,
            };
            if let Err(error) = end {
                tracing::warn!(%error, container = name, "it is there twice; looked at again in a minute");
            }
        });
    }

    async fn end_beside(&self, command: &Command, seen: &Container, slot: &Slot) -> Result<(), StepError> {
        let Command { fleet, container, cause, .. } = command;
        self.end_one_of_two((fleet, container), seen, slot, Some(*cause)).await
    }

    /// Stops one of the two and removes it; the log hears of it only where it is the one that the log knows. Both is told in
    /// one go: until it is gone it is the container, and right behind that the other one is.
    async fn end_one_of_two(
        &self,
        (fleet, container): (&FleetId, &Name),
        seen: &Container,
        slot: &Slot,
        cause: Option<Uuid>,
    ) -> Result<(), StepError> {
        self.ask_to_end(seen).await?;
        self.have_read(seen).await;
        let stopped = self.engine.inspect(&seen.id).await?;
        self.engine.remove(&seen.id).await?;
        if slot.told().docker_id != seen.id {
            return Ok(());
        }
        if let Some(stopped) = stopped {
            self.tell(slot, fleet, container, &stopped, cause.map_or(Why::Mended, Why::Asked)).await;
        }
        self.tell_removed(slot, fleet, container, &seen.id, None, cause.map_or(Why::Seen, Why::Step)).await;
        Ok(())
    }
}

fn not_replaced(error: &StepError) -> StepError {
    StepError::NotReplaced { why: error.to_string() }
}

fn stranger(name: String) -> StepError {
    StepError::Stranger { kind: "container", name }
}

#[cfg(test)]
mod tests {
    use engine::{Labels, State};

    use super::super::host::{FLEET, NAME};
    use super::*;

    #[test]
    fn a_name_says_that_a_container_is_beside_another_one() {
        let labels = Labels::from([(FLEET.to_owned(), "acme/shop".to_owned()), (NAME.to_owned(), "api".to_owned())]);
        let of = |name: &str| {
            let (id, name, labels, state) = ("1".to_owned(), name.to_owned(), labels.clone(), State::Running);
            beside(&Listed { id, name, labels, state }).map(|(fleet, container)| format!("{fleet}/{container}"))
        };
        assert_eq!(of("acme.shop.api.next").as_deref(), Some("acme/shop/api"));
        assert_eq!(of("acme.shop.api.last").as_deref(), Some("acme/shop/api"));
        for other in ["acme.shop.api", "acme.shop.next", "acme.shop.web.next", "acme.shop.api.until-20261204T101500Z"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
