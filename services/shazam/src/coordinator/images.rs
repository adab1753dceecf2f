//! Images: looks at what tags lead to, because somebody asked or a descriptor's `image_policy` says so, and lets go of
//! images that nothing needs any more.
//!
//! Answers `req.shazam.update`; asks `req.shazam.images.<node>` and `req.shazam.prune.<node>` beside everything else, so
//! that a slow registry holds nobody up; writes `image.updated`, `image.outdated` and `image.pruned`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemas::descriptors::{ImagePolicy, OldImages};
use schemas::event::{Data, ImageMove, ImageOutdated, ImagePruned, ImageUpdated, Scope};
use schemas::fleet::{Fleet, State};
use schemas::image::{Pinned, pinned};
use schemas::names::{FleetId, Name, NodeName};
use schemas::query::{
    AskedImage, Fault, FaultCode, ImagesAnswer, ImagesRequest, Looked, PruneAnswer, PruneRequest, UpdateAnswer,
    UpdateImages,
};
use schemas::spec;
use streams::{AskError, Asked, Expected, clock, with_causes};

use super::Coordinator;
use super::drift::rests;
use crate::error::CoordinatorError;

/// How long a node may take to look at the tags of one fleet: its registries are asked again where they do not answer.
const LOOK: Duration = Duration::from_secs(40);

/// How long a node may take to remove images.
const PRUNE: Duration = Duration::from_secs(60);

/// What came back from a node.
pub(super) enum Came {
    /// What tags lead to.
    Looked(Box<Look>, Result<ImagesAnswer, AskError>),
    /// What became of images that nothing needs.
    Pruned(FleetId, NodeName, Result<PruneAnswer, AskError>),
}

/// A look at the tags of some containers of a fleet.
pub(super) struct Look {
    fleet: FleetId,
    why: Why,
    asked: Vec<(Name, AskedImage)>,
    /// Containers that were not asked for: their image says itself which it is.
    fixed: u32,
}

/// What a look is for.
enum Why {
    /// Somebody waits for the answer.
    Asked(Asked<UpdateImages>),
    /// The descriptors say so.
    Policy,
}

/// What a look found: which containers get another image, and how many keep theirs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    moves: BTreeMap<Name, ImageMove>,
    unchanged: Vec<Name>,
    faults: Vec<String>,
}

/// What is asked of a container's image; none: its name says itself which image it is, or it cannot be rendered.
fn question(fleet: &Fleet, name: &Name) -> Option<AskedImage> {
    let spec = spec::render(&fleet.id, name, &fleet.desired).ok()?;
    let seen = fleet.observed.containers.get(name).filter(|it| it.state != State::Removed);
    let id = seen.and_then(|it| it.image.clone());
    let asked = AskedImage { reference: spec.image, platform: spec.runtime.platform, id };
    (pinned(&asked.reference) != Pinned::Digest).then_some(asked)
}

/// What the answers mean for a fleet as it is now.
fn found(fleet: &Fleet, asked: &[(Name, AskedImage)], answer: &ImagesAnswer) -> Found {
    let mut found = Found::default();
    for ((name, asked), looked) in asked.iter().zip(&answer.images) {
        if question(fleet, name).as_ref() != Some(asked) {
            found.faults.push(format!("container `{name}` has just become another one: try again"));
            continue;
        }
        match looked {
            Err(why) => found.faults.push(why.clone()),
            Ok(Looked { runs: true, .. }) => found.unchanged.push(name.clone()),
            Ok(Looked { now, .. }) => {
                let recorded = fleet.images.containers.get(name).and_then(|it| it.newest()).cloned();
                let to = now.resolved(&asked.reference, asked.platform.as_deref());
                found.moves.insert(name.clone(), ImageMove { from: recorded, to });
            }
        }
    }
    found
}

fn fault(code: FaultCode, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into() }
}

impl Coordinator {
    /// Begins to resolve tags anew because somebody asked; the answer goes out once the node has looked.
    pub(super) async fn asked_to_update(&mut self, asked: Asked<UpdateImages>) {
        match self.to_update(&asked.question) {
            Ok((node, names)) => self.look_at(asked.question.fleet.clone(), Why::Asked(asked), node, names),
            Err(answer) => deliver(asked, answer.map_err(|it| *it)).await,
        }
    }

