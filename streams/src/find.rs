//! Finds a `nats-server` that is new enough.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::ServerError;

/// Atomic publish, and the fixes that the design counts on.
const OLDEST: (u32, u32) = (2, 12);
const PROGRAM: &str = "nats-server";

/// The program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it says that it is, such as `2.15.1`.
    pub version: String,
    /// What was found before it and not taken, and why.
    pub skipped: Vec<String>,
}

/// `explicit` where it is given, else the first one on PATH or in `more_dirs` that is not too old.
pub fn find_server(explicit: Option<&Path>, more_dirs: &[PathBuf]) -> Result<Found, ServerError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = match explicit {
        Some(explicit) => vec![explicit.to_owned()],
        None => env::split_paths(&path).chain(more_dirs.iter().cloned()).map(|it| it.join(PROGRAM)).collect(),
    };
    let mut skipped = Vec::new();
    for candidate in candidates.iter().filter(|it| explicit.is_some() || it.is_file()) {
        match version(candidate) {
            Ok((version, number)) if number >= OLDEST => {
                return Ok(Found { path: candidate.clone(), version, skipped });
            }
            Ok((version, _)) => skipped.push(format!(
                "`{}` is {version}, too old (needs {}.{})",
                candidate.display(),
                OLDEST.0,
                OLDEST.1
            )),
            Err(reason) => skipped.push(format!("`{}` {reason}", candidate.display())),
        }
    }
    Err(ServerError::NotFound { skipped: skipped.join("; ") })
}

/// What the program says that it is.
fn version(program: &Path) -> Result<(String, (u32, u32)), String> {
    let output = Command::new(program).arg("--version").output().map_err(|error| format!("does not run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| format!("does not tell its version (seen {:?})", text.trim()))
}

/// Reads `nats-server: v2.15.1`.
fn parse(text: &str) -> Option<(String, (u32, u32))> {
    let version = text.trim().strip_prefix("nats-server: v")?;
    let mut numbers = version.split(['.', '-']);
    let mut number = || numbers.next()?.parse().ok();
    Some((version.to_owned(), (number()?, number()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_whatever_follows_it() {
        assert_eq!(parse("nats-server: v2.15.1\n"), Some(("2.15.1".to_owned(), (2, 15))));
        assert_eq!(parse("nats-server: v2.12.0-RC.1"), Some(("2.12.0-RC.1".to_owned(), (2, 12))));
        for other in ["", "nats-server: vX", "GNU bash 5.2"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
