//! Files of the fleet's tree in containers, on the simulated engine; a stand-in answers for Git.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemas::fleet::{Rollout, RolloutStatus};
use schemas::names::Oid;
use schemas::plan::Action;
use schemas::query::{Fault, FaultCode, FilesAnswer, FilesRequest};
use serde_json::{Value, json};
use streams::Bus;
use tokio::task::JoinSet;

use self::support::Platform;

/// What Git has, by its ids.
#[derive(Clone, Default)]
struct Git(Arc<Mutex<BTreeMap<Oid, Vec<u8>>>>);

impl Git {
    /// Answers agents until it is dropped.
    async fn start(bus: &Bus) -> (Self, JoinSet<()>) {
        let (git, mut tasks) = (Self::default(), JoinSet::new());
        let (it, mut questions) = (git.clone(), bus.answer::<FilesRequest>().await.unwrap());
        tasks.spawn(async move {
            while let Some(asked) = questions.next().await {
                // One at a time, so that whoever asks has to ask again.
                let wanted = asked.question.blobs.first().cloned().unwrap();
                let content = it.0.lock().unwrap().get(&wanted).cloned();
                let missing = || Fault { code: FaultCode::NotFound, message: "no such file".to_owned() };
                let answer = content.map(|it| FilesAnswer { contents: [(wanted, STANDARD.encode(it))].into() });
                asked.reply(answer.ok_or_else(missing)).await.unwrap();
            }
        });
        (git, tasks)
    }

    /// Takes a file in; what the log carries of it.
    fn has(&self, text: &str) -> Value {
        let blob = Oid::of_blob(text.as_bytes());
        self.0.lock().unwrap().insert(blob.clone(), text.as_bytes().to_vec());
        json!({ "blob": blob, "size": text.len() })
    }
}

fn container(files: &Value) -> Value {
    json!({ "image": "tool:1", "files": files })
}

fn actions(rollout: &Rollout) -> Vec<Action> {
    rollout.steps.iter().map(|it| it.step.action).collect()
}

async fn read(platform: &Platform, path: &str) -> Option<String> {
    platform.engine.read_file("acme.shop.a", path).unwrap()
}

