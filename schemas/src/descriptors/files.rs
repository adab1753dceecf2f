//! Files of the fleet's own tree that a container takes in, and what the log knows of each: never what it says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use super::task::User;
use crate::names::Oid;

/// The folders of a fleet's tree whose files a container may take in.
pub const TAKEN_FROM: [&str; 2] = ["files", "scripts"];

/// How large a file that a container takes in may be, in bytes, also once its references are resolved.
pub const MAX_FILE: u64 = 1 << 20;

/// How large all files of one container may be together, in bytes.
pub const MAX_FILES_BYTES: u64 = 8 << 20;

/// How many files one container may take in.
pub const MAX_FILES: usize = 1_000;

/// What is put at a path of a container: a file, or a folder with all that is in it. Canonical form: without `$allow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenSource")]
pub struct FileSource {
    /// The file or the folder in the fleet's tree.
    pub from: String,
    /// Whether it stays as it is there.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: FileMode,
    /// Whether references in it are looked up.
    #[serde(skip_serializing_if = "is_default")]
    pub render: bool,
    /// What happens once its content is another.
    #[serde(skip_serializing_if = "is_default")]
    pub on_change: OnChange,
    /// The signal of `on_change: "signal"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Whose it is in the container; root's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<User>,
}

impl FileSource {
    /// The signal that says that its content is another.
    pub fn signal(&self) -> &str {
        self.signal.as_deref().unwrap_or("HUP")
    }

    /// Whether a path of the fleet's tree is what it names, or lies in it; what is left of the path then.
    pub fn holds<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.from.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// How a file says what is put at a path.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WrittenSource {
    /// A file or a folder of the fleet's tree, under `files/` or `scripts/`.
    #[schemars(length(min = 1))]
    from: String,
    /// `enforce`: it is as it is there; `seed`: only what is not there yet is written.
    #[serde(default)]
    mode: FileMode,
    /// Whether references in it are looked up.
    #[serde(default)]
    render: bool,
    /// What happens once its content is another.
    #[serde(default)]
    on_change: OnChange,
    /// The signal of `on_change: "signal"`; `HUP` where absent.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(SIG)?[A-Z][A-Z0-9+-]{1,12}$"))]
    signal: Option<String>,
    /// Whose it is in the container, as numbers; root's where absent.
    #[serde(default)]
    owner: Option<User>,
    /// Why nothing in it is a secret, although something looks like one.
    #[serde(default, rename = "$allow")]
    #[schemars(regex(pattern = r"\S"))]
    _reason: Option<String>,
}

impl From<WrittenSource> for FileSource {
    fn from(written: WrittenSource) -> Self {
        let WrittenSource { from, mode, render, on_change, signal, owner, .. } = written;
        Self { from, mode, render, on_change, signal, owner }
    }
}

impl JsonSchema for FileSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileSource".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        WrittenSource::json_schema(generator)
    }
}

/// What is put into a container: path in it → where that comes from.
pub type FileSources = BTreeMap<String, FileSource>;

/// Whether files stay as they are in the fleet's tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileMode {
    /// They are what they are there: what is gone there is gone.
    #[default]
    Enforce,
    /// What is not there yet is written; what is, is left as it is.
    Seed,
}

/// What happens once files of a container are others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// They are put in place, and the container is started again.
    #[default]
    Restart,
    /// They are put in place, and its process gets a signal.
    Signal,
    /// They are put in place.
    None,
}

/// A file of the fleet's tree that a container takes in: everything but what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Git's id of its content.
    pub blob: Oid,
    /// How many bytes it has.
    pub size: u64,
    /// Whether it can be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// What it refers to, where some container wants that looked up: each once, such as `variables.app.region`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}

/// Whether a path of a fleet's tree is one of those that a container may take in.
pub fn may_be_taken(path: &str) -> bool {
    let folder = path.split_once('/').map_or(path, |(folder, _)| folder);
    TAKEN_FROM.contains(&folder)
}
