//! Which files of a tree its containers take in, as far as the descriptors alone say it.

use std::collections::BTreeMap;

use super::fault::FLEET_FILE;
use super::{Content, TreeFile};
use crate::descriptors::ALLOW;
use crate::json::{self, Node};

/// Which files of a tree its containers take in, for who has to read them: read from the descriptors alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takes {
    /// By the path of each file or folder.
    sources: BTreeMap<String, How>,
}

/// How a file or a folder is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct How {
    /// A reason stands beside it why nothing in it is a secret, wherever it is taken in.
    allowed: bool,
    /// References are looked up in it somewhere.
    rendered: bool,
}

impl How {
    const fn and(self, other: Self) -> Self {
        Self { allowed: self.allowed && other.allowed, rendered: self.rendered || other.rendered }
    }
}

impl Takes {
    /// What the descriptors of a tree say; of what cannot be read nothing is taken.
    pub fn of<'a>(files: impl IntoIterator<Item = TreeFile<'a>>) -> Self {
        let mut takes = Self::default();
        for file in files {
            let Content::Bytes(bytes) = file.content else { continue };
            let for_all = file.path == FLEET_FILE;
            let may = for_all || file.path.starts_with("containers/");
            let mentions = may && contains(bytes, br#""files""#);
            let Some(root) = mentions.then(|| json::read(bytes).root).flatten() else { continue };
            let Some(said) = (if for_all { root.get("defaults") } else { Some(&root) }) else { continue };
            for member in said.get("files").map(Node::members).unwrap_or_default() {
                if let Some(from) = member.node.get("from").and_then(Node::text) {
                    let rendered = is_true(&member.node, "render");
                    takes.add(from.to_owned(), How { allowed: reason(&member.node), rendered });
                }
            }
        }
        takes
    }

    /// The same together with those of another tree.
    pub fn and(mut self, other: Self) -> Self {
        for (from, how) in other.sources {
            self.add(from, how);
        }
        self
    }

    fn add(&mut self, from: String, how: How) {
        let known = self.sources.entry(from).or_insert(how);
        *known = known.and(how);
    }

    /// Whether no container takes anything.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether a container takes the file at this path.
    pub fn wants(&self, path: &str) -> bool {
        self.over(path).next().is_some()
    }

    /// Whether secrets are looked for in it.
    pub fn scans(&self, path: &str) -> bool {
        self.over(path).any(|how| !how.allowed)
    }

    /// Whether references are looked up in it.
    pub fn renders(&self, path: &str) -> bool {
        self.over(path).any(|how| how.rendered)
    }

    /// How the file, or a folder that it lies in, is taken in.
    fn over(&self, path: &str) -> impl Iterator<Item = &How> {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.chain([path]).filter_map(|it| self.sources.get(it))
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|it| it == wanted)
}

pub(super) fn lies_in(path: &str, from: &str) -> bool {
    path.strip_prefix(from).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn is_true(node: &Node, key: &str) -> bool {
    node.get(key).is_some_and(|it| it.value == json::Value::Bool(true))
}

pub(super) fn reason(entry: &Node) -> bool {
    entry.get(ALLOW).and_then(Node::text).is_some_and(|reason| !reason.trim().is_empty())
}
