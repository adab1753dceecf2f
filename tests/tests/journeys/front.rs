//! What a user asks before and after a push: plans over HTTP, the log as it grows, the settings, the node.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::descriptors::{plain, with};
use tests::{Fleet, Platform, free_port};

#[test]
fn a_plan_says_the_same_everywhere() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.demo(free_port()).commit("the shop");
    let told = |shop: &Fleet<'_>, options: &[&str]| {
        let push = shop.push(options).refused(&["plan only"]);
        let lines = push.text.lines().filter_map(|line| line.strip_prefix("remote: "));
        lines.take_while(|line| !line.starts_with("plan only")).map(str::trim_end).collect::<Vec<_>>().join("\n")
    };
    // A fleet that is not there yet; then one that runs, with something to change, to make and to remove.
    let cli = |arguments: &[&str]| {
        let mut all = vec!["plan", "--fleet", shop.id()];
        all.extend(arguments);
        platform.cli(&all)
    };
    let folder = shop.path().to_str().unwrap();
    assert_eq!(cli(&[folder]).ok(), told(&shop, &["create", "plan"]));
    let first = shop.git(&["rev-parse", "HEAD"]).ok();
    shop.push(&["create"]).ok();
    shop.succeeds(&first);

    shop.write("variables/worker.json", json!({ "every_seconds": 2 })).write("containers/new.json", plain());
    shop.remove("containers/api.json").commit("changes");
    let refs = shop.refs().ok();
    let wanted = told(&shop, &["plan"]);
    assert!(wanted.contains("re-create") && wanted.contains("+ create") && wanted.contains("- remove"), "{wanted}");
    assert_eq!(cli(&[folder]).ok(), wanted);
    // A commit that was pushed, to a branch that nothing is applied from.
    shop.push_refs(&[], &["HEAD:refs/heads/topic"]).ok();
    let commit = shop.git(&["rev-parse", "HEAD"]).ok();
    for name in [commit.as_str(), &commit[..10], "topic"] {
        assert_eq!(cli(&[name]).ok(), wanted, "{name}");
    }
    let answer: Value = serde_json::from_str(&cli(&[&commit, "--json"]).ok()).unwrap();
    assert_eq!((answer["text"].as_str(), answer["commit"].as_str()), (Some(wanted.as_str()), Some(commit.as_str())));
    assert!(answer["position"].as_u64().unwrap() > 0 && answer["steps"].as_array().unwrap().len() == 3, "{answer:#}");
    // Asking has changed nothing.
    assert_eq!(
        shop.refs().ok().lines().filter(|it| !it.contains("topic")).collect::<Vec<_>>(),
        refs.lines().collect::<Vec<_>>()
    );

    let unknown = cli(&["ffffffffff"]);
    assert!(unknown.code == 1 && unknown.err.contains("no pushed commit"), "{unknown:?}");
    shop.write_text("containers/new.json", "{ \"image\": 7,\n  \"comand\": [] }");
    let faults = cli(&[folder]);
    assert_eq!(faults.code, 1);
    for words in
        ["containers/new.json:1:12", "containers/new.json:2:3", "did you mean `command`?", "2 faults in 1 file"]
    {
        assert!(faults.out.contains(words), "{}", faults.out);
    }
}

/// A stream of events as a client reads it.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(platform: &Platform, path: &str, last: Option<u64>) -> Self {
        let url = platform.url();
        let address = url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let last = last.map(|it| format!("Last-Event-ID: {it}\r\n")).unwrap_or_default();
        let token = platform.token();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{last}\r\n")
            .unwrap();
        let mut stream = Self(BufReader::new(socket));
        let status = stream.line().unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        stream
    }

    /// The next line; none: the stream has ended.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// Id and event of the next message; none: the stream has ended.
    fn next(&mut self) -> Option<(u64, Value)> {
        let mut id = None;
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().ok();
            }
            if let Some(text) = line.strip_prefix("data: ") {
                return Some((id?, serde_json::from_str(text).unwrap()));
            }
        }
    }

    fn drain(mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).ok();
    }
}

