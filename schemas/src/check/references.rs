//! The references of a tree: where they stand, what they name, and whether that exists.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Place, quote};
use super::inside::known_or_none;
use super::nearest::{MAX_HINTED, did_you_mean};
use super::tree::{Source, Tree};
use crate::descriptors::{ALLOW, Kind, Path};
use crate::json::{Node, Spot, Value};
use crate::names::{Key, Name};
use crate::template::{self, Part, Reference};

/// A text that has references, that references may lead to, or that is very long.
pub(super) struct Text<'a> {
    pub(super) source: &'a Source,
    pub(super) spot: Spot,
    /// Where it stands instead, where that is another file of the tree: one that a container takes in.
    pub(super) elsewhere: Option<Place>,
    /// The key of the file's object that it lies under.
    pub(super) top: &'a str,
    /// Its bytes as written.
    pub(super) length: u64,
    pub(super) references: Vec<Reference>,
    /// Whether one of its references has a fault.
    pub(super) broken: bool,
}

impl Text<'_> {
    pub(super) fn place(&self) -> Place {
        self.elsewhere.clone().unwrap_or_else(|| self.source.place(self.spot))
    }
}

/// The variables of a tree: group → key → where it stands; none for a group that nobody can read.
pub(super) type Variables<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Spot>>;

/// Every text that matters, and the faults of references that name nothing.
pub(super) fn read<'a>(tree: &'a Tree, variables: &Variables<'_>, faults: &mut Vec<Fault>) -> Vec<Text<'a>> {
    let mut reader = Reader { known: Known { tree, variables }, faults, texts: Vec::new() };
    for source in &tree.sources {
        let wanted = matches!(source.at, Path::Named(Kind::Container | Kind::Task | Kind::Variables, _));
        for member in source.root.as_ref().filter(|_| wanted).map(Node::members).unwrap_or_default() {
            reader.node(source, &member.key, &member.node);
        }
    }
    reader.texts
}

/// The variables that the files of a tree hold.
pub(super) fn variables(tree: &Tree) -> Variables<'_> {
    let groups = tree.sources.iter().filter_map(|source| source.of(Kind::Variables));
    groups
        .map(|(name, root)| (name.as_str(), root.members().iter().map(|it| (it.key.as_str(), it.node.spot)).collect()))
        .collect()
}

struct Reader<'a, 'f> {
    known: Known<'a, 'f>,
    faults: &'f mut Vec<Fault>,
    texts: Vec<Text<'a>>,
}

/// What references can name.
#[derive(Clone, Copy)]
pub(super) struct Known<'a, 'v> {
    pub(super) tree: &'a Tree,
    pub(super) variables: &'v Variables<'v>,
}

impl<'a> Reader<'a, '_> {
    /// The tree is at most [`crate::json::MAX_DEPTH`] deep.
    fn node(&mut self, source: &'a Source, top: &'a str, node: &'a Node) {
        match &node.value {
            Value::Text(text) => self.text(source, top, node.spot, text),
            Value::List(items) => items.iter().for_each(|item| self.node(source, top, item)),
            // A reason is for people: it refers to nothing.
            Value::Object(members) => members
                .iter()
                .filter(|member| member.key != ALLOW)
                .for_each(|member| self.node(source, top, &member.node)),
            _ => {}
        }
    }

    fn text(&mut self, source: &'a Source, top: &'a str, spot: Spot, text: &str) {
        let length = text.len() as u64;
        let mut references = Vec::new();
        let mut broken = false;
        if text.contains("{{") {
            match template::parse(text) {
                Ok(parts) => references.extend(parts.into_iter().filter_map(|part| match part {
                    Part::Ref(reference) => Some(reference),
                    Part::Text(_) => None,
                })),
                Err(error) => {
                    let expected = "a reference such as `{{ variables.app.region }}`";
                    let fault = Fault::new(source.place(spot), "bad-reference", error.message, expected);
                    self.faults.push(fault.hint(error.hint));
                    broken = true;
                }
            }
        }
        let before = self.faults.len();
        for reference in references.iter().collect::<BTreeSet<_>>() {
            let told = self.faults.len();
            self.faults.extend(self.known.missing(source.place(spot), reference, told));
        }
        broken |= self.faults.len() > before;
        // What others may refer to counts also where it has no reference itself.
        let referable = top == "ports" || matches!(source.at, Path::Named(Kind::Variables, _));
        if referable || broken || !references.is_empty() || length > super::values::MAX_TEXT {
            self.texts.push(Text { source, spot, elsewhere: None, top, length, references, broken });
        }
    }
}

