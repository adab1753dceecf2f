//! Values, arrays and objects, and how to go on after what is none.

use super::brackets::{Next, Open};
use super::cursor::Cursor;
use super::{Document, Fault, IGNORED_KEYS, MAX_DEPTH, MAX_FAULTS, Member, Node, Spot, Value};
use crate::check::quote;

pub(super) struct Reader<'a> {
    pub(super) cursor: Cursor<'a>,
    faults: Vec<Fault>,
    pub(super) open: Vec<Open>,
    pub(super) torn: bool,
    /// Some text was skipped blindly: a bracket that is missing later may lie there.
    pub(super) lost: bool,
    /// The comma that is missing next belongs to a fault that has been told.
    pub(super) forgive_comma: bool,
    /// The first closing bracket that stands elsewhere than its opening one: near here one may be missing.
    pub(super) suspect: Option<(Spot, Spot)>,
}

pub(super) fn read(bytes: &[u8]) -> Document {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let fault = Fault {
            code: "not-utf8",
            spot: Spot::START,
            seen: "UTF-16 text".to_owned(),
            expected: "UTF-8 text".to_owned(),
            hint: Some("save the file as UTF-8 without BOM".to_owned()),
            also: Vec::new(),
        };
        return Document { root: None, faults: vec![fault], torn: true };
    }
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader {
        cursor: Cursor::new(text.strip_prefix('\u{feff}').unwrap_or(&text)),
        faults: Vec::new(),
        open: Vec::new(),
        torn: false,
        lost: false,
        forgive_comma: false,
        suspect: None,
    };
    if text.starts_with('\u{feff}') {
        let fault = reader.fault("byte-order-mark", Spot::START, "a byte order mark", "UTF-8 without one");
        hint(fault, "save the file as UTF-8 without BOM");
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let mut good = Cursor::new(&text);
        good.skip(error.valid_up_to());
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let fault =
            reader.fault("not-utf8", good.spot(), format!("the byte 0x{byte:02x}, which is not UTF-8"), "UTF-8 text");
        hint(fault, "save the file as UTF-8");
    }
    let root = reader.document();
    let mut faults = reader.faults;
    faults.sort_by_key(|fault| fault.spot);
    Document { root, faults, torn: reader.torn }
}

/// Adds a hint to a fault that has just been told.
pub(super) fn hint(fault: Option<&mut Fault>, text: impl Into<String>) {
    if let Some(fault) = fault {
        fault.hint = Some(text.into());
    }
}

impl<'a> Reader<'a> {
    /// Tells a fault; none where there are too many already.
    pub(super) fn fault(
        &mut self,
        code: &'static str,
        spot: Spot,
        seen: impl Into<String>,
        expected: impl Into<String>,
    ) -> Option<&mut Fault> {
        if self.faults.len() > MAX_FAULTS {
            return None;
        }
        let fault = |code, seen, expected| Fault { code, spot, seen, expected, hint: None, also: Vec::new() };
        if self.faults.len() == MAX_FAULTS {
            let seen = format!("more than {MAX_FAULTS} faults in this file");
            self.faults.push(fault("too-many-faults", seen, "JSON".to_owned()));
            (self.torn, self.lost) = (true, true);
            self.cursor.finish();
            return None;
        }
        self.faults.push(fault(code, seen.into(), expected.into()));
        self.faults.last_mut()
    }

    fn document(&mut self) -> Option<Node> {
        self.space();
        if self.cursor.peek().is_none() {
            self.fault("empty-file", Spot::START, "empty file", "a JSON object, at least `{}`");
            return None;
        }
        let root = self.value();
        self.space();
        if self.cursor.peek().is_some() && !self.lost && root.value != Value::Broken {
            let seen = format!("{} after the end of the JSON value", self.shown());
            let fault = self.fault("text-after-end", self.cursor.spot(), seen, "the end of the file");
            hint(fault, "a bracket may have been closed too early");
            self.torn = true;
        }
        Some(root)
    }

    /// The beginning of the line's rest, quoted.
    pub(super) fn shown(&self) -> String {
        quote(self.cursor.rest().lines().next().unwrap_or_default().trim_end())
    }

    /// White space, and comments, which JSON does not have.
    pub(super) fn space(&mut self) {
        loop {
            self.cursor.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            let (spot, rest) = (self.cursor.spot(), self.cursor.rest());
            if rest.starts_with("//") || rest.starts_with('#') {
                self.cursor.skip_line();
            } else if let Some(inside) = rest.strip_prefix("/*") {
                self.cursor.skip(inside.find("*/").map_or(rest.len(), |end| end + 4));
            } else {
                return;
            }
            let fault = self.fault("comment", spot, "a comment", "JSON, which has no comments");
            hint(fault, "write it as the value of a `$comment` key, which every object may have");
        }
    }

