//! What the files of a fleet say, as types. The JSON Schemas under `schemas/json/` are generated from them.
//!
//! Every string value may carry references (see [`crate::template`]); what a string must look like once they are
//! resolved is decided by [`crate::spec`].

mod container;
mod defaults;
mod desired;
mod files;
mod guards;
mod image_policy;
mod mount;
mod needs;
mod node;
mod parameters;
mod runtime;
mod task;
mod written;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

pub use self::container::{
    Container, Health, Healthcheck, Limits, Metrics, NetworkMode, Off, OnUnhealthy, Restart, Stop, Update,
};
pub use self::defaults::Defaults;
pub(crate) use self::defaults::JOINED;
pub use self::desired::{Changes, Desired, File, Files};
pub use self::files::{
    Blob, FileMode, FileSource, FileSources, MAX_FILE, MAX_FILES, MAX_FILES_BYTES, OnChange, TAKEN_FROM, may_be_taken,
};
pub use self::guards::{Day, Guard, Guards, Window};
pub use self::image_policy::{AutoUpdate, ImagePolicy, Pace, PolicyWord};
pub use self::mount::Mount;
pub(crate) use self::mount::ONE_OF;
pub use self::needs::{Condition, Needed, Needs};
pub use self::node::Node;
pub use self::parameters::{
    GROUP as PARAMETERS, Parameter, ParameterType, ParameterValue, Protect, Pushers, fill as fill_parameters,
};
pub use self::runtime::{Capabilities, Ipc, Log, Pid, Runtime, Ulimit};
pub use self::task::{Missed, Schedule, Task, TaskLimits, TaskStep, User};
pub(crate) use self::written::{ALLOW, VALUE};
use crate::names::{Key, Name};
use crate::units::Span;

/// The fleet itself: `fleet.json`, which may be absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FleetFile {
    /// What the fleet is for, in a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The branch that is applied. The fleet's first accepted push decides it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$"))]
    pub deploy: String,
    /// What somebody who forks the fleet is asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<Key, Parameter>,
    /// Keys of a container, for every container that does not say them itself.
    #[serde(skip_serializing_if = "Defaults::is_none")]
    pub defaults: Defaults,
    /// Who may move the deploy branch, and how.
    #[serde(skip_serializing_if = "Protect::is_none")]
    pub protect: Protect,
    /// What becomes of containers that another hand has changed.
    #[serde(skip_serializing_if = "is_default")]
    pub drift: Drift,
    /// How long a container whose descriptor is gone is kept, stopped and under another name, at most ten years; `0s`: not at all.
    #[serde(skip_serializing_if = "is_as_long_as_usual")]
    pub keep_removed: Span,
    /// What becomes of images that were pulled for the fleet and that nothing needs any more.
    #[serde(skip_serializing_if = "is_default")]
    pub old_images: OldImages,
    /// What becomes of a push whose rollout has failed.
    #[serde(skip_serializing_if = "is_default")]
    pub on_failure: OnFailure,
    /// What a push to the deploy branch may not bring.
    #[serde(skip_serializing_if = "Guards::is_none")]
    pub guards: Guards,
}

/// What is left out where it says no more than its absence.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How long a removed container is kept where nobody says otherwise: a week.
const KEEP_REMOVED: Span = Span::seconds(7 * 24 * 3_600);

/// Nothing is kept longer than this, whatever is said: ten years.
const LONGEST_KEPT: Span = Span::seconds(10 * 366 * 24 * 3_600);

fn is_as_long_as_usual(keep: &Span) -> bool {
    *keep == KEEP_REMOVED
}

/// What becomes of a container that is not as it should be any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// It is told, and left until the next push.
    #[default]
    Report,
    /// It is told, and put right.
    Heal,
    /// Nothing.
    Ignore,
}

/// What becomes of images that were pulled for the fleet, once no container has them and no rollback to one of the last
/// five versions needs them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OldImages {
    /// They are removed from their node.
    #[default]
    Remove,
    /// They stay.
    Keep,
}

