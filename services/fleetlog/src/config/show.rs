//! `fleetlog config`: every setting that is in force, and from where. Secrets stay hidden.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::settings::{SETTINGS, Setting, Shown};
use super::{Config, Faults, From, Process};
use crate::cli::ConfigOptions;
use crate::client::{Failure, out};

/// Prints the settings. 2 where they have faults: `up` would not start with them.
pub fn main(options: &ConfigOptions) -> ExitCode {
    let written = match Config::read(&options.up, &Process) {
        Ok((config, _)) if options.json => out::json(&config.to_json()),
        Ok((config, _)) => config.lines().iter().try_for_each(|line| out::line(line)),
        Err(faults) => return complain(&faults),
    };
    match written {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            out::note(&failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}

/// Tells all faults.
pub fn complain(faults: &Faults) -> ExitCode {
    for fault in &faults.0 {
        out::note(&format!("fleetlog: {fault}"));
    }
    ExitCode::from(2)
}

impl Config {
    fn shown(&self) -> impl Iterator<Item = (&'static Setting, Option<String>, String)> {
        let shown = |setting: &'static Setting| {
            let found = self.found.get(setting.key)?;
            let value = found.value.as_deref().map(|value| hide(setting, value));
            let is_set = found.from != From::Default;
            (setting.shown != Shown::IfSet || is_set).then(|| (setting, value, found.from.to_string()))
        };
        SETTINGS.iter().filter_map(shown)
    }

    /// A line a setting: key, value, from where.
    pub(super) fn lines(&self) -> Vec<String> {
        let rows: Vec<_> =
            self.shown().map(|(it, value, from)| (it.key, value.unwrap_or("-".to_owned()), from)).collect();
        let width = |cells: &mut dyn Iterator<Item = usize>| cells.max().unwrap_or(0);
        let keys = width(&mut rows.iter().map(|it| it.0.len()));
        let values = width(&mut rows.iter().map(|it| it.1.chars().count()));
        rows.iter().map(|(key, value, from)| format!("{key:<keys$}  {value:<values$}  {from}")).collect()
    }

    fn to_json(&self) -> Value {
        let settings: Map<_, _> = self
            .shown()
            .map(|(it, value, from)| (it.key.to_owned(), json!({ "value": value, "from": from })))
            .collect();
        json!({ "file": self.file, "settings": settings })
    }
}

/// A URL without its user and password.
fn hide(setting: &Setting, value: &str) -> String {
    if setting.shown != Shown::Url {
        return value.to_owned();
    }
    match value.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://…@{host}"),
            None => value.to_owned(),
        },
        None => value.rsplit_once('@').map_or_else(|| value.to_owned(), |(_, host)| format!("…@{host}")),
    }
}
