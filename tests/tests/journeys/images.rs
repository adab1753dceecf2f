//! Images: a tag is resolved once, its image is kept until somebody asks for another one, and a rollback finds it again.

use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, forever, plain, with};
use tests::docker::docker;
use tests::{Fleet, Platform, Ran, Registry, eventually};

fn app(image: &str) -> Value {
    json!({ "image": image, "command": forever(":"), "stop": { "grace": "1s" } })
}

#[track_caller]
fn said(ran: &Ran, code: i32, words: &[&str]) {
    let text = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, code, "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

fn cli(platform: &Platform, shop: &Fleet<'_>, arguments: &[&str]) -> Ran {
    platform.cli(&[arguments, &["--fleet", shop.id()]].concat())
}

/// What runs is of this version, by the image's own word.
#[track_caller]
fn runs(shop: &Fleet<'_>, name: &str, version: u32) {
    let environment = shop.runs(name)["Config"]["Env"].to_string();
    assert!(environment.contains(&format!("VERSION={version}\"")), "{environment}");
}

fn short(digest: &str) -> &str {
    &digest[..19]
}

#[test]
fn a_tag_is_held_until_an_update_and_comes_back_by_a_rollback() {
    let registry = Registry::start();
    let one = registry.publish("app:1", 1);
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let name = registry.name("app:1");
    shop.write("containers/a.json", app(&name)).write("containers/local.json", plain()).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    runs(&shop, "a", 1);
    let images = shop.state()["images"].clone();
    assert_eq!((&images["a"]["digest"], &images["a"]["reference"]), (&json!(one), &json!(name)));
    assert_eq!((&images["local"]["digest"], &images["local"]["reference"]), (&Value::Null, &json!(IMAGE)));

    // The tag moves: the second plan is empty, also of a container that is made anew for another reason.
    let two = registry.publish("app:1", 2);
    assert_ne!(one, two);
    shop.write_text("notes.txt", "more\n").commit("two");
    shop.push(&[]).ok().says(&["plan: nothing to do, 2 containers"]);
    shop.write("containers/a.json", with(app(&name), "env", json!({ "A": "b" }))).commit("three");
    shop.push(&[]).ok().says(&["1 to re-create", "success: rollout succeeded"]);
    runs(&shop, "a", 1);

    let plan = cli(&platform, &shop, &["update", "--plan"]);
    said(&plan, 0, &[&name, short(&one), short(&two), "1 container keeps its image", "nothing was stored"]);
    assert!(shop.events().of_type("image.updated").is_empty());
    said(&cli(&platform, &shop, &["update", "nobody"]), 1, &["no container `nobody`"]);
    said(&cli(&platform, &shop, &["update", "Nobody"]), 2, &["Nobody"]);
    said(&cli(&platform, &shop, &["update", "local"]), 0, &["nothing to update"]);
    let update = cli(&platform, &shop, &["update", "--reason", "the fix"]);
    said(&update, 0, &[short(&one), short(&two), "succeeded"]);
    runs(&shop, "a", 2);
    let events = shop.events();
    let updated = events.only("image.updated");
    assert_eq!((updated.actor.as_str(), &updated.data["reason"]), ("admin", &json!("the fix")));
    assert_eq!(updated.data["images"]["a"]["to"]["digest"], json!(two));
    assert_eq!(events.newest("rollout.planned").cause, Some(updated.id));
    let commit = shop.git(&["rev-parse", "HEAD"]).ok().trim().to_owned();
    shop.succeeds(&commit);
    said(&cli(&platform, &shop, &["update"]), 0, &["nothing to update: 2 containers keep"]);
    let json = cli(&platform, &shop, &["update", "--json"]).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["event"], &json["unchanged"]), (&Value::Null, &json!(2)));

    // Of the same commit, but with the image of before; a third one that the tag leads to by now changes nothing.
    registry.publish("app:1", 3);
    said(&cli(&platform, &shop, &["rollback"]), 0, &["1 to re-create", "succeeded"]);
    runs(&shop, "a", 1);
    assert_eq!(shop.state()["images"]["a"]["digest"], json!(one));
    shop.write_text("notes.txt", "much more\n").commit("four");
    shop.push(&[]).ok().says(&["plan: nothing to do, 2 containers"]);

    // Everything but the log is made anew, and says the same.
    platform.cli(&["replay", "registry", "--verify"]).ok();
    platform.restart();
    assert_eq!(shop.state()["images"]["a"]["digest"], json!(one));
    let commit = shop.git(&["rev-parse", "HEAD"]).ok().trim().to_owned();
    shop.succeeds(&commit);
    runs(&shop, "a", 1);
}

