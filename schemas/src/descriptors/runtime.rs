//! What Docker is told of a container beside its image, its command and its place in the fleet. The same in a file and
//! once it is rendered: only its references are looked up in between.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Size;

/// How a container runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Runtime {
    /// The program that gets the command as its arguments; the image's own where absent, none where empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The folder in which the command starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub working_dir: Option<String>,
    /// As whom the command runs: a name or number, with or without a group's behind a `:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub user: Option<String>,
    /// Further groups of that user, by name or number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    /// What the container calls itself; the beginning of Docker's id where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub hostname: Option<String>,
    /// Labels in Docker, for programs that read them. Those that begin with `fleetlog.` are ours.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Names that are looked up here first: name → address, or `host-gateway` for the node itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_hosts: BTreeMap<String, String>,
    /// Addresses of the name servers that are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Domains in which short names are looked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Devices of the node, `/dev/on-node[:/dev/inside[:rwm]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// The size of `/dev/shm`; Docker's 64 MiB where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<Size>,
    /// What one process may use: name such as `nofile` → both limits, or each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// Parameters of the kernel in the container's namespaces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// What it may do beyond, or less than, Docker's own list.
    #[serde(skip_serializing_if = "Capabilities::is_none")]
    pub capabilities: Capabilities,
    /// Options of the security modules, such as `no-new-privileges`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// Whether it may write nowhere but to what is mounted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Whether a small init runs as its first process, which forwards signals and collects what ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
    /// Whose processes it sees; its own where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<Pid>,
    /// With whom it shares memory; with nobody where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<Ipc>,
    /// Which variant of the image is taken, such as `linux/arm64`; the node's own where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9]+(/[a-z0-9_]+(/[a-z0-9]+)?)?$"))]
    pub platform: Option<String>,
    /// Whether its output goes to a terminal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tty: bool,
    /// How Docker keeps what it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
}

/// What one process may use of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenUlimit", into = "WrittenUlimit")]
pub struct Ulimit {
    /// From where on it is refused; -1: nowhere.
    pub soft: i64,
    /// How far a process may raise that itself; -1: without end.
    pub hard: i64,
}

/// How a file says it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum WrittenUlimit {
    /// Both limits; -1: none.
    Both(#[schemars(range(min = -1))] i64),
    /// Each limit; -1: none.
    Each {
        /// From where on it is refused.
        #[schemars(range(min = -1))]
        soft: i64,
        /// How far a process may raise that itself.
        #[schemars(range(min = -1))]
        hard: i64,
    },
}

impl From<WrittenUlimit> for Ulimit {
    fn from(written: WrittenUlimit) -> Self {
        match written {
            WrittenUlimit::Both(both) => Self { soft: both, hard: both },
            WrittenUlimit::Each { soft, hard } => Self { soft, hard },
        }
    }
}

impl From<Ulimit> for WrittenUlimit {
    fn from(Ulimit { soft, hard }: Ulimit) -> Self {
        if soft == hard { Self::Both(soft) } else { Self::Each { soft, hard } }
    }
}

impl JsonSchema for Ulimit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ulimit".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        WrittenUlimit::json_schema(generator)
    }
}

/// Capabilities of Linux, with or without `CAP_`; `ALL` is every one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Capabilities {
    /// What it may do beyond Docker's own list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = r"^[A-Z][A-Z_]{1,40}$")))]
    pub add: Vec<String>,
    /// What of Docker's own list it may not do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = r"^[A-Z][A-Z_]{1,40}$")))]
    pub drop: Vec<String>,
}

impl Capabilities {
    fn is_none(&self) -> bool {
        self.add.is_empty() && self.drop.is_empty()
    }
}

/// Whose processes a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pid {
    /// All of the node's.
    Host,
}

/// With whom a container shares memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ipc {
    /// With nobody, and without `/dev/shm`.
    None,
    /// With nobody.
    Private,
    /// With containers that ask for it.
    Shareable,
    /// With the node.
    Host,
}

/// How Docker keeps what a container writes, until it is collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Log {
    /// Docker's driver.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._/-]{0,62}$"))]
    pub driver: String,
    /// A file is closed at this size; for `json-file` and `local`, 10 MiB where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<Size>,
    /// So many files are kept; for `json-file` and `local`, 3 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_files: Option<u32>,
    /// What else the driver is told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

impl Default for Log {
    fn default() -> Self {
        Self { driver: "json-file".to_owned(), max_size: None, max_files: None, options: BTreeMap::new() }
    }
}
