//! Where settings come from besides flags.

use std::io;
use std::path::Path;

/// The surroundings of a process, or what a test says that they are.
pub trait Source {
    /// An environment variable; one that is no text counts as absent.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file.
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// This process.
#[derive(Debug, Clone, Copy)]
pub struct Process;

impl Source for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}
