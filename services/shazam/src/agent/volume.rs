//! Volumes by hand: removed, copied beside themselves, and filled again from such a copy. Nothing that has a volume may run
//! meanwhile, and what a restore overwrites is copied first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Container, EngineError, Labels, Scope};
use schemas::names::{FleetId, Name};
use schemas::operate::{Operation, Outcome, SnapshotTime};
use schemas::query::{ActAnswer, ActOnNode};
use schemas::spec::resource_name;
use streams::clock;
use tokio::time::{Instant, timeout_at};

use super::act::{ended_by, failed};
use super::archive::{has_volume, rests};
use super::error::StepError;
use super::host::{FLEET, Host, INSTALLATION, Slot, container_name, fleet_of};
use super::look::Why;

/// The label that says of which volume something is a copy.
const SNAPSHOT_OF: &str = "fleetlog.snapshot_of";

/// What was done so far.
#[derive(Default)]
struct Touched {
    made: Option<SnapshotTime>,
    bytes: Option<u64>,
}

/// The containers that have a volume, by their name in Docker, each with its turn.
struct Users(BTreeMap<String, (Container, Arc<Slot>)>);

impl Host {
    /// Does what is asked about a volume, and says how far it came.
    pub(super) async fn act_on_volume(&self, it: &ActOnNode) -> ActAnswer {
        let mut touched = Touched::default();
        let end = self.touch(it, Instant::now() + it.within.into(), &mut touched).await;
        let answer = match end {
            Ok(()) => ActAnswer::of(Outcome::Done, None),
            Err(StepError::Engine(error)) if !error.is_slow() => ended_by(&error),
            Err(error) => failed(error),
        };
        ActAnswer { made: touched.made, bytes: touched.bytes, ..answer }
    }

    async fn touch(&self, it: &ActOnNode, deadline: Instant, touched: &mut Touched) -> Result<(), StepError> {
        let _one_after_the_other = self.volumes.lock().await;
        self.engine.drop_carriers(&self.carried()).await?;
        let volume = resource_name(&it.fleet, Some(&it.container));
        let snapshot = it.snapshot.as_ref().map(|it| it.of_volume(&volume));
        if it.what == Operation::RemoveVolume {
            return self.remove_by_hand(it, snapshot.as_ref().unwrap_or(&volume)).await;
        }
        let users = self.users(&volume).await?;
        let mut turns = Vec::new();
        for (name, (_, slot)) in &users.0 {
            let turn = timeout_at(deadline, slot.busy.lock()).await;
            turns.push(
                turn.map_err(|_| EngineError::Slow { what: format!("a turn at `{name}`"), within: it.within.into() })?,
            );
        }
        self.none_runs(it, &users).await?;
        match snapshot {
            None => self.save(&it.fleet, &volume, deadline, touched).await,
            Some(from) => self.restore(it, &volume, &from, &users, deadline, touched).await,
        }
    }

    async fn remove_by_hand(&self, it: &ActOnNode, name: &str) -> Result<(), StepError> {
        if self.is_there(&it.fleet, name).await? {
            // Before anything that is only kept goes.
            self.nobody_else_has(it, name, &Users(BTreeMap::new())).await?;
            self.let_go_of_volume(name).await?;
            // Docker itself refuses one that a container still has, whoever's that is.
            self.engine.remove_volume(name).await?;
        }
        Ok(())
    }

