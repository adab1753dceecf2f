//! Who may do what: on every door what the role allows and nothing else, and nothing at all once a token is over.

use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tests::descriptors::{IMAGE, plain};
use tests::{Platform, eventually};

const ADDRESS: &str = "vera.unmistakable@example.org";
const NEW_ADDRESS: &str = "vera.unmistakably.new@example.org";

/// A person with a token.
struct Person<'p> {
    platform: &'p Platform,
    token: String,
}

impl<'p> Person<'p> {
    /// Makes a profile, gives it a role with the platform's owner, and a token.
    fn new(platform: &'p Platform, name: &str, role: Option<&str>) -> Self {
        Self { platform, token: platform.person(name, role) }
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, text) = self.text(method, path, body);
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn text(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.platform.url()));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let agent = agent(Some(Duration::from_secs(30)));
        let mut response = match body {
            Some(body) => agent.run(request.body(body.to_string()).unwrap()).unwrap(),
            None => agent.run(request.body(()).unwrap()).unwrap(),
        };
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None)
    }

    /// What they are told instead of being let in.
    fn denied(&self) -> String {
        let (status, problem) = self.get("/v1/events");
        assert_eq!(status, 401, "{problem:#}");
        problem["detail"].as_str().unwrap().to_owned()
    }

    /// Opens the stream of events; hears when it ends.
    fn stream(&self) -> Receiver<()> {
        self.open("/v1/events/stream")
    }

    /// Opens a stream; hears when it ends.
    fn open(&self, path: &str) -> Receiver<()> {
        let request = agent(None).get(format!("{}{path}", self.platform.url()));
        let response = request.header("authorization", format!("Bearer {}", self.token)).call().unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body().into_reader();
        let mut first = [0; 1];
        body.read_exact(&mut first).unwrap();
        // Carries nothing: that it is closed says that the stream has ended.
        let (open, ended) = sync_channel(0);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while matches!(body.read(&mut piece), Ok(1..)) {}
            drop(open);
        });
        ended
    }
}

fn agent(limit: Option<Duration>) -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(limit).proxy(None).build();
    ureq::Agent::new_with_config(config)
}

