//! Guards: an owner's policy and the accepted `fleet.json` refuse a push to the deploy branch, warn on others, and an owner
//! lets one push pass with a reason.

use schemas::event::{Data, Draft, Event, OverrideUsed, PolicySet, Scope};
use streams::Expected;

use crate::platform::Platform;
use crate::workdir::{DB, Workdir};

const PRIVILEGED: &str = "{ \"image\": \"demo/tool:1\",\n  \"privileged\": true }";
const FORBID: &str = r#"{ "guards": { "privileged": "forbid" } }"#;

/// Says what an owner forbids, as the profiles would.
async fn policy(platform: &Platform, owner: &str, guards: &str) {
    let owner: schemas::names::Owner = owner.parse().unwrap();
    let draft = Draft {
        id: streams::clock::new_id(),
        scope: Scope::Owner(owner.clone()),
        subject: "policy".to_owned(),
        time: streams::clock::now(),
        actor: "admin".to_owned(),
        cause: None,
        data: Data::PolicySet(PolicySet { owner, guards: serde_json::from_str(guards).unwrap() }),
    };
    platform.bus.append(&draft, Expected::Any).await.unwrap();
}

fn used(event: &Event) -> Option<(&Event, &OverrideUsed)> {
    match &event.data {
        Data::OverrideUsed(it) => Some((event, it)),
        _ => None,
    }
}

fn overrides(events: &[Event]) -> Vec<(&Event, &OverrideUsed)> {
    events.iter().filter_map(used).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owners_policy_holds_from_the_first_push_on() {
    let platform = Platform::started().await;
    policy(&platform, "acme", r#"{ "privileged": "forbid" }"#).await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", PRIVILEGED), ("fleet.json", r#"{ "guards": { "privileged": "allow" } }"#)])
        .await;
    ann.push(&["create"], &["main"])
        .await
        .bad()
        .tells("containers/db.json:2:17: container `db` is privileged")
        .tells("the policy of owner `acme` forbids it")
        .tells("git push -o override=\"why\"")
        .tells("refused, nothing changed");
    assert!(platform.events("acme/shop").await.is_empty());
    // Another owner's fleets are not held to it, and a later policy counts for later pushes.
    let bob = Workdir::new(&platform.url("other/shop")).await;
    bob.commit(&[("containers/db.json", PRIVILEGED)]).await;
    bob.push(&["create", "no-wait"], &["main"]).await.good();
    policy(&platform, "acme", "{}").await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_accepted_guards_judge_the_push_that_would_take_them_away() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB), ("fleet.json", FORBID)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.commit(&[("containers/db.json", PRIVILEGED), ("fleet.json", "{}")]).await;
    ann.push(&[], &["main"]).await.bad().tells("`guards` of the accepted fleet.json forbids it");
    assert_eq!(platform.refused("acme/shop").await[0].codes, ["guard-privileged"]);
    // On another branch it is a warning, and so it is where only a plan is asked for.
    ann.push(&[], &["main:next"])
        .await
        .good()
        .tells("warning: on next: containers/db.json:2:17: container `db` is privileged");
    ann.push(&["plan"], &["main"]).await.bad().tells("is privileged").hides("plan only");
    // In two steps it goes: who may push may also take a guard away, and the log has both.
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
    ann.commit(&[("containers/db.json", PRIVILEGED)]).await;
    ann.push(&["no-wait"], &["main"]).await.good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_lets_one_push_pass_and_that_is_an_event() {
    let platform = Platform::started().await;
    policy(&platform, "acme", r#"{ "privileged": "forbid", "unpinned_images": "forbid" }"#).await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann.commit(&[("containers/db.json", "{ \"image\": \"demo/tool\",\n  \"privileged\": true }")]).await;

    // Not the maintainer's.
    ann.run(&["config", "http.extraHeader", "x-role: maintainer"]).await.good();
    ann.push(&["override=it is an emergency"], &["main"])
        .await
        .bad()
        .tells("`-o override` needs the role `owner` with this owner: `ann` is `maintainer` with `acme`");
    assert_eq!(platform.refused("acme/shop").await[0].codes, ["role"]);
    // Other faults stay faults.
    ann.run(&["config", "http.extraHeader", "x-role: owner"]).await.good();
    ann.push(&["override="], &["main"]).await.bad().tells("option `override` says nothing");
    let pushed = platform.pushed("acme/shop").await.len();

    ann.push(&["plan", "override=it is an emergency"], &["main"]).await.bad().tells("plan only: nothing was stored");
    assert_eq!(platform.pushed("acme/shop").await.len(), pushed);
    ann.push(&["no-wait", "override=it is an emergency"], &["main"])
        .await
        .good()
        .tells("overridden: containers/db.json:2:17: container `db` is privileged")
        .tells("override: lets this push pass `privileged`, `unpinned_images`: it is an emergency");
    let events = platform.events("acme/shop").await;
    let [(event, used)] = overrides(&events)[..] else { panic!("{events:?}") };
    assert_eq!((used.reason.as_str(), used.guards.len()), ("it is an emergency", 2));
    let push = events.iter().find(|it| it.id == used.push).unwrap();
    assert_eq!((event.position, event.cause, event.actor.as_str()), (push.position + 1, Some(push.id), "ann"));
    assert_eq!(platform.pushed("acme/shop").await.len(), pushed + 1);

    // It was for that one push.
    ann.commit(&[("README", "x")]).await;
    ann.push(&[], &["main"]).await.bad().tells("is privileged");
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["no-wait", "override=not needed"], &["main"]).await.good().tells("this push hits no guard");
    assert_eq!(overrides(&platform.events("acme/shop").await).len(), 1);
}

/// What both events say is there after a start from nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_and_overrides_are_read_again_after_a_start() {
    let mut platform = Platform::started().await;
    policy(&platform, "acme", r#"{ "privileged": "forbid" }"#).await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    let first = ann.commit(&[("containers/db.json", PRIVILEGED)]).await;
    ann.push(&["create", "no-wait", "override=at first"], &["main"]).await.good();
    platform.stop().await;
    std::fs::remove_dir_all(platform.folder()).unwrap();
    platform.start().await;
    ann.run(&["remote", "set-url", "origin", &platform.url("acme/shop")]).await.good();
    assert!(ann.remote_refs().await.contains(&format!("{first} refs/heads/main")));
    ann.commit(&[("README", "x")]).await;
    ann.push(&[], &["main"]).await.bad().tells("is privileged");
    ann.push(&["no-wait", "override=once more"], &["main"]).await.good();
    assert_eq!(overrides(&platform.events("acme/shop").await).len(), 2);
}
