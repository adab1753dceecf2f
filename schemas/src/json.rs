//! A JSON reader that keeps the place of every value and key, and goes on after a fault.
//!
//! Reads bytes; answers a tree and every fault of the text (RFC 8259), not only the first. What a repair could guess
//! wrongly marks the document as torn, so that nobody judges a tree that its author never meant. Linear in the text.

mod brackets;
mod cursor;
mod reader;
mod scalar;
#[cfg(test)]
mod tests;

use serde_json::Number;

/// How many brackets may be open at once.
pub const MAX_DEPTH: usize = 64;

/// How many faults of one text are told before the reader gives up on it.
pub const MAX_FAULTS: usize = 50;

/// Keys that every object may have, for people and editors; they are not part of the tree.
pub const IGNORED_KEYS: [&str; 2] = ["$schema", "$comment"];

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl Spot {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it starts.
    pub spot: Spot,
    /// What it is.
    pub value: Value,
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object, in the order of the text, without [`IGNORED_KEYS`].
    Object(Vec<Member>),
    /// Something that is no JSON value; its fault has been told.
    Broken,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The key.
    pub key: String,
    /// Where the key starts.
    pub spot: Spot,
    /// Its value.
    pub node: Node,
}

/// A text as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The value; none where the text has none at all.
    pub root: Option<Node>,
    /// Every fault, in the order of the text.
    pub faults: Vec<Fault>,
    /// Whether brackets or whole lines got lost, so that the tree may not be what its author meant.
    pub torn: bool,
}

/// A fault of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind, as a stable kebab-case word.
    pub code: &'static str,
    /// Where.
    pub spot: Spot,
    /// What was seen.
    pub seen: String,
    /// What would be right.
    pub expected: String,
    /// What to do.
    pub hint: Option<String>,
    /// Where else it shows, such as the first of two equal keys.
    pub also: Vec<Spot>,
}

/// Reads a text.
pub fn read(bytes: &[u8]) -> Document {
    reader::read(bytes)
}

impl Node {
    /// The value of a key, where this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.node)
    }

    /// The members, where this is an object; else none.
    pub fn members(&self) -> &[Member] {
        if let Value::Object(members) = &self.value { members } else { &[] }
    }

    /// The items, where this is an array; else none.
    pub fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text, where this is a string.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The place of what a JSON pointer (RFC 6901) names, or of the innermost thing on the way that exists.
    pub fn find(&self, pointer: &str) -> Spot {
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let key = token.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Value::List(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => node.get(&key),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.spot
    }

    /// The same without places. Of equal keys the last counts; what is broken is `null`.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null | Value::Broken => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Object(members) => {
                members.iter().map(|member| (member.key.clone(), member.node.to_json())).collect()
            }
        }
    }
}
