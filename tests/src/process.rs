//! Runs programs with a time limit and keeps what they wrote.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

impl Ran {
    /// Fails unless the program succeeded; gives its standard output, without white space at the end.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out.trim_end().to_owned()
    }

    /// Fails unless it ended with this code and said these words, on whichever of its outputs.
    #[track_caller]
    pub fn said(&self, code: i32, words: &[&str]) {
        let text = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?} in:\n{text}");
        }
    }
}

/// Runs a program to its end; past `limit` it is killed and the test fails with what it wrote so far.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Ran {
    // Files, not pipes: a grandchild that outlives the program cannot keep us waiting.
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end within {limit:?}:\n{}{}", text(&mut out), text(&mut err));
        }
        thread::sleep(Duration::from_millis(5));
    };
    Ran { code: status.code().unwrap_or(-1), out: text(&mut out), err: text(&mut err) }
}

/// Everything in a file that somebody else wrote to.
fn text(file: &mut File) -> String {
    use std::io::Seek;
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every process by id, with its parent's id and its command line. One that ends meanwhile is left out.
pub(crate) fn processes() -> Vec<(u32, u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let (Ok(stat), Ok(line)) =
            (fs::read_to_string(entry.path().join("stat")), fs::read(entry.path().join("cmdline")))
        else {
            continue;
        };
        // `pid (name) state parent …`: the name may hold anything, so from the right.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        found.push((pid, parent.unwrap_or(0), line));
    }
    found
}
