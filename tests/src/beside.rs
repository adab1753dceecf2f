//! A NATS server that somebody runs, and processes of fleetlog beside a platform that lies on it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::{env, thread};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Platform, eventually, fleetlog, root};

/// How long a start may take: the debug build on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The server; it goes with what it holds. It has to be there before a [`Platform`], and so goes after it.
#[derive(Debug)]
pub struct Nats {
    home: TempDir,
    child: Child,
    url: String,
}

/// `fleetlog serve …` or `fleetlog agent`, with a folder of its own.
#[derive(Debug)]
pub struct Beside {
    home: TempDir,
    child: Child,
    address: String,
}

impl Nats {
    /// Starts one without users.
    #[track_caller]
    pub fn start() -> Self {
        let home = tempfile::Builder::new().prefix("fleetlog-nats-").tempdir().unwrap();
        let folder = home.path().display();
        let config = home.path().join("nats.conf");
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: \"{folder}\"\nmax_payload: 8388608\n\
             jetstream {{ store_dir: \"{folder}/store\", domain: fleetlog, sync_interval: always }}\n"
        );
        fs::write(&config, text).unwrap();
        let pinned = root().join("ops/.tools/bin/nats-server");
        let program = env::var_os("FLEETLOG_NATS_SERVER").map(PathBuf::from).unwrap_or(pinned);
        let mut command = Command::new(program);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        // It takes a free port and says which in a file.
        let ports = home.path().join(format!("nats-server_{}.ports", child.id()));
        let url = eventually(START, "the server's port", || {
            let text = fs::read(&ports).map_err(|error| error.to_string())?;
            let ports: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            ports["nats"][0].as_str().map(str::to_owned).ok_or_else(|| ports.to_string())
        });
        Self { home, child, url }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `fleetlog WORDS --nats …`, ready; with the master key of `platform` in its folder, unless it needs none.
    #[track_caller]
    pub fn run(&self, words: &[&str], key_of: Option<&Platform>) -> Beside {
        let home = tempfile::Builder::new().prefix("fleetlog-beside-").tempdir().unwrap();
        let data = home.path().join("data");
        if let Some(platform) = key_of {
            fs::create_dir(&data).unwrap();
            fs::copy(platform.data().join("master.key"), data.join("master.key")).unwrap();
        }
        let log = home.path().join("stderr.log");
        let mut command = Command::new(fleetlog());
        command.args(words).args(["--listen", "127.0.0.1:0", "--nats", &self.url, "--data"]).arg(&data);
        command
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // In lines; more than one would break the contract, so few suffice.
        let (sender, lines) = sync_channel(16);
        thread::spawn(move || out.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        match lines.recv_timeout(START).ok().as_deref().and_then(|line| line.strip_prefix("ready http://")) {
            Some(address) => Beside { home, address: address.to_owned(), child },
            None => {
                // It may have ended by itself already.
                child.kill().ok();
                child.wait().unwrap();
                panic!("`fleetlog {words:?}` is not ready:\n{}", fs::read_to_string(log).unwrap_or_default());
            }
        }
    }
}

impl Beside {
    /// Where it serves, in a URL of the platform's own.
    #[track_caller]
    pub fn instead_of(&self, url: &str) -> String {
        let (before, rest) = url.split_once('@').expect("a URL with a token");
        let (_, path) = rest.split_once('/').expect("a URL with a path");
        format!("{before}@{}/{path}", self.address)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("stderr.log")).unwrap_or_default()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may have ended by itself already.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            eprintln!("--- the log was in {}", self.home.path().display());
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself already.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            eprintln!("--- the log of {}:\n{}", self.address, self.log());
        }
    }
}
