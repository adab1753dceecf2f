//! `fleetlog check`: its formats, and the hooks that the README shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Folder, bare, code, err, out};

const GOOD: &str = "{ \"image\": \"demo/tool:1\" }";
const DOUBTFUL: &str = "{\n  \"image\": \"demo/tool\"\n}";
const BAD: &str = "{\n  \"image\": \"demo/tool:1\",\n  \"comand\": [\"x\"]\n}";

fn write(fleet: &Path, path: &str, text: &str) {
    let path = fleet.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn check(fleet: &Path, arguments: &[&str]) -> Output {
    bare().current_dir(fleet).arg("check").args(arguments).output().unwrap()
}

#[test]
fn warnings_are_told_in_every_format_and_are_no_failure() {
    let folder = Folder::new();
    let fleet = folder.path().join("fleet");
    write(&fleet, "containers/web.json", DOUBTFUL);
    let text = check(&fleet, &[]);
    assert_eq!((code(&text), out(&text).as_str()), (0, "no faults: 1 container\n"));
    assert!(
        err(&text).starts_with("warning: containers/web.json:2:12: image `demo/tool` has neither"),
        "{}",
        err(&text)
    );
    for arguments in [&["--format", "json"][..], &["--json"]] {
        let json = check(&fleet, arguments);
        let seen: Value = serde_json::from_str(&out(&json)).unwrap();
        assert_eq!((code(&json), &seen["faults"]), (0, &Value::Array(Vec::new())));
        assert_eq!(seen["warnings"][0]["code"], "unpinned-image");
    }
    let github = check(&fleet, &["--format", "github"]);
    let expected =
        "::warning file=containers/web.json,line=2,col=12,title=unpinned-image::image `demo/tool` has neither";
    assert!(code(&github) == 0 && out(&github).starts_with(expected), "{}", out(&github));
    assert_eq!(code(&check(&fleet, &["--format", "json", "--json"])), 2);
    assert_eq!(code(&check(&fleet, &["--format", "xml"])), 2);
}

#[test]
fn warnings_stand_beside_faults_in_every_format() {
    let folder = Folder::new();
    write(folder.path(), "containers/bad.json", BAD);
    write(folder.path(), "containers/web.json", DOUBTFUL);
    let text = check(folder.path(), &[]);
    assert_eq!(code(&text), 1);
    assert!(
        err(&text).starts_with("warning: containers/web.json:2:12: image `demo/tool` has neither"),
        "{}",
        err(&text)
    );
    assert!(out(&text).ends_with("1 fault in 1 file\n"), "{}", out(&text));
    let seen: Value = serde_json::from_str(&out(&check(folder.path(), &["--json"]))).unwrap();
    assert_eq!(
        (&seen["faults"][0]["code"], &seen["warnings"][0]["code"]),
        (&"unknown-key".into(), &"unpinned-image".into())
    );
    let github = out(&check(folder.path(), &["--format", "github"]));
    assert!(
        github.contains("::error file=containers/bad.json") && github.contains("::warning file=containers/web.json"),
        "{github}"
    );
}

#[test]
fn where_there_is_no_fleet_is_said() {
    let folder = Folder::new();
    let empty = check(folder.path(), &[]);
    assert!(code(&empty) == 1 && err(&empty).contains("there is no fleet in `.`"), "{}", err(&empty));
    assert_eq!(code(&check(folder.path(), &["nowhere"])), 2);
    write(folder.path(), "fleet.json", "{}");
    assert_eq!(code(&check(folder.path(), &[])), 0);
}

#[test]
fn what_git_keeps_as_another_repository_is_told_as_at_a_push() {
    let folder = Folder::new();
    write(folder.path(), "volumes/data.json", "{}");
    write(folder.path(), "containers/api.json", GOOD);
    // Inside a folder of descriptors, not added yet; and a folder of descriptors that Git keeps as a submodule.
    write(folder.path(), "volumes/inner/.git/HEAD", "ref: refs/heads/main");
    let git = |arguments: &[&str]| {
        assert!(Command::new("git").current_dir(folder.path()).args(arguments).status().unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},containers", "a".repeat(40))]);
    let text = check(folder.path(), &[]);
    assert_eq!(code(&text), 1, "{}", err(&text));
    for words in [
        "containers:1:1: a Git submodule where a folder of descriptors should be\n  expected: a folder `containers/`\n  hint: ",
        "volumes/inner:1:1: a Git submodule where a descriptor should be\n  expected: a file\n  hint: ",
    ] {
        assert!(out(&text).contains(words), "{}", out(&text));
    }
}

#[test]
fn a_workflow_shows_each_fault_at_its_line() {
    let folder = Folder::new();
    write(folder.path(), "ops/fleet/containers/web.json", BAD);
    write(folder.path(), "ops/fleet/containers/db.json", "{}");
    let github = check(folder.path(), &["ops/fleet", "--format", "github"]);
    assert_eq!(code(&github), 1, "{}", err(&github));
    let text = out(&github);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("::error file=ops/fleet/containers/db.json,line=1,col=1,title=missing-key::"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("::error file=ops/fleet/containers/web.json,line=3,col=3,title=unknown-key::"),
        "{text}"
    );
    assert!(lines[1].ends_with("%0Ahint: did you mean `command`?"), "{text}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// With our own program on the path, and nothing of whoever runs the tests.
fn in_path(program: &str, folder: &Path) -> Command {
    let ours = Path::new(env!("CARGO_BIN_EXE_fleetlog")).parent().unwrap().to_owned();
    let path = std::env::join_paths([ours, "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()]).unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C");
    command.envs([("GIT_AUTHOR_NAME", "ann"), ("GIT_AUTHOR_EMAIL", "ann@example.org")]);
    command.envs([("GIT_COMMITTER_NAME", "ann"), ("GIT_COMMITTER_EMAIL", "ann@example.org")]);
    command
}

/// What stands in the README between a line and the end of its block.
fn block(readme: &str, first_line: &str) -> String {
    let start = readme.find(&format!("```{first_line}")).unwrap_or_else(|| panic!("no block {first_line:?}"));
    let rest = &readme[start..];
    let body = &rest[rest.find('\n').unwrap() + 1..];
    body[..body.find("```").unwrap()].to_owned()
}

#[test]
fn the_git_hook_of_the_readme_refuses_a_commit_with_faults() {
    let hook = fs::read_to_string(root().join("ops/hooks/pre-commit")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert_eq!(block(&readme, "sh\n#!/bin/sh"), hook, "the README shows another hook than ops/hooks/pre-commit");

    let folder = Folder::new();
    let fleet = folder.path().join("fleet");
    fs::create_dir(&fleet).unwrap();
    let git = |arguments: &[&str]| in_path("git", &fleet).args(arguments).output().unwrap();
    assert_eq!(code(&git(&["init", "-q"])), 0);
    let installed = fleet.join(".git/hooks/pre-commit");
    fs::copy(root().join("ops/hooks/pre-commit"), &installed).unwrap();
    assert!(fs::metadata(&installed).unwrap().permissions().mode() & 0o111 != 0);

    write(&fleet, "containers/web.json", BAD);
    git(&["add", "-A"]);
    let refused = git(&["commit", "-q", "-m", "one"]);
    assert_eq!(code(&refused), 1, "{}", err(&refused));
    let said = format!("{}{}", out(&refused), err(&refused));
    assert!(said.contains("containers/web.json:3:3: unknown key `comand`"), "{said}");
    // What lies in the folder and is not committed does not count, in either way.
    write(&fleet, "containers/web.json", GOOD);
    assert_eq!(code(&git(&["commit", "-q", "-m", "one"])), 1);
    git(&["add", "-A"]);
    write(&fleet, "containers/web.json", BAD);
    let committed = git(&["commit", "-q", "-m", "one"]);
    assert_eq!(code(&committed), 0, "{}{}", out(&committed), err(&committed));
}

#[test]
fn the_hook_for_pre_commit_runs_what_it_says() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let yaml = block(&readme, "yaml");
    let key = |name: &str| {
        let line = yaml.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no `{name}` in:\n{yaml}")).to_owned()
    };
    assert_eq!((key("language").as_str(), key("pass_filenames").as_str()), ("system", "false"));
    let matches = |path: &str| {
        let script = format!("printf '%s\\n' '{path}' | grep -qE '{}'", key("files"));
        in_path("sh", &root()).args(["-c", &script]).status().unwrap().success()
    };
    for (path, checked) in
        [("fleet.json", true), ("containers/web.json", true), ("tasks/a.json", true), ("README.md", false)]
    {
        assert_eq!(matches(path), checked, "{path}");
    }
    let folder = Folder::new();
    let fleet = folder.path().join("fleet");
    for (text, expected) in [(BAD, 1), (GOOD, 0)] {
        write(&fleet, "containers/web.json", text);
        let ran = in_path("sh", &fleet).args(["-c", &key("entry")]).output().unwrap();
        assert_eq!(code(&ran), expected, "{}{}", out(&ran), err(&ran));
    }
}
