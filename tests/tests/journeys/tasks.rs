//! Tasks: a run for each trigger, in a sandbox, told from edge to edge, and once through `kill -9` of everything.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tests::descriptors::IMAGE;
use tests::docker::{self, Thing};
use tests::{Fleet, Platform, eventually};

/// How many runs, and how often everything is killed meanwhile.
const RUNS: usize = 50;
const KILLS: usize = 20;
/// What is killed has been up for less than this: a run takes about as long.
const UP: Duration = Duration::from_millis(900);
/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(120);

fn task(script: &str) -> Value {
    json!({ "image": IMAGE, "steps": [{ "run": ["sh", "-c", script] }] })
}

/// A request with the admin's token; none where the platform is away.
fn ask(platform: &Platform, url: &str, method: &str, path: &str, key: Option<&str>) -> Option<(u16, Value)> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .proxy(None)
        .build();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
    request = request.header("authorization", format!("Bearer {}", platform.token()));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let mut response = ureq::Agent::new_with_config(config).run(request.body(()).unwrap()).ok()?;
    let body = response.body_mut().read_to_string().ok()?;
    Some((response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::Null)))
}

/// Somewhere between nothing and `most`.
fn random(most: Duration) -> Duration {
    most.mul_f64(f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX))
}

fn runs_of(fleet: &Fleet<'_>, platform: &Platform) -> Vec<Value> {
    let (status, page) = platform.get(&format!("/v1/fleets/{}/runs?limit=1000", fleet.id()));
    assert_eq!(status, 200, "{page}");
    page["runs"].as_array().unwrap().clone()
}

