//! A container whose descriptor is gone is kept for a while: stopped, and under a name that says until when.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use engine::State;
use schemas::descriptors::Restart;
use schemas::event::{ArchiveEnd, Data};
use schemas::fleet::{self, Archived};
use serde_json::{Value, json};

use self::support::{Platform, eventually_true};

fn fleet(keep: &str) -> Value {
    json!({
        "fleet.json": { "keep_removed": keep },
        "containers/a.json": { "image": "tool:1", "volumes": { "/cache": "cache" } },
        "containers/b.json": { "image": "tool:1" },
        "volumes/cache.json": { "class": "ephemeral" }
    })
}

/// Without the container `a`.
fn rest(keep: &str) -> Value {
    let mut files = fleet(keep);
    files.as_object_mut().unwrap().remove("containers/a.json");
    files
}

/// The one container that is kept, by its name in Docker.
fn kept(platform: &Platform) -> Option<(String, Archived)> {
    platform.fleet(|it| it.archived.iter().next().map(|(name, it)| (name.clone(), it.clone())))
}

fn ends(platform: &Platform) -> Vec<ArchiveEnd> {
    let end = |data: &Data| if let Data::ArchiveRemoved(it) = data { Some(it.why) } else { None };
    platform.events().iter().filter_map(|it| end(&it.data)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_is_kept_until_its_time_is_over() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet("3s")).await;
    let id = platform.engine.inspect("acme.shop.a").await.unwrap().unwrap().id;
    platform.succeeds(&rest("3s")).await;
    assert_eq!(platform.engine.inspect("acme.shop.a").await.unwrap(), None);
    platform
        .eventually("it is kept, and removed from the fleet", |it| {
            it.archived.len() == 1 && it.observed.containers[&"a".parse().unwrap()].state == fleet::State::Removed
        })
        .await;
    let (name, archived) = kept(&platform).unwrap();
    assert!(name.starts_with("acme.shop.a.until-2"), "{name}");
    assert_eq!((archived.docker_id, archived.container.as_str()), (id.clone(), "a"));
    let seen = platform.engine.inspect(&name).await.unwrap().unwrap();
    assert_eq!((seen.id, seen.state, seen.restart), (id, State::Exited, Restart::No));
    // It comes back as another one, and what is kept is not taken for it.
    platform.succeeds(&fleet("3s")).await;
    platform.runs("a").await;
    eventually_true("its time is over", async || platform.engine.inspect(&name).await.unwrap().is_none()).await;
    platform.eventually("the log says so", |it| it.archived.is_empty()).await;
    assert_eq!(ends(&platform), [ArchiveEnd::Expired]);
    platform.runs("a").await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_gone_at_once_where_the_fleet_says_so() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet("0s")).await;
    platform.succeeds(&rest("0s")).await;
    assert_eq!(kept(&platform), None);
    assert_eq!(platform.engine.list(&engine::Scope::default()).await.unwrap().len(), 1);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hand_may_remove_it_and_so_does_the_end_of_its_volume() {
    let platform = Platform::start().await;
    for by_hand in [true, false] {
        platform.succeeds(&fleet("1h")).await;
        platform.succeeds(&rest("1h")).await;
        platform.eventually("it is kept", |it| it.archived.len() == 1).await;
        if by_hand {
            platform.engine.remove(&kept(&platform).unwrap().0).await.unwrap();
        } else {
            let mut without = rest("1h");
            without.as_object_mut().unwrap().remove("volumes/cache.json");
            let position = platform.push_destroying(&without, &["cache"]).await;
            platform.rolled_out(position).await;
            assert_eq!(platform.engine.volume("acme.shop.cache").await.unwrap(), None);
        }
        platform.eventually("it is not kept any more", |it| it.archived.is_empty()).await;
    }
    assert_eq!(ends(&platform), [ArchiveEnd::Seen, ArchiveEnd::Volume]);
    platform.stop().await;
}

/// The agent died after it had renamed the container, and before it could say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_aside_untold_is_told_by_the_next_agent() {
    let mut platform = Platform::start().await;
    platform.succeeds(&fleet("1h")).await;
    platform.kill_halves().await;
    platform.engine.stop("acme.shop.a", None, std::time::Duration::ZERO).await.unwrap();
    let name = "acme.shop.a.until-20990101T000000Z";
    platform.engine.rename("acme.shop.a", name).await.unwrap();
    platform.start_halves().await;
    platform
        .eventually("it is told", |it| {
            it.archived.contains_key(name)
                && it.observed.containers[&"a".parse().unwrap()].state == fleet::State::Removed
        })
        .await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_another_hand_renamed_is_gone() {
    let platform = Platform::start().await;
    platform.succeeds(&fleet("1h")).await;
    platform.engine.rename("acme.shop.b", "mine").await.unwrap();
    platform
        .eventually("it is gone", |it| it.observed.containers[&"b".parse().unwrap()].state == fleet::State::Removed)
        .await;
    assert_eq!(kept(&platform), None);
    platform.stop().await;
}
