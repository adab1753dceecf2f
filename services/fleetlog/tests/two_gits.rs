//! Two Git services on one log, each a process with a folder of its own: both take pushes, and both show the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::nats::Nats;
use support::{Folder, Platform, bare, err, git, git_ok, out, processes, wait_for};

/// How soon the other service shows on its disk what one has accepted.
const FOLLOWS: Duration = Duration::from_secs(1);
/// Races of two pushes of one branch.
const RACES: usize = 6;

/// A log, everything but Git in one process, and two Git services. What is dropped last holds the log.
struct House {
    rest: Platform,
    left: Platform,
    right: Platform,
    folders: [Folder; 3],
    _nats: Nats,
    _at: Folder,
}

impl House {
    fn start() -> Self {
        let (at, folders) = (Folder::new(), [Folder::new(), Folder::new(), Folder::new()]);
        let nats = Nats::start(&at);
        let rest = spawn(&folders[0], &nats, &["profiles", "registry", "shazam", "api"]).ready();
        for folder in &folders[1..] {
            fs::create_dir_all(folder.data()).unwrap();
            fs::copy(folders[0].data().join("master.key"), folder.data().join("master.key")).unwrap();
        }
        let [left, right] = [1, 2].map(|one| spawn(&folders[one], &nats, &["git"]).ready());
        Self { rest, left, right, folders, _nats: nats, _at: at }
    }

    fn remote(&self, of: &Platform) -> String {
        format!("http://admin:{}@{}/git/acme/shop.git", self.rest.token().trim(), &of.url["http://".len()..])
    }

    /// What a service advertises.
    fn shows(&self, of: &Platform) -> String {
        git_ok(self.folders[0].path(), &["ls-remote", &self.remote(of)])
    }

    /// The data of every event of a type.
    fn events(&self, kind: &str) -> Vec<Value> {
        let page = self.rest.get(&format!("/v1/events?type={kind}&limit=1000")).json();
        page["events"].as_array().unwrap().iter().map(|it| it["data"].clone()).collect()
    }

    /// What lies on the disk of a service, without asking it.
    fn lies_in(&self, folder: &Folder) -> String {
        let repository = folder.data().join("git/acme/shop.git");
        if repository.exists() { git_ok(&repository, &["for-each-ref"]) } else { String::new() }
    }
}

fn spawn(folder: &Folder, nats: &Nats, services: &[&str]) -> Platform {
    let mut command = bare();
    command.arg("serve").args(services).args(["--listen", "127.0.0.1:0", "--nats", &nats.url]);
    command.arg("--data").arg(folder.data());
    folder.spawn(command)
}

/// A work tree that pushes to one of them.
struct Tree(PathBuf);

impl Tree {
    fn new(parent: &Path, name: &str, remote: &str) -> Self {
        let path = parent.join(name);
        git_ok(parent, &["init", "--quiet", "-b", "main", path.to_str().unwrap()]);
        git_ok(&path, &["remote", "add", "origin", remote]);
        Self(path)
    }