#[test]
fn a_registry_that_is_out_of_order_is_asked_again_and_an_image_that_is_away_is_named() {
    let registry = Registry::start();
    registry.publish("app:1", 1);
    let faulty = registry.faulty(2);
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", app(&faulty.name("app:1"))).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    runs(&shop, "a", 1);
    assert_eq!(faulty.tries(), 3);

    // What cannot be fetched stops nothing that runs.
    let before = shop.fingerprint();
    let away = registry.name("app:none");
    shop.write("containers/a.json", app(&away)).commit("two");
    shop.push(&[]).ok().says(&["error: rollout failed: ", &format!("image `{away}` cannot be pulled")]);
    assert_eq!(shop.fingerprint(), before);
    runs(&shop, "a", 1);
    let update = cli(&platform, &shop, &["update"]);
    said(&update, 1, &["nothing was updated", &away]);
}

#[test]
fn an_image_that_is_built_on_the_node_is_held_by_its_id() {
    let registry = Registry::start();
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    // A name without a registry: nobody is asked for it.
    let name = format!("local-{}:1", platform.owner());
    let build = |version: u32| {
        registry.publish("base:1", version);
        docker(&["pull", "--quiet", &registry.name("base:1")]).ok();
        // Built on it, and so of no registry itself.
        let file = format!("FROM {}\nLABEL built={version}\n", registry.name("base:1"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), file).unwrap();
        docker(&["build", "--quiet", "--tag", &name, &folder.path().display().to_string()]).ok().trim().to_owned()
    };
    let one = build(1);
    shop.write("containers/a.json", app(&name)).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    let two = build(2);
    assert_ne!(one, two);
    shop.write("containers/a.json", with(app(&name), "env", json!({ "A": "b" }))).commit("two");
    shop.push(&[]).ok().says(&["1 to re-create", "success: rollout succeeded"]);
    runs(&shop, "a", 1);
    said(&cli(&platform, &shop, &["update"]), 0, &[short(&one), short(&two), "succeeded"]);
    runs(&shop, "a", 2);
    said(&cli(&platform, &shop, &["rollback"]), 0, &["succeeded"]);
    runs(&shop, "a", 1);
    platform.stop();
    shop.containers().iter().for_each(|it| drop(docker(&["rm", "--force", it["Id"].as_str().unwrap()])));
    for image in [&name, &one, &two] {
        docker(&["rmi", "--force", image]);
    }
}

#[test]
fn images_that_no_rollback_needs_go() {
    let registry = Registry::start();
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let name = registry.name("app:1");
    registry.publish("app:1", 0);
    shop.write("containers/a.json", app(&name)).commit("one");
    shop.push(&["create"]).ok().says(&["success: rollout succeeded"]);
    let image = || shop.runs("a")["Image"].as_str().unwrap().to_owned();
    let mut all = vec![image()];
    for version in 1..=6 {
        registry.publish("app:1", version);
        cli(&platform, &shop, &["update"]).ok();
        runs(&shop, "a", version);
        all.push(image());
    }
    let is_there = |image: &String| docker(&["image", "inspect", image]).code == 0;
    eventually(Duration::from_secs(30), "the oldest is gone", || {
        if is_there(&all[0]) { Err(shop.events().to_string()) } else { Ok(()) }
    });
    assert!(all[1..].iter().all(is_there), "five versions and the current one stay");
    assert_eq!(shop.events().only("image.pruned").data["removed"], json!([all[0]]));
    assert!(docker(&["image", "inspect", IMAGE]).code == 0, "what was there before stays");
}
