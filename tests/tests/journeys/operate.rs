//! Operators' hands: what they do is in the log with who and why, and what they hold nobody touches.

use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::{plain, with};
use tests::{Fleet, Platform, Ran, eventually};

const SEEN: Duration = Duration::from_secs(30);

fn version(n: u32) -> Value {
    with(with(plain(), "env", json!({ "VERSION": n.to_string() })), "stop", json!({ "grace": "2s" }))
}

/// `fleetlog …` about the fleet: its words stand before those of a command to run.
fn cli(platform: &Platform, token: &str, shop: &Fleet<'_>, words: &[&str]) -> Ran {
    let at = words.iter().position(|it| *it == "--").unwrap_or(words.len());
    let all = [&words[..at], &["--fleet", shop.id()], &words[at..]].concat();
    platform.cli_as(token, &all)
}

#[track_caller]
fn runs_version(shop: &Fleet<'_>, name: &str, n: u32) {
    let environment = shop.runs(name)["Config"]["Env"].to_string();
    assert!(environment.contains(&format!("VERSION={n}")), "{environment}");
}

#[test]
fn what_operators_do_is_in_the_log_with_who_and_why() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/api.json", version(1)).commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let [mia, otto, vera] = [("mia", "maintainer"), ("otto", "operator"), ("vera", "viewer")]
        .map(|(name, role)| platform.person(name, Some(role)));
    let before = shop.container("api");

    // The viewer sees, and does nothing.
    for words in
        [&["restart", "api"][..], &["stop", "api"], &["exec", "api", "--", "true"], &["hold", "container", "api"]]
    {
        cli(&platform, &vera, &shop, words).said(3, &["`vera` may not do this"]);
    }
    cli(&platform, &vera, &shop, &["hold"]).said(0, &["nothing of", "is on hold"]);
    cli(&platform, &otto, &shop, &["exec", "api", "--", "true"]).said(3, &["needs the role `maintainer`"]);
    assert!(shop.events().of_type("operator.asked").is_empty());

    cli(&platform, &otto, &shop, &["restart", "api", "--reason", "it leaks"]).said(0, &["api was restarted on node"]);
    let after = shop.runs("api");
    assert_eq!(after["Id"], before["Id"]);
    assert_ne!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
    let events = shop.events();
    let (asked, acted) = (events.only("operator.asked"), events.only("operator.acted"));
    assert_eq!((acted.actor.as_str(), acted.cause), ("otto", Some(asked.id)));
    assert_eq!((&acted.data["what"], &acted.data["outcome"]), (&json!("restart"), &json!("done")));
    assert_eq!(acted.data["reason"], "it leaks");
    cli(&platform, &otto, &shop, &["restart", "none"]).said(1, &["has no container `none`"]);

    // A command shows what it wrote where it wrote it, and ends as it ended.
    let script = ["exec", "api", "--", "sh", "-c", "echo $VERSION; echo oops >&2; exit 7"];
    let ran = cli(&platform, &mia, &shop, &script);
    assert_eq!((ran.out.trim(), ran.code), ("1", 1), "{}", ran.err);
    assert!(ran.err.contains("oops") && ran.err.contains("the command ended with 7"), "{}", ran.err);
    let whole = cli(&platform, &mia, &shop, &["exec", "api", "--json", "--", "sh", "-c", "echo PASSWORD=hunter2"]);
    let whole: Value = serde_json::from_str(&whole.ok()).unwrap();
    assert_eq!((&whole["exit_code"], &whole["stdout"]), (&json!(0), &json!("PASSWORD=hunter2\n")));
    assert_eq!(shop.events().newest("operator.acted").data["command"], json!(["sh"]));
    cli(&platform, &mia, &shop, &["exec", "api", "--", "no-such-program"]).said(1, &["the command ended with 12"]);
    cli(&platform, &mia, &shop, &["exec", "api", "--within", "1h", "--", "ls"]).said(2, &["at most 10m"]);
    assert!(!format!("{:?}", shop.events()).contains("hunter2"));

    // A stop is a hold: what is pushed meanwhile comes with the start.
    cli(&platform, &otto, &shop, &["stop", "api"]).said(0, &["is stopped, and on hold"]);
    assert_eq!(shop.container("api")["State"]["Running"], false);
    platform.cli(&["status"]).said(0, &["hold: api: stopped by otto, held until it is started"]);
    shop.write("containers/api.json", version(2)).commit("two");
    shop.push(&[]).ok().says(&[
        "! on hold    api  stopped by otto, held until it is started; not done: re-create",
        "succeeded",
        "without what is on hold: api",
    ]);
    assert_eq!(shop.container("api")["State"]["Running"], false);
    cli(&platform, &otto, &shop, &["start", "api"]).said(0, &["api is started on node"]);
    eventually(SEEN, "the push comes", || {
        let environment = shop.find("api").ok_or("it is gone")?["Config"]["Env"].to_string();
        if environment.contains("VERSION=2") { Ok(()) } else { Err(environment) }
    });
    runs_version(&shop, "api", 2);
    assert!(shop.events().of_type("drift.found").is_empty());
    platform.cli(&["replay", "registry", "--verify"]).ok();
}

#[test]
fn what_is_on_hold_is_left_alone_until_its_time_has_come() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("fleet.json", json!({ "drift": "heal" }));
    shop.write("containers/api.json", version(1)).write("containers/db.json", version(1)).commit("one");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let db = shop.container("db")["Id"].clone();
    let token = platform.token();
    let hold = ["hold", "container", "db", "--reason", "the disk"];
    cli(&platform, &token, &shop, &hold).said(0, &["container db: held until somebody ends it, by admin: the disk"]);
    cli(&platform, &token, &shop, &["hold"]).said(0, &["container db: held until somebody ends it"]);
    assert_eq!(shop.state()["holds"]["db"]["reason"], "the disk");

    shop.write("containers/api.json", version(2)).write("containers/db.json", version(2)).commit("two");
    let pushed = shop.push(&[]).ok();
    pushed.says(&["1 to re-create, 1 on hold", "! on hold    db  held until", "without what is on hold: db"]);
    runs_version(&shop, "api", 2);
    assert_eq!(shop.container("db")["Id"], db);

    // Another one takes its place, and ends by itself, also where nobody was there to see.
    let hold = ["hold", "container", "db", "--for", "3s", "--json"];
    let placed: Value = serde_json::from_str(&cli(&platform, &token, &shop, &hold).ok()).unwrap();
    platform.stop();
    platform.up(&[]);
    let ended = eventually(SEEN, "the hold ends", || {
        let events = shop.events();
        events.of_type("hold.ended").first().map(|it| (*it).clone()).ok_or_else(|| events.to_string())
    });
    assert_eq!((ended.actor.as_str(), &ended.data["expired"]), ("shazam", &json!(true)));
    assert_eq!(ended.data["hold"], placed["id"]);
    eventually(SEEN, "what was left out is done", || match shop.find("db") {
        Some(it) if it["Id"] != db && it["State"]["Running"] == true => Ok(()),
        other => Err(format!("{other:?}")),
    });
    runs_version(&shop, "db", 2);
    let events = shop.events();
    assert_eq!(events.newest("rollout.planned").cause, Some(ended.id));
    assert!(events.of_type("drift.found").is_empty(), "{events}");
    cli(&platform, &token, &shop, &["hold", "end", "container", "db"]).said(1, &["is not on hold"]);
    platform.cli(&["replay", "registry", "--verify"]).ok();
}
