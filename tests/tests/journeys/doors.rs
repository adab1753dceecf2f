//! The doors: who may come in, what they answer, and the command line as a client.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tests::Platform;
use tests::descriptors::plain;

#[test]
fn wrong_token() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    for url in [shop.remote_with("wrong"), shop.remote_with("wrong").replace("admin:wrong@", "")] {
        let push = shop.push_to(&url, &["create"], &["main"]);
        assert!(!push.accepted && push.code == 128, "{push:?}");
    }
    assert!(shop.events().0.is_empty(), "{}", shop.events());
    let info = format!("/git/{}.git/info/refs?service=git-receive-pack", shop.id());
    for path in [info.as_str(), "/v1/events", "/v1/fleets", "/v1/fleets/acme/shop", "/metrics"] {
        for headers in [[].as_slice(), &[("authorization", "Bearer wrong")], &[("authorization", "Basic !")]] {
            let (status, _) = platform.get_with(path, headers);
            assert_eq!(status, 401, "{path} {headers:?}");
        }
    }
    for path in ["/", "/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(platform.get_with(path, &[]).0, 200, "{path}");
    }
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{}", platform.token())));
    assert_eq!(platform.get_with("/v1/events", &[("authorization", &basic)]).0, 200);
    let mode = fs::metadata(platform.data().join("admin.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn pages_of_events_are_the_log() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let all = platform.events();
    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let (status, page) = platform.get(&format!("/v1/events?after={after}&limit=2"));
        assert_eq!(status, 200);
        let events = page["events"].as_array().unwrap().clone();
        assert!(events.len() <= 2);
        let Some(last) = events.last() else { break };
        after = last["position"].as_u64().unwrap();
        paged.extend(events.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(paged, all.0.iter().map(|it| it.id.to_string()).collect::<Vec<_>>());
    let (status, only) = platform.get("/v1/events?type=git.pushed");
    let kinds =
        |page: &Value| page["events"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect::<Vec<_>>();
    assert_eq!((status, kinds(&only)), (200, vec![Value::from("fleetlog.git.pushed.v1")]));
    let (status, problem) = platform.get("/v1/events?limit=5000");
    assert_eq!(status, 400, "{problem:#}");
    assert!(problem["title"].is_string(), "{problem:#}");
}

#[test]
fn the_command_line_as_a_client() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let commit = shop.write("containers/a.json", plain()).commit("one");
    shop.push(&["create"]).ok();
    let status = platform.cli(&["status"]).ok();
    assert!(status.contains(shop.id()), "{status}");
    let events = platform.cli(&["events", "--fleet", shop.id()]).ok();
    assert!(events.contains("git.pushed") && events.contains("rollout.succeeded"), "{events}");
    let state: Value = serde_json::from_str(&platform.cli(&["state", "--fleet", shop.id(), "--json"]).ok()).unwrap();
    assert_eq!(state["commit"], commit.as_str());
    platform.cli(&["wait", &commit, "--fleet", shop.id()]).ok();

    // `check` needs no platform, and says the same words.
    let tree = shop.path().to_str().unwrap().to_owned();
    platform.cli(&["check", &tree]).ok();
    shop.write_text("containers/b.json", "{ \"image\": \"a\", \"comand\": [] }").commit("two");
    let local = platform.cli(&["check", &tree]);
    assert_eq!(local.code, 1, "{local:?}");
    let remote = shop.push(&[]).refused(&["containers/b.json:1:17"]);
    assert!(format!("{}{}", local.out, local.err).contains("containers/b.json:1:17"), "{local:?}\n{}", remote.text);

    assert_eq!(platform.cli(&["nonsense"]).code, 2);
    platform.stop();
    platform.up(&[]);
}