async fn seen(platform: &Platform) -> engine::Container {
    platform.engine.inspect("acme.shop.a").await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_in_place_before_the_start_and_change_as_they_should() {
    let mut platform = Platform::start().await;
    let (git, _answers) = Git::start(&platform.bus).await;
    let with = |on_change: &str, files: &[(&str, Value)]| {
        let source = json!({ "from": "files/app", "on_change": on_change });
        let mut tree = json!({ "containers/a.json": container(&json!({ "/etc/app": source })) });
        let members = files.iter().map(|(path, it)| (format!("files/app/{path}"), it.clone()));
        tree.as_object_mut().unwrap().extend(members);
        tree
    };
    let (one, two, other) = (git.has("one"), git.has("two"), git.has("other"));
    let tree = with("signal", &[("a", one.clone()), ("sub/b", other.clone())]);
    assert_eq!(actions(&platform.succeeds(&tree).await), [Action::Create]);
    assert_eq!(read(&platform, "/etc/app/a").await.as_deref(), Some("one"));
    assert_eq!(read(&platform, "/etc/app/sub/b").await.as_deref(), Some("other"));
    let first = seen(&platform).await;
    assert!(platform.succeeds(&tree).await.steps.is_empty(), "the second plan is empty");

    // Another content: in place, with a signal.
    let tree = with("signal", &[("a", two.clone()), ("sub/b", other.clone())]);
    assert_eq!(actions(&platform.succeeds(&tree).await), [Action::Reload]);
    assert_eq!(read(&platform, "/etc/app/a").await.as_deref(), Some("two"));
    assert_eq!(platform.engine.signals("acme.shop.a").unwrap(), ["HUP"]);
    let now = seen(&platform).await;
    assert_eq!((&now.id, now.started_ns), (&first.id, first.started_ns));

    // Who starts anew knows what is in place.
    platform.kill_halves().await;
    platform.start_halves().await;
    assert!(platform.succeeds(&tree).await.steps.is_empty());
    let tree = with("restart", &[("a", one.clone()), ("sub/b", other.clone())]);
    assert_eq!(actions(&platform.succeeds(&tree).await), [Action::Restart]);
    let again = seen(&platform).await;
    assert_eq!(again.id, first.id);
    assert_ne!(again.started_ns, first.started_ns);
    let tree = with("none", &[("a", two), ("sub/b", other)]);
    assert_eq!(actions(&platform.succeeds(&tree).await), [Action::Place]);
    assert_eq!(seen(&platform).await.started_ns, again.started_ns);

    // What is gone there is gone.
    let tree = with("none", &[("a", one)]);
    assert_eq!(actions(&platform.succeeds(&tree).await), [Action::Recreate]);
    assert_ne!(seen(&platform).await.id, first.id);
    assert_eq!(read(&platform, "/etc/app/sub/b").await, None);
    assert!(platform.succeeds(&tree).await.steps.is_empty());
    let signals = platform.engine.signals("acme.shop.a").unwrap();
    assert!(signals.is_empty(), "a new container needs none: {signals:?}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_not_seeded_again_and_references_are_looked_up() {
    let platform = Platform::start().await;
    let (git, _answers) = Git::start(&platform.bus).await;
    let tree = |seed: Value, region: &str| {
        let mut conf = git.has("region {{ variables.app.region }} {{{{ x");
        conf.as_object_mut().unwrap().insert("references".to_owned(), json!(["variables.app.region"]));
        let files = json!({
            "/data/rows": { "from": "files/rows", "mode": "seed" },
            "/app.conf": { "from": "files/app.conf", "render": true, "on_change": "none" },
        });
        let mut a = container(&files);
        a.as_object_mut().unwrap().insert("volumes".to_owned(), json!({ "/data": "data" }));
        json!({ "containers/a.json": a, "volumes/data.json": {}, "files/rows": seed, "files/app.conf": conf,
            "variables/app.json": { "region": region } })
    };
    platform.succeeds(&tree(git.has("first"), "eu-1")).await;
    assert_eq!(read(&platform, "/data/rows").await.as_deref(), Some("first"));
    assert_eq!(read(&platform, "/app.conf").await.as_deref(), Some("region eu-1 {{ x"));
    platform.engine.write_file("acme.shop.a", "/data/rows", "grown").unwrap();
    let rollout = platform.succeeds(&tree(git.has("second"), "eu-2")).await;
    assert_eq!(actions(&rollout), [Action::Place]);
    assert_eq!(read(&platform, "/app.conf").await.as_deref(), Some("region eu-2 {{ x"));
    // Also in another container: the volume has it.
    platform.engine.remove("acme.shop.a").await.unwrap();
    platform
        .eventually("it is gone", |fleet| {
            fleet.observed.containers.values().all(|it| it.state == schemas::fleet::State::Removed)
        })
        .await;
    let rollout = platform.succeeds(&tree(git.has("second"), "eu-2")).await;
    assert_eq!(actions(&rollout), [Action::Create]);
    assert_eq!(read(&platform, "/data/rows").await.as_deref(), Some("grown"));
    assert_eq!(read(&platform, "/app.conf").await.as_deref(), Some("region eu-2 {{ x"));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_to_be_had_or_damaged_fails_the_step_and_leaves_what_runs() {
    let platform = Platform::start().await;
    let (git, _answers) = Git::start(&platform.bus).await;
    let tree = |file: &Value| json!({ "containers/a.json": container(&json!({ "/a": { "from": "files/a" } })), "files/a": file });
    platform.succeeds(&tree(&git.has("one"))).await;
    let before = seen(&platform).await;
    let fails = async |file: Value, why: &str| {
        let position = platform.push(&tree(&file)).await;
        let rollout = platform.rolled_out(position).await;
        assert_eq!(rollout.status, RolloutStatus::Failed);
        let error = rollout.error.unwrap_or_default();
        assert!(error.contains(why), "{error}");
        assert_eq!(seen(&platform).await.started_ns, before.started_ns);
        assert_eq!(read(&platform, "/a").await.as_deref(), Some("one"));
    };
    fails(json!({ "blob": "a".repeat(40), "size": 1 }), "no such file").await;
    let other = git.has("two");
    let id = other["blob"].as_str().unwrap().parse().unwrap();
    git.0.lock().unwrap().insert(id, b"another text".to_vec());
    fails(other, "what came is another file").await;
    // Once it can be had, the next push puts it right.
    let good = git.has("three");
    assert_eq!(actions(&platform.succeeds(&tree(&good)).await), [Action::Restart]);
    assert_eq!(read(&platform, "/a").await.as_deref(), Some("three"));
    platform.stop().await;
}
