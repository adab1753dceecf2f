//! Watches the server's process from a thread of its own, and starts it again when it dies.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::sync::watch;

use super::ServerError;
use super::process::Launcher;

/// The pause before it is started again: none the first time, then doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// One that lived so long was well: the next pause is the first one again.
const WELL: Duration = Duration::from_secs(30);
/// Lines of its log that are kept for an error message.
const WORDS: usize = 12;

/// How the process stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Watch {
    /// It runs, or will run again.
    Running,
    /// It is gone, for good.
    Ended { status: String },
}

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    ended: watch::Receiver<Watch>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    words: Mutex<VecDeque<String>>,
}

#[derive(Default)]
struct State {
    /// Set as long as the process is there and not yet reaped: only then does its pid mean it.
    pid: Option<Pid>,
    /// Whether it has answered once: before that it is not started again.
    ready: bool,
    stopping: bool,
}

impl Supervisor {
    /// Starts the thread and, from it, the first process.
    pub(super) fn start(launcher: Launcher, program: &Path) -> Result<Self, ServerError> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), words: Mutex::default() });
        let (tell, ended) = watch::channel(Watch::Running);
        let (first, started) = std::sync::mpsc::sync_channel(1);
        let spawn = |source| ServerError::Spawn { program: program.to_owned(), source };
        let thread = thread::Builder::new().name("nats-server".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let status = shared.supervise(&launcher, &first);
                tell.send_replace(Watch::Ended { status });
            }
        });
        let thread = thread.map_err(spawn)?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { shared, ended, thread: Some(thread) }),
            Ok(Err(source)) => Err(spawn(source)),
            Err(_) => Err(spawn(io::Error::other("its thread ended"))),
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.shared.state().pid.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    pub(super) fn watch(&self) -> Watch {
        self.ended.borrow().clone()
    }

    /// From now on it is started again when it dies.
    pub(super) fn is_ready(&self) {
        self.shared.state().ready = true;
    }

    /// Whether one of its last lines says this.
    pub(super) fn said(&self, what: &str) -> bool {
        let words = self.shared.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().any(|line| line.contains(what))
    }

    /// What it logged last.
    pub(super) fn last_words(&self) -> String {
        let words = self.shared.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }

    /// Asks it to read its configuration again. One that is not there now reads it when it is started again.
    pub(super) fn reload(&self) {
        if let Some(pid) = self.shared.state().pid
            && let Err(error) = kill_process(pid, Signal::HUP)
        {
            tracing::warn!(%error, "cannot tell nats-server to read its configuration again");
        }
    }

    /// Asks it to end, for good.
    pub(super) fn terminate(&self) {
        self.shared.end(Signal::TERM);
    }

    /// Kills it, for good.
    pub(super) fn kill(&self) {
        self.shared.end(Signal::KILL);
    }

    /// Waits until it is gone for good.
    pub(super) async fn ended_within(&mut self, limit: Duration) -> bool {
        let ended = self.ended.wait_for(|it| *it != Watch::Running);
        tokio::time::timeout(limit, ended).await.is_ok()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.kill();
        // A killed process is gone within milliseconds; whoever made its folder may remove it now.
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!(?panic, "the thread that watches nats-server failed");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks it as stopping, and signals the process where there is one.
    fn end(&self, signal: Signal) {
        let mut state = self.state();
        state.stopping = true;
        if let Some(pid) = state.pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(%error, "cannot signal nats-server");
        }
        self.changed.notify_all();
    }

    /// Runs the process, again and again, until it is stopped or dies before it was ever ready. Answers how it ended.
    fn supervise(&self, launcher: &Launcher, first: &std::sync::mpsc::SyncSender<io::Result<()>>) -> String {
        let mut pause = FIRST_PAUSE;
        let mut again = false;
        loop {
            let born = Instant::now();
            let status = match launcher.spawn() {
                Ok(child) => {
                    self.born(&child);
                    if !again {
                        let _ = first.send(Ok(()));
                    }
                    tracing::info!(pid = child.id(), again, "nats-server started");
                    self.attend(child)
                }
                Err(error) if !again => {
                    let _ = first.send(Err(error));
                    return "was never started".to_owned();
                }
                Err(error) => format!("cannot be started: {error}"),
            };
            let state = self.state();
            if state.stopping {
                tracing::info!(status, "nats-server ended");
                return status;
            }
            if !state.ready {
                return status;
            }
            if born.elapsed() >= WELL {
                pause = FIRST_PAUSE;
            }
            tracing::error!(status, ?pause, "nats-server ended by itself; starting it again");
            let waited = self.changed.wait_timeout_while(state, pause, |it| !it.stopping);
            if waited.unwrap_or_else(PoisonError::into_inner).0.stopping {
                return status;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            again = true;
        }
    }

    /// Notes the process; one that nobody wants any more goes at once.
    fn born(&self, child: &Child) {
        let mut state = self.state();
        state.pid = Pid::from_raw(child.id().cast_signed());
        if let (true, Some(pid)) = (state.stopping, state.pid)
            && let Err(error) = kill_process(pid, Signal::KILL)
        {
            tracing::warn!(%error, "cannot kill nats-server");
        }
    }

    /// Hands on what the process logs until it ends, then reaps it.
    fn attend(&self, mut child: Child) -> String {
        if let Some(stderr) = child.stderr.take() {
            self.listen(stderr);
        }
        // Its standard error is closed, so it has ended or is about to. Seen, but not yet reaped: until the pid is
        // forgotten it cannot mean another process.
        let pid = self.state().pid;
        if let Some(pid) = pid
            && let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {
            tracing::warn!(%error, "cannot wait for nats-server");
        }
        let mut state = self.state();
        state.pid = None;
        match child.wait() {
            Ok(status) => describe(status),
            Err(error) => format!("unknown: {error}"),
        }
    }

    fn listen(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            // `[pid] [INF] text`
            let text = line.split_once("] ").map_or(line.as_ref(), |(_, text)| text);
            match text.get(..5) {
                // They are: random ones, new at each start, in a file that only we can read.
                _ if text.contains("Plaintext passwords detected") => tracing::debug!(target: "nats_server", "{text}"),
                Some("[ERR]" | "[FTL]") => tracing::error!(target: "nats_server", "{text}"),
                Some("[WRN]") => tracing::warn!(target: "nats_server", "{text}"),
                _ => tracing::debug!(target: "nats_server", "{text}"),
            }
            let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() == WORDS {
                words.pop_front();
            }
            words.push_back(text.to_owned());
        }
    }
}

fn describe(status: ExitStatus) -> String {
    if status.code() == Some(111) { "its parent was gone before it began".to_owned() } else { status.to_string() }
}
