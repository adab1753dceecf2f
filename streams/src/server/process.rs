//! One process of the server: how it is launched, so that it goes when we go.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Launches the server.
pub(super) struct Launcher {
    program: PathBuf,
    config: PathBuf,
    lock: File,
    /// Whether the kernel can be asked to kill it when we die.
    leashed: bool,
}

/// Runs after the death signal is set: should we have died before that, nobody would ever send it.
const GUARD: &str = r#"[ "$PPID" = "$0" ] || exit 111; exec "$@""#;

impl Launcher {
    pub(super) fn new(program: PathBuf, config: PathBuf, lock: File) -> Self {
        let leashed = can_leash();
        if !leashed {
            tracing::warn!(
                "`setpriv` (util-linux 2.33 or newer) is missing: killed with SIGKILL, we would leave nats-server behind, \
                 and it would keep the data folder until somebody ends it"
            );
        }
        Self { program, config, lock, leashed }
    }

    /// Launches it, with the lock as its standard input. To be called from a thread that lives as long as the server:
    /// the death signal follows the thread.
    ///
    /// `setpriv` and `sh` replace themselves, so the child's pid is the server's.
    pub(super) fn spawn(&self) -> io::Result<Child> {
        let mut command = if self.leashed {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "sh", "-c", GUARD]);
            command.arg(std::process::id().to_string()).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        command
            .arg("-c")
            .arg(&self.config)
            .stdin(self.lock.try_clone()?)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C in our terminal is for us: we end the server once nobody needs it any more.
            .process_group(0)
            .spawn()
    }
}

fn can_leash() -> bool {
    let probe = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}