#[test]
fn roles_hold() {
    let platform = Platform::start();
    let owner = platform.owner();
    let [mia, otto, vera, scott] =
        [("mia", "maintainer"), ("otto", "operator"), ("vera", "viewer"), ("scott", "scraper")]
            .map(|(name, role)| Person::new(&platform, name, Some(role)));
    let strange = Person::new(&platform, "strange", None);
    let shop = platform.fleet("shop");
    let of_fleet = format!("/v1/fleets/{}", shop.id());

    // The maintainer makes the fleet, with their own owner and no other.
    shop.write("containers/a.json", plain());
    let task = json!({ "image": IMAGE, "steps": [{ "run": ["true"] }], "within": "1m" });
    shop.write("tasks/greet.json", task).commit("one");
    shop.push_to(&shop.remote_with(&mia.token), &["create"], &["main"]).ok();
    assert_eq!(shop.events().newest("git.pushed").actor, "mia");
    let foreign = platform.fleet_of("elsewhere/shop");
    foreign.write("containers/a.json", plain()).commit("one");
    foreign.push_to(&foreign.remote_with(&mia.token), &["create"], &["main"]).refused(&["there is no fleet"]);

    // The viewer reads everything of it, and changes nothing.
    assert!(shop.git(&["ls-remote", &shop.remote_with(&vera.token)]).ok().contains("refs/heads/main"));
    assert_eq!(vera.get(&of_fleet).0, 200);
    assert_eq!(vera.get("/v1/fleets").1["fleets"].as_array().unwrap().len(), 1);
    let (_, page) = vera.get("/v1/events?limit=1000");
    let events = page["events"].as_array().unwrap();
    let theirs =
        |it: &Value| [of_fleet.clone(), format!("/v1/owners/{owner}")].iter().any(|source| it["source"] == *source);
    assert!(!events.is_empty() && events.iter().all(theirs), "{page:#}");
    let refs = shop.refs().ok();
    shop.write_text("README.md", "vera was here\n").commit("two");
    shop.push_to(&shop.remote_with(&vera.token), &[], &["main"]).refused(&[
        "`vera` is `viewer`",
        "maintainer",
        "nothing changed",
    ]);
    assert_eq!(shop.refs().ok(), refs);
    let refused = shop.events().newest("git.refused").clone();
    assert_eq!((refused.actor.as_str(), &refused.data["codes"]), ("vera", &json!(["role"])));
    let runs = format!("{of_fleet}/tasks/greet/runs");
    assert_eq!(vera.ask("POST", &runs, None).0, 403);
    assert_eq!(vera.ask("PUT", &format!("/v1/owners/{owner}/members/vera"), Some(json!({ "role": "owner" }))).0, 403);
    assert_eq!(vera.ask("POST", "/v1/tokens", Some(json!({ "profile": "mia", "name": "x" }))).0, 403);

    // The operator runs what is there, and pushes nothing.
    shop.push_to(&shop.remote_with(&otto.token), &[], &["main"]).refused(&["`otto` is `operator`"]);
    let (status, run) = otto.ask("POST", &runs, None);
    assert_eq!(status, 202, "{run:#}");
    let path = format!("{of_fleet}/runs/{}", run["id"].as_str().unwrap());
    eventually(Duration::from_secs(60), "the operator's run", || {
        let (_, run) = otto.get(&path);
        if run["status"] == "succeeded" { Ok(()) } else { Err(format!("{run:#}")) }
    });

    // The scraper scrapes and does nothing else.
    let (status, metrics) = scott.text("GET", "/metrics", None);
    assert_eq!(status, 200, "{metrics}");
    for path in ["/v1/fleets", "/v1/events", "/v1/logs", "/v1/tokens", &of_fleet] {
        assert_eq!(scott.get(path).0, 403, "{path}");
    }
    assert_eq!(scott.ask("POST", "/v1/tokens", Some(json!({ "profile": "scott", "name": "x" }))).0, 403);
    let unseen = |person: &Person<'_>, id: &str| {
        let basic = BASE64_STANDARD.encode(format!("x:{}", person.token));
        let header = format!("Basic {basic}");
        let path = format!("{}/git/{id}.git/info/refs?service=git-upload-pack", platform.url());
        let mut response = agent(None).get(path).header("authorization", &header).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap().replace(id, "IT"))
    };
    for person in [&scott, &strange] {
        let (status, text) = unseen(person, shop.id());
        assert_eq!((status, &text), (404, &unseen(person, &format!("{owner}/nothing")).1), "as one that is not there");
    }
    assert_eq!((strange.get(&of_fleet).0, strange.get("/metrics").0), (403, 403));
    assert_eq!(strange.get("/v1/fleets").1["fleets"], json!([]));
    assert_eq!(strange.get("/v1/events").1["events"], json!([]));

    // A role that is taken is gone at once, also from what is open.
    let open = otto.stream();
    platform.cli(&["member", "remove", owner, "otto"]).ok();
    assert_eq!(otto.ask("POST", &runs, None).0, 403);
    assert_eq!(open.recv_timeout(Duration::from_secs(2)), Err(RecvTimeoutError::Disconnected), "the stream goes on");
    platform.stop();
    platform.up(&[]);
    assert_eq!((vera.get(&of_fleet).0, otto.get(&of_fleet).0), (200, 403), "a restart keeps both");
}

