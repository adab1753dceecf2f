//! All descriptors of a fleet together: what should be.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Blob, Container, FleetFile, Kind, Node, Path, Task, Variables, Volume};
use crate::names::{Name, NodeName};

/// What should be: every descriptor of the deploy branch, and which files its containers take in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// `fleet.json`
    #[serde(default)]
    pub fleet: FleetFile,
    /// `nodes/`, at most one
    #[serde(default)]
    pub nodes: BTreeMap<Name, Node>,
    /// `containers/`
    #[serde(default)]
    pub containers: BTreeMap<Name, Container>,
    /// `volumes/`
    #[serde(default)]
    pub volumes: BTreeMap<Name, Volume>,
    /// `tasks/`
    #[serde(default)]
    pub tasks: BTreeMap<Name, Task>,
    /// `variables/`
    #[serde(default)]
    pub variables: BTreeMap<Name, Variables>,
    /// The files of the tree that containers take in, by their paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, Blob>,
}

impl Desired {
    /// The agent that the fleet is bound to; none: it is the platform's only one.
    pub fn agent(&self) -> Option<&NodeName> {
        self.nodes.values().find_map(|node| node.agent.as_ref())
    }

    /// The way from `self` to `next`: the files that are new or different there, and those that are gone.
    pub fn changes_to(&self, next: &Self) -> Changes {
        let (before, after) = (self.files(), next.files());
        let removed = before.0.keys().filter(|path| !after.0.contains_key(path)).cloned().collect();
        let set = after.0.into_iter().filter(|(path, file)| before.0.get(path) != Some(file)).collect();
        Changes { set: Files(set), removed }
    }

    /// Takes the changes of one accepted push.
    pub fn apply(&mut self, changes: &Changes) {
        for path in &changes.removed {
            self.remove(path);
        }
        for (path, file) in &changes.set.0 {
            self.set(path, file.clone());
        }
    }

    fn remove(&mut self, path: &Path) {
        match path {
            Path::Fleet => self.fleet = FleetFile::default(),
            Path::Named(kind, name) => match kind {
                Kind::Fleet => {}
                Kind::Node => drop(self.nodes.remove(name)),
                Kind::Container => drop(self.containers.remove(name)),
                Kind::Volume => drop(self.volumes.remove(name)),
                Kind::Task => drop(self.tasks.remove(name)),
                Kind::Variables => drop(self.variables.remove(name)),
            },
            Path::Blob(path) => drop(self.contents.remove(path)),
        }
    }

    /// Takes one file, in place of the one that was there.
    pub(crate) fn set(&mut self, path: &Path, file: File) {
        match (path, file) {
            (_, File::Fleet(fleet)) => self.fleet = fleet,
            (Path::Named(_, name), File::Node(it)) => drop(self.nodes.insert(name.clone(), it)),
            (Path::Named(_, name), File::Container(it)) => drop(self.containers.insert(name.clone(), *it)),
            (Path::Named(_, name), File::Volume(it)) => drop(self.volumes.insert(name.clone(), it)),
            (Path::Named(_, name), File::Task(it)) => drop(self.tasks.insert(name.clone(), *it)),
            (Path::Named(_, name), File::Variables(it)) => drop(self.variables.insert(name.clone(), it)),
            (Path::Blob(path), File::Blob(it)) => drop(self.contents.insert(path.clone(), it)),
            // A path says which kind its file is: nothing else is ever read there.
            (Path::Fleet | Path::Blob(_), _) | (_, File::Blob(_)) => {}
        }
    }

    /// Every descriptor by its path. A `fleet.json` that says nothing but defaults is left out.
    pub fn files(&self) -> Files {
        let mut files = BTreeMap::new();
        if self.fleet != FleetFile::default() {
            files.insert(Path::Fleet, File::Fleet(self.fleet.clone()));
        }
        let named = |kind, name: &Name| Path::Named(kind, name.clone());
        for (name, it) in &self.nodes {
            files.insert(named(Kind::Node, name), File::Node(it.clone()));
        }
        for (name, it) in &self.containers {
            files.insert(named(Kind::Container, name), File::Container(Box::new(it.clone())));
        }
        for (name, it) in &self.volumes {
            files.insert(named(Kind::Volume, name), File::Volume(it.clone()));
        }
        for (name, it) in &self.tasks {
            files.insert(named(Kind::Task, name), File::Task(Box::new(it.clone())));
        }
        for (name, it) in &self.variables {
            files.insert(named(Kind::Variables, name), File::Variables(it.clone()));
        }
        for (path, it) in &self.contents {
            files.insert(Path::Blob(path.clone()), File::Blob(it.clone()));
        }
        Files(files)
    }
}

/// What one push changed of the descriptors, relative to the last accepted state of the deploy branch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Descriptors that are new or different, in canonical form with their defaults.
    pub set: Files,
    /// Paths of those that are gone.
    #[serde(serialize_with = "write_paths", deserialize_with = "read_paths")]
    pub removed: Vec<Path>,
}

impl Changes {
    /// Whether the push changed no descriptor.
    pub fn is_empty(&self) -> bool {
        self.set.0.is_empty() && self.removed.is_empty()
    }
}

/// Descriptors by path; as JSON an object path → descriptor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Files(pub BTreeMap<Path, File>);

/// One descriptor of whatever kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum File {
    /// `fleet.json`
    Fleet(FleetFile),
    /// `nodes/<name>.json`
    Node(Node),
    /// `containers/<name>.json`
    Container(Box<Container>),
    /// `volumes/<name>.json`
    Volume(Volume),
    /// `tasks/<name>.json`
    Task(Box<Task>),
    /// `variables/<group>.json`
    Variables(Variables),
    /// A file that a container takes in
    Blob(Blob),
}

impl File {
    /// Reads a descriptor of the kind that its path says.
    pub fn read(path: &Path, value: serde_json::Value) -> Result<Self, serde_json::Error> {
        Ok(match path {
            Path::Fleet | Path::Named(Kind::Fleet, _) => Self::Fleet(serde_json::from_value(value)?),
            Path::Named(Kind::Node, _) => Self::Node(serde_json::from_value(value)?),
            Path::Named(Kind::Container, _) => Self::Container(Box::new(serde_json::from_value(value)?)),
            Path::Named(Kind::Volume, _) => Self::Volume(serde_json::from_value(value)?),
            Path::Named(Kind::Task, _) => Self::Task(Box::new(serde_json::from_value(value)?)),
            Path::Named(Kind::Variables, _) => Self::Variables(serde_json::from_value(value)?),
            Path::Blob(_) => Self::Blob(serde_json::from_value(value)?),
        })
    }
}

impl From<Files> for Desired {
    fn from(files: Files) -> Self {
        let mut desired = Self::default();
        desired.apply(&Changes { set: files, removed: Vec::new() });
        desired
    }
}

impl Serialize for Files {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, file)| (path.to_string(), file)))
    }
}

impl<'de> Deserialize<'de> for Files {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let mut files = BTreeMap::new();
        for (text, value) in raw {
            let path: Path = text.parse().map_err(serde::de::Error::custom)?;
            let file = File::read(&path, value).map_err(|e| serde::de::Error::custom(format!("{text}: {e}")))?;
            files.insert(path, file);
        }
        Ok(Self(files))
    }
}

fn write_paths<S: Serializer>(paths: &[Path], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(ToString::to_string))
}

fn read_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Path>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}
