//! Walks over a text and knows its line and column.

use super::Spot;

/// A place in a text, as bytes and as people count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    spot: Spot,
    /// The number of spaces and tabs that the line starts with, as far as it was read.
    indent: usize,
    /// Whether nothing else of the line was read.
    blank: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, spot: Spot::START, indent: 0, blank: true }
    }

    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    /// The next byte; none at the end.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes on by so many bytes, which end at a character's border, or to the text's end where it comes first.
    pub(super) fn skip(&mut self, bytes: usize) {
        let bytes = bytes.min(self.text.len() - self.at);
        for byte in self.text[self.at..self.at + bytes].bytes() {
            match byte {
                b'\n' => {
                    self.spot.line += 1;
                    self.spot.column = 1;
                    (self.indent, self.blank) = (0, true);
                    continue;
                }
                b' ' | b'\t' if self.blank => {
                    self.indent += 1;
                    self.spot.column += 1;
                    continue;
                }
                // The later bytes of a character do not count.
                0x80..=0xbf => {}
                _ => self.spot.column += 1,
            }
            self.blank = false;
        }
        self.at += bytes;
    }

    /// Goes on while the characters are as asked for, and answers them.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.skip(end);
        &rest[..end]
    }

    /// The last so many bytes that were read; nothing where they do not start at a character's border.
    pub(super) fn before(&self, bytes: usize) -> &'a str {
        self.at.checked_sub(bytes).and_then(|start| self.text.get(start..self.at)).unwrap_or_default()
    }

    /// Goes back by so many bytes of this line, each of them a character.
    pub(super) fn back(&mut self, bytes: usize) {
        self.at -= bytes;
        self.spot.column = self.spot.column.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Goes on to the end of the line, and says whether there is another line.
    pub(super) fn skip_line(&mut self) -> bool {
        self.take_while(|c| c != '\n');
        self.peek().is_some()
    }

    /// Goes to the end of the text.
    pub(super) fn finish(&mut self) {
        self.skip(self.rest().len());
    }

    /// The number of spaces and tabs that the present line starts with, and whether nothing else stands before here.
    pub(super) fn indent(&self) -> (usize, bool) {
        (self.indent, self.blank)
    }
}
