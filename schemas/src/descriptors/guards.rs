//! What a push to the deploy branch may not bring: the `guards` of `fleet.json`, and the same keys as an owner's policy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a push to the deploy branch may not bring. Judged by what was accepted before and by the owner's policy, key by key
/// the stricter of both: a push cannot loosen it for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Guards {
    /// Containers with `privileged`.
    #[serde(skip_serializing_if = "Guard::is_allow")]
    pub privileged: Guard,
    /// Folders of the node in a container. No descriptor can ask for one today.
    #[serde(skip_serializing_if = "Guard::is_allow")]
    pub host_mounts: Guard,
    /// Containers in the node's own network. No descriptor can ask for that today.
    #[serde(skip_serializing_if = "Guard::is_allow")]
    pub host_network: Guard,
    /// Docker's socket in a container. No descriptor can ask for it today.
    #[serde(skip_serializing_if = "Guard::is_allow")]
    pub docker_socket: Guard,
    /// Images of containers and tasks with neither tag nor digest, or with the tag `latest`.
    #[serde(skip_serializing_if = "Guard::is_allow")]
    pub unpinned_images: Guard,
    /// So many containers, tasks and volumes may be taken out by one push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_removals: Option<u32>,
    /// When a push may come; always where absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

/// Whether something may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// It may.
    #[default]
    Allow,
    /// It may not.
    Forbid,
}

/// A time of the week: from `from` until before `to`, on each of these days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// On which days it begins; on every day where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("uniqueItems" = true))]
    pub days: Vec<Day>,
    /// When it begins, such as `09:00`.
    #[serde(default = "midnight")]
    #[schemars(regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: String,
    /// When it ends, such as `17:00`, or `24:00` for the end of the day. Where it is earlier than `from`, on the day after.
    #[serde(default = "end_of_day")]
    #[schemars(regex(pattern = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"))]
    pub to: String,
    /// Whose clock that is, such as `Europe/Berlin`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1))]
    pub timezone: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday
    Mon,
    /// Tuesday
    Tue,
    /// Wednesday
    Wed,
    /// Thursday
    Thu,
    /// Friday
    Fri,
    /// Saturday
    Sat,
    /// Sunday
    Sun,
}

impl Guard {
    /// Whether it may.
    pub fn is_allow(&self) -> bool {
        *self == Self::Allow
    }
}

impl Guards {
    /// Whether nothing is guarded.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Day {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

fn midnight() -> String {
    "00:00".to_owned()
}

fn end_of_day() -> String {
    "24:00".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}
