//! Which image a container's tag led to: how it is recorded, kept, moved, taken back, and let go of.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

use schemas::descriptors::{AutoUpdate, Desired, File, Files, ImagePolicy, Pace, Path};
use schemas::event::{
    Data, DesiredRolledBack, Draft, Event, GitPushed, ImageMove, ImageOutdated, ImagePruned, ImageUpdated,
    RolloutPlanned, RolloutStep, Scope, StepStatus,
};
use schemas::fleet::Fleet;
use schemas::images::{Resolved, VERSIONS};
use schemas::names::{FleetId, Name};
use schemas::plan::{Action, Step};
use schemas::query::{ImageState, NowImage};
use schemas::units::Span;
use serde_json::{Value, json};
use uuid::Uuid;

fn id() -> FleetId {
    "acme/shop".parse().unwrap()
}

fn api() -> Name {
    "api".parse().unwrap()
}

fn desired(files: &Value) -> Desired {
    let files = files.as_object().unwrap().iter().map(|(path, value)| {
        let path: Path = path.parse().unwrap();
        let file = File::read(&path, value.clone()).unwrap();
        (path, file)
    });
    Files(files.collect()).into()
}

/// A fleet that takes events one after the other.
struct World(Fleet);

impl World {
    fn new() -> Self {
        Self(Fleet::new(id()))
    }

    fn take(&mut self, data: Data) -> u64 {
        let position = self.0.position + 1;
        let draft = Draft {
            id: Uuid::from_u128(position.into()),
            scope: Scope::Fleet(id()),
            subject: "x".into(),
            time: jiff::Timestamp::UNIX_EPOCH,
            actor: "a".into(),
            cause: None,
            data,
        };
        self.0.apply(&Event { position, draft });
        position
    }

    fn push(&mut self, files: &Value) -> u64 {
        let descriptors = self.0.desired.changes_to(&desired(files));
        self.take(Data::GitPushed(GitPushed {
            allow_destroy: Vec::new(),
            created: false,
            refs: Vec::new(),
            pack: None,
            deploy: "main".into(),
            commit: Some("a".repeat(40).parse().unwrap()),
            descriptors,
            reason: None,
        }))
    }

    /// Container `api` is rolled out, and was made from this image.
    fn runs(&mut self, image: &Resolved) {
        let step = Step { container: api(), action: Action::Create, reasons: Vec::new(), after: Vec::new() };
        let at = self.take(Data::RolloutPlanned(RolloutPlanned {
            commit: "a".repeat(40).parse().unwrap(),
            desired: self.0.desired_at,
            observed: 1,
            epoch: 1,
            node: "local".parse().unwrap(),
            steps: vec![step],
            retries: None,
            heals: false,
        }));
        self.take(Data::RolloutStep(RolloutStep {
            rollout: Uuid::from_u128(at.into()),
            step: 0,
            status: StepStatus::Succeeded,
            error: None,
            duration_ms: None,
            obs: None,
            image: Some(image.clone()),
        }));
    }

    fn moves(&mut self, to: &Resolved) -> u64 {
        let images = [(api(), ImageMove { from: None, to: to.clone() })].into();
        self.take(Data::ImageUpdated(ImageUpdated { images, reason: None }))
    }

    fn back(&mut self, to: u64, files: &Value) {
        let descriptors = self.0.desired.changes_to(&desired(files));
        let commit: schemas::names::Oid = "a".repeat(40).parse().unwrap();
        self.take(Data::DesiredRolledBack(DesiredRolledBack {
            from: commit.clone(),
            commit,
            to,
            descriptors,
            withdrawn: Vec::new(),
            reinstated: Vec::new(),
            reason: None,
        }));
    }

    fn in_force(&self) -> Option<Resolved> {
        let spec = schemas::spec::render(&id(), &api(), &self.0.desired).unwrap();
        self.0.images.in_force(&api(), &spec).cloned()
    }
}

fn tool(tag: u32) -> Value {
    json!({ "containers/api.json": { "image": format!("r:5000/tool:{tag}") } })
}

/// Image `n` under a tag, as it is recorded once a container was made from it.
fn image(tag: u32, n: u32) -> Resolved {
    let digits = |letter: &str| format!("sha256:{}{n:03}", letter.repeat(61));
    Resolved {
        reference: format!("r:5000/tool:{tag}"),
        platform: None,
        digest: Some(digits("d")),
        id: Some(digits("a")),
        pulled: true,
    }
}

/// The same before a container was made from it.
fn found(tag: u32, n: u32) -> Resolved {
    let it = image(tag, n);
    NowImage::Registry(it.digest.unwrap()).resolved(&it.reference, None)
}

#[test]
fn a_record_counts_as_long_as_the_descriptor_asks_for_the_same() {
    let mut world = World::new();
    world.push(&tool(1));
    assert_eq!(world.in_force(), None);
    world.runs(&image(1, 1));
    assert_eq!(world.in_force(), Some(image(1, 1)));
    let mut files = tool(1);
    files["containers/api.json"]["env"] = json!({ "A": "b" });
    world.push(&files);
    assert_eq!(world.in_force(), Some(image(1, 1)), "another key is no other image");
    files["containers/api.json"]["platform"] = json!("linux/arm64");
    world.push(&files);
    assert_eq!(world.in_force(), None, "another platform is");
    world.push(&tool(2));
    assert_eq!(world.in_force(), None);
}

