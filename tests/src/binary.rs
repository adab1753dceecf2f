//! Finds the `fleetlog` that belongs to this build, and builds it where it is missing or older than its sources.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use crate::process::run;

/// The workspace's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The binary under test: `FLEETLOG_BIN` where it is set, else the one beside this test's own build.
pub fn fleetlog() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("FLEETLOG_BIN") {
        Some(path) => path.into(),
        None => beside_this_test(),
    })
}

fn beside_this_test() -> PathBuf {
    // A test is target/<profile>/deps/<test>, another user of this harness target/<profile>/<name>.
    let user = std::env::current_exe().expect("a program has a path");
    let folder = user.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let binary = profile.join("fleetlog");
    if is_current(&binary) {
        return binary;
    }
    // Tests are processes of their own: one builds, the others wait for it.
    let lock = File::create(profile.join(".fleetlog-for-tests.lock")).expect("the target folder is writable");
    flock(&lock, FlockOperation::LockExclusive).expect("the lock can be taken");
    if !is_current(&binary) {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "fleetlog"]).current_dir(root());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        run(&mut build, Duration::from_secs(1_200)).ok();
    }
    binary
}

/// Whether the binary is newer than every source that goes into it.
fn is_current(binary: &Path) -> bool {
    let Ok(built) = fs::metadata(binary).and_then(|it| it.modified()) else { return false };
    ["schemas", "streams", "services"].iter().all(|folder| newest(&root().join(folder)) <= built)
}

/// When the newest Rust or TOML file under `folder` was changed.
fn newest(folder: &Path) -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            newest = newest.max(self::newest(&path));
        } else if path.extension().is_some_and(|it| it == "rs" || it == "toml") {
            newest = newest.max(entry.metadata().and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }
    newest
}
