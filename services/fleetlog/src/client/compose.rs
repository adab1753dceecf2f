//! `fleetlog import compose DIR --out FLEET`: turns compose files into a fleet's descriptors.
//!
//! Reads the compose files of a folder and what they name; writes one folder of descriptors, at once or not at all. Never
//! asks Docker or the platform, and never takes a variable of the machine that was not named. What could not be carried
//! is said line by line, with what to do.

mod convert;
mod descriptor;
mod dotenv;
mod interpolate;
mod load;
mod merge;
mod names;
mod normal;
mod report;
mod short;
mod write;
mod yaml;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::json;

use self::convert::{Choices, convert};
use self::load::{Files, LoadError, Loader, Request};
use self::report::Report;
use super::check;
use super::failure::Failure;
use super::out;
use crate::cli::ComposeOptions;

/// The disk.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// Imports, says what could not be carried, and checks the result.
pub fn run(options: &ComposeOptions) -> Result<(), Failure> {
    let cannot = |error| Failure::Usage(format!("cannot read `{}`: {error}", options.folder.display()));
    let folder = options.folder.canonicalize().map_err(cannot)?;
    if !folder.is_dir() {
        let text = format!("`{}` is no folder: name its folder, and the file with -f", options.folder.display());
        return Err(Failure::Usage(text));
    }
    let request = Request { folder, files: options.files.clone(), env: named(&options.env)? };
    let allowed = options.allow_secret.iter().cloned().collect();
    let choices = Choices { profiles: options.profiles.clone(), allowed };
    let mut report = Report::default();
    let project =
        Loader { files: &Disk, request: &request, report: &mut report }.load().map_err(|error| match error {
            LoadError::None(_) => Failure::Usage(error.to_string()),
            error => Failure::Failed(error.to_string()),
        })?;
    let mut files = BTreeMap::new();
    for (path, descriptor) in convert(&project, &choices, &mut report) {
        let text = descriptor.text().map_err(|error| Failure::Failed(format!("cannot write `{path}`: {error}")))?;
        files.insert(path, text);
    }
    if files.is_empty() {
        return Err(Failure::Failed("no service to import".to_owned()));
    }
    report.sort();
    write::write(&options.out, &files)?;
    say(options, &files, &report)
}

/// The variables that the user names, and nothing else of the machine.
fn named(names: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut env = BTreeMap::new();
    for name in names {
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match std::env::var(name) {
                Ok(value) => (name.as_str(), value),
                Err(_) => return Err(Failure::Usage(format!("--env {name}: the environment has no such variable"))),
            },
        };
        env.insert(name.to_owned(), value);
    }
    Ok(env)
}

/// The report, and what the check says of the files that were written.
fn say(options: &ComposeOptions, files: &BTreeMap<String, String>, report: &Report) -> Result<(), Failure> {
    let (faults, warnings) = check::folder(&options.out)?;
    let (lost, notes) = (report.lost(), report.notes());
    if options.json {
        let secrets: Vec<_> =
            report.secrets.iter().map(|(container, name)| json!({ "container": container, "env": name })).collect();
        let paths: Vec<&String> = files.keys().collect();
        out::json(&json!({
            "out": options.out, "files": paths, "left": lost, "notes": notes, "secrets": secrets,
            "faults": faults, "warnings": warnings,
        }))?;
    } else {
        report.all().iter().try_for_each(|said| out::line(&said.to_string()))?;
        check::warn(&warnings);
        let count = |kind: &str| files.keys().filter(|it| it.starts_with(kind)).count();
        let (containers, volumes) = (count("containers/"), count("volumes/"));
        out::line(&format!(
            "imported into {}: {containers} container{}, {volumes} volume{}; {} not carried, {} noted",
            options.out.display(),
            plural(containers),
            plural(volumes),
            lost.len(),
            notes.len()
        ))?;
        if !report.secrets.is_empty() {
            let names: Vec<_> = report.secrets.iter().map(|(container, name)| format!("{container}.{name}")).collect();
            out::line(&format!("left out as likely secrets: {}", names.join(", ")))?;
        }
        if !faults.is_empty() {
            out::line(&schemas::check::report(&faults))?;
        }
        out::line("next:")?;
        out::line(&format!("  cd {} && git init -b main && fleetlog check", options.out.display()))?;
        out::line("  git add -A && git commit -m 'import from compose'")?;
        out::line("  git push -o create http://admin:$FLEETLOG_TOKEN@127.0.0.1:7070/git/OWNER/FLEET.git main")?;
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

const fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}
