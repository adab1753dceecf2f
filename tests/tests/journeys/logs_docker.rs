//! Log lines while Docker itself is restarted, or throws lines away: on an engine of the test's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::descriptors::IMAGE;
use tests::docker::docker;
use tests::{Fleet, Platform, Ran, eventually, run};

/// How long an engine may take to come, and to go with its containers.
const LIMIT: Duration = Duration::from_secs(60);

/// A Docker engine in folders of its own, with a containerd of its own. It takes everything with it when it goes.
struct OwnDocker {
    home: TempDir,
    arguments: Vec<String>,
    containerd: Child,
    dockerd: Option<Child>,
}

impl OwnDocker {
    /// With [`IMAGE`]. `log` are options of its containers' log files.
    #[track_caller]
    fn start(log: &[&str]) -> Self {
        assert!(geteuid().is_root(), "a Docker engine of one's own is started by root: run the tests as root");
        let home = tempfile::Builder::new().prefix("fleetlog-docker-").tempdir().unwrap();
        let config = home.path().join("containerd.toml");
        fs::write(&config, "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n").unwrap();
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&config);
        for (flag, name) in [("--root", "containerd"), ("--state", "state"), ("--address", "containerd.sock")] {
            command.arg(flag).arg(home.path().join(name));
        }
        let containerd = spawn(&mut command, &home.path().join("containerd.log"));
        let quiet = ["--bridge=none", "--iptables=false", "--shutdown-timeout=5"];
        let mut arguments: Vec<String> = quiet.map(str::to_owned).to_vec();
        arguments.extend(log.iter().map(|it| format!("--log-opt={it}")));
        let mut own = Self { home, arguments, containerd, dockerd: None };
        own.up();
        let image = own.path("image.tar");
        let image = image.to_str().unwrap();
        docker(&["save", "--output", image, IMAGE]).ok();
        own.docker(&["load", "--quiet", "--input", image]).ok();
        own
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn url(&self) -> String {
        format!("unix://{}", self.path("sock").display())
    }

