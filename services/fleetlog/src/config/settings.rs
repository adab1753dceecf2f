//! The one table of settings.

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
    /// Its flag.
    pub fn flag(&self) -> String {
        format!("--{}", self.key.replace('_', "-"))
    }
}

const fn setting(key: &'static str, variable: &'static str, fallback: Fallback) -> Setting {
    Setting { key, variable, fallback, is_switch: false, shown: Shown::Plain }
}

/// Every setting of `up`, in the order in which they are shown.
pub const SETTINGS: [Setting; 9] = [
    setting("data", "FLEETLOG_DATA", Fallback::Value("./.fleetlog")),
    setting("listen", "FLEETLOG_LISTEN", Fallback::Value("127.0.0.1:7070")),
    Setting { is_switch: true, ..setting("insecure", "FLEETLOG_INSECURE", Fallback::Value("false")) },
    Setting { shown: Shown::Url, ..setting("nats", "FLEETLOG_NATS", Fallback::None) },
    setting("nats_server", "FLEETLOG_NATS_SERVER", Fallback::None),
    Setting { shown: Shown::Url, ..setting("docker", "FLEETLOG_DOCKER", Fallback::Variable("DOCKER_HOST")) },
    setting("node", "FLEETLOG_NODE", Fallback::Value("local")),
    setting("log", "FLEETLOG_LOG", Fallback::Variable("RUST_LOG")),
    Setting { shown: Shown::IfSet, ..setting("fault_point", "FLEETLOG_FAULT_POINT", Fallback::None) },
];
