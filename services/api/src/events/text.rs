//! Events as the text of an answer, event by event: what is written is no longer held as a value.

use schemas::event::Shown;

use crate::problem::Problem;

/// How long an answer may get, in bytes, before it ends with `next`. One event (at most 8 MiB) may go over it.
const FULL: usize = 8 << 20;

/// The answer so far.
pub(super) struct Text {
    lines: bool,
    bytes: Vec<u8>,
    count: usize,
}

impl Text {
    /// An empty answer: one event a line, or one document.
    pub fn new(lines: bool) -> Self {
        let bytes = if lines { Vec::new() } else { b"{\"events\":[".to_vec() };
        Self { lines, bytes, count: 0 }
    }

    /// How many events it holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether no more should come in.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    /// Takes one more event.
    pub fn push(&mut self, event: &Shown) -> Result<(), Problem> {
        if !self.lines && self.count > 0 {
            self.bytes.push(b',');
        }
        serde_json::to_writer(&mut self.bytes, event)
            .map_err(|error| Problem::unreadable(format!("event {} cannot be written: {error}", event.position)))?;
        if self.lines {
            self.bytes.push(b'\n');
        }
        self.count += 1;
        Ok(())
    }

    /// The media type and the whole text.
    pub fn end(mut self, position: u64, next: Option<&str>) -> (&'static str, Vec<u8>) {
        if self.lines {
            return ("application/x-ndjson", self.bytes);
        }
        // Positions are digits: they need no escaping.
        let next = next.map_or_else(|| "null".to_owned(), |it| format!("\"{it}\""));
        self.bytes.extend_from_slice(format!("],\"next\":{next},\"position\":{position}}}").as_bytes());
        ("application/json", self.bytes)
    }
}
