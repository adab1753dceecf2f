//! Server-Sent Events, as a client reads them (WHATWG HTML, 9.2.6): as much of it as the platform uses.

use std::io::{BufRead, BufReader, Read};

/// One message.
pub struct Message {
    /// What to come back with.
    pub id: Option<String>,
    /// What it is.
    pub event: String,
    /// Its data.
    pub data: String,
}

/// A stream of messages.
pub struct Messages {
    lines: BufReader<Box<dyn Read + Send>>,
}

impl Messages {
    /// Reads them from a body.
    pub fn new(body: impl Read + Send + 'static) -> Self {
        Self { lines: BufReader::new(Box::new(body)) }
    }

    /// The next one; none: the stream ended, or broke off. Half a message is none.
    pub fn next(&mut self) -> Option<Message> {
        let (mut id, mut event, mut data) = (None, String::new(), String::new());
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let text = line.trim_end_matches(['\n', '\r']);
            if text.is_empty() {
                if !data.is_empty() {
                    return Some(Message { id, event, data });
                }
                continue;
            }
            let (name, value) = text.split_once(':').unwrap_or((text, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => id = Some(value.to_owned()),
                "event" => event = value.to_owned(),
                "data" => data.push_str(value),
                _ => {}
            }
        }
    }
}