    pub(super) fn value(&mut self) -> Node {
        self.space();
        while self.cursor.peek() == Some(b':') {
            self.fault("unexpected-text", self.cursor.spot(), "`:`", "a value");
            self.cursor.skip(1);
            self.space();
        }
        let spot = self.cursor.spot();
        let value = match self.cursor.peek() {
            Some(b'{' | b'[') if self.open.len() == MAX_DEPTH => self.too_deep(),
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"' | b'\'') => Value::Text(self.string().0),
            Some(b'}' | b']' | b',') => {
                let seen = format!("no value before {}", quote(&self.cursor.rest()[..1]));
                self.fault("missing-value", spot, seen, "a value");
                Value::Broken
            }
            // The bracket that is open tells it.
            None => Value::Broken,
            Some(_) => self.bare(),
        };
        Node { spot, value }
    }

    fn too_deep(&mut self) -> Value {
        let seen = format!("more than {MAX_DEPTH} brackets inside each other");
        self.fault("too-deep", self.cursor.spot(), seen, format!("at most {MAX_DEPTH}"));
        let (mut depth, mut text, mut escaped) = (0_usize, false, false);
        let rest = self.cursor.rest();
        let end = rest.bytes().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if text => escaped = true,
                b'"' => text = !text,
                b'\n' => text = false,
                b'{' | b'[' if !text => depth += 1,
                b'}' | b']' if !text => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        match end {
            Some(end) => self.cursor.skip(end + 1),
            None => {
                (self.torn, self.lost) = (true, true);
                self.cursor.finish();
            }
        }
        Value::Broken
    }

    fn list(&mut self) -> Value {
        self.enter('[');
        let mut items = Vec::new();
        let mut comma = None;
        while let Next::Entry = self.next(']', &mut comma, items.is_empty()) {
            let start = self.cursor;
            let before = self.faults.len();
            let item = self.value();
            self.space();
            if self.cursor.peek() == Some(b':')
                && let Value::Text(key) = &item.value
                && self.open.iter().rev().nth(1).is_some_and(|it| it.bracket == '{')
            {
                // A key of the object around: this list's end is missing.
                self.faults.truncate(before);
                self.cursor = start;
                self.forgive_comma = true;
                let (opened, seen) = (self.opened(), format!("`[` is not closed before the key {}", quote(key)));
                let fault = self.fault("unclosed-bracket", opened, seen, "`]` after the last item");
                if let Some(fault) = fault {
                    fault.also.push(start.spot());
                }
                self.open.pop();
                break;
            }
            items.push(item);
        }
        Value::List(items)
    }

    fn object(&mut self) -> Value {
        self.enter('{');
        let mut members: Vec<Member> = Vec::new();
        let mut comma = None;
        while let Next::Entry = self.next('}', &mut comma, members.is_empty()) {
            let spot = self.cursor.spot();
            let key = match self.cursor.peek() {
                Some(b'"' | b'\'') => match self.string() {
                    (key, true) => key,
                    // What was to follow the key lies inside it.
                    (_, false) => {
                        self.lose_line();
                        continue;
                    }
                },
                Some(b'{' | b'[' | b':') => {
                    let seen = format!("{} where a key should be", self.shown());
                    self.fault("unexpected-text", spot, seen, "a key in double quotes");
                    self.lose_line();
                    continue;
                }
                _ => self.bare_key(),
            };
            self.space();
            let node = match self.cursor.peek() {
                Some(b':') => {
                    self.cursor.skip(1);
                    self.value()
                }
                // The bracket that is open tells it.
                None => Node { spot, value: Value::Broken },
                Some(next) => self.without_colon(&key, spot, next),
            };
            members.push(Member { key, spot, node });
        }
        self.duplicates(&members);
        members.retain(|member| !IGNORED_KEYS.contains(&member.key.as_str()));
        Value::Object(members)
    }

    fn without_colon(&mut self, key: &str, spot: Spot, next: u8) -> Node {
        let here = self.cursor.spot();
        match next {
            b',' | b'}' | b']' => {
                self.fault("missing-value", spot, format!("key {} without a value", quote(key)), "`:` and a value");
                Node { spot, value: Value::Broken }
            }
            b'"' | b'{' | b'[' | b'0'..=b'9' | b'-' | b'=' => {
                self.fault(
                    "missing-colon",
                    here,
                    format!("no `:` after the key {}", quote(key)),
                    "`:` before the value",
                );
                if next == b'=' {
                    self.cursor.skip(1);
                }
                self.value()
            }
            _ => {
                let seen = format!("{} after the key {}", self.shown(), quote(key));
                let fault = self.fault("unexpected-text", here, seen, "`:` and a value");
                hint(fault, "a double quote may be missing in this line");
                self.lose_line();
                Node { spot, value: Value::Broken }
            }
        }
    }

    /// Tells keys that stand more than once. `$comment` may: nothing reads it.
    fn duplicates(&mut self, members: &[Member]) {
        let mut order: Vec<&Member> = members.iter().filter(|it| !IGNORED_KEYS.contains(&it.key.as_str())).collect();
        order.sort_by(|a, b| a.key.cmp(&b.key));
        for same in order.chunk_by(|a, b| a.key == b.key) {
            for again in &same[1..] {
                let seen = format!("duplicate key {}", quote(&again.key));
                let fault = self.fault("duplicate-key", again.spot, seen, "each key once");
                if let Some(fault) = fault {
                    fault.also.push(same[0].spot);
                }
            }
        }
    }
}
