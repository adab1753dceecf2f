//! Where the keys stand that are judged by more than the tree itself: by other fleets, by guards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Place;
use super::tree::Source;
use crate::descriptors::{Kind, Path};
use crate::json::Node;
use crate::spec::escape;

/// Line and column of keys, by the file's path and the JSON pointer to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places(BTreeMap<String, (u32, u32)>);

impl Places {
    pub(super) fn add(&mut self, source: &Source, root: &Node) {
        let mut add = |pointer: String, node: &Node| {
            self.0.insert(format!("{}{pointer}", source.path), (node.spot.line, node.spot.column));
        };
        let keys: &[&str] = match source.at {
            Path::Named(Kind::Container, _) => &["image", "network", "privileged", "ports", "volumes"],
            Path::Named(Kind::Task, _) => &["image"],
            Path::Fleet => &["deploy", "guards"],
            Path::Named(..) | Path::Blob(_) => &[],
        };
        for (key, node) in keys.iter().filter_map(|key| Some((key, root.get(key)?))) {
            add(format!("/{key}"), node);
            node.items().iter().enumerate().for_each(|(index, item)| add(format!("/{key}/{index}"), item));
            node.members().iter().for_each(|it| add(format!("/{key}/{}", escape(&it.key)), &it.node));
        }
    }

    /// Where it stands; what is not written, and what was not remembered, stands at the file's beginning.
    pub fn find(&self, path: &str, pointer: &str) -> Place {
        let (line, column) = self.0.get(&format!("{path}{pointer}")).copied().unwrap_or((1, 1));
        Place { path: path.to_owned(), line, column }
    }
}