/// What becomes of a push whose rollout has failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It stays failed, until somebody does something.
    #[default]
    Stop,
    /// What was rolled out before is desired again, as after `fleetlog rollback`.
    Rollback,
}

impl FleetFile {
    /// How long a container whose descriptor is gone is kept; none: it is gone at once.
    pub fn keeps_removed(&self) -> Option<Span> {
        Some(self.keep_removed.min(LONGEST_KEPT)).filter(|it| it.0 > 0)
    }
}

impl Default for FleetFile {
    fn default() -> Self {
        Self {
            description: None,
            deploy: "main".to_owned(),
            keep_removed: KEEP_REMOVED,
            defaults: Defaults::default(),
            parameters: BTreeMap::new(),
            protect: Protect::default(),
            drift: Drift::default(),
            old_images: OldImages::default(),
            on_failure: OnFailure::default(),
            guards: Guards::default(),
        }
    }
}

/// A named volume: `volumes/<name>.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Volume {
    /// How precious the data is.
    pub class: VolumeClass,
}

/// How precious a volume's data is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeClass {
    /// Removed only by `fleetlog volume rm`.
    #[default]
    Persistent,
    /// May be removed by a push that names it.
    Ephemeral,
    /// Persistent, and used from more than one node.
    Shared,
}

/// A group of variables: `variables/<group>.json`, key → value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<Key, VariableValue>);

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, from = "written::WrittenValue")]
pub enum VariableValue {
    /// A text, which may carry references.
    Text(String),
    /// A number, written as JSON writes it.
    Number(serde_json::Number),
    /// `true` or `false`.
    Bool(bool),
}

impl JsonSchema for VariableValue {
    fn schema_name() -> Cow<'static, str> {
        "VariableValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        written::WrittenValue::json_schema(generator)
    }
}

impl fmt::Display for VariableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

/// What a descriptor describes; decided by the folder that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `fleet.json`
    Fleet,
    /// `nodes/<name>.json`
    Node,
    /// `containers/<name>.json`
    Container,
    /// `volumes/<name>.json`
    Volume,
    /// `tasks/<name>.json`
    Task,
    /// `variables/<group>.json`
    Variables,
}

impl Kind {
    /// Every kind, in the order in which people read a fleet.
    pub const ALL: [Self; 6] = [Self::Fleet, Self::Node, Self::Container, Self::Volume, Self::Task, Self::Variables];

    /// The folder of its descriptors; none for the fleet itself.
    pub const fn folder(self) -> Option<&'static str> {
        match self {
            Self::Fleet => None,
            Self::Node => Some("nodes"),
            Self::Container => Some("containers"),
            Self::Volume => Some("volumes"),
            Self::Task => Some("tasks"),
            Self::Variables => Some("variables"),
        }
    }
}

/// Where a descriptor lies in the fleet's tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// `fleet.json`
    Fleet,
    /// `<folder>/<name>.json`
    Named(Kind, Name),
    /// A file that a container takes in, such as `files/app/app.conf`. No descriptor, and yet a part of what is desired.
    Blob(String),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str("fleet.json"),
            Self::Named(kind, name) => write!(f, "{}/{name}.json", kind.folder().unwrap_or_default()),
            Self::Blob(path) => f.write_str(path),
        }
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "fleet.json" {
            return Ok(Self::Fleet);
        }
        if may_be_taken(text) && text.contains('/') {
            return Ok(Self::Blob(text.to_owned()));
        }
        let error = || format!("`{text}` is no descriptor's path");
        let (folder, file) = text.split_once('/').ok_or_else(error)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.folder() == Some(folder)).ok_or_else(error)?;
        let name = file.strip_suffix(".json").ok_or_else(error)?;
        Ok(Self::Named(kind, name.parse().map_err(|_| error())?))
    }
}
