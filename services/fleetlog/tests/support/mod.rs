//! The real binary with a real nats-server, in a folder and on a port of its own.

#![allow(dead_code, reason = "each test file is a crate of its own and uses its own part of this")]

pub mod nats;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test.
pub const FLEETLOG: &str = env!("CARGO_BIN_EXE_fleetlog");
/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A data folder; gone with the test, and so is everything that runs in it.
pub struct Folder(TempDir);

/// A running `fleetlog up`.
pub struct Platform {
    child: Child,
    /// What it writes on standard output, line by line.
    lines: Receiver<String>,
    log: PathBuf,
    pub data: PathBuf,
    pub url: String,
}

/// What an HTTP request came back with.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The data folder, which `up` makes.
    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// `fleetlog up` in this folder, on a free port, with no Docker.
    pub fn up(&self) -> Command {
        let mut command = bare();
        command.arg("up").arg("--data").arg(self.data()).args(["--listen", "127.0.0.1:0", "--node", "test"]);
        command.args(["--docker", "unix:///nonexistent/docker.sock"]);
        if let Some(program) = nats_server() {
            command.arg("--nats-server").arg(program);
        }
        command
    }

    /// Starts it and waits until it is ready.
    pub fn start(&self) -> Platform {
        self.spawn(self.up()).ready()
    }

    /// Starts a command of [`up`](Self::up) without waiting.
    pub fn spawn(&self, mut command: Command) -> Platform {
        let log = self.0.path().join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // Lines; more than one is a failure of the test already.
        let (sender, lines) = sync_channel(100);
        std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        Platform { child, lines, log, data: self.data(), url: String::new() }
    }
}

impl Drop for Folder {
    /// Nothing may be left running in the folder.
    fn drop(&mut self) {
        let left = || processes(&self.0.path().display().to_string());
        let deadline = Instant::now() + Duration::from_secs(10);
        while !left().is_empty() && Instant::now() < deadline {
            pause();
        }
        if !std::thread::panicking() {
            assert_eq!(left(), Vec::<u32>::new(), "still running in {}", self.0.path().display());
        }
    }
}

impl Platform {
    /// Waits for the line that says so.
    pub fn ready(mut self) -> Self {
        let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
            panic!("not ready; its log:\n{}", self.log());
        };
        line.strip_prefix("ready ").unwrap_or_else(|| panic!("unexpected line {line:?}")).clone_into(&mut self.url);
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it logs.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn token(&self) -> String {
        fs::read_to_string(self.data.join("admin.token")).unwrap()
    }

    /// The nats-server that runs in the folder.
    pub fn nats_pid(&self) -> u32 {
        let store = format!("{}/nats", self.data.canonicalize().unwrap().display());
        wait_for("a nats-server", || processes(&store).first().copied())
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for its end; answers how it ended and the lines that nobody has read.
    pub fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = wait_for("the end of `up`", || self.child.try_wait().unwrap());
        (status, self.lines.iter().collect())
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(self) -> (ExitStatus, Vec<String>) {
        self.signal("TERM");
        self.end()
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask(path, &[("Authorization", &format!("Bearer {}", self.token()))])
    }

    pub fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(PATIENCE));
        let mut request = config.build().new_agent().get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()));
        let text = |it: &ureq::http::HeaderValue| it.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Reply { status: response.status().as_u16(), headers, body: response.body_mut().read_to_string().unwrap() }
    }

    /// The client, pointed at this platform.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = bare();
        command.args(arguments).env("FLEETLOG_URL", &self.url).env("FLEETLOG_TOKEN", self.token());
        command
    }

    /// What the client answers.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.client(arguments).output().unwrap()
    }

    /// A remote with the token in its URL.
    pub fn remote(&self, fleet: &str) -> String {
        format!("http://admin:{}@{}/git/{fleet}.git", self.token(), self.url.strip_prefix("http://").unwrap())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Gone already where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// The binary, with nothing of the tester's own settings.
pub fn bare() -> Command {
    let mut command = Command::new(FLEETLOG);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLEETLOG_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG");
    command
}

/// The real git, without anybody's own settings.
pub fn git(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CEILING_DIRECTORIES", std::env::temp_dir());
    command.args(["-c", "user.name=test", "-c", "user.email=test@example.org"]);
    command.args(arguments).output().unwrap()
}

/// The same, which has to go well; answers what it wrote.
pub fn git_ok(folder: &Path, arguments: &[&str]) -> String {
    let output = git(folder, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", err(&output));
    out(&output)
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Looks until there is something, with a time limit.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {} s", PATIENCE.as_secs());
        pause();
    }
}

/// Between two looks at a condition that has a time limit.
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

pub fn signal(pid: u32, name: &str) {
    let ended = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(ended.success(), "kill -{name} {pid}");
}

/// Processes that run and have the text in their command line. A zombie has none.
pub fn processes(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        // One that ends while we look is none.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(text) {
            found.push(pid);
        }
    }
    found
}

/// Where the tester says that it is; else `up` looks for itself.
fn nats_server() -> Option<PathBuf> {
    std::env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from)
}
