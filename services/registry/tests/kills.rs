//! `kill -9` in the middle of a rebuild, again and again: what was there is there afterwards, to the byte, and the first
//! rebuild that is left in peace makes what a registry is that was never killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use registry::Service;
use schemas::query::{At, PastRequest, ReplayAnswer, ReplayRequest};
use streams::{Access, Bus, User, clock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::support::{Log, PATIENCE, fleet};

/// Events of the log: a rebuild of them takes a while.
const EVENTS: u64 = 4_000;
/// Kills inside of a rebuild: beside a database that counts, and without one.
const KILLS: usize = 10;
/// Kills that came too late, in all, before the test gives up.
const MISSES: usize = 40;

/// Where the process of its own finds its log and its folder.
const URL: &str = "FLEETLOG_TEST_REGISTRY_URL";
const FOLDER: &str = "FLEETLOG_TEST_REGISTRY_FOLDER";

/// Not a test where it is not started by one: a registry as a process of its own. Says on standard output what it is
/// doing, and ends with its standard input.
#[test]
fn a_process_of_its_own() {
    let (Ok(url), Ok(folder)) = (std::env::var(URL), std::env::var(FOLDER)) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let access = Access::external(&url).unwrap().as_user(User::Everything);
        let bus = Bus::connect(&access).await.unwrap();
        let shutdown = CancellationToken::new();
        let service = Service::start(PathBuf::from(folder), bus, shutdown.clone()).await.unwrap();
        let readiness = service.readiness();
        let mut running = JoinSet::new();
        running.spawn(service.run());
        let end = shutdown.clone();
        spawn(move || {
            let ended = std::io::stdin().read_to_end(&mut Vec::new());
            end.cancel();
            ended
        });
        let mut said = String::new();
        while !shutdown.is_cancelled() {
            let now = match (readiness.rebuilding(), readiness.ready()) {
                (Some((position, until)), _) => format!("rebuild {position} {until}"),
                (None, None) => "ready".to_owned(),
                (None, Some(why)) => why,
            };
            if now != said {
                let mut out = std::io::stdout();
                writeln!(out, "state: {now}").and_then(|()| out.flush()).unwrap();
                said = now;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.join_next().await.unwrap().unwrap().unwrap();
    });
}

/// That process, as seen from the test. Dropped, it is killed.
struct Process {
    child: Child,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    last: String,
}

impl Process {
    fn start(log: &Log, folder: &Path) -> Self {
        let access = log.server.access();
        let its = access.credentials();
        let url = access.url.replace("nats://", &format!("nats://{}:{}@", its.user, its.password));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_of_its_own", "--nocapture"])
            .env(URL, url)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some((_, state)) = line.split_once("state: ") {
                    // Nobody listens any more once the test is over.
                    let _ = sender.send(state.to_owned());
                }
            }
        });
        Self { child, lines, reader: Some(reader), last: String::new() }
    }

    /// Waits until it says something that is wanted.
    fn says(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(&self.last) {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            self.last = line.unwrap_or_else(|error| panic!("{what}: {error}; last seen: {}", self.last));
        }
    }

    /// Kills it, and answers what it said last.
    fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.lines.try_iter().last().unwrap_or_else(|| std::mem::take(&mut self.last))
    }

    /// Ends it in order.
    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How far a rebuild is that is under way; none: none is, or it has only its end left.
fn under_way(state: &str) -> Option<(u64, u64)> {
    let (position, until) = state.strip_prefix("rebuild ")?.split_once(' ')?;
    let (position, until) = (position.parse().ok()?, until.parse().ok()?);
    (position < until).then_some((position, until))
}

/// The databases in a folder, and the one of them that counts.
fn databases(folder: &Path) -> (Vec<PathBuf>, Option<PathBuf>) {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let found = files.filter(|it| it.extension().is_some_and(|it| it == "db")).collect();
    (found, fs::read_to_string(folder.join("current")).ok().map(|name| folder.join(name)))
}

/// Waits for a moment of chance within `most`: it is the moment that is tested, not a condition.
fn some_time(most: Duration) {
    let chance = clock::new_id().as_u128() % most.as_micros();
    std::thread::sleep(Duration::from_micros(u64::try_from(chance).unwrap()));
}

/// Makes it anew, and answers what came of it.
async fn replay(log: &Log, verify: bool) -> ReplayAnswer {
    log.bus.ask(&ReplayRequest { verify }, PATIENCE).await.unwrap()
}

async fn state(log: &Log, position: u64) -> String {
    let question = PastRequest { fleet: fleet(), at: At::Position(position), min_position: 0 };
    log.bus.ask(&question, PATIENCE).await.unwrap().state.get().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_inside_of_rebuilds_lose_nothing() {
    let log = Log::start().await;
    // One that grows with its log, and is never killed.
    let grown = log.registry().await;
    log.push_many(EVENTS).await;
    log.reaches(EVENTS).await;
    let answer = replay(&log, true).await;
    assert!(answer.equal, "{answer:?}");
    let digest = answer.grown.unwrap();
    let took = Duration::from_secs_f64(answer.seconds);
    let told = state(&log, EVENTS / 2).await;
    grown.stop().await;

    let folder = log.folder.path().join("registry");
    let mut misses = 0;
    let mut count = |inside: bool, said: &str| {
        misses += usize::from(!inside);
        assert!(misses <= MISSES, "{misses} kills came too late; the last one said {said:?}");
        usize::from(inside)
    };

    // Beside the one that counts.
    let (_, counts) = databases(&folder);
    let mut kills = 0;
    while kills < KILLS {
        let mut process = Process::start(&log, &folder);
        process.says("it goes on where it was", |it| it == "ready");
        assert_eq!(state(&log, EVENTS / 2).await, told, "after {kills} kills");
        let (bus, mut asking) = (log.bus.clone(), JoinSet::new());
        asking.spawn(async move { bus.ask(&ReplayRequest { verify: true }, PATIENCE).await.map(drop) });
        process.says("a rebuild is under way", |it| under_way(it).is_some());
        some_time(took * 3 / 4);
        let said = process.kill();
        let (found, now) = databases(&folder);
        assert_eq!(now, counts, "the one that counts is another");
        // Said to the last that it was not done, and left behind what it did not finish.
        kills += count(under_way(&said).is_some() && found.len() == 2, &said);
    }

    // Without one.
    let mut kills = 0;
    fs::remove_dir_all(&folder).unwrap();
    while kills < KILLS {
        let mut process = Process::start(&log, &folder);
        process.says("a rebuild is under way", |it| under_way(it).is_some());
        some_time(took * 3 / 4);
        let said = process.kill();
        let (found, now) = databases(&folder);
        let inside = under_way(&said).is_some() && now.is_none() && found.len() == 1;
        kills += count(inside, &said);
        if now.is_some() {
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    // Left in peace.
    let mut process = Process::start(&log, &folder);
    process.says("it is made", |it| it == "ready");
    let answer = replay(&log, true).await;
    assert_eq!((answer.grown.as_ref(), answer.equal), (Some(&digest), true), "{answer:?}");
    assert_eq!(state(&log, EVENTS / 2).await, told);
    let (found, now) = databases(&folder);
    assert_eq!((found.len(), now.is_some_and(|it| it.exists())), (1, true), "{found:?}");
    process.stop();
    log.server.stop().await;
}
