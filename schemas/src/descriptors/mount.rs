//! What is mounted at a path of a container: `"data"`, or an object that says more.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::Name;
use crate::units::Size;

/// What a mount in full has to say.
pub(crate) const ONE_OF: &str = "exactly one of `volume`, `host`, `tmpfs`";

/// What is mounted at a path. Canonical form: a volume without any more words is just its name. `V` is how a volume is
/// named: by its descriptor's name in a file, by its name in Docker once it is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    try_from = "WrittenMount<V>",
    into = "WrittenMount<V>",
    bound(serialize = "V: Clone + Serialize", deserialize = "V: Deserialize<'de>")
)]
pub enum Mount<V = Name> {
    /// A volume of the fleet.
    Volume {
        /// Which.
        volume: V,
        /// The folder inside it that is mounted, instead of all of it.
        subpath: Option<String>,
        /// Whether the container may only read it.
        read_only: bool,
    },
    /// A file or folder of the node.
    Host {
        /// Its path there.
        host: String,
        /// Whether the container may only read it.
        read_only: bool,
        /// Whether other fleets that say so too may write to it as well. Docker knows nothing of it.
        shared: bool,
    },
    /// A file system in memory that is gone when the container ends.
    Tmpfs {
        /// How large it may grow.
        tmpfs: Size,
    },
}

impl<V> Mount<V> {
    /// A volume, as a whole.
    pub const fn volume(volume: V) -> Self {
        Self::Volume { volume, subpath: None, read_only: false }
    }

    /// The volume, where it is one.
    pub const fn as_volume(&self) -> Option<&V> {
        if let Self::Volume { volume, .. } = self { Some(volume) } else { None }
    }
}

/// How a file says what is mounted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum WrittenMount<V> {
    /// The name of a volume.
    Volume(V),
    /// Exactly one of `volume`, `host` and `tmpfs`, and what else there is to say of it.
    Full(FullMount<V>),
}

/// What is mounted, in full.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct FullMount<V> {
    /// The name of a volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<V>,
    /// A path of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    host: Option<String>,
    /// The size of a file system in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tmpfs: Option<Size>,
    /// A folder inside the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subpath: Option<String>,
    /// Whether the container may only read it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    /// Of a path of the node: whether other fleets that say so too may write to it as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shared: bool,
}

impl<V> TryFrom<WrittenMount<V>> for Mount<V> {
    type Error = &'static str;

    fn try_from(written: WrittenMount<V>) -> Result<Self, Self::Error> {
        let FullMount { volume, host, tmpfs, subpath, read_only, shared } = match written {
            WrittenMount::Volume(volume) => return Ok(Self::volume(volume)),
            WrittenMount::Full(full) => full,
        };
        match (volume, host, tmpfs) {
            (Some(volume), None, None) => Ok(Self::Volume { volume, subpath, read_only }),
            (None, Some(host), None) => Ok(Self::Host { host, read_only, shared }),
            (None, None, Some(tmpfs)) => Ok(Self::Tmpfs { tmpfs }),
            _ => Err(ONE_OF),
        }
    }
}

impl<V> From<Mount<V>> for WrittenMount<V> {
    fn from(mount: Mount<V>) -> Self {
        let empty = FullMount { volume: None, host: None, tmpfs: None, subpath: None, read_only: false, shared: false };
        match mount {
            Mount::Volume { volume, subpath: None, read_only: false } => Self::Volume(volume),
            Mount::Volume { volume, subpath, read_only } => {
                Self::Full(FullMount { volume: Some(volume), subpath, read_only, ..empty })
            }
            Mount::Host { host, read_only, shared } => {
                Self::Full(FullMount { host: Some(host), read_only, shared, ..empty })
            }
            Mount::Tmpfs { tmpfs } => Self::Full(FullMount { tmpfs: Some(tmpfs), ..empty }),
        }
    }
}
