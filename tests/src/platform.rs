//! One running `fleetlog up`, with a folder, a node and an owner of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use std::{env, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::docker;
use crate::process::{Ran, processes, run};
use crate::{Fleet, eventually, fleetlog, root, unique};

/// How long a start may take: the debug build on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long an orderly end may take.
const STOP: Duration = Duration::from_secs(20);

/// A platform, running or not. Dropped, it takes everything that it made with it.
#[derive(Debug)]
pub struct Platform {
    home: TempDir,
    owner: String,
    node: String,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    address: String,
}

impl Platform {
    /// A new platform that is ready.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A new platform that is ready, with more arguments for its first start.
    #[track_caller]
    pub fn start_with(arguments: &[&str]) -> Self {
        let id = format!("{:012x}", unique() >> 16);
        let platform = Self {
            home: tempfile::Builder::new().prefix("fleetlog-test-").tempdir().unwrap(),
            owner: format!("test-{id}"),
            node: format!("node-{id}"),
            running: Mutex::new(None),
        };
        platform.up(arguments);
        platform
    }

    /// Starts it on its folder, after a [`stop`](Self::stop) or a [`kill`](Self::kill).
    #[track_caller]
    pub fn up(&self, arguments: &[&str]) {
        let mut running = self.running();
        assert!(running.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let address = match lines.recv_timeout(START) {
            Ok(line) => line.strip_prefix("ready http://").map(str::to_owned),
            Err(_) => None,
        };
        let Some(address) = address else {
            // It may have ended by itself already.
            child.kill().ok();
            let status = child.wait().unwrap();
            panic!(
                "fleetlog up did not say `ready http://…` within {START:?} ({status}); its log:\n{}",
                self.log_tail()
            );
        };
        *running = Some(Running { child, address });
    }

    /// The command `fleetlog up` for this platform's folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(fleetlog());
        command
            .args(["up", "--listen", "127.0.0.1:0", "--node", &self.node, "--data"])
            .arg(self.data())
            .args(arguments)
            .current_dir(self.home.path())
            .env_remove("FLEETLOG_TOKEN")
            .env_remove("FLEETLOG_URL")
            .stdin(Stdio::null());
        // What a failed test shows has to say why lines were not read and connections ended.
        if env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "info,async_nats=warn,logger::agent=debug,shazam::agent=debug,engine=debug");
        }
        let pinned = root().join("ops/.tools/bin/nats-server");
        if env::var_os("FLEETLOG_NATS_SERVER").is_none() && pinned.exists() {
            command.env("FLEETLOG_NATS_SERVER", pinned);
        }
        command
    }

    /// What a second `fleetlog up` on the same folder does; it has to end within `limit`.
    #[track_caller]
    pub fn second_up(&self, limit: Duration) -> Ran {
        run(&mut self.command(&[]), limit)
    }

    /// Asks it to end and waits until it and everything that it started has.
    #[track_caller]
    pub fn stop(&self) {
        let mut running = self.running().take().expect("it runs");
        kill_process(Pid::from_child(&running.child), Signal::TERM).unwrap();
        let status = eventually(STOP, "the platform ends on TERM", || {
            running.child.try_wait().unwrap().ok_or_else(|| format!("it still runs; its log:\n{}", self.log_tail()))
        });
        assert!(status.success(), "the platform ended with {status}; its log:\n{}", self.log_tail());
        self.nothing_runs();
    }

    /// `kill -9`, and waits until what it started has gone with it.
    #[track_caller]
    pub fn kill(&self) {
        let mut running = self.running().take().expect("it runs");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        self.nothing_runs();
    }

    /// Stops it and starts it again.
    #[track_caller]
    pub fn restart(&self) {
        self.stop();
        self.up(&[]);
    }

    #[track_caller]
    fn nothing_runs(&self) {
        eventually(Duration::from_secs(10), "nothing that the platform started outlives it", || {
            let left = self.processes();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }

    /// Every process that names this platform's folder: id and command line.
    fn processes(&self) -> Vec<(u32, String)> {
        let data = self.data();
        let data = data.to_str().expect("a temporary folder's path is text");
        processes().into_iter().filter(|(_, _, line)| line.contains(data)).map(|(pid, _, line)| (pid, line)).collect()
    }

    /// The process id of `fleetlog up`.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.running().as_ref().expect("it runs").child.id()
    }

    /// The process id of its nats-server; none while there is none.
    pub fn nats_pid(&self) -> Option<u32> {
        let parent = self.pid();
        processes()
            .into_iter()
            .find(|(_, its, line)| *its == parent && line.contains("nats-server"))
            .map(|(pid, ..)| pid)
    }

    /// The owner that is this platform's alone.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// `http://…`, without a slash at the end.
    #[track_caller]
    pub fn url(&self) -> String {
        format!("http://{}", self.running().as_ref().expect("it runs").address)
    }

    /// The admin's token.
    #[track_caller]
    pub fn token(&self) -> String {
        fs::read_to_string(self.data().join("admin.token")).expect("admin.token is there").trim().to_owned()
    }

    /// The installation's id: the label of everything that it makes in Docker. None before the first start.
    pub fn installation(&self) -> Option<String> {
        fs::read_to_string(self.data().join("installation")).ok().map(|text| text.trim().to_owned())
    }

    /// The label `fleetlog.installation=…`.
    #[track_caller]
    pub fn label(&self) -> String {
        format!("fleetlog.installation={}", self.installation().expect("the folder names its installation"))
    }

    /// A work tree of `<this platform's owner>/<name>`, which nobody has pushed yet.
    #[track_caller]
    pub fn fleet(&self, name: &str) -> Fleet<'_> {
        Fleet::new(self, &format!("{}/{name}", self.owner))
    }

    /// A work tree of the fleet `owner/name`.
    #[track_caller]
    pub fn fleet_of(&self, id: &str) -> Fleet<'_> {
        Fleet::new(self, id)
    }

    /// `fleetlog …` as a client of this platform.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        self.cli_as(&self.token(), arguments)
    }

    /// The same with another token.
    #[track_caller]
    pub fn cli_as(&self, token: &str, arguments: &[&str]) -> Ran {
        let mut command = Command::new(fleetlog());
        command.args(arguments).current_dir(self.home.path());
        command.env("FLEETLOG_URL", self.url()).env("FLEETLOG_TOKEN", token);
        run(&mut command, Duration::from_secs(120))
    }

    /// Makes a profile, gives it a role with the platform's owner, and a token, which is the answer.
    #[track_caller]
    pub fn person(&self, name: &str, role: Option<&str>) -> String {
        self.cli(&["profile", "add", name]).ok();
        if let Some(role) = role {
            self.cli(&["member", "set", self.owner(), name, role]).ok();
        }
        self.cli(&["token", "create", "laptop", "--profile", name]).ok()
    }

    /// `GET path` with the admin's token: status and JSON (null where the body is none).
    #[track_caller]
    pub fn get(&self, path: &str) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.token());
        self.get_with(path, &[("authorization", &authorization)])
    }

    /// `GET path` with these headers and no others.
    #[track_caller]
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .proxy(None)
            .build();
        let mut request = ureq::Agent::new_with_config(config).get(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.call().unwrap_or_else(|e| panic!("GET {path}: {e}; its log:\n{}", self.log_tail()));
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string().unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Everything that the platform has written to standard error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Waits until the platform's log holds `text`.
    #[track_caller]
    pub fn logs(&self, text: &str) {
        eventually(Duration::from_secs(30), "the platform's log", || {
            if self.log().contains(text) { Ok(()) } else { Err(format!("no {text:?} in:\n{}", self.log_tail())) }
        });
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("stderr.log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// A folder that goes with the platform.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // A test that failed while it held the lock still has to clean up.
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Ends what runs and removes what it made; tells what could not be.
    fn clean_up(&self) -> Vec<String> {
        let mut left = Vec::new();
        if let Some(Running { mut child, .. }) = self.running().take() {
            // It may have ended by itself: the list of processes below tells.
            child.kill().ok();
            child.wait().ok();
        }
        for (pid, line) in self.processes() {
            if line.contains("nats-server") || line.contains("git") {
                // Children of a killed platform get their signal a moment later.
                continue;
            }
            left.push(format!("process {pid}: {line}"));
        }
        if let Some(installation) = self.installation() {
            left.extend(docker::remove_all(&format!("fleetlog.installation={installation}")));
        }
        left
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the platform's log:\n{}", self.log_tail());
            let left = self.clean_up();
            if !left.is_empty() {
                eprintln!("--- left behind: {left:#?}");
            }
            return;
        }
        if self.running().is_some() {
            self.stop();
        }
        let left = self.clean_up();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}

/// The lines of a program's standard output. The thread ends with the program's output.
fn lines_of(out: impl std::io::Read + Send + 'static) -> Receiver<String> {
    // In lines; more than one would break the contract, so few suffice.
    let (sender, lines) = sync_channel(16);
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
