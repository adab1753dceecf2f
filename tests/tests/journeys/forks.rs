//! Forks: a fleet with its history and values of its own, which goes back by pull requests and takes in what is new.

use serde_json::{Value, json};
use tests::descriptors::{IMAGE, plain, with};
use tests::{Fleet, Platform};

fn api(environment: Value) -> Value {
    with(plain(), "env", environment)
}

/// A fleet that asks whoever forks it for a domain.
fn setup(shop: &Fleet<'_>) {
    let parameters = json!({
        "domain": { "label": "Domain", "pattern": "[a-z.]+" },
        "plan": { "type": "choice", "choices": ["small", "large"], "default": "small" },
        "salt": { "type": "generate" },
    });
    shop.write("fleet.json", json!({ "parameters": parameters }));
    shop.write("variables/parameters.json", json!({ "domain": "example.org", "plan": "small", "salt": "none" }));
    shop.write("containers/a.json", api(json!({ "DOMAIN": "{{ variables.parameters.domain }}" })));
    shop.commit("one");
    shop.push(&["create"]).ok();
}

#[test]
fn a_fork_has_the_history_its_own_values_and_a_way_back() {
    let platform = Platform::start();
    let bob = platform.person("bob", Some("viewer"));
    let theirs = format!("{}-bob", platform.owner());
    platform.cli(&["member", "set", &theirs, "bob", "owner"]).ok();
    let shop = platform.fleet("shop");
    setup(&shop);
    let (from, to) = (shop.id(), format!("{theirs}/copy"));

    let missing = platform.cli_as(&bob, &["fork", from, &to, "--set", "plan=huge"]);
    assert_eq!(missing.code, 2, "{missing:?}");
    for words in [
        "`domain` (Domain) is needed and has no default: give it with --set domain=…",
        "`plan`: expected one of `small`, `large`",
    ] {
        assert!(missing.err.contains(words), "{missing:?}");
    }
    let not_theirs = format!("{}/copy", platform.owner());
    let elsewhere = platform.cli_as(&bob, &["fork", from, &not_theirs, "--set", "domain=b.org"]);
    assert_eq!(elsewhere.code, 3, "{elsewhere:?}");
    let forked = platform.cli_as(&bob, &["fork", from, &to, "--set", "domain=bob.org"]).ok();
    assert!(forked.contains("nothing of it runs before its first push"), "{forked}");
    let twice = platform.cli_as(&bob, &["fork", from, &to, "--set", "domain=bob.org"]);
    assert!(twice.code == 1 && twice.err.contains("there is a fleet"), "{twice:?}");

    // Its history is the other's and one commit more; nothing of it runs.
    let copy = platform.fleet_of(&to);
    copy.fetch().ok();
    copy.git(&["reset", "--quiet", "--hard", "origin/main"]).ok();
    let history = copy.git(&["log", "--format=%an %s"]).ok();
    assert_eq!(history, "bob Give the parameters of this fork their values\nAda one");
    let values = std::fs::read_to_string(copy.path().join("variables/parameters.json")).unwrap();
    let values: Value = serde_json::from_str(&values).unwrap();
    assert_eq!((&values["domain"], &values["plan"]), (&json!("bob.org"), &json!("small")));
    assert_eq!(values["salt"].as_str().unwrap().len(), 32, "{values}");
    let state = copy.state();
    assert_eq!((&state["upstream"], &state["commit"]), (&json!(from), &Value::Null));
    assert_eq!((copy.events().of_type("rollout.planned").len(), copy.containers().len()), (0, 0));

    // From its first push on it runs, as a fleet of its own.
    copy.write("containers/b.json", json!({ "image": IMAGE, "command": ["sleep", "1d"], "stop": { "grace": "1s" } }));
    let first = copy.commit("a container more");
    copy.push_to(&copy.remote_with(&bob), &[], &["main"]).ok().says(&["2 to create"]);
    copy.succeeds(&first);
    assert!(copy.container("a")["Config"]["Env"].to_string().contains("DOMAIN=bob.org"));

    // Back to where it came from: only the change, made on what is there.
    copy.git(&["fetch", "--quiet", &shop.remote_with(&bob), "main:upstream"]).ok();
    copy.git(&["checkout", "--quiet", "-b", "fix", "upstream"]).ok();
    copy.write("containers/a.json", api(json!({ "DOMAIN": "{{ variables.parameters.domain }}", "FIX": "1" })));
    copy.commit("a security fix");
    copy.push_to(&copy.remote_with(&bob), &[], &["fix"]).ok();
    let create = ["pr", "create", "--upstream", "--from", "fix", "--title", "a security fix", "--fleet", &to];
    let opened = platform.cli_as(&bob, &create).ok();
    assert!(opened.contains(&format!("pull request 1 of {from}")), "{opened}");
    let refused = platform.cli_as(&bob, &["pr", "merge", "1", "--fleet", from]);
    assert_eq!(refused.code, 3, "{refused:?}");
    // Others find what it brings, whatever becomes of the fork's branch.
    copy.push_to(&copy.remote_with(&bob), &[], &[":fix"]).ok();
    shop.git(&["fetch", "--quiet", &shop.remote(), "refs/pulls/1/head"]).ok();
    assert_eq!(shop.git(&["log", "-1", "--format=%s", "FETCH_HEAD"]).ok(), "a security fix");
    platform.cli(&["pr", "approve", "1", "--fleet", from]).ok();
    platform.cli(&["pr", "merge", "1", "--fleet", from]).ok();
    let commit = shop.events().only("pull.merged").data["commit"].as_str().unwrap().to_owned();
    shop.succeeds(&commit);
    assert!(shop.container("a")["Config"]["Env"].to_string().contains("FIX=1"));

    // And what is new there comes in here, beside what the fork has of its own.
    let synced = platform.cli_as(&bob, &["pr", "create", "--sync", "--fleet", &to]).ok();
    assert!(synced.contains(&format!("Sync from {from}")) && synced.contains("re-create"), "{synced}");
    platform.cli_as(&bob, &["pr", "merge", "1", "--fleet", &to]).ok();
    let commit = copy.events().only("pull.merged").data["commit"].as_str().unwrap().to_owned();
    copy.succeeds(&commit);
    let environment = copy.container("a")["Config"]["Env"].to_string();
    assert!(environment.contains("FIX=1") && environment.contains("DOMAIN=bob.org"), "{environment}");
}
