//! The rules of the house (the design's first section) as tests: who may know whom, what lies where, what says why.
//! Reads `cargo metadata` and a few files of the workspace; writes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken rule is a failed test")]

#[path = "house/arrows.rs"]
mod arrows;

use std::fs;
use std::process::Command;

use arrows::{Package, broken_arrows};
use tests::root;

/// The workspace's members with all their direct dependencies: normal, dev and build ones alike.
fn members() -> Vec<Package> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let folder_of = |path: &str| {
        let path = path.strip_prefix(root().to_str().unwrap()).unwrap().trim_start_matches('/');
        path.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned()
    };
    let members = metadata.packages.iter().map(|package| Package {
        name: package.name.to_string(),
        folder: folder_of(package.manifest_path.as_str()),
        knows: package.dependencies.iter().map(|it| it.name.clone()).collect(),
    });
    members.collect()
}

#[test]
fn every_arrow_is_allowed() {
    let members = members();
    assert!(members.len() >= 9, "cargo metadata shows only {} members", members.len());
    let broken = broken_arrows(&members);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_top_level_holds_only_what_was_agreed() {
    const AGREED: [&str; 9] =
        ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "ops", "schemas", "services", "streams", "tests"];
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let files = String::from_utf8(listed.stdout).unwrap();
    let mut tops: Vec<&str> = files.split('\0').filter_map(|path| path.split('/').next()).collect();
    tops.dedup();
    let strange: Vec<&&str> =
        tops.iter().filter(|top| !top.is_empty() && !top.starts_with('.') && !AGREED.contains(top)).collect();
    assert!(strange.is_empty(), "not agreed at the top level: {strange:?}");
}

#[test]
fn every_workspace_dependency_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let silent = arrows::dependencies_without_reason(&manifest);
    assert!(silent.is_empty(), "no reason behind `#`: {silent:?}");
}

#[test]
fn members_take_versions_from_the_workspace() {
    for member in members() {
        let manifest = fs::read_to_string(root().join(&member.folder).join("Cargo.toml")).unwrap();
        let own: Vec<&str> = arrows::dependencies_with_version(&manifest);
        assert!(own.is_empty(), "{}/Cargo.toml states versions of its own: {own:?}", member.folder);
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{}/Cargo.toml lacks the workspace's lints",
            member.folder
        );
    }
}

#[test]
fn ci_goes_through_the_one_door() {
    let run = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(run.contains("ops/test"), "{run}");
}
