//! A command that runs in a container beside its own process, and what came of it.

/// What came of a command that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// How it ended; what the engine could not start ends with 126 or 127, as in a shell.
    pub exit_code: i64,
    /// What it wrote to standard output; the first bytes, where it was more than was asked for.
    pub stdout: Vec<u8>,
    /// The same of standard error.
    pub stderr: Vec<u8>,
    /// Something of one of them was left out.
    pub cut: bool,
}

impl Executed {
    /// Takes what was written, up to `most` bytes of each stream.
    pub(crate) fn take(&mut self, to_stderr: bool, bytes: &[u8], most: usize) {
        let stream = if to_stderr { &mut self.stderr } else { &mut self.stdout };
        let fits = bytes.len().min(most.saturating_sub(stream.len()));
        stream.extend_from_slice(&bytes[..fits]);
        self.cut |= fits < bytes.len();
    }
}
