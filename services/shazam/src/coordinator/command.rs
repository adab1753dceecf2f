//! A step as its agent gets it: rendered, and fenced by the coordinator's epoch.

use std::collections::BTreeMap;

use schemas::descriptors::{Container, Needed};
use schemas::fleet::{Fleet, Rollout};
use schemas::names::Name;
use schemas::plan::destroy::is_doomed;
use schemas::plan::{Action, Step};
use schemas::spec::{self, DigestKey, RenderFault};
use schemas::work::{Command, Need, PlacedIn, Target};
use uuid::Uuid;

/// What every command of one coordinator carries.
#[derive(Debug, Clone)]
pub struct Fence {
    /// The log that the epoch belongs to.
    pub incarnation: Uuid,
    /// Position of the coordinator's `coordinator.took`.
    pub epoch: u64,
}

/// Renders a step. `cause` is the id of the event that sends it.
pub fn command(
    fence: &Fence,
    fleet: &Fleet,
    rollout: &Rollout,
    index: u32,
    step: &Step,
    cause: Uuid,
    key: &DigestKey,
) -> Result<Command, RenderFault> {
    let target = match step.action {
        Action::Remove => None,
        Action::Destroy if is_doomed(fleet, &fleet.desired, &step.container) => None,
        Action::Destroy => return Err(not_doomed(step)),
        Action::Create
        | Action::Recreate
        | Action::Replace
        | Action::Update
        | Action::Place
        | Action::Reload
        | Action::Restart
        | Action::Wait => Some(target(fleet, &step.container, key)?),
    };
    Ok(Command {
        incarnation: fence.incarnation,
        epoch: fence.epoch,
        fleet: fleet.id.clone(),
        rollout: rollout.id,
        step: index,
        cause,
        position: 0,
        commit: rollout.commit.clone(),
        container: step.container.clone(),
        action: step.action,
        target,
        keep: fleet.desired.fleet.keeps_removed().filter(|_| step.action == Action::Remove),
    })
}

/// A volume that no push allows to be destroyed any more.
fn not_doomed(step: &Step) -> RenderFault {
    RenderFault {
        pointer: String::new(),
        code: "not-allowed",
        message: format!("volume `{}` is not destroyed: no push allows that any more", step.container),
        expected: "`-o allow-destroy` of the push that removes it".to_owned(),
        hint: None,
    }
}

fn target(fleet: &Fleet, name: &Name, key: &DigestKey) -> Result<Target, RenderFault> {
    let desired = &fleet.desired;
    let spec = spec::render(&fleet.id, name, desired).map_err(|mut faults| faults.swap_remove(0))?;
    let digests = spec::digests(key, &spec);
    // `render` found the container, so it is there.
    let container = desired.containers.get(name);
    let needs = container.into_iter().flat_map(|it| &it.needs.0).filter_map(|(needed, need)| {
        let readiness = spec::readiness(desired.containers.get(needed)?, desired);
        let Needed { condition, restart_with } = *need;
        Some(Need { container: needed.clone(), condition, readiness, restart_with })
    });
    let volumes: BTreeMap<_, _> = container
        .into_iter()
        .flat_map(Container::mounted)
        .map(|volume| (volume.clone(), spec::resource_name(&fleet.id, Some(volume))))
        .collect();
    let readiness = container.map(|it| spec::readiness(it, desired));
    let readiness =
        readiness.unwrap_or(spec::Readiness { probe: spec::Probe::Docker, within: schemas::units::Span::seconds(60) });
    let (digest, digest_before) = (digests.now, digests.before);
    let image = fleet.images.in_force(name, &spec).cloned();
    let overlap = container.and_then(Container::overlap);
    let needs = needs.collect();
    let files = container.map(|it| spec::placings(it, desired, key)).transpose()?.unwrap_or_default();
    let seen = fleet.observed.containers.get(name).filter(|it| !it.files.is_empty());
    let placed = seen.map(|it| PlacedIn { docker_id: it.docker_id.clone(), files: it.files.clone() });
    Ok(Target { spec, digest, image, digest_before, readiness, volumes, needs, overlap, files, placed })
}