    /// Where and what to look at. The inner error is the answer where there is nothing to look at.
    fn to_update(&self, it: &UpdateImages) -> Result<(NodeName, Vec<Name>), Result<UpdateAnswer, Box<Fault>>> {
        let refused = |code, message: String| Err(Err(Box::new(fault(code, message))));
        let Some(fleet) = self.fleets.get(&it.fleet) else {
            return refused(
                FaultCode::NotFound,
                format!("there is no fleet `{}`: GET /v1/fleets lists them", it.fleet),
            );
        };
        if let Some(done) = self.done(fleet, it) {
            return Err(Ok(done));
        }
        let names = match &it.container {
            None => fleet.desired.containers.keys().cloned().collect(),
            Some(name) if fleet.desired.containers.contains_key(name) => vec![name.clone()],
            Some(name) => {
                let message =
                    format!("`{}` has no container `{name}`: GET /v1/fleets/{} shows them", it.fleet, it.fleet);
                return refused(FaultCode::NotFound, message);
            }
        };
        let agent = fleet.desired.agent();
        let here = self.nodes.of(agent).filter(|_| self.nodes.is_there(agent, std::time::Instant::now()));
        match here {
            Some(node) => Ok((node, names)),
            None => refused(
                FaultCode::Unavailable,
                "nothing was updated: the node that looks at the registries is away".to_owned(),
            ),
        }
    }

    /// It was asked for before, and is done.
    fn done(&self, fleet: &Fleet, it: &UpdateImages) -> Option<UpdateAnswer> {
        let rollout = ImageUpdated::leads_to(it.id);
        let planned = fleet.rollouts.iter().any(|known| known.id == rollout);
        (planned || fleet.images.versions.updating == Some(it.id)).then(|| UpdateAnswer {
            position: self.position,
            event: Some(it.id),
            rollout: Some(rollout),
            images: BTreeMap::new(),
            unchanged: 0,
        })
    }

    fn look_at(&mut self, id: FleetId, why: Why, node: NodeName, names: Vec<Name>) {
        let Some(fleet) = self.fleets.get(&id) else { return };
        let all = names.len();
        let asked: Vec<_> =
            names.into_iter().filter_map(|name| Some((name.clone(), question(fleet, &name)?))).collect();
        let fixed = u32::try_from(all - asked.len()).unwrap_or(u32::MAX);
        let request = ImagesRequest { images: asked.iter().map(|(_, it)| it.clone()).collect() };
        let look = Box::new(Look { fleet: id, why, asked, fixed });
        let bus = self.bus.clone();
        self.looks.under_way.push(Box::pin(async move {
            if request.images.is_empty() {
                return Came::Looked(look, Ok(ImagesAnswer { images: Vec::new() }));
            }
            let answer = bus.images_now(&node, &request, LOOK).await;
            Came::Looked(look, answer)
        }));
    }

    /// Looks at the tags of a fleet whose time has come, unless something is under way there.
    pub(super) fn look_for_news(&mut self, id: &FleetId) {
        let now = clock::now();
        let there = self.fleets.get(id).filter(|fleet| rests(fleet) && !self.is_full()).and_then(|fleet| {
            let agent = fleet.desired.agent();
            self.nodes.of(agent).filter(|_| self.nodes.is_there(agent, std::time::Instant::now()))
        });
        match there {
            None => self.looks.postpone(id, now),
            Some(node) => {
                let names = self.looks.take(id, now).into_iter().collect();
                self.look_at(id.clone(), Why::Policy, node, names);
            }
        }
    }

    /// Takes what a node answered.
    pub(super) async fn came(&mut self, came: Came) -> Result<(), CoordinatorError> {
        match came {
            Came::Looked(look, answer) => {
                let Look { fleet, why, asked, fixed } = *look;
                match why {
                    Why::Asked(by) => {
                        let outcome = self.update(&by.question, &asked, fixed, answer).await?;
                        deliver(by, outcome).await;
                        Ok(())
                    }
                    Why::Policy => self.news(&fleet, &asked, answer).await,
                }
            }
            Came::Pruned(fleet, node, answer) => self.pruned(fleet, node, answer).await,
        }
    }

