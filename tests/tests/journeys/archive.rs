//! What is removed is kept for a while, under another name, and goes by itself.

use std::time::Duration;

use serde_json::json;
use tests::descriptors::plain;
use tests::docker::Thing;
use tests::{Platform, docker, eventually};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_removed_container_can_be_looked_into_until_its_time_is_over() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("fleet.json", json!({ "keep_removed": "20s" }));
    shop.write("containers/a.json", plain());
    shop.write("containers/b.json", plain());
    shop.commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    docker::docker(&["exec", &shop.name_of("a"), "sh", "-c", "echo precious > /note"]).ok();
    let id = shop.container("a")["Id"].as_str().unwrap().to_owned();

    shop.remove("containers/a.json").commit("two");
    shop.push(&[]).ok().says(&["its volumes stay; the container is kept, stopped, for 20s", "succeeded"]);
    let archived = eventually(SOON, "it is kept", || {
        let state = shop.state();
        let name = state["archived"].as_object().and_then(|it| it.keys().next().cloned());
        name.filter(|_| state["observed"]["containers"].get("a").is_none()).ok_or_else(|| state.to_string())
    });
    assert!(archived.starts_with(&format!("{}.until-", shop.name_of("a"))), "{archived}");
    let status = platform.cli(&["status", "--fleet", shop.id()]).ok();
    assert!(status.contains(&format!("kept: a as `{archived}`")), "{status}");
    let copied = docker::docker(&["cp", &format!("{archived}:/note"), "-"]).ok();
    assert!(copied.contains("precious"), "{copied}");
    let kept = docker::inspect_one(Thing::Container, &id).unwrap();
    assert_eq!(
        (&kept["State"]["Running"], &kept["HostConfig"]["RestartPolicy"]["Name"]),
        (&json!(false), &json!("no"))
    );

    eventually(SOON, "its time is over", || {
        let events = shop.events();
        if events.of_type("archive.removed").len() == 1 { Ok(()) } else { Err(events.to_string()) }
    });
    let events = shop.events();
    assert_eq!(events.newest("archive.removed").data["why"], "expired");
    assert_eq!(events.newest("container.archived").data["docker_id"], json!(id));
    assert!(docker::inspect_one(Thing::Container, &id).is_none(), "it is still there");
    assert_eq!(shop.state()["archived"], json!({}));
    shop.runs("b");
}
