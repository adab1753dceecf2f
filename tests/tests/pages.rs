//! The examples of the pages are what a user sees: blocks after `<!-- run -->` are run, command by command, in a clone of
//! the demo fleet on a platform of the page's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

#[path = "pages/page.rs"]
mod page;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use page::{Block, Example, blocks, shows};
use tests::{Fleet, Platform, Ran, fleetlog, free_port, root, run};

/// So long a command may take, and so long it may take until it says what the page says.
const LIMIT: Duration = Duration::from_secs(60);
const TRUE_WITHIN: Duration = Duration::from_secs(20);
/// The time between two tries.
const AGAIN: Duration = Duration::from_millis(200);

/// One test a page, so that they run beside each other.
macro_rules! pages {
    ($($name:ident: $path:literal),* $(,)?) => {
        const PAGES: &[&str] = &[$($path),*];
        $(#[test]
        fn $name() {
            works(&root().join($path));
        })*
    };
}

pages! {
    readme: "README.md",
    api: "services/api/README.md",
    git: "services/git/README.md",
    logger: "services/logger/README.md",
    monitor: "services/monitor/README.md",
    profiles: "services/profiles/README.md",
    registry: "services/registry/README.md",
    tasker: "services/tasker/README.md",
}

#[test]
fn every_page_is_linked_and_tested() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for entry in fs::read_dir(root().join("services")).unwrap().flatten() {
        let page = format!("services/{}/README.md", entry.file_name().to_string_lossy());
        if root().join(&page).exists() {
            assert!(PAGES.contains(&page.as_str()), "`{page}` is not in the list of this test");
            assert!(readme.contains(&format!("({page})")), "README.md has no link to `{page}`");
        }
    }
}

/// Runs every marked block of a page, in order.
fn works(path: &Path) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if blocks(&text).is_empty() {
        return;
    }
    let (platform, port) = (Platform::start(), free_port());
    // Names in Docker are for everybody: the page's owner is this test's own.
    let blocks = blocks(&text.replace("acme", platform.owner()).replace("8080", &port.to_string()));
    let shop = platform.fleet("shop");
    let commit = shop.demo(port).commit("a small shop");
    shop.push(&["create"]).ok();
    shop.succeeds(&commit);
    for block in &blocks {
        for example in &block.examples {
            comes_true(&platform, &shop, path, block, example);
        }
    }
}

fn comes_true(platform: &Platform, shop: &Fleet<'_>, path: &Path, block: &Block, example: &Example) {
    let begin = Instant::now();
    loop {
        let ran = shell(platform, shop.path(), &example.command);
        let output = format!("{}{}", ran.out, ran.err);
        let missing = match ran.code == block.status {
            true => shows(&output, &example.lines),
            false => Some(format!("exit status {}, which is {}", block.status, ran.code)),
        };
        let Some(missing) = missing else { return };
        assert!(
            !block.once && begin.elapsed() < TRUE_WITHIN,
            "{}:{}: `{}`: {missing}\n{output}",
            path.display(),
            example.line,
            example.command
        );
        thread::sleep(AGAIN);
    }
}

/// Runs a line in the clone, with the binary under test first in the path.
fn shell(platform: &Platform, folder: &Path, line: &str) -> Ran {
    let mut paths = vec![fleetlog().parent().unwrap().to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<PathBuf>>());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(folder).env_clear();
    command.env("PATH", env::join_paths(paths).unwrap()).env("HOME", folder).env("LC_ALL", "C.UTF-8");
    command.env("FLEETLOG_URL", platform.url()).env("FLEETLOG_TOKEN", platform.token());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Ada").env(format!("GIT_{who}_EMAIL"), "ada@example.org");
    }
    run(&mut command, LIMIT)
}
