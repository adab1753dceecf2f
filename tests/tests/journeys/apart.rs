//! Services in processes of their own: an agent on a Docker host, a Git server elsewhere, the rest in one place.

use std::time::Duration;

use serde_json::json;
use tests::descriptors::{IMAGE, forever, plain};
use tests::{Nats, Platform, eventually};

#[test]
fn an_agent_of_its_own_runs_what_is_pushed_through_a_git_server_of_its_own() {
    let nats = Nats::start();
    // Its own agent has no Docker: an engine has one agent.
    let platform = Platform::start_with(&["--nats", nats.url(), "--docker", "unix:///nonexistent/docker.sock"]);
    let name = format!("apart-{:012x}", tests::unique() >> 16);
    let git = nats.run(&["serve", "git"], Some(&platform));
    let agent = nats.run(&["agent", "--node", &name], None);
    let shop = platform.fleet("shop");
    let says = json!({ "image": IMAGE, "command": forever("echo hello from afar") });
    let task = json!({ "image": IMAGE, "steps": [{ "run": ["sh", "-c", "echo ran"] }] });
    shop.write("nodes/afar.json", json!({ "agent": name })).write("containers/a.json", says);
    let commit = shop.write("tasks/t.json", task).commit("one");
    let remote = git.instead_of(&shop.remote());
    shop.push_to(&remote, &["create"], &["main"]).ok().says(&[&format!("on node {name}"), "rollout succeeded"]);
    shop.succeeds(&commit);
    shop.runs("a");
    assert_eq!(shop.state()["observed"]["containers"]["a"]["node"], name.as_str());
    assert_eq!(shop.head_of("main"), Some(commit), "the platform's own Git service shows it as well");
    platform.cli(&["run", "t", "--follow", "--fleet", shop.id()]).ok();
    eventually(Duration::from_secs(30), "its lines are found", || {
        let found = platform.cli(&["logs", "afar", "--fleet", shop.id()]).ok();
        if found.contains("hello from afar") { Ok(()) } else { Err(found) }
    });

    // It goes and comes again: what it is to do waits for it.
    drop(agent);
    let commit = shop.write("containers/b.json", plain()).commit("two");
    shop.push_to(&remote, &["no-wait"], &["main"]).ok();
    assert!(shop.find("b").is_none());
    let _agent = nats.run(&["agent", "--node", &name], None);
    shop.succeeds(&commit);
    shop.runs("b");
}