    /// Records what was found, and has it rolled out.
    async fn update(
        &mut self,
        it: &UpdateImages,
        asked: &[(Name, AskedImage)],
        fixed: u32,
        answer: Result<ImagesAnswer, AskError>,
    ) -> Result<Result<UpdateAnswer, Fault>, CoordinatorError> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let message = format!("nothing was updated, the node does not answer: {}", with_causes(&error));
                return Ok(Err(fault(FaultCode::Unavailable, message)));
            }
        };
        loop {
            let Some(fleet) = self.fleets.get(&it.fleet) else {
                return Ok(Err(fault(FaultCode::NotFound, format!("there is no fleet `{}`", it.fleet))));
            };
            if let Some(done) = self.done(fleet, it) {
                return Ok(Ok(done));
            }
            let Found { moves: images, unchanged, faults } = found(fleet, asked, &answer);
            if !faults.is_empty() {
                let message = format!("nothing was updated: {}", faults.join("; "));
                return Ok(Err(fault(FaultCode::Conflict, message)));
            }
            let unchanged = fixed + u32::try_from(unchanged.len()).unwrap_or(u32::MAX);
            let position = self.position;
            let told = UpdateAnswer { position, event: None, rollout: None, images: images.clone(), unchanged };
            if it.only_plan || images.is_empty() {
                return Ok(Ok(told));
            }
            let data = Data::ImageUpdated(ImageUpdated { images, reason: it.reason.clone() });
            let mut draft = self.draft(Scope::Fleet(it.fleet.clone()), "images".to_owned(), None, data);
            (draft.id, draft.actor) = (it.id, it.actor.clone());
            match self.append(&draft, Expected::At(self.line(&it.fleet))).await? {
                Ok(position) => {
                    self.catch_up(position).await?;
                    self.advance(&it.fleet).await?;
                    let rollout = Some(ImageUpdated::leads_to(it.id));
                    return Ok(Ok(UpdateAnswer { position, event: Some(it.id), rollout, ..told }));
                }
                // Something happened to the fleet's rollouts in between: decide anew.
                Err(last) => self.catch_up(last).await?,
            }
        }
    }

    /// Does what the policies say about what was found.
    async fn news(
        &mut self,
        id: &FleetId,
        asked: &[(Name, AskedImage)],
        answer: Result<ImagesAnswer, AskError>,
    ) -> Result<(), CoordinatorError> {
        let Some(fleet) = self.fleets.get(id).filter(|fleet| rests(fleet)) else { return Ok(()) };
        let Found { moves, unchanged, faults } = match &answer {
            Ok(answer) => found(fleet, asked, answer),
            Err(error) => Found { faults: vec![with_causes(error)], ..Found::default() },
        };
        for why in faults {
            // Looked at again when its time comes next.
            tracing::warn!(fleet = %id, why, "what a tag leads to is not known");
        }
        let is_auto = |name: &Name| {
            let container = fleet.desired.containers.get(name);
            container.is_some_and(|it| matches!(it.image_policy, ImagePolicy::Auto(_)))
        };
        let (auto, notify): (BTreeMap<_, _>, BTreeMap<_, _>) = moves.into_iter().partition(|(name, _)| is_auto(name));
        let told = outdated(fleet, &notify, &unchanged);
        for it in told {
            let subject = format!("containers/{}", it.container);
            let draft = self.draft(Scope::Fleet(id.clone()), subject, None, Data::ImageOutdated(it));
            let (Ok(position) | Err(position)) = self.append(&draft, Expected::Any).await?;
            self.catch_up(position).await?;
        }
        if auto.is_empty() {
            return Ok(());
        }
        let data = Data::ImageUpdated(ImageUpdated { images: auto, reason: Some("image_policy: auto".to_owned()) });
        let draft = self.draft(Scope::Fleet(id.clone()), "images".to_owned(), None, data);
        match self.append(&draft, Expected::At(self.line(id))).await? {
            Ok(position) => {
                self.catch_up(position).await?;
                self.advance(id).await
            }
            // Something else began: the next time looks again.
            Err(last) => self.catch_up(last).await,
        }
    }

    /// Asks nodes to remove what fleets that have just settled do not need any more.
    pub(super) fn let_go(&mut self) {
        while let Some(id) = self.looks.settled.pop_first() {
            for (node, ids) in needless(&self.fleets, &id) {
                let (bus, fleet, spare) = (self.bus.clone(), id.clone(), of_tasks(&self.fleets));
                self.looks.under_way.push(Box::pin(async move {
                    let answer = bus.prune_images(&node, &PruneRequest { ids, spare }, PRUNE).await;
                    Came::Pruned(fleet, node, answer)
                }));
            }
        }
    }

    async fn pruned(
        &mut self,
        fleet: FleetId,
        node: NodeName,
        answer: Result<PruneAnswer, AskError>,
    ) -> Result<(), CoordinatorError> {
        let PruneAnswer { removed, kept } = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // They stay in the fold, and are tried again after the next rollout.
                tracing::warn!(%fleet, %node, error = with_causes(&error), "old images stay for now");
                return Ok(());
            }
        };
        tracing::info!(%fleet, %node, removed = removed.len(), kept = kept.len(), "old images were removed");
        let data = Data::ImagePruned(ImagePruned { node, removed, kept });
        let draft = self.draft(Scope::Fleet(fleet), "images".to_owned(), None, data);
        let (Ok(position) | Err(position)) = self.append(&draft, Expected::Any).await?;
        self.catch_up(position).await
    }
}

