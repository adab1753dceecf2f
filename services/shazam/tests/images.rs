//! Images: a tag is resolved once and its image kept, until somebody or a policy asks for another one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use schemas::event::{Data, Event, ImageUpdated};
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::images::{Resolved, VERSIONS};
use schemas::plan::Action;
use schemas::query::{FaultCode, UpdateImages};
use serde_json::{Value, json};
use streams::clock;
use uuid::Uuid;

use self::support::{Platform, shop};

const IMAGE: &str = "r:5000/app:1";

fn app() -> Value {
    json!({ "containers/a.json": { "image": IMAGE } })
}

fn with(files: &Value, key: &str, value: Value) -> Value {
    let mut files = files.clone();
    files["containers/a.json"][key] = value;
    files
}

fn update(container: Option<&str>) -> UpdateImages {
    UpdateImages {
        fleet: shop(),
        container: container.map(|it| it.parse().unwrap()),
        reason: Some("the fix".to_owned()),
        only_plan: false,
        id: clock::new_id(),
        actor: "ann".to_owned(),
    }
}

async fn ended(platform: &Platform, id: Uuid) -> Rollout {
    let of = move |fleet: &schemas::fleet::Fleet| fleet.rollouts.iter().find(|it| it.id == id).cloned();
    platform.eventually("the rollout ends", |fleet| of(fleet).is_some_and(|it| it.status.is_over())).await;
    platform.fleet(of).unwrap()
}

fn recorded(platform: &Platform, name: &str) -> Resolved {
    platform.fleet(|fleet| fleet.images.containers[&name.parse().unwrap()].newest().cloned()).unwrap()
}

async fn image_of(platform: &Platform, name: &str) -> String {
    platform.engine.inspect(&format!("acme.shop.{name}")).await.unwrap().unwrap().image
}