fn is_over(run: &Value) -> bool {
    matches!(run["status"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

/// Nothing of any run is left in Docker.
#[track_caller]
fn nothing_is_left(platform: &Platform) {
    let label = platform.label();
    eventually(LIMIT, "containers and volumes of runs that have ended are gone", || {
        let left: Vec<_> = [Thing::Container, Thing::Volume]
            .into_iter()
            .flat_map(|thing| docker::ids(thing, &[label.as_str(), "fleetlog.run"]))
            .collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn task_runs_once() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    // What a step did is in a volume: done twice, it would be there twice.
    let script = "echo $FLEETLOG_RUN begins >> /data/done; sleep 0.3; echo $FLEETLOG_RUN ends >> /data/done; \
                  echo run=$FLEETLOG_RUN > $FLEETLOG_OUTPUT";
    let mut mark = task(script);
    mark["user"] = json!("0");
    mark["volumes"] = json!({ "/data": "data" });
    shop.write("volumes/data.json", json!({ "class": "ephemeral" })).write("tasks/mark.json", mark).commit("a task");
    shop.push(&["create"]).ok();

    let path = format!("/v1/fleets/{}/tasks/mark/runs", shop.id());
    let (url, kills) = (Mutex::new(platform.url()), AtomicUsize::new(0));
    // Two or three triggers between one kill and the next, wherever each of them is just then.
    let trigger = |index: usize| {
        let key = format!("trigger-{index}");
        eventually(LIMIT, &format!("{key} is taken"), || {
            if index > (kills.load(Ordering::Relaxed) + 1) * RUNS / KILLS {
                return Err("it is not its turn yet".to_owned());
            }
            let url = url.lock().unwrap().clone();
            match ask(&platform, &url, "POST", &path, Some(&key)) {
                Some((202, run)) => Ok(run["id"].as_str().unwrap().to_owned()),
                Some((503, _)) | None => Err("the platform is away".to_owned()),
                Some(other) => panic!("{other:?}"),
            }
        })
    };
    let ids: BTreeSet<String> = thread::scope(|scope| {
        let ids = scope.spawn(|| (0..RUNS).map(trigger).collect());
        for _ in 0..KILLS {
            thread::sleep(random(UP));
            platform.kill();
            platform.up(&[]);
            *url.lock().unwrap() = platform.url();
            kills.fetch_add(1, Ordering::Relaxed);
        }
        ids.join().unwrap()
    });
    // The same trigger once more is the same run.
    let (_, again) = ask(&platform, &platform.url(), "POST", &path, Some("trigger-0")).unwrap();
    assert!(ids.contains(again["id"].as_str().unwrap()), "{again}");
    assert_eq!(ids.len(), RUNS);

    let runs = eventually(LIMIT, "every run ends", || {
        let runs = runs_of(&shop, &platform);
        let open: Vec<_> = runs.iter().filter(|it| !is_over(it)).map(|it| it["id"].to_string()).collect();
        if open.is_empty() { Ok(runs) } else { Err(format!("{} are open: {open:?}", open.len())) }
    });
    let known: BTreeSet<_> = runs.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(known, ids, "one trigger, one run");
    for run in &runs {
        assert_eq!(run["status"], "succeeded", "{run}");
        assert_eq!(run["outputs"]["run"], run["id"]);
    }

    // Each end once in the log, and each step once in the volume.
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let events = shop.events();
    for kind in ["run.succeeded", "run.failed", "run.cancelled"] {
        for event in events.of_type(kind) {
            *ends.entry(event.data["run"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert_eq!(ends.len(), RUNS);
    assert!(ends.values().all(|count| *count == 1), "{ends:?}");
    let volume = format!("{}:/data", shop.name_of("data"));
    let done = ["run", "--rm", "--network", "none", "--volume", &volume, IMAGE, "cat", "/data/done"];
    let done = docker::docker(&done).ok();
    for id in &ids {
        for word in ["begins", "ends"] {
            let line = format!("{id} {word}");
            assert_eq!(done.lines().filter(|it| **it == line).count(), 1, "{line} in:\n{done}");
        }
    }
    nothing_is_left(&platform);
    platform.restart();
    assert_eq!(runs_of(&shop, &platform).len(), RUNS, "a restart changes nothing");
}

#[test]
fn a_run_is_followed_to_its_end() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let mut greet = task("echo hello from $REGION; echo total=42 > $FLEETLOG_OUTPUT");
    greet["env"] = json!({ "REGION": "{{ variables.app.region }}" });
    shop.write("variables/app.json", json!({ "region": "eu-1" }))
        .write("tasks/greet.json", greet)
        .write("tasks/bad.json", task("exit 7"))
        .commit("tasks");
    shop.push(&["create"]).ok();
    let cli = |arguments: &[&str]| platform.cli(&[arguments, &["--fleet", shop.id()]].concat());

    let ran = cli(&["run", "greet", "-f"]);
    assert_eq!((ran.code, ran.out.trim()), (0, "hello from eu-1"), "{}", ran.err);
    let ran = cli(&["run", "bad", "-f"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("step 1 ended with code 7"), "{}", ran.err);
    assert!(cli(&["runs"]).out.contains("succeeded"));
    let ran = cli(&["run", "gret"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("it has `bad`, `greet`"), "{}", ran.err);

    let (_, tasks) = platform.get(&format!("/v1/fleets/{}/tasks", shop.id()));
    assert_eq!(tasks["tasks"][1]["last"]["outputs"]["total"], "42", "{tasks}");
    assert_eq!(tasks["tasks"][0]["last"]["exit_code"], 7, "{tasks}");
    // What ran is what the commit said: events hold neither its environment nor what it printed.
    let (_, page) = platform.get(&format!("/v1/events?limit=1000&fleet={}", shop.id()));
    let events = page["events"].as_array().unwrap().iter();
    let of_runs: Vec<_> = events.filter(|it| it["type"].as_str().unwrap().starts_with("fleetlog.run.")).collect();
    assert!(of_runs.len() >= 8 && of_runs.iter().all(|it| !it.to_string().contains("hello from")), "{page}");
    nothing_is_left(&platform);
}

#[test]
fn what_users_try_first_is_told() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let mut late = task("sleep 60");
    late["steps"][0]["within"] = json!("500ms");
    late["stop"] = json!({ "grace": "1s" });
    let mut small = task("tail /dev/zero");
    small["limits"] = json!({ "memory": "16MiB" });
    let mut away = task("true");
    away["image"] = json!("demo/away:9");
    let cases = [
        ("late", late, "took longer than 500ms"),
        ("small", small, "`limits.memory` is 16MiB"),
        ("away", away, "image `demo/away:9`"),
        ("root", task("echo x > /etc/x"), "`writable`"),
        ("net", task("wget http://192.0.2.1/"), "`network: true`"),
        ("flood", task("yes > $FLEETLOG_OUTPUT"), "a file grew too large"),
        ("words", task("echo nonsense > $FLEETLOG_OUTPUT"), "line 1 of $FLEETLOG_OUTPUT is not of the form"),
        ("secret", task("echo db_password=hunter2hunter2 > $FLEETLOG_OUTPUT"), "line 1 of $FLEETLOG_OUTPUT holds"),
    ];
    for (name, task, _) in &cases {
        shop.write(&format!("tasks/{name}.json"), task.clone());
    }
    shop.write("tasks/long.json", task("trap 'exit 3' TERM; while :; do sleep 1 & wait $!; done")).commit("tasks");
    shop.push(&["create"]).ok();
    let start = |name: &str| {
        let path = format!("/v1/fleets/{}/tasks/{name}/runs", shop.id());
        let (status, run) = ask(&platform, &platform.url(), "POST", &path, None).unwrap();
        assert_eq!(status, 202, "{run}");
        format!("/v1/fleets/{}/runs/{}", shop.id(), run["id"].as_str().unwrap())
    };
    let ended = |path: &str| {
        eventually(LIMIT, "the run ends", || {
            let (_, run) = platform.get(path);
            if is_over(&run) { Ok(run) } else { Err(run.to_string()) }
        })
    };
    let paths: Vec<_> = cases.iter().map(|(name, ..)| start(name)).collect();
    let long = start("long");
    for (path, (name, _, expected)) in paths.iter().zip(&cases) {
        let run = ended(path);
        let error = run["error"].as_str().unwrap_or_default();
        assert_eq!(run["status"], "failed", "{name}: {run}");
        assert!(error.contains(expected) && !error.contains("hunter2"), "{name}: {run}");
    }
    eventually(LIMIT, "the long run is under way", || {
        let (_, run) = platform.get(&long);
        if run["steps"][0]["status"] == "started" { Ok(()) } else { Err(run.to_string()) }
    });
    let (status, _) = ask(&platform, &platform.url(), "DELETE", &long, None).unwrap();
    assert_eq!(status, 202);
    assert_eq!(ended(&long)["status"], "cancelled");

    let mut scheduled = task("true");
    scheduled["schedule"] = json!({ "cron": "* * *", "timezone": "Europe/Berln" });
    let text = serde_json::to_string_pretty(&scheduled).unwrap();
    let line = 1 + text.lines().position(|it| it.contains("\"cron\"")).unwrap();
    shop.write_text("tasks/tick.json", &text).commit("a schedule");
    let cron = format!("tasks/tick.json:{line}:13: `cron`: `* * *` has 3 fields");
    shop.push(&[]).refused(&[&cron, "five fields", "write \"* * * * *\"", "did you mean `Europe/Berlin`?"]);
    nothing_is_left(&platform);
}
