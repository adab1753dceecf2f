//! Which brackets are open, what separates the entries inside them, and what is missing or wrong there.

use super::Spot;
use super::reader::{Reader, hint};

/// A bracket that is open.
pub(super) struct Open {
    pub(super) bracket: char,
    spot: Spot,
    indent: usize,
}

/// What comes next inside a pair of brackets.
pub(super) enum Next {
    /// An item or a member.
    Entry,
    /// The brackets are closed, or the text has ended.
    End,
}

impl Reader<'_> {
    pub(super) fn enter(&mut self, bracket: char) {
        let spot = self.cursor.spot();
        let (indent, _) = self.cursor.indent();
        self.open.push(Open { bracket, spot, indent });
        self.cursor.skip(1);
    }

    /// Where the innermost open bracket stands.
    pub(super) fn opened(&self) -> Spot {
        self.open.last().map_or(Spot::START, |open| open.spot)
    }

    /// Gives up on the rest of the line.
    pub(super) fn lose_line(&mut self) {
        (self.torn, self.lost) = (true, true);
        self.cursor.skip_line();
        self.forgive_comma = true;
    }

    /// Reads up to the next entry or past the closing bracket. `comma` is the place of the comma before it.
    pub(super) fn next(&mut self, close: char, comma: &mut Option<Spot>, first: bool) -> Next {
        let end = self.cursor.spot();
        *comma = None;
        let mut waiting = !first;
        loop {
            self.space();
            let spot = self.cursor.spot();
            match self.cursor.peek() {
                None => {
                    self.unclosed();
                    return Next::End;
                }
                Some(b',') => {
                    if !waiting {
                        self.fault("missing-value", spot, "`,` without a value before it", "a value, or no comma");
                    }
                    (*comma, waiting) = (Some(spot), false);
                    self.forgive_comma = false;
                    self.cursor.skip(1);
                }
                Some(byte @ (b'}' | b']')) => {
                    self.forgive_comma = false;
                    if let Some(comma) = *comma {
                        let seen = format!("a comma before `{}`", char::from(byte));
                        self.fault("trailing-comma", comma, seen, "no comma after the last entry");
                    }
                    self.close(char::from(byte), close);
                    return Next::End;
                }
                Some(byte) => {
                    if waiting && !std::mem::take(&mut self.forgive_comma) {
                        if !matches!(byte, b'"' | b'\'' | b'{' | b'[' | b'0'..=b'9' | b'-') {
                            let seen = format!("{} after a value", self.shown());
                            let fault = self.fault("unexpected-text", spot, seen, format!("`,` or `{close}`"));
                            hint(fault, "a double quote may be missing in this line");
                            self.lose_line();
                            continue;
                        }
                        self.fault("missing-comma", end, "no comma after this value", format!("`,` or `{close}`"));
                    }
                    self.forgive_comma = false;
                    return Next::Entry;
                }
            }
        }
    }

    /// Takes a closing bracket, or leaves it to the bracket further out that it closes.
    fn close(&mut self, found: char, wanted: char) {
        let Some(open) = self.open.pop() else { return };
        if found == wanted {
            let (indent, alone) = self.cursor.indent();
            if alone && indent != open.indent {
                self.suspect.get_or_insert((open.spot, self.cursor.spot()));
            }
            self.cursor.skip(1);
            return;
        }
        if !self.lost {
            let seen = format!("`{found}` where `{}` is open", open.bracket);
            let fault = self.fault("wrong-bracket", self.cursor.spot(), seen, format!("`{wanted}`"));
            if let Some(fault) = fault {
                fault.also.push(open.spot);
            }
        }
        (self.torn, self.lost) = (true, true);
        let opens = if found == '}' { '{' } else { '[' };
        if !self.open.iter().any(|open| open.bracket == opens) {
            self.cursor.skip(1);
        }
    }

    /// The text has ended with brackets open: told once, at the innermost.
    fn unclosed(&mut self) {
        self.torn = true;
        if let Some(open) = self.open.pop()
            && !std::mem::replace(&mut self.lost, true)
        {
            let also = self.open.iter().rev().take(3).map(|open| open.spot).collect();
            let close = if open.bracket == '{' { '}' } else { ']' };
            let suspect = self.suspect.map(|(open, close)| {
                format!(
                    "by its indent, the bracket at {}:{} does not close the one at {}:{}: look for a missing one before it",
                    close.line, close.column, open.line, open.column
                )
            });
            let seen = format!("`{}` is not closed before the end of the file", open.bracket);
            if let Some(fault) = self.fault("unclosed-bracket", open.spot, seen, format!("`{close}`")) {
                fault.also = also;
                fault.hint = suspect;
            }
        }
    }
}