    fn commit(&self, text: &str) -> String {
        fs::create_dir_all(self.0.join("containers")).unwrap();
        fs::write(self.0.join("containers/db.json"), "{ \"image\": \"demo/tool:1\" }\n").unwrap();
        fs::write(self.0.join("notes.txt"), text).unwrap();
        git_ok(&self.0, &["add", "--all"]);
        git_ok(&self.0, &["commit", "--quiet", "--allow-empty", "--message", "a change"]);
        git_ok(&self.0, &["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn push(&self, refs: &[&str]) -> Output {
        let mut words = vec!["push", "-o", "create", "-o", "no-wait", "origin"];
        words.extend(refs);
        git(&self.0, &words)
    }

    fn catch_up(&self) {
        git_ok(&self.0, &["fetch", "--quiet", "origin"]);
        git_ok(&self.0, &["reset", "--quiet", "--hard", "origin/main"]);
    }

    /// The next push tells that it has seen the other's refs, and goes on only once `other` has told the same.
    fn meets(&self, other: &Self) {
        let hook = self.0.join(".git/hooks/pre-push");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        let script = format!(
            "#!/bin/sh\ntouch '{0}/met'\nn=0\nuntil test -e '{1}/met'; do n=$((n + 1)); test $n -lt 1000 || exit 1; sleep 0.01; done\n",
            self.0.join(".git").display(),
            other.0.join(".git").display()
        );
        fs::write(&hook, script).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        // Not there before the first race.
        let _ = fs::remove_file(self.0.join(".git/met"));
    }
}

fn good(output: &Output) {
    assert!(output.status.success(), "{}", err(output));
}

#[test]
fn both_take_pushes_and_each_shows_at_once_what_the_other_took() {
    let house = House::start();
    let ann = Tree::new(house.folders[0].path(), "ann", &house.remote(&house.left));
    let first = ann.commit("one");
    good(&ann.push(&["main"]));
    // No waiting: what is advertised is the head of the log.
    assert!(house.shows(&house.right).contains(&format!("{first}\trefs/heads/main")));
    let bob = Tree::new(house.folders[0].path(), "bob", &house.remote(&house.right));
    bob.catch_up();
    let mut took = Vec::new();
    for round in 0..5 {
        let (from, to, behind) = match round % 2 {
            0 => (&bob, &house.left, &house.folders[1]),
            _ => (&ann, &house.right, &house.folders[2]),
        };
        let commit = from.commit(&format!("round {round}"));
        good(&from.push(&["main", &format!("main:refs/heads/round-{round}")]));
        let begun = Instant::now();
        wait_for("the other disk follows", || house.lies_in(behind).contains(&commit).then_some(()));
        took.push(begun.elapsed());
        let shown = house.shows(to);
        assert!(shown.contains(&format!("{commit}\trefs/heads/round-{round}")), "{shown}");
        for tree in [&ann, &bob] {
            tree.catch_up();
        }
    }
    took.sort();
    assert!(took[took.len() / 2] < FOLLOWS, "{took:?}");
    good(&bob.push(&[":round-1"]));
    assert_eq!(house.shows(&house.left), house.shows(&house.right));
    wait_for("the same refs on both disks", || {
        let [left, right] = [1, 2].map(|one| house.lies_in(&house.folders[one]));
        (left == right && !left.contains("round-1")).then_some(())
    });
    for folder in &house.folders[1..] {
        git_ok(&folder.data().join("git/acme/shop.git"), &["fsck", "--full", "--strict"]);
    }
}

#[test]
fn either_tells_what_a_commit_would_change() {
    let house = House::start();
    let ann = Tree::new(house.folders[0].path(), "ann", &house.remote(&house.left));
    let commit = ann.commit("one");
    good(&ann.push(&["main"]));
    // In the order in which they may go, the last one first.
    let House { _at, _nats, folders, rest, left, right } = house;
    let ask = || rest.cli(&["plan", &commit, "--fleet", "acme/shop"]);
    assert_eq!(left.stop().0.code(), Some(0));
    assert!(ask().status.success(), "{}", err(&ask()));
    // The one that was away has missed nothing.
    let left = spawn(&folders[1], &_nats, &["git"]).ready();
    assert_eq!(right.stop().0.code(), Some(0));
    let planned = ask();
    assert!(planned.status.success() && out(&planned).contains("db"), "{}{}", out(&planned), err(&planned));
    let remote = format!("http://admin:{}@{}/git/acme/shop.git", rest.token().trim(), &left.url["http://".len()..]);
    assert!(git_ok(&ann.0, &["ls-remote", &remote]).contains(&commit));
}

#[test]
fn of_two_pushes_through_two_services_one_wins_and_the_other_is_told_to_fetch() {
    let house = House::start();
    let ann = Tree::new(house.folders[0].path(), "ann", &house.remote(&house.left));
    let bob = Tree::new(house.folders[0].path(), "bob", &house.remote(&house.right));
    ann.commit("one");
    good(&ann.push(&["main"]));
    bob.catch_up();
    for race in 1..=RACES {
        // A branch beside the deploy branch is raced for by its refs alone.
        let branch = if race % 2 == 0 { "main".to_owned() } else { format!("main:refs/heads/side-{race}") };
        for (tree, other) in [(&ann, &bob), (&bob, &ann)] {
            tree.commit(&format!("{} in race {race}", tree.0.display()));
            tree.meets(other);
        }
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| ann.push(&[&branch]));
            (bob.push(&[&branch]), one.join().unwrap())
        });
        let (won, lost) = if one.status.success() { (&one, &other) } else { (&other, &one) };
        assert!(won.status.success() && !lost.status.success(), "race {race}: {}\n{}", err(won), err(lost));
        assert!(err(lost).contains("fetch first"), "race {race}: {}", err(lost));
        let refused = house.events("git.refused");
        assert_eq!((house.events("git.pushed").len(), refused.len()), (1 + race, race), "{}", err(lost));
        assert_eq!(refused[race - 1]["codes"], serde_json::json!(["race"]), "{refused:?}");
        assert_eq!(house.shows(&house.left), house.shows(&house.right));
        for tree in [&ann, &bob] {
            fs::remove_file(tree.0.join(".git/hooks/pre-push")).unwrap();
            tree.catch_up();
        }
    }
    for folder in &house.folders[1..] {
        let repository = folder.data().join("git/acme/shop.git");
        git_ok(&repository, &["fsck", "--full", "--strict"]);
        assert_eq!(processes(repository.to_str().unwrap()), Vec::<u32>::new());
    }
}

#[test]
fn of_two_first_pushes_through_two_services_one_makes_the_fleet() {
    let house = House::start();
    let ann = Tree::new(house.folders[0].path(), "ann", &house.remote(&house.left));
    let bob = Tree::new(house.folders[0].path(), "bob", &house.remote(&house.right));
    for (tree, other) in [(&ann, &bob), (&bob, &ann)] {
        tree.commit(&tree.0.display().to_string());
        tree.meets(other);
    }
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| ann.push(&["main"]));
        (bob.push(&["main"]), one.join().unwrap())
    });
    assert_ne!(one.status.success(), other.status.success(), "{}\n{}", err(&one), err(&other));
    let pushed = house.events("git.pushed");
    assert_eq!((pushed.len(), &pushed[0]["created"]), (1, &Value::Bool(true)));
    assert_eq!(house.shows(&house.left), house.shows(&house.right));
}
