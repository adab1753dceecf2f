//! The settings of `up`, each from the first that says it: flag, environment variable, file, default.
//!
//! Reads the environment and the file through a [`Source`], so that a test brings its own. Answers every fault at once.

mod file;
mod git;
mod settings;
mod show;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemas::names::NodeName;

use self::file::File;
use self::settings::{Fallback, SETTINGS, Setting};
pub use self::show::{complain, main};
pub use self::source::{Process, Source};
use crate::cli::UpFlags;

/// Where the file lies when nobody says so; it need not be there.
const FILE: &str = "/etc/fleetlog/fleetlog.toml";
/// The variable that says where the file lies.
const FILE_VARIABLE: &str = "FLEETLOG_CONFIG";

/// Where and how the platform runs, all of it read.
#[derive(Debug)]
pub struct UpOptions {
    pub data: PathBuf,
    pub listen: String,
    pub nats: Option<String>,
    pub nats_server: Option<PathBuf>,
    pub docker: Option<String>,
    pub node: NodeName,
    pub insecure: bool,
    pub log: Option<String>,
    pub fault_point: Option<::git::FaultPoint>,
    pub git: ::git::Limits,
}

/// What is in force, and from where.
#[derive(Debug)]
pub struct Config {
    /// The file that was read.
    pub file: Option<PathBuf>,
    found: BTreeMap<&'static str, Found>,
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// None: it is not set, and has no default.
    value: Option<String>,
    from: From,
}

/// Who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Flag(String),
    Variable(&'static str),
    File(PathBuf, usize),
    Default,
}

/// Every fault of the settings, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

impl Config {
    /// Looks everywhere; the settings as they are, and as what they have to be.
    pub fn read(flags: &UpFlags, source: &impl Source) -> Result<(Self, UpOptions), Faults> {
        let mut faults = Vec::new();
        let file = match flags.config.clone().or_else(|| source.variable(FILE_VARIABLE).map(PathBuf::from)) {
            Some(path) => File::read(path, true, source, &mut faults),
            None => File::read(PathBuf::from(FILE), false, source, &mut faults),
        };
        let given = flags.given();
        let found = SETTINGS.iter().map(|it| (it.key, find(it, &given, source, file.as_ref()))).collect();
        let config = Self { file: file.map(|file| file.path), found };
        match config.options(&mut faults) {
            Some(options) if faults.is_empty() => Ok((config, options)),
            _ => Err(Faults(faults)),
        }
    }

    fn options(&self, faults: &mut Vec<String>) -> Option<UpOptions> {
        let mut reader = Reader { config: self, faults };
        let node = reader.parsed::<NodeName>("node", "a lower-case DNS label, such as `web-1`");
        let insecure = reader.switch("insecure");
        let fault_point = reader.parsed::<::git::FaultPoint>("fault_point", "a point that this version knows");
        let git = git::limits(&mut reader);
        let text = |key| self.value(key).map(str::to_owned);
        let listen = text("listen").unwrap_or_default();
        if let Err(error) = crate::up::address(&listen, insecure.unwrap_or(true)) {
            reader.fault("listen", &format!("{error:#}"));
        }
        Some(UpOptions {
            data: text("data").unwrap_or_default().into(),
            listen,
            nats: text("nats"),
            nats_server: text("nats_server").map(PathBuf::from),
            docker: text("docker"),
            node: node?,
            insecure: insecure?,
            log: text("log"),
            fault_point,
            git: git?,
        })
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.found.get(key).and_then(|found| found.value.as_deref())
    }
}

/// The first that says it. An empty variable says nothing.
fn find(setting: &Setting, flags: &[(&str, String)], source: &impl Source, file: Option<&File>) -> Found {
    let variable = |name: &'static str| {
        let value = source.variable(name).filter(|it| !it.trim().is_empty())?;
        Some(Found { value: Some(value), from: From::Variable(name) })
    };
    if let Some((_, value)) = flags.iter().find(|(key, _)| *key == setting.key) {
        return Found { value: Some(value.clone()), from: From::Flag(setting.flag()) };
    }
    if let Some(found) = variable(setting.variable) {
        return found;
    }
    if let Some((file, (line, value))) = file.and_then(|file| Some((file, file.values.get(setting.key)?))) {
        return Found { value: Some(value.clone()), from: From::File(file.path.clone(), *line) };
    }
    match setting.fallback {
        Fallback::None => Found { value: None, from: From::Default },
        Fallback::Value(value) => Found { value: Some(value.to_owned()), from: From::Default },
        Fallback::Variable(name) => variable(name).unwrap_or(Found { value: None, from: From::Default }),
    }
}

struct Reader<'a> {
    config: &'a Config,
    faults: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn parsed<T: std::str::FromStr>(&mut self, key: &'static str, expected: &str) -> Option<T> {
        let value = self.config.value(key)?;
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.fault(key, &format!("`{value}` is not {expected}"));
        }
        parsed
    }

    fn switch(&mut self, key: &'static str) -> Option<bool> {
        match self.config.value(key).map(str::to_lowercase).as_deref() {
            Some("1" | "true" | "yes" | "on" | "y" | "t") => Some(true),
            None | Some("0" | "false" | "no" | "off" | "n" | "f") => Some(false),
            Some(other) => {
                self.fault(key, &format!("`{other}` is not `true` or `false`"));
                None
            }
        }
    }

    fn fault(&mut self, key: &'static str, what: &str) {
        let from = self.config.found.get(key).map(|found| found.from.to_string()).unwrap_or_default();
        self.faults.push(format!("{from}: `{key}`: {what}"));
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

#[cfg(test)]
mod tests;