#[test]
fn an_update_is_in_force_at_once_and_complete_once_a_container_is_made_from_it() {
    let mut world = World::new();
    world.push(&tool(1));
    world.runs(&image(1, 1));
    let at = world.moves(&found(1, 2));
    assert_eq!(world.in_force(), Some(found(1, 2)));
    assert_eq!(world.0.images.versions.updating, Some(Uuid::from_u128(at.into())));
    assert_eq!((world.0.images.versions.updated_at, world.0.lines.rollout), (at, at));
    world.runs(&image(1, 2));
    assert_eq!(world.0.images.versions.updating, None);
    assert_eq!(world.in_force(), Some(image(1, 2)));
    let history = &world.0.images.containers[&api()].records;
    assert_eq!(history.iter().map(|it| it.since).collect::<Vec<_>>(), [3, at], "it is no third record");
    assert_eq!(world.0.images.before(&api()), Some(&image(1, 1)));
}

#[test]
fn what_was_taken_out_is_resolved_anew_and_a_rollback_still_finds_it() {
    let mut world = World::new();
    let first = world.push(&tool(1));
    world.runs(&image(1, 1));
    world.push(&json!({}));
    world.push(&tool(1));
    assert_eq!(world.in_force(), None);
    world.runs(&image(1, 2));
    world.back(first, &tool(1));
    assert_eq!(world.in_force(), Some(image(1, 1)));
}

#[test]
fn a_rollback_takes_the_images_of_its_position_back() {
    let mut world = World::new();
    world.push(&tool(1));
    world.runs(&image(1, 1));
    let before = world.0.position;
    world.moves(&found(1, 2));
    world.runs(&image(1, 2));
    let after = world.0.position;
    // The same commit, with the images of before.
    world.back(before, &tool(1));
    assert_eq!((world.in_force(), world.0.images.versions.updated_at), (Some(image(1, 1)), 0));
    world.back(after, &tool(1));
    assert_eq!(world.in_force(), Some(image(1, 2)));
    // The position of a push itself comes before its container was made.
    let second = world.push(&tool(2));
    world.runs(&image(2, 3));
    world.moves(&found(2, 4));
    world.back(second, &tool(2));
    assert_eq!(world.in_force(), Some(image(2, 3)));
    let mut then = world.0.clone();
    assert!(!then.take_images_back(second, &desired(&tool(2)), 99));
}

#[test]
fn what_no_kept_version_needs_is_spent_until_it_is_pruned() {
    let mut world = World::new();
    let first = world.push(&tool(1));
    world.runs(&image(1, 1));
    let count = u32::try_from(VERSIONS).unwrap();
    for n in 2..=count + 1 {
        world.moves(&found(1, n));
        world.runs(&image(1, n));
    }
    assert!(world.0.images.versions.spent.is_empty(), "a rollback to any of the last {VERSIONS} finds its image");
    let mut again = World(world.0.clone());
    again.back(first, &tool(1));
    assert_eq!(again.in_force(), Some(image(1, 1)));
    let foreign = Resolved { pulled: false, ..image(1, count + 2) };
    world.moves(&found(1, count + 2));
    world.runs(&foreign);
    let spent: Vec<_> = world.0.images.versions.spent.keys().cloned().collect();
    assert_eq!(spent, [image(1, 1).id.unwrap()]);
    assert!(world.0.images.needed().all(|id| id != spent[0]));
    // One that somebody else had fetched is never spent.
    for _ in 0..=count {
        world.push(&json!({}));
    }
    let spent = &world.0.images.versions.spent;
    assert_eq!(spent.len(), VERSIONS + 1);
    assert!(!spent.contains_key(&foreign.id.unwrap()) && world.0.images.containers.is_empty());
    let (gone, kept) = (image(1, 1).id.unwrap(), image(1, 2).id.unwrap());
    world.take(Data::ImagePruned(ImagePruned {
        node: "local".parse().unwrap(),
        removed: vec![gone.clone()],
        kept: [(kept.clone(), "in use".to_owned())].into(),
    }));
    let spent = &world.0.images.versions.spent;
    assert!(spent.len() == VERSIONS - 1 && !spent.contains_key(&gone) && !spent.contains_key(&kept));
}

#[test]
fn what_is_outdated_is_told_until_it_runs() {
    let mut world = World::new();
    world.push(&tool(1));
    world.runs(&image(1, 1));
    let (reference, to) = ("r:5000/tool:1".to_owned(), image(1, 2).digest.unwrap());
    let from = image(1, 1).digest.unwrap();
    let news = |to: &str| {
        let (reference, from) = (reference.clone(), from.clone());
        Data::ImageOutdated(ImageOutdated { container: api(), reference, from, to: to.to_owned() })
    };
    world.take(news(&to));
    let shown = |world: &World| serde_json::to_value(ImageState::of(&world.0.images.containers[&api()])).unwrap();
    assert_eq!(shown(&world)["outdated"], json!({ "to": to, "since": world.0.position }));
    world.take(news(&from));
    assert_eq!(shown(&world)["outdated"], Value::Null, "the tag leads again to what runs");
    world.take(news(&to));
    world.moves(&found(1, 2));
    assert_eq!(shown(&world)["outdated"], Value::Null);
}

#[test]
fn an_image_policy_is_a_word_or_a_schedule() {
    let policy = |value: Value| serde_json::from_value::<ImagePolicy>(value).unwrap();
    assert_eq!(policy(json!("pinned")), ImagePolicy::default());
    let ImagePolicy::Auto(auto) = policy(json!({ "auto": "6h" })) else { panic!("no schedule") };
    assert_eq!(auto.checked().unwrap(), Pace::Every(Span::seconds(6 * 3_600)));
    let checked = |text: &str| AutoUpdate { auto: text.to_owned() }.checked();
    assert!(matches!(checked("0 4 * * *"), Ok(Pace::At(_))));
    for (bad, seen) in [("1s", "`1s` is too often"), ("daily", "`daily` is neither"), ("0 25 * * *", "no hour")] {
        let error = checked(bad).unwrap_err();
        assert!(error.to_string().contains(seen), "{error}");
    }
}
