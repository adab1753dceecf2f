//! Random histories, pushed by the real git: the log alone makes the same repository again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::platform::Platform;
use crate::workdir::{Workdir, fsck};

/// Pushes of one history.
const PUSHES: usize = 200;
/// After so long no more of them.
const LONGEST: Duration = Duration::from_secs(100);
/// Names that are pushed to; one of them lies inside another one.
const NAMES: [&str; 8] = [
    "refs/heads/main",
    "refs/heads/side",
    "refs/heads/side/inner",
    "refs/heads/next",
    "refs/heads/wip/a",
    "refs/heads/wip/b",
    "refs/tags/v1",
    "refs/tags/v2/rc",
];

/// Random numbers that a seed makes again (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((it ^ (it >> 31)) % sides as u64).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The seed, which a failed test shows: `FLEETLOG_SEED` makes it again.
fn seed() -> u64 {
    let seed = std::env::var("FLEETLOG_SEED").ok().map(|text| text.parse().unwrap());
    let seed = seed.unwrap_or_else(|| streams::clock::new_id().as_u128() as u64);
    eprintln!("FLEETLOG_SEED={seed}");
    seed
}

/// Objects to push, and every commit and tag that was made so far.
struct Objects<'a> {
    user: &'a Workdir,
    trees: Vec<String>,
    commits: Vec<String>,
    tags: usize,
}

impl<'a> Objects<'a> {
    /// A few trees, good ones all of them.
    async fn new(user: &'a Workdir) -> Self {
        let mut trees = Vec::new();
        for (index, command) in ["sleep 1", "sleep 2", "sleep 3"].into_iter().enumerate() {
            let words: Vec<&str> = command.split(' ').collect();
            let db = serde_json::json!({ "image": "demo/tool:1", "command": words }).to_string();
            user.commit(&[("containers/db.json", db.as_str()), ("notes.txt", &index.to_string())]).await;
            trees.push(user.rev("HEAD^{tree}").await);
        }
        let commits = vec![user.head().await];
        Self { user, trees, commits, tags: 0 }
    }

    async fn made(&self, arguments: &[&str]) -> String {
        self.user.run(arguments).await.good().stdout.trim().to_owned()
    }

    /// A new commit on one of those that there are: of another tree, or of the same one.
    async fn commit(&mut self, dice: &mut Dice) -> String {
        let (tree, parent) = (dice.of(&self.trees).clone(), dice.of(&self.commits).clone());
        let message = format!("commit {}", self.commits.len());
        let commit = self.made(&["commit-tree", &tree, "-p", &parent, "-m", &message]).await;
        self.commits.push(commit.clone());
        commit
    }

    /// What a ref is to point at: something old, something new, and for a tag sometimes an object of its own.
    async fn target(&mut self, dice: &mut Dice, name: &str) -> String {
        let commit = if dice.one_in(3) { dice.of(&self.commits).clone() } else { self.commit(dice).await };
        if !name.starts_with("refs/tags/") || dice.one_in(2) {
            return commit;
        }
        self.tags += 1;
        let tag = format!("made-{}", self.tags);
        self.user.run(&["tag", "-a", "-m", "a tag", &tag, &commit]).await.good();
        self.user.rev(&format!("refs/tags/{tag}")).await
    }
}

type Refs = BTreeMap<String, String>;

/// Whether Git has to keep one of these names as a file and as a folder.
fn clash(refs: &Refs, new: &[(String, Option<String>)]) -> bool {
    let mut names: Vec<&str> = refs.keys().map(String::as_str).collect();
    names.extend(new.iter().filter(|it| it.1.is_some()).map(|it| it.0.as_str()));
    names.iter().any(|inner| names.iter().any(|it| inner.starts_with(&format!("{it}/"))))
}

/// One push: some refs, each made, moved, forced or deleted. What is there already is pushed again now and then.
async fn push(dice: &mut Dice, objects: &mut Objects<'_>, refs: &Refs) -> Vec<(String, Option<String>)> {
    let mut updates: BTreeMap<String, Option<String>> = BTreeMap::new();
    for _ in 0..=dice.below(3) {
        let name = dice.of(&NAMES).to_string();
        let new = match refs.get(&name) {
            Some(_) if dice.one_in(4) => None,
            Some(now) if dice.one_in(8) => Some(now.clone()),
            _ => Some(objects.target(dice, &name).await),
        };
        updates.insert(name, new);
    }
    updates.into_iter().collect()
}

/// The refs of a repository on the disk, as git itself tells them.
fn on_disk(repository: &Path) -> Refs {
    let mut command = std::process::Command::new("git");
    let output = command.args(["for-each-ref", "--format=%(refname) %(objectname)"]).current_dir(repository).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, oid)| (name.into(), oid.into())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_history_comes_back_from_the_log_as_it_was() {
    let mut dice = Dice(seed());
    let mut platform = Platform::started().await;
    let user = Workdir::new(&platform.url("acme/shop")).await;
    let mut objects = Objects::new(&user).await;
    let first = format!("{}:refs/heads/main", user.head().await);
    user.push(&["create", "no-wait"], &[&first]).await.good();
    let mut refs: Refs = [("refs/heads/main".to_owned(), user.head().await)].into();
    let (mut accepted, mut refused, begun) = (1, 0, Instant::now());
    for round in 1..PUSHES {
        if begun.elapsed() > LONGEST {
            eprintln!("this machine is busy: {round} pushes have to do");
            break;
        }
        let updates = push(&mut dice, &mut objects, &refs).await;
        let specs = updates.iter().map(|(name, new)| match new {
            Some(new) => format!("+{new}:{name}"),
            None => format!(":{name}"),
        });
        let specs: Vec<String> = specs.collect();
        let said = user.push(&["no-wait"], &specs.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // What stands already is not sent at all.
        let moves: Vec<_> = updates.into_iter().filter(|(name, new)| refs.get(name) != new.as_ref()).collect();
        let deleted = moves.iter().any(|(name, new)| name == "refs/heads/main" && new.is_none());
        let good = !deleted && !clash(&refs, &moves);
        assert_eq!(said.ok, good, "push {round}, {specs:?}: {}", said.stderr);
        if moves.is_empty() {
            continue;
        }
        match good {
            true => accepted += 1,
            false => refused += 1,
        }
        for (name, new) in moves.into_iter().filter(|_| good) {
            match new {
                Some(new) => drop(refs.insert(name, new)),
                None => drop(refs.remove(&name)),
            }
        }
    }
    let shop = platform.folder().join("acme/shop.git");
    assert_eq!(on_disk(&shop), refs);
    assert_eq!(
        (platform.pushed("acme/shop").await.len(), platform.refused("acme/shop").await.len()),
        (accepted, {
            // Of the same profile, 30 are remembered and then one each 10 s.
            let kept = platform.refused("acme/shop").await.len();
            assert!(kept == refused || (kept >= 30 && kept < refused), "{kept} of {refused}");
            kept
        })
    );
    platform.stop().await;
    fs::remove_dir_all(platform.folder()).unwrap();
    platform.start().await;
    assert_eq!(on_disk(&shop), refs);
    fsck(&shop).await;
    assert_eq!(fs::read_to_string(shop.join("HEAD")).unwrap(), "ref: refs/heads/main\n");
}
