//! The rules as functions over data, so that they can be shown to fail.

/// One member of the workspace.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the workspace.
    pub folder: String,
    /// Names of everything that it depends on directly.
    pub knows: Vec<String>,
}

/// What `schemas` may know: nothing that waits, talks, or has a clock or randomness of its own.
const PURE: [&str; 14] = [
    "expect-test",
    "hmac",
    "jiff",
    "proptest",
    "regex-lite",
    "schemars",
    "serde",
    "serde_json",
    "sha1_smol",
    "sha2",
    "strsim",
    "thiserror",
    "uuid",
    "zstd",
];
/// A library of the world outside → the only folder that may name it (folders under `ops` and `tests` are users).
const DOORS: [(&str, &str); 6] = [
    ("async-nats", "streams"),
    ("bollard", "services/engine"),
    ("gix", "services/git"),
    ("tantivy", "services/logger"),
    ("clap", "services/fleetlog"),
    ("schemars", "schemas"),
];
/// The halves that sit on a Docker host, and the binary.
const ON_THE_HOST: [&str; 5] = ["shazam", "logger", "monitor", "tasker", "fleetlog"];
/// Libraries under `services/` that are no service.
const LIBRARY: &str = "engine";
/// The one that knows all.
const BINARY: &str = "fleetlog";

/// Every arrow that the house forbids, as a sentence.
pub fn broken_arrows(members: &[Package]) -> Vec<String> {
    let member = |name: &str| members.iter().find(|it| it.name == name);
    let mut broken = Vec::new();
    for package in members {
        for known in &package.knows {
            let reason = match member(known) {
                Some(known) => forbidden_member(package, known),
                None => forbidden_library(package, known),
            };
            if let Some(reason) = reason {
                broken.push(format!("{} → {known}: {reason}", package.folder));
            }
        }
    }
    broken
}

fn is_user(package: &Package) -> bool {
    package.folder == "tests" || package.folder.starts_with("ops/")
}

fn is_service(package: &Package) -> bool {
    package.folder.starts_with("services/") && package.name != LIBRARY && package.name != BINARY
}

fn forbidden_member(package: &Package, known: &Package) -> Option<&'static str> {
    match package.folder.as_str() {
        _ if is_user(package) => None,
        _ if is_user(known) => Some("nobody knows the tests or the ground"),
        "schemas" => Some("the words know nobody"),
        "streams" if known.folder != "schemas" => Some("the wires know only the words"),
        "services/engine" if known.folder != "schemas" => Some("the engine knows only the words"),
        _ if known.name == BINARY => Some("nobody knows the binary"),
        _ if is_service(package) && is_service(known) => Some("a service never knows a service: they meet on the bus"),
        _ if known.name == LIBRARY && !ON_THE_HOST.contains(&package.name.as_str()) => {
            Some("only the halves on a Docker host use the engine")
        }
        _ => None,
    }
}

fn forbidden_library(package: &Package, library: &str) -> Option<&'static str> {
    if is_user(package) {
        return (library == "async-nats").then_some("only streams names it");
    }
    if package.folder == "schemas" && !PURE.contains(&library) {
        return Some("the words are pure");
    }
    DOORS
        .iter()
        .find(|(name, folder)| {
            (library == *name || library.starts_with(&format!("{name}-"))) && package.folder != *folder
        })
        .map(|_| "it has one door, and this is not it")
}

/// The external dependencies of the workspace table that no comment explains.
pub fn dependencies_without_reason(manifest: &str) -> Vec<&str> {
    table(manifest, "[workspace.dependencies]")
        .filter(|line| !line.contains("path = ") && line.split_once(" # ").is_none_or(|(_, why)| why.trim().is_empty()))
        .collect()
}

/// The dependencies of a member that state a version of their own.
pub fn dependencies_with_version(manifest: &str) -> Vec<&str> {
    let tables = ["[dependencies]", "[dev-dependencies]", "[build-dependencies]"];
    tables.iter().flat_map(|name| table(manifest, name)).filter(|line| !line.contains("workspace = true")).collect()
}

/// The entries of one table of a TOML file that keeps an entry on a line.
fn table<'m>(manifest: &'m str, name: &'m str) -> impl Iterator<Item = &'m str> {
    let inside = manifest.lines().skip_while(move |line| line.trim() != name).skip(1);
    inside.take_while(|line| !line.starts_with('[')).filter(|line| line.contains('=') && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(extra: &[(&str, &str, &[&str])]) -> Vec<Package> {
        let sound: &[(&str, &str, &[&str])] = &[
            ("schemas", "schemas", &["serde", "serde_json"]),
            ("streams", "streams", &["schemas", "async-nats", "tokio"]),
            ("engine", "services/engine", &["schemas", "bollard", "tokio"]),
            ("git", "services/git", &["schemas", "streams", "gix", "gix-hash"]),
            ("shazam", "services/shazam", &["schemas", "streams", "engine"]),
            ("fleetlog", "services/fleetlog", &["schemas", "streams", "engine", "git", "shazam", "clap"]),
            ("tests", "tests", &["schemas", "streams", "fleetlog", "bollard"]),
            ("bench", "ops/bench", &["bollard", "engine"]),
        ];
        let package = |(name, folder, knows): &(&str, &str, &[&str])| Package {
            name: (*name).to_owned(),
            folder: (*folder).to_owned(),
            knows: knows.iter().map(|it| (*it).to_owned()).collect(),
        };
        sound.iter().chain(extra).map(package).collect()
    }

    #[test]
    fn a_sound_house_breaks_nothing() {
        assert_eq!(broken_arrows(&house(&[])), [""; 0]);
    }

    #[test]
    fn every_forbidden_arrow_is_found() {
        let bad: &[(&str, &str, &[&str])] = &[
            ("schemas", "schemas", &["tokio"]),
            ("schemas", "schemas", &["axum"]),
            ("schemas", "schemas", &["streams"]),
            ("streams", "streams", &["engine"]),
            ("streams", "streams", &["bollard"]),
            ("engine", "services/engine", &["streams"]),
            ("engine", "services/engine", &["bollard", "git"]),
            ("registry", "services/registry", &["git"]),
            ("registry", "services/registry", &["engine"]),
            ("registry", "services/registry", &["async-nats"]),
            ("registry", "services/registry", &["bollard"]),
            ("registry", "services/registry", &["gix"]),
            ("registry", "services/registry", &["gix-hash"]),
            ("registry", "services/registry", &["tantivy"]),
            ("registry", "services/registry", &["fleetlog"]),
            ("registry", "services/registry", &["tests"]),
            ("git", "services/git", &["shazam"]),
            ("git", "services/git", &["engine"]),
            ("fleetlog", "services/fleetlog", &["async-nats"]),
            ("tests", "tests", &["async-nats"]),
        ];
        for one in bad {
            let broken = broken_arrows(&house(&[*one]));
            assert_eq!(broken.len(), 1, "{one:?}: {broken:?}");
        }
    }

    #[test]
    fn a_dependency_without_reason_is_found() {
        let manifest = "[workspace.dependencies]\nown = { path = \"own\" }\nserde = \"1\" # words on the wire\nrand = \"1\"\n[x]\na = 1\n";
        assert_eq!(dependencies_without_reason(manifest), ["rand = \"1\""]);
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let manifest = "[dependencies]\nserde.workspace = true\n[dev-dependencies]\nrand = \"1\"\n";
        assert_eq!(dependencies_with_version(manifest), ["rand = \"1\""]);
    }
}