    #[track_caller]
    fn up(&mut self) {
        // In a network of its own: else it would take the machine's default bridge away, and share its routes.
        let mut command = Command::new("unshare");
        command.args(["--net", "dockerd", "--host", &self.url()]).args(&self.arguments);
        let paths =
            [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid"), ("containerd", "containerd.sock")];
        for (flag, name) in paths {
            command.arg(format!("--{flag}")).arg(self.path(name));
        }
        self.dockerd = Some(spawn(&mut command, &self.path("log")));
        eventually(LIMIT, "an engine of its own answers", || {
            let ran = self.docker(&["version"]);
            if ran.code == 0 { Ok(()) } else { Err(format!("{}\n{}", ran.err, self.log())) }
        });
    }

    /// Ends it, as `systemctl stop` does or as a crash does, and starts it again.
    #[track_caller]
    fn restart(&mut self, signal: Signal) {
        let mut child = self.dockerd.take().expect("it runs");
        end(&mut child, signal);
        self.up();
    }

    /// `docker …` on it.
    fn docker(&self, arguments: &[&str]) -> Ran {
        run(Command::new("docker").args(["--host", &self.url()]).args(arguments), LIMIT)
    }

    /// What it has of a container's standard output: each line, the oldest first.
    #[track_caller]
    fn lines(&self, name: &str) -> Vec<String> {
        self.docker(&["logs", name]).ok().lines().map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for OwnDocker {
    fn drop(&mut self) {
        if let Some(mut dockerd) = self.dockerd.take() {
            for id in self.docker(&["ps", "--all", "--quiet"]).out.lines() {
                self.docker(&["rm", "--force", "--volumes", id]);
            }
            self.docker(&["network", "prune", "--force"]);
            end(&mut dockerd, Signal::TERM);
        }
        end(&mut self.containerd, Signal::TERM);
        // What a test that failed half-way left mounted; a folder below another first.
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let ours = self.home.path().to_string_lossy().into_owned();
        for place in mounts.lines().rev().filter_map(|it| it.split(' ').nth(1)).filter(|it| it.starts_with(&ours)) {
            run(Command::new("umount").args(["--lazy", place]), LIMIT);
        }
    }
}

fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"))
}

/// Sends a signal to a child and waits for its end; one that does not end is killed.
fn end(child: &mut Child, signal: Signal) {
    // It may have ended by itself.
    kill_process(Pid::from_child(child), signal).ok();
    let deadline = Instant::now() + LIMIT;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= deadline {
            eprintln!("process {} did not end within {LIMIT:?}", child.id());
            child.kill().ok();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Writes numbered lines for ever, each start's with an id of its own.
fn counting(lines: usize, pause: &str) -> Value {
    let script = format!(
        "trap 'exit 0' TERM; id=$(cat /proc/sys/kernel/random/uuid); n=0; while :; do i=0; while [ $i -lt {lines} ]; do \
         echo \"$id $n\"; n=$((n+1)); i=$((i+1)); done; sleep {pause} & wait $!; done"
    );
    json!({ "image": IMAGE, "command": ["sh", "-c", script], "restart": "unless-stopped" })
}

/// Every line of a fleet that is found, the oldest first: text, and whether it tells of a gap.
#[track_caller]
fn found(platform: &Platform, fleet: &Fleet<'_>) -> Vec<(String, bool)> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/logs?fleet={}&order=forward&limit=5000{cursor}", fleet.id());
        let (status, page) = platform.get(&path);
        assert_eq!(status, 200, "{page:#}");
        for line in page["lines"].as_array().unwrap() {
            found.push((line["text"].as_str().unwrap().to_owned(), line["stream"] == "gap"));
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// Waits until the last line that the engine has of a container is found.
#[track_caller]
fn catches_up(platform: &Platform, fleet: &Fleet<'_>, own: &OwnDocker, name: &str) -> String {
    let last = own.lines(name).last().cloned().expect("it wrote something");
    eventually(LIMIT, "what the engine has is found", || {
        let words = last.replace([' ', '-'], "%20");
        let (_, page) = platform.get(&format!("/v1/logs?fleet={}&query=%22{words}%22", fleet.id()));
        let there = page["lines"].as_array().is_some_and(|it| it.iter().any(|line| line["text"] == last.as_str()));
        if there { Ok(last.clone()) } else { Err(format!("{last:?} is not found; the engine:\n{}", own.log())) }
    })
}

/// Docker is stopped, killed and started again while a container writes: each line that it has afterwards is found once,
/// in order, and what the container writes after each start is followed again.
#[test]
fn lines_are_followed_across_restarts_of_docker() {
    let mut own = OwnDocker::start(&[]);
    let platform = Platform::start_with(&["--docker", &own.url()]);
    let shop = platform.fleet("shop");
    shop.write("containers/api.json", counting(40, "0.1")).commit("counting");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let name = shop.name_of("api");
    for signal in [Signal::TERM, Signal::KILL, Signal::TERM] {
        let before = catches_up(&platform, &shop, &own, &name);
        own.restart(signal);
        // Engine 20.10 leaves what it has to end itself, after it was killed, as it is.
        own.docker(&["start", &name]).ok();
        let (id, _) = before.split_once(' ').unwrap();
        eventually(LIMIT, "the container writes again", || {
            let last = own.lines(&name).last().cloned().unwrap_or_default();
            if last.starts_with(id) { Err(last) } else { Ok(()) }
        });
    }
    catches_up(&platform, &shop, &own, &name);
    own.docker(&["stop", &name]).ok();
    catches_up(&platform, &shop, &own, &name);
    let (found, there) = (found(&platform, &shop), own.lines(&name));
    let found: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
    let first = found.iter().zip(&there).position(|(found, there)| found != there);
    assert_eq!(first.map(|nth| (found[nth], &there[nth])), None, "{} found, {} there", found.len(), there.len());
    assert_eq!(found.len(), there.len(), "{:?}", &found[there.len().min(found.len())..]);
    assert!(there.len() > 500, "{}", there.len());
}

/// Docker keeps little of what a container writes, and rotates its files all the time: whatever is not found is told as
/// a gap, nothing is found twice, and lines go on being found.
#[test]
fn lines_are_followed_across_rotations() {
    let own = OwnDocker::start(&["max-size=20k", "max-file=3"]);
    let platform = Platform::start_with(&["--docker", &own.url()]);
    let shop = platform.fleet("shop");
    shop.write("containers/api.json", counting(20, "0.05")).commit("counting");
    shop.push(&["create"]).ok().says(&["succeeded"]);
    let name = shop.name_of("api");
    let number = |line: &str| line.split_once(' ').and_then(|it| it.1.parse::<usize>().ok());
    // So many lines fill the files a dozen times.
    eventually(LIMIT, "many lines are written", || {
        let last = own.lines(&name).last().and_then(|it| number(it)).unwrap_or_default();
        if last > 3_000 { Ok(()) } else { Err(format!("{last}")) }
    });
    own.docker(&["stop", &name]).ok();
    catches_up(&platform, &shop, &own, &name);
    let mut last = None;
    let mut gap = false;
    for (text, is_gap) in found(&platform, &shop) {
        if is_gap {
            gap = true;
            continue;
        }
        let number = number(&text).unwrap();
        let next = last.map_or(0, |it| it + 1);
        assert!(number >= next, "`{text}` comes twice, or late: {next} was next");
        assert!(number == next || gap, "lines {next} to {number} are missing, and nobody says so");
        (last, gap) = (Some(number), false);
    }
}
