//! The one table of settings.

use git::key;

/// Something that can be set.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file; as a flag, with `-` for `_`.
    pub key: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// Where nobody says it.
    pub fallback: Fallback,
    /// Whether it is `true` or `false`.
    pub is_switch: bool,
    /// What is shown of it.
    pub shown: Shown,
}

/// What counts where nobody says it.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// Nothing.
    None,
    /// A value.
    Value(&'static str),
    /// A variable that other programs read as well.
    Variable(&'static str),
}

/// What is shown of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Plain,
    /// A URL without its user and password.
    Url,
    /// It, but only where somebody set it: it is for tests.
    IfSet,
}

impl Setting {
    /// Whether it is a plain number: its default is one.
    pub fn is_number(&self) -> bool {
        matches!(self.fallback, Fallback::Value(value) if value.parse::<u64>().is_ok())
    }

    /// Its flag.
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }
}

const fn setting(key: &'static str, variable: &'static str, fallback: Fallback) -> Setting {
    Setting { key, variable, fallback, is_switch: false, shown: Shown::Plain }
}

/// Every setting of `up`, in the order in which they are shown.
pub const SETTINGS: [Setting; 21] = [
    setting("data", "FLEETLOG_DATA", Fallback::Value("./.fleetlog")),
    setting("listen", "FLEETLOG_LISTEN", Fallback::Value("127.0.0.1:7070")),
    Setting { is_switch: true, ..setting("insecure", "FLEETLOG_INSECURE", Fallback::Value("false")) },
    Setting { shown: Shown::Url, ..setting("nats", "FLEETLOG_NATS", Fallback::None) },
    setting("nats_server", "FLEETLOG_NATS_SERVER", Fallback::None),
    Setting { shown: Shown::Url, ..setting("docker", "FLEETLOG_DOCKER", Fallback::Variable("DOCKER_HOST")) },
    setting("node", "FLEETLOG_NODE", Fallback::Value("local")),
    setting("log", "FLEETLOG_LOG", Fallback::Variable("RUST_LOG")),
    setting(key::PACK_BYTES, "FLEETLOG_GIT_PACK_BYTES", Fallback::Value("2GiB")),
    setting(key::PACK_OBJECTS, "FLEETLOG_GIT_PACK_OBJECTS", Fallback::Value("500000")),
    setting(key::UNPACKED_BYTES, "FLEETLOG_GIT_UNPACKED_BYTES", Fallback::Value("8GiB")),
    setting(key::BLOB_BYTES, "FLEETLOG_GIT_BLOB_BYTES", Fallback::Value("512MiB")),
    setting(key::HELD_BYTES, "FLEETLOG_GIT_HELD_BYTES", Fallback::Value("64MiB")),
    setting(key::PATH_BYTES, "FLEETLOG_GIT_PATH_BYTES", Fallback::Value("1024")),
    setting(key::TREE_FILES, "FLEETLOG_GIT_TREE_FILES", Fallback::Value("100000")),
    setting(key::REFS, "FLEETLOG_GIT_REFS", Fallback::Value("1000")),
    setting(key::PUSHES, "FLEETLOG_GIT_PUSHES", Fallback::Value("8")),
    setting(key::TURN, "FLEETLOG_GIT_TURN", Fallback::Value("60s")),
    setting(key::SLOW, "FLEETLOG_GIT_SLOW", Fallback::Value("60s")),
    setting(key::REPACK, "FLEETLOG_GIT_REPACK", Fallback::Value("50")),
    Setting { shown: Shown::IfSet, ..setting("fault_point", "FLEETLOG_FAULT_POINT", Fallback::None) },
];