/// What is news about containers whose tag leads elsewhere, or leads again to what runs.
fn outdated(fleet: &Fleet, moves: &BTreeMap<Name, ImageMove>, unchanged: &[Name]) -> Vec<ImageOutdated> {
    let told = |name: &Name| Some(fleet.images.containers.get(name)?.outdated.as_ref()?.to.clone());
    let id = |name: &Name| fleet.observed.containers.get(name).and_then(|it| it.image.clone()).unwrap_or_default();
    let newly = moves.iter().filter_map(|(name, it)| {
        let runs = it.from.as_ref().and_then(|it| it.digest.clone());
        let to = it.to.digest.clone().or(it.to.id.clone())?;
        let (container, reference, from) = (name.clone(), it.to.reference.clone(), runs.unwrap_or_else(|| id(name)));
        (told(name).as_ref() != Some(&to)).then_some(ImageOutdated { container, reference, from, to })
    });
    let over = unchanged.iter().filter_map(|name| {
        told(name)?;
        let record = fleet.images.containers.get(name)?.newest()?;
        let runs = record.digest.clone().or(record.id.clone())?;
        let (container, reference) = (name.clone(), record.reference.clone());
        Some(ImageOutdated { container, reference, from: runs.clone(), to: runs })
    });
    newly.chain(over).collect()
}

/// What a fleet had fetched and does not need any more, and no other fleet either, by node.
fn needless(fleets: &BTreeMap<FleetId, Fleet>, id: &FleetId) -> BTreeMap<NodeName, Vec<String>> {
    let Some(fleet) = fleets.get(id).filter(|it| it.desired.fleet.old_images == OldImages::Remove) else {
        return BTreeMap::new();
    };
    let spent = &fleet.images.versions.spent;
    if spent.is_empty() {
        return BTreeMap::new();
    }
    let needed = |id: &str| {
        fleets.values().any(|fleet| {
            let seen = fleet.observed.containers.values().filter(|it| it.state != State::Removed);
            fleet.images.needed().any(|it| it == id) || seen.into_iter().any(|it| it.image.as_deref() == Some(id))
        })
    };
    let mut by_node: BTreeMap<NodeName, Vec<String>> = BTreeMap::new();
    for (id, node) in spent.iter().filter(|(id, _)| !needed(id)) {
        by_node.entry(node.clone()).or_default().push(id.clone());
    }
    by_node
}

/// What tasks begin with at any time, in whatever fleet.
fn of_tasks(fleets: &BTreeMap<FleetId, Fleet>) -> Vec<String> {
    let images = |fleet: &Fleet| {
        let desired = &fleet.desired;
        desired.tasks.values().filter_map(|task| spec::resolve(&task.image, desired).ok()).collect::<Vec<_>>()
    };
    let all: BTreeSet<String> = fleets.values().flat_map(images).collect();
    all.into_iter().collect()
}

async fn deliver(asked: Asked<UpdateImages>, answer: Result<UpdateAnswer, Fault>) {
    if let Err(error) = asked.reply(answer).await {
        // Who asked has a deadline, and may ask again: the same id is the same update.
        tracing::warn!(%error, "the answer about an update was not delivered");
    }
}