#[test]
fn the_log_is_followed_through_restarts() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    let mut commit = shop.write("containers/a.json", plain()).commit("0");
    shop.push(&["create"]).ok();
    shop.succeeds(&commit);
    let path = format!("/v1/events/stream?fleet={}", shop.id());
    let (mut seen, mut last) = (Vec::new(), None);
    for round in 1..=3 {
        let mut stream = Stream::open(&platform, &path, last);
        commit = shop.write_text("notes.txt", &round.to_string()).commit(&round.to_string());
        shop.push(&[]).ok();
        shop.succeeds(&commit);
        // Up to this round's last event, then everything goes away in the middle of the stream.
        let end = shop.events().0.last().unwrap().position;
        while last < Some(end) {
            let (id, event) = stream.next().expect("the stream goes on");
            assert_eq!(event["position"], id);
            seen.push(id);
            last = Some(id);
        }
        match round {
            1 => platform.restart(),
            2 => {
                platform.kill();
                platform.up(&[]);
            }
            _ => {
                // A platform that stops in order does not wait for whoever reads.
                let begin = Instant::now();
                platform.stop();
                assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
                stream.drain();
                platform.up(&[]);
            }
        }
    }
    let all: Vec<u64> = shop.events().0.iter().map(|event| event.position).take_while(|it| Some(*it) <= last).collect();
    assert_eq!(seen, all, "each once, in order");
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let platform = Platform::start();
    let file = platform.home().join("my.toml");
    std::fs::write(&file, "node = \"of-file\"\nlisten = \"127.0.0.1:1\"\n").unwrap();
    let file = file.to_str().unwrap();
    let shown = platform.cli(&["config", "--config", file, "--listen", "127.0.0.1:2"]).ok();
    assert!(
        shown.contains(&format!("{file}:1")) && shown.contains("127.0.0.1:2") && shown.contains("flag --listen"),
        "{shown}"
    );
    std::fs::write(file, "lisen = \"127.0.0.1:1\"\nnode = 7\n").unwrap();
    for command in ["config", "up"] {
        let refused = platform.cli(&[command, "--config", file]);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.err.contains(&format!("{file}:1:1: unknown key `lisen`: did you mean `listen`?")),
            "{}",
            refused.err
        );
        assert!(refused.err.contains(&format!("{file}:2:1: `node`")), "{}", refused.err);
    }
}

#[test]
fn a_fleet_bound_to_a_node_that_is_away_waits() {
    let platform = Platform::start();
    let shop = platform.fleet("shop");
    shop.write("nodes/n.json", json!({ "agent": "elsewhere" })).write("containers/a.json", plain()).commit("bound");
    shop.push(&["create"]).ok().says(&["node elsewhere is away", "fleetlog wait"]);
    let planned = shop.events().0.iter().any(|event| event.kind.contains("rollout.planned"));
    assert!(shop.find("a").is_none() && !planned, "{}", shop.events());
    let here = json!({ "agent": platform.node(), "address": "203.0.113.7" });
    let public = with(plain(), "env", json!({ "PUBLIC": "http://{{ nodes.n.address }}/" }));
    let commit = shop.write("nodes/n.json", here).write("containers/a.json", public).commit("here");
    shop.push(&[]).ok();
    shop.succeeds(&commit);
    let env = shop.container("a")["Config"]["Env"].clone();
    assert!(env.as_array().unwrap().contains(&json!("PUBLIC=http://203.0.113.7/")), "{env}");
    // What runs here is not moved elsewhere by a push.
    shop.write("nodes/n.json", json!({ "agent": "elsewhere", "address": "203.0.113.7" })).commit("move");
    shop.push(&[]).refused(&["moving is not built yet"]);
}