#[test]
fn tokens_end() {
    let platform = Platform::start();
    let vera = Person::new(&platform, "vera", Some("viewer"));

    // Expired: says since when.
    let soon = json!({ "profile": "vera", "name": "short", "expires": soon() });
    let (status, made) = vera.ask("POST", "/v1/tokens", Some(soon));
    assert_eq!(status, 201, "{made:#}");
    let short = Person { platform: &platform, token: made["token"].as_str().unwrap().to_owned() };
    let told = eventually(Duration::from_secs(10), "the token expires", || match short.get("/v1/fleets") {
        (401, problem) => Ok(problem["detail"].as_str().unwrap().to_owned()),
        other => Err(format!("{other:?}")),
    });
    assert!(told.contains("`short` expired at 20"), "{told}");

    // Revoked: the next request is too late, and what is open ends.
    let streams = [vera.stream(), vera.open("/v1/logs/tail")];
    let (_, list) = vera.get("/v1/tokens");
    let id = list["tokens"][0]["id"].as_str().unwrap();
    let before = Instant::now();
    platform.cli(&["token", "revoke", id]).ok();
    assert!(vera.denied().contains("was revoked"));
    for open in streams {
        assert_eq!(
            open.recv_timeout(Duration::from_secs(1)),
            Err(RecvTimeoutError::Disconnected),
            "the stream goes on"
        );
    }
    assert!(before.elapsed() < Duration::from_secs(10));
    let typo = Person { platform: &platform, token: format!("{}x", platform.token()) };
    assert!(typo.denied().contains("length"), "{}", typo.denied());

    // The admin's file removed: the next start makes another token, and what was in it opens nothing.
    let old = Person { platform: &platform, token: platform.token() };
    platform.restart();
    assert_eq!(old.get("/v1/fleets").0, 200, "a restart keeps it");
    platform.stop();
    fs::remove_file(platform.data().join("admin.token")).unwrap();
    platform.up(&[]);
    assert!(old.denied().contains("`admin.token` was revoked"), "{}", old.denied());
    assert_eq!(platform.get("/v1/fleets").0, 200);
    assert!(vera.denied().contains("was revoked"), "a restart keeps that too");

    // `login` keeps a token for the client.
    let home = tempfile::tempdir().unwrap();
    let client = |arguments: &[&str], input: &str| {
        let mut child = Command::new(tests::fleetlog())
            .args(arguments)
            .current_dir(home.path())
            .env("HOME", home.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("FLEETLOG_TOKEN")
            .env_remove("FLEETLOG_URL")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait().unwrap().code().unwrap()
    };
    assert_eq!(client(&["login", &platform.url()], &old.token), 3);
    assert_eq!(client(&["login", &platform.url()], &platform.token()), 0);
    assert_eq!(client(&["profile", "list"], ""), 0);
}

#[test]
fn an_erased_profile_leaves_its_name_and_nothing_else() {
    let platform = Platform::start();
    platform.cli(&["profile", "add", "vera", "--email", ADDRESS]).ok();
    let vera = Person { platform: &platform, token: platform.cli(&["token", "create", "x", "--profile", "vera"]).ok() };
    assert_eq!(vera.get("/v1/profiles").1["profiles"][0]["email"], ADDRESS);
    assert!(!files_with(&platform.data(), "profiles/vera").is_empty(), "the search finds what is there");
    assert_eq!(files_with(&platform.data(), ADDRESS), Vec::<String>::new());
    let changed = vera.ask("PUT", "/v1/profiles/vera", Some(json!({ "email": NEW_ADDRESS })));
    assert_eq!((changed.0, &changed.1["email"]), (200, &json!(NEW_ADDRESS)));
    for (path, body, status) in [
        ("/v1/profiles/admin", json!({ "email": ADDRESS }), 404),
        ("/v1/profiles/vera", json!({}), 400),
        ("/v1/profiles/vera", json!({ "email": "vera" }), 400),
        ("/v1/profiles/vera", json!({ "email": ADDRESS, "name": "eve" }), 400),
    ] {
        assert_eq!(vera.ask("PUT", path, Some(body)).0, status, "{path}");
    }
    platform.cli(&["profile", "email", "vera", "--none"]).ok();
    assert_eq!(vera.get("/v1/profiles").1["profiles"][0]["email"], Value::Null);
    platform.cli(&["profile", "email", "vera", ADDRESS]).ok();
    assert_eq!(vera.get("/v1/profiles").1["profiles"][0]["email"], ADDRESS);
    assert_eq!(platform.cli(&["profile", "email", "vera"]).code, 2, "an address, or --none");
    assert_eq!(platform.cli(&["profile", "erase", "vera"]).code, 2, "it asks for --yes");
    platform.cli(&["profile", "erase", "vera", "--yes"]).ok();
    assert!(vera.denied().contains("erased"));
    platform.kill();
    platform.up(&[]);
    assert!(vera.denied().contains("erased"));
    assert_eq!(platform.cli(&["profile", "add", "vera"]).code, 1, "names are given once");
    let list = platform.cli(&["profile", "list"]).ok();
    assert!(!list.contains("vera") && !list.contains(ADDRESS), "{list}");
    platform.stop();
    for address in [ADDRESS, NEW_ADDRESS] {
        assert_eq!(files_with(&platform.data(), address), Vec::<String>::new());
        assert!(!platform.log().contains(address));
    }
    platform.up(&[]);
}

/// A moment from now.
fn soon() -> String {
    let at = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() + Duration::from_millis(2_500);
    let at = jiff::Timestamp::from_second(i64::try_from(at.as_secs()).unwrap()).unwrap();
    at.to_string()
}

/// Every file under the folder that holds this text, as `grep` finds it.
#[track_caller]
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut grep = Command::new("grep");
    let found = tests::run(grep.args(["-rlaF", "-e", text]).arg(folder), Duration::from_secs(60));
    // 1: it found nothing.
    assert!(found.code <= 1, "{}", found.err);
    found.out.lines().map(str::to_owned).collect()
}
