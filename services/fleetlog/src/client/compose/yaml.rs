//! A YAML document as a tree in which every key and value knows where it stands.
//!
//! Scalars stay the texts that they were written as: what they mean depends on the key. Aliases and merge keys (`<<`) are
//! followed; what came from an anchor stands where the anchor stands.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// How deep a document may be nested.
const MAX_DEPTH: usize = 64;
/// How many values a document may have once its aliases are followed.
const MAX_NODES: usize = 100_000;

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, as people see it.
    pub shown: String,
    /// The folder that its relative paths start from.
    pub folder: PathBuf,
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub source: Rc<Source>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.shown, self.line, self.column)
    }
}

/// What an overriding file says of the value that it overrides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tag {
    /// They are merged.
    #[default]
    None,
    /// `!reset`: it is taken out.
    Reset,
    /// `!override`: it is replaced.
    Override,
}

/// A value.
#[derive(Debug, Clone)]
pub struct Node {
    pub place: Place,
    pub tag: Tag,
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {text}")]
pub struct Broken {
    pub place: Place,
    pub text: String,
}

impl Broken {
    pub fn new(place: &Place, text: impl Into<String>) -> Self {
        Self { place: place.clone(), text: text.into() }
    }
}

impl Place {
    /// The start of a file.
    pub fn start(source: &Rc<Source>) -> Self {
        Self { source: Rc::clone(source), line: 1, column: 1 }
    }
}

impl Node {
    pub const fn new(place: Place, value: Value) -> Self {
        Self { place, tag: Tag::None, value }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|it| &it.node)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|it| it.key == key)
    }

    /// The items of a list; what is none is one item; nothing has none.
    pub fn each(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// `true` or `false`, in each of YAML's spellings.
    pub fn truth(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        let inner: usize = match &self.value {
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|it| it.node.size()).sum(),
            _ => 0,
        };
        1 + inner
    }
}

/// A list or a map that has begun.
struct Open {
    node: Node,
    anchor: usize,
    /// In a map: the key that waits for its value.
    key: Option<(String, Place)>,
}

/// Reads the first document of a text; an empty one is nothing.
pub fn read(source: &Rc<Source>, text: &str) -> Result<Node, Broken> {
    let mut reader = Reader { source, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            let place = Place { source: Rc::clone(source), line: mark.line(), column: mark.col() + 1 };
            Broken::new(&place, format!("this is no YAML: {}", error.info()))
        })?;
        if matches!(event, Event::DocumentStart(_)) && reader.root.is_some() {
            return Err(Broken::new(&reader.place(span), "a second document: one compose file has one"));
        }
        reader.take(event, span)?;
    }
    Ok(reader.root.unwrap_or_else(|| Node::new(Place::start(source), Value::Null)))
}

struct Reader<'a> {
    source: &'a Rc<Source>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl Reader<'_> {
    fn place(&self, span: Span) -> Place {
        Place { source: Rc::clone(self.source), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        let place = self.place(span);
        match event {
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(Broken::new(&place, "an alias to an anchor that is not complete"));
                };
                self.value(node, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null { Value::Null } else { Value::Text(text.into_owned()) };
                self.value(Node { place, tag: tagged(tag.as_deref()), value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Node { place, tag: tagged(tag.as_deref()), value: Value::List(Vec::new()) }, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Node { place, tag: tagged(tag.as_deref()), value: Value::Map(Vec::new()) }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { mut node, anchor, .. }) = self.open.pop() else { return Ok(()) };
                if let Value::Map(entries) = &mut node.value {
                    *entries = merged(std::mem::take(entries))?;
                }
                self.value(node, anchor)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), Broken> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Broken::new(&node.place, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    /// Puts a value where it belongs.
    fn value(&mut self, node: Node, anchor: usize) -> Result<(), Broken> {
        self.nodes += node.size();
        if self.nodes > MAX_NODES {
            return Err(Broken::new(&node.place, format!("more than {MAX_NODES} values once aliases are followed")));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(_), None) => {
                let key = match node.value {
                    Value::Text(text) => text,
                    Value::Null => "null".to_owned(),
                    _ => return Err(Broken::new(&node.place, "a key that is no text")),
                };
                open.key = Some((key, node.place));
            }
            (Value::Map(entries), Some((key, place))) => {
                if key != "<<" && entries.iter().any(|it| it.key == key) {
                    return Err(Broken::new(&place, format!("the key `{key}` stands here twice")));
                }
                entries.push(Entry { key, place, node });
            }
            _ => {}
        }
        Ok(())
    }
}

fn tagged(tag: Option<&saphyr_parser::Tag>) -> Tag {
    match tag.map(|it| it.suffix.as_str()) {
        Some("reset") => Tag::Reset,
        Some("override") => Tag::Override,
        _ => Tag::None,
    }
}

/// Follows `<<`: what is said beside it wins, then what is named first.
fn merged(entries: Vec<Entry>) -> Result<Vec<Entry>, Broken> {
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|it| it.key == "<<");
    for merge in merges {
        let sources = if matches!(merge.node.value, Value::List(_)) { merge.node.items() } else { &[merge.node] };
        for source in sources {
            let Value::Map(entries) = &source.value else {
                return Err(Broken::new(&merge.place, "`<<` of something that has no keys"));
            };
            for entry in entries {
                if !own.iter().any(|it| it.key == entry.key) {
                    own.push(entry.clone());
                }
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
pub fn parsed(text: &str) -> Node {
    let source = Rc::new(Source { shown: "compose.yaml".to_owned(), folder: PathBuf::from("/srv/shop") });
    read(&source, text).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in one line, with the places of its scalars.
    pub fn shown(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => format!("{text}@{}:{}", node.place.line, node.place.column),
            Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|it| format!("{}: {}", it.key, shown(&it.node))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    #[test]
    fn every_value_knows_where_it_stands() {
        assert_eq!(shown(&parsed("a: 1\nb:\n  - ä x\n  - \"\"\nc: ~\n")), "{a: 1@1:4, b: [ä x@3:5, @4:5], c: null}");
    }

    #[test]
    fn merge_keys_give_way_to_what_stands_beside_them() {
        let node = parsed("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 5\n");
        assert_eq!(shown(node.get("z").unwrap()), "{a: 5@5:6, b: 2@1:17, c: 4@2:17}");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let source = Rc::new(Source { shown: "c.yaml".to_owned(), folder: PathBuf::new() });
        let told = |text: &str| read(&source, text).unwrap_err().to_string();
        assert_eq!(told("a: 1\na: 2\n"), "c.yaml:2:1: the key `a` stands here twice");
        assert!(told("a: [1\nb: 2\n").starts_with("c.yaml:2:"), "{}", told("a: [1\nb: 2\n"));
        assert_eq!(told("a: 1\n---\nb: 2\n"), "c.yaml:2:1: a second document: one compose file has one");
        let laughs = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let before = format!("*a{}, ", n - 1).repeat(9);
            format!("{text}a{n}: &a{n} [{before}]\n")
        });
        assert!(read(&source, &laughs).is_err());
    }
}
