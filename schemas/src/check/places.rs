//! Where the keys stand that are judged by more than the tree itself: by other fleets, by guards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Place;
use super::tree::Source;
use crate::descriptors::{Kind, Path};
use crate::json::{Node, Spot};
use crate::spec::escape;

/// The places of keys, by the file's path and the JSON pointer to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    pub(super) fn add(&mut self, source: &Source, root: &Node) {
        let mut add = |pointer: String, node: &Node| {
            self.0.insert(format!("{}{pointer}", source.path), source.place(node.spot));
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
        let start = || Place::new(path, Spot::START);
        self.0.get(&format!("{path}{pointer}")).cloned().unwrap_or_else(start)
    }
}
