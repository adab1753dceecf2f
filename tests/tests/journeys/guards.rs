//! Guards and what fleets share: what an owner forbids is refused, one push passes with the owner's word, and a host port
//! belongs to one fleet.

use std::fs;

use serde_json::json;
use tests::descriptors::{plain, with};
use tests::{Platform, free_port};

#[test]
fn what_an_owner_forbids_is_refused_and_one_push_passes_with_a_reason() {
    let platform = Platform::start();
    let owner = platform.owner();
    let file = platform.home().join("policy.json");
    fs::write(&file, r#"{ "privileged": "forbid", "max_removal": 0 }"#).unwrap();
    let file = file.to_str().unwrap();
    let refused = platform.cli(&["policy", "set", owner, file]);
    assert!(refused.code == 1 && refused.out.contains("policy.json:1:27: unknown key `max_removal`"), "{refused:?}");
    fs::write(file, r#"{ "privileged": "forbid", "max_removals": 0 }"#).unwrap();
    platform.cli(&["policy", "set", owner, file]).ok();
    let shown = platform.cli(&["policy", "show", owner, "--json"]).ok();
    assert_eq!(shown.trim(), r#"{"max_removals":0,"privileged":"forbid"}"#);
    let (status, problem) = platform.get(&format!("/v1/owners/{owner}/policy"));
    assert_eq!((status, &problem), (200, &json!({ "max_removals": 0, "privileged": "forbid" })));

    let shop = platform.fleet("shop");
    shop.write("containers/api.json", plain()).write("containers/db.json", plain()).commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    shop.write("containers/root.json", with(plain(), "privileged", json!(true))).commit("two");
    let hint = "-o override=\"why\"";
    shop.push(&[]).refused(&["containers/root.json:", "container `root` is privileged", hint, "nothing changed"]);

    shop.remove("containers/root.json").remove("containers/db.json");
    let commit = shop.commit("three");
    shop.push(&[]).refused(&["containers/db.json:1:1:", "are taken out at once", hint, "nothing changed"]);
    shop.push(&["override=it moved to another host"])
        .ok()
        .says(&["override: lets this push pass `max_removals`: it moved to another host", "succeeded"]);
    shop.succeeds(&commit);
    assert!(shop.find("db").is_none());
    let events = shop.events();
    let (used, pushed) = (events.only("override.used"), events.newest("git.pushed"));
    assert_eq!(used.data["guards"], json!(["max_removals"]));
    assert_eq!((used.position, used.cause), (pushed.position + 1, Some(pushed.id)));

    // It was for one push.
    shop.remove("containers/api.json").write("containers/db.json", plain()).commit("four");
    shop.push(&[]).refused(&["containers/api.json:1:1:", hint]);

    // A merge is held to the same, and nobody's word lets it pass.
    shop.push_to(&shop.remote(), &[], &["main:refs/heads/move"]).ok().says(&["warning: on move: containers/api.json"]);
    platform.cli(&["pr", "create", "--from", "move", "--title", "move", "--fleet", shop.id()]).ok();
    let merged = platform.cli(&["pr", "merge", "1", "--fleet", shop.id()]);
    assert!(merged.code == 1 && merged.err.contains("are taken out at once"), "{merged:?}");
    assert!(shop.events().of_type("pull.merged").is_empty() && shop.head_of("main") == Some(commit));
}

#[test]
fn a_host_port_belongs_to_one_fleet() {
    let platform = Platform::start();
    let port = free_port();
    let web = with(plain(), "ports", json!([format!("127.0.0.1:{port}:80")]));
    let (till, shop) = (platform.fleet("till"), platform.fleet("shop"));
    till.write("containers/front.json", web.clone()).commit("one");
    till.push(&["create"]).ok().says(&["succeeded"]);
    shop.write("containers/web.json", web);
    shop.commit("one");
    let taken =
        format!("host port {port}/tcp of node `{}` is published by container `front` of fleet", platform.node());
    shop.push(&["create"]).refused(&[&taken, till.id(), "nothing changed"]);
    let planned = platform.cli(&["plan", shop.path().to_str().unwrap(), "--fleet", shop.id()]);
    assert_eq!(planned.code, 1, "{planned:?}");
    for words in [&taken, "1 to create", "a push of it to the deploy branch would be refused"] {
        assert!(planned.out.contains(words), "{words:?} is expected: {planned:?}");
    }
    // Once it is given up there, it is free here.
    till.remove("containers/front.json").write("containers/other.json", plain()).commit("two");
    till.push(&[]).ok().says(&["succeeded"]);
    shop.push(&["create"]).ok().says(&["succeeded"]);

    // In a pull request it is a warning beside the plan, and only the merge is refused.
    till.write("containers/front.json", with(plain(), "ports", json!([format!("127.0.0.1:{port}:80")])))
        .commit("three");
    till.push_to(&till.remote(), &[], &["main:refs/heads/back"]).ok();
    let opened = platform.cli(&["pr", "create", "--from", "back", "--title", "back", "--fleet", till.id()]);
    let taken = taken.replace("container `front`", "container `web`");
    assert!(opened.code == 0 && opened.err.contains("warning: containers/front.json:"), "{opened:?}");
    assert!(opened.err.contains(&taken) && opened.out.contains("1 to create"), "{opened:?}");
    let (_, pull) = platform.get(&format!("/v1/fleets/{}/pulls/1", till.id()));
    assert_eq!((&pull["now"]["mergeable"], &pull["now"]["faults"]), (&json!(false), &json!([])), "{pull:#}");
    let merged = platform.cli(&["pr", "merge", "1", "--fleet", till.id()]);
    assert!(merged.code == 1 && merged.err.contains(&taken), "{merged:?}");
}