    /// Copies a volume beside itself. Half a copy is none.
    async fn save(
        &self,
        fleet: &FleetId,
        volume: &str,
        deadline: Instant,
        touched: &mut Touched,
    ) -> Result<(), StepError> {
        self.must_be_there(fleet, volume).await?;
        let mut labels = self.labels(fleet, None);
        labels.insert(SNAPSHOT_OF.to_owned(), volume.to_owned());
        let mut time = clock::now();
        let (made, name) = loop {
            let made = SnapshotTime::of(time);
            let name = made.of_volume(volume);
            if self.engine.ensure_volume(&name, &labels).await?.made {
                break (made, name);
            }
            // There is one of this second.
            time += Duration::from_secs(1);
        };
        match self.copy(volume, &name, deadline).await {
            Ok(bytes) => (touched.made, touched.bytes) = (Some(made), Some(bytes)),
            Err(error) => {
                self.engine.remove_volume(&name).await?;
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Makes a volume anew with what a copy of it has. What had it goes: a rollout brings it back.
    async fn restore(
        &self,
        it: &ActOnNode,
        volume: &str,
        from: &str,
        users: &Users,
        deadline: Instant,
        touched: &mut Touched,
    ) -> Result<(), StepError> {
        self.must_be_there(&it.fleet, from).await?;
        self.nobody_else_has(it, volume, users).await?;
        let (begun, left) = (Instant::now(), deadline.saturating_duration_since(Instant::now()));
        if self.is_there(&it.fleet, volume).await? {
            self.save(&it.fleet, volume, deadline, touched).await?;
        }
        let saved = touched.made.as_ref().map_or_else(|| from.to_owned(), ToString::to_string);
        if begun.elapsed() > left / 2 {
            return Err(StepError::TooLittleTime { volume: it.container.to_string(), saved });
        }
        // Both once more: the copy may have taken long, and from here on things go.
        self.nobody_else_has(it, volume, users).await?;
        self.must_be_there(&it.fleet, from).await?;
        self.let_go_of_volume(volume).await?;
        for (seen, slot) in users.0.values() {
            let Some((fleet, container)) = self.own(seen) else { continue };
            self.have_read(seen).await;
            self.engine.remove(&seen.id).await?;
            self.tell_removed(slot, &fleet, &container, &seen.id, None, Why::Step(it.cause)).await;
        }
        self.engine.remove_volume(volume).await?;
        let filled = async {
            self.engine.ensure_volume(volume, &self.labels(&it.fleet, Some(&it.container))).await?;
            self.copy(from, volume, deadline).await
        };
        match filled.await {
            Ok(bytes) => touched.bytes = Some(bytes),
            Err(error) => {
                let (volume, why) = (it.container.to_string(), error.to_string());
                return Err(StepError::NotWhole { volume, why, saved });
            }
        }
        Ok(())
    }

    async fn copy(&self, from: &str, to: &str, deadline: Instant) -> Result<u64, EngineError> {
        self.engine.copy_volume(from, to, &self.carried(), deadline.saturating_duration_since(Instant::now())).await
    }

    /// The labels of what carries files.
    fn carried(&self) -> Labels {
        Labels::from([(INSTALLATION.to_owned(), self.installation.to_string())])
    }

    /// Whether there is such a volume; one that is not this fleet's is in the way.
    async fn is_there(&self, fleet: &FleetId, name: &str) -> Result<bool, StepError> {
        let Some(volume) = self.engine.volume(name).await? else { return Ok(false) };
        let of = volume.labels.get(FLEET).is_some_and(|it| *it == fleet.to_string());
        if self.is_ours(&volume.labels) && of {
            return Ok(true);
        }
        Err(StepError::Stranger { kind: "volume", name: name.to_owned() })
    }

    /// Docker makes an empty volume of what it does not find.
    async fn must_be_there(&self, fleet: &FleetId, name: &str) -> Result<(), StepError> {
        match self.is_there(fleet, name).await? {
            true => Ok(()),
            false => Err(EngineError::NotFound { what: format!("volume `{name}`") }.into()),
        }
    }

    /// Whose a container under its own name is.
    fn own(&self, seen: &Container) -> Option<(FleetId, Name)> {
        fleet_of(&seen.labels).filter(|(fleet, container)| container_name(fleet, container) == seen.name)
    }

    /// What has a volume, without what is only kept for a while.
    async fn users(&self, volume: &str) -> Result<Users, EngineError> {
        let mut users = BTreeMap::new();
        for listed in self.engine.list(&self.scope()).await? {
            let Some(seen) = self.engine.inspect(&listed.id).await? else { continue };
            if has_volume(&seen, volume) && self.own(&seen).is_some() {
                let slot = self.slot(&seen.name);
                users.insert(seen.name.clone(), (seen, slot));
            }
        }
        Ok(Users(users))
    }

    /// Whether nothing else on the host has a volume: a stranger's container, a task's, or one that is kept and was started.
    async fn nobody_else_has(&self, it: &ActOnNode, volume: &str, users: &Users) -> Result<(), StepError> {
        for listed in self.engine.list(&Scope::default()).await? {
            if users.0.contains_key(&listed.name) {
                continue;
            }
            let Some(seen) = self.engine.inspect(&listed.id).await? else { continue };
            // What is only kept goes with the volume.
            let ours = self.is_ours(&seen.labels) && fleet_of(&seen.labels).is_some();
            let is_kept = ours && self.own(&seen).is_none() && rests(&seen);
            if has_volume(&seen, volume) && !is_kept {
                return Err(StepError::VolumeShared { volume: it.container.to_string(), container: seen.name });
            }
        }
        Ok(())
    }

    /// Looks once more, now that nobody else has a turn at them.
    async fn none_runs(&self, it: &ActOnNode, users: &Users) -> Result<(), StepError> {
        for (seen, _) in users.0.values() {
            let now = self.engine.inspect(&seen.id).await?;
            let runs = now.is_some_and(|it| !rests(&it));
            if let Some((_, container)) = self.own(seen).filter(|_| runs) {
                let (volume, container) = (it.container.to_string(), container.to_string());
                return Err(StepError::VolumeInUse { volume, container });
            }
        }
        Ok(())
    }
}