fn of_kind(platform: &Platform, kind: &str) -> Vec<Event> {
    platform.events().into_iter().filter(|it| it.data.kind() == kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_moves_changes_nothing_until_somebody_asks() {
    let platform = Platform::start().await;
    platform.engine.push_image(IMAGE, "one");
    let first = platform.succeeds(&app()).await;
    let (one, record) = (image_of(&platform, "a").await, recorded(&platform, "a"));
    assert_eq!((record.id.as_ref(), record.pulled), (Some(&one), true));
    assert!(record.digest.is_some());

    platform.engine.push_image(IMAGE, "two");
    // Another push, and a container that has to be made anew: neither is a reason for another image.
    assert!(platform.succeeds(&app()).await.steps.is_empty());
    let changed = with(&app(), "env", json!({ "A": "b" }));
    let rollout = platform.succeeds(&changed).await;
    assert_eq!(rollout.steps[0].step.action, Action::Recreate);
    assert_eq!((image_of(&platform, "a").await, recorded(&platform, "a")), (one.clone(), record.clone()));

    let plan = platform.ask(&UpdateImages { only_plan: true, ..update(None) }).await.unwrap();
    assert_eq!((plan.event, plan.images.len(), plan.unchanged), (None, 1, 0));
    assert!(of_kind(&platform, "fleetlog.image.updated.v1").is_empty());
    let question = update(None);
    let answer = platform.ask(&question).await.unwrap();
    let moved = &answer.images[&"a".parse().unwrap()];
    assert_eq!(moved.from.as_ref(), Some(&record));
    let rollout = ended(&platform, answer.rollout.unwrap()).await;
    assert_eq!((rollout.status, rollout.desired), (RolloutStatus::Succeeded, platform.fleet(|it| it.desired_at)));
    let two = image_of(&platform, "a").await;
    assert_ne!(one, two);
    assert_eq!(recorded(&platform, "a").digest, moved.to.digest);

    let events = of_kind(&platform, "fleetlog.image.updated.v1");
    let [updated] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!((updated.id, updated.actor.as_str()), (question.id, "ann"));
    let planned = of_kind(&platform, "fleetlog.rollout.planned.v1").pop().unwrap();
    assert_eq!((planned.id, planned.cause), (ImageUpdated::leads_to(question.id), Some(question.id)));
    // The same key again is the same update; another one finds nothing.
    assert_eq!(platform.ask(&question).await.unwrap().rollout, answer.rollout);
    let none = platform.ask(&update(Some("a"))).await.unwrap();
    assert_eq!((none.event, none.images.len(), none.unchanged), (None, 0, 1));
    assert!(platform.succeeds(&changed).await.steps.is_empty());

    // Back to what the first push ran, although both tags have moved since.
    let at = platform.roll_back(first.desired).await;
    assert_eq!(platform.rolled_out(at).await.status, RolloutStatus::Succeeded);
    assert_eq!(image_of(&platform, "a").await, one);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_the_node_alone_is_held_by_its_id_and_never_looked_for_elsewhere() {
    let platform = Platform::start().await;
    platform.engine.set_registry_fault(Some("nobody must be asked"));
    let files = json!({ "containers/a.json": { "image": "tool:1" } });
    platform.succeeds(&files).await;
    let one = image_of(&platform, "a").await;
    assert_eq!((recorded(&platform, "a").digest, recorded(&platform, "a").id), (None, Some(one.clone())));
    platform.engine.build_image("tool:1", "again");
    platform.succeeds(&with(&files, "env", json!({ "A": "b" }))).await;
    assert_eq!(image_of(&platform, "a").await, one);
    let answer = platform.ask(&update(None)).await.unwrap();
    assert_eq!(ended(&platform, answer.rollout.unwrap()).await.status, RolloutStatus::Succeeded);
    assert_ne!(image_of(&platform, "a").await, one);
    // Nothing that is there already was built, or fetched, by us: it stays.
    assert!(platform.engine.image(&one).await.unwrap().is_some());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_updated_is_told_and_nothing_changes() {
    let platform = Platform::start().await;
    platform.engine.push_image(IMAGE, "one");
    platform.succeeds(&app()).await;
    let fault = platform.ask(&update(Some("b"))).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::NotFound);
    assert!(fault.message.contains("no container `b`"), "{fault}");
    platform.engine.set_registry_fault(Some("503 Service Unavailable"));
    let fault = platform.ask(&update(None)).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::Conflict);
    assert!(fault.message.contains("nothing was updated") && fault.message.contains(IMAGE), "{fault}");
    let none = UpdateImages { fleet: "acme/none".parse().unwrap(), ..update(None) };
    assert_eq!(platform.ask(&none).await.unwrap_err().code, FaultCode::NotFound);
    assert!(of_kind(&platform, "fleetlog.image.updated.v1").is_empty());
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_outlives_its_coordinator() {
    let mut platform = Platform::start().await;
    platform.engine.push_image(IMAGE, "one");
    platform.succeeds(&app()).await;
    let one = image_of(&platform, "a").await;
    platform.engine.push_image(IMAGE, "two");
    // The coordinator dies between what was asked for and its plan.
    let question = update(None);
    let answer = platform.ask(&question).await.unwrap();
    platform.kill_halves().await;
    platform.start_halves().await;
    assert_eq!(ended(&platform, answer.rollout.unwrap()).await.status, RolloutStatus::Succeeded);
    assert_ne!(image_of(&platform, "a").await, one);
    assert_eq!(platform.ask(&question).await.unwrap().rollout, answer.rollout);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_gets_the_variant_of_its_platform_also_where_the_node_has_another_one() {
    let platform = Platform::start().await;
    platform.engine.push_image(IMAGE, "one");
    platform.engine.publish_image_for(IMAGE, "linux/arm64/v8");
    platform.succeeds(&app()).await;
    let own = image_of(&platform, "a").await;
    let mut files = app();
    files["containers/b.json"] = json!({ "image": IMAGE, "platform": "linux/arm64" });
    platform.succeeds(&files).await;
    let other = platform.engine.image(&image_of(&platform, "b").await).await.unwrap().unwrap();
    assert_eq!((other.platform.as_str(), other.id == own), ("linux/arm64/v8", false));
    assert_eq!(recorded(&platform, "b").platform.as_deref(), Some("linux/arm64"));
    // The tag leads to the other one by now; what is made anew gets its own all the same.
    files["containers/a.json"]["env"] = json!({ "A": "b" });
    platform.succeeds(&files).await;
    assert_eq!(image_of(&platform, "a").await, own);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notify_tells_once_and_auto_rolls_out_by_itself() {
    let mut platform = Platform::start().await;
    platform.kill_halves().await;
    platform.start_looking_coordinator().await;
    platform.start_agent().await;
    platform.engine.push_image(IMAGE, "one");
    let files = json!({
        "containers/a.json": { "image": IMAGE, "image_policy": "notify" },
        "containers/b.json": { "image": IMAGE, "image_policy": { "auto": "1s" } },
        "containers/c.json": { "image": IMAGE },
    });
    platform.succeeds(&files).await;
    let one = image_of(&platform, "a").await;
    platform.engine.push_image(IMAGE, "two");
    platform
        .eventually("b is updated, a is told", |fleet| {
            let outdated = |name: &str| fleet.images.containers[&name.parse().unwrap()].outdated.clone();
            let newest = fleet.rollouts.last().unwrap();
            outdated("a").is_some()
                && newest.desired == fleet.desired_at
                && newest.steps.len() == 1
                && newest.status == RolloutStatus::Succeeded
        })
        .await;
    assert_ne!(image_of(&platform, "b").await, one);
    assert_eq!((image_of(&platform, "a").await, image_of(&platform, "c").await), (one.clone(), one));
    let updated = of_kind(&platform, "fleetlog.image.updated.v1");
    assert_eq!(updated.len(), 1);
    assert_eq!(updated[0].actor, "shazam");
    let Data::ImageUpdated(it) = &updated[0].data else { panic!("{updated:#?}") };
    assert_eq!(it.images.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["b"]);
    // Another look finds the same, and tells nothing; the next image is news again.
    platform.engine.push_image(IMAGE, "three");
    platform
        .eventually_events("the third image is told", |events| {
            events.iter().filter(|it| matches!(it.data, Data::ImageOutdated(_))).count() == 2
        })
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_that_nothing_needs_go_and_a_strangers_stay() {
    let platform = Platform::start().await;
    platform.engine.push_image(IMAGE, "0");
    platform.succeeds(&app()).await;
    let first = image_of(&platform, "a").await;
    let mut all = vec![first.clone()];
    for n in 1..=VERSIONS + 2 {
        platform.engine.push_image(IMAGE, &n.to_string());
        let answer = platform.ask(&update(None)).await.unwrap();
        assert_eq!(ended(&platform, answer.rollout.unwrap()).await.status, RolloutStatus::Succeeded);
        all.push(image_of(&platform, "a").await);
        if n == VERSIONS {
            for image in &all {
                assert!(platform.engine.image(image).await.unwrap().is_some(), "a rollback may need {image}");
            }
            // Somebody else has a name of their own for the second one.
            platform.engine.tag(&all[1], "mine:1");
            platform.engine.tag(&all[1], "mine:2");
        }
    }
    platform
        .eventually_events("both are looked at", |events| {
            let told = events.iter().filter_map(|it| match &it.data {
                Data::ImagePruned(it) => Some(it.removed.len() + it.kept.len()),
                _ => None,
            });
            told.sum::<usize>() == 2
        })
        .await;
    assert!(platform.engine.image(&first).await.unwrap().is_none());
    for image in &all[1..] {
        assert!(platform.engine.image(image).await.unwrap().is_some());
    }
    platform.stop().await;
}