impl Known<'_, '_> {
    /// The fault of a reference to something that does not exist; `told` faults were told before it.
    pub(super) fn missing(&self, place: Place, reference: &Reference, told: usize) -> Option<Fault> {
        let shown = quote(&format!("{{{{ {reference} }}}}"));
        let fault = |code, what: String, expected: String, hint: Option<String>| {
            Some(Fault::new(place.clone(), code, format!("{shown}: {what}"), expected).hint(hint))
        };
        let later = |what: &str| {
            let expected = "a reference to a variable, a container or a node".to_owned();
            fault("not-yet", format!("references to {what} are not built yet"), expected, None)
        };
        match reference {
            Reference::Variable { group, key } => self
                .no_variable(group, key, told)
                .and_then(|(what, expected, hint)| fault("undefined-variable", what, expected, hint)),
            Reference::ContainerHost(name) | Reference::ContainerPort(name, _) => {
                if self.tree.has(Kind::Container, name.as_str()) {
                    return None;
                }
                let known = || self.tree.names(Kind::Container);
                let what = format!("there is no container {}", quote(name.as_str()));
                fault("unknown-container", what, known_or_none(known()), near(name.as_str(), known(), told))
            }
            Reference::Node(name) => {
                if !self.tree.has(Kind::Node, name.as_str()) {
                    let known = || self.tree.names(Kind::Node);
                    let what = format!("there is no node {}", quote(name.as_str()));
                    return fault("unknown-node", what, known_or_none(known()), near(name.as_str(), known(), told));
                }
                // A file that cannot be read may hold it.
                let root = self
                    .tree
                    .sources
                    .iter()
                    .find_map(|it| it.of(Kind::Node).filter(|it| it.0.as_str() == name.as_str()))?
                    .1;
                if root.get("address").is_some() {
                    return None;
                }
                let hint = format!("add it to `nodes/{name}.json`, such as \"address\": \"203.0.113.7\"");
                let what = format!("node {} has no `address`", quote(name.as_str()));
                fault("no-address", what, "a node with an `address`".to_owned(), Some(hint))
            }
            Reference::Secret(_) => later("secrets"),
            Reference::TaskOutput { .. } => later("outputs of tasks"),
        }
    }

    /// What was seen, what was expected and a hint, where a variable does not exist.
    fn no_variable(&self, group: &Name, key: &Key, told: usize) -> Option<(String, String, Option<String>)> {
        let (group, key) = (group.as_str(), key.as_str());
        if !self.tree.has(Kind::Variables, group) {
            let known = || self.tree.names(Kind::Variables);
            let hint = near(group, known(), told).unwrap_or_else(|| format!("declare it in `variables/{group}.json`"));
            let what = format!("there is no group of variables {}", quote(group));
            return Some((what, known_or_none(known()), Some(hint)));
        }
        // A group whose file cannot be read may hold it.
        let keys = self.variables.get(group)?;
        if keys.contains_key(key) {
            return None;
        }
        let known = || keys.keys().copied();
        let hint = near(key, known(), told).unwrap_or_else(|| format!("declare it in `variables/{group}.json`"));
        let what = format!("group {} has no variable {}", quote(group), quote(key));
        Some((what, known_or_none(known()), Some(hint)))
    }
}

fn near<'k>(seen: &str, known: impl IntoIterator<Item = &'k str>, told: usize) -> Option<String> {
    if told < MAX_HINTED { did_you_mean(seen, known) } else { None }
}
