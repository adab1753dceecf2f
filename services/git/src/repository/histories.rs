//! Random histories of pushes: what is folded from their events is what git itself has.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use schemas::event::{Draft, GitPushed};
use schemas::fleet::Fleet;
use tempfile::TempDir;

use super::*;

/// Names that are pushed to; some lie inside others, and some only look so.
const NAMES: [&str; 8] = [
    "refs/heads/main",
    "refs/heads/main-2",
    "refs/heads/a",
    "refs/heads/a/b",
    "refs/heads/a/b/c",
    "refs/heads/a.b",
    "refs/tags/v1",
    "refs/tags/v1/rc",
];
/// Commits that there are.
const COMMITS: usize = 4;
/// Pushes of a history, and histories.
const PUSHES: usize = 12;
const CASES: u32 = 24;

type Names = BTreeMap<String, Oid>;

fn git(folder: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "ann").env(format!("GIT_{who}_EMAIL"), "ann@example.org");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A child that has ended for a fault says so by its status.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// A repository with some commits and no refs.
fn model() -> (TempDir, Vec<Oid>) {
    let folder = tempfile::tempdir().unwrap();
    assert!(git(folder.path(), &["init", "--quiet", "--bare", "-b", "main"], "").0);
    let tree = git(folder.path(), &["mktree"], "").1;
    let commit = |n: usize| git(folder.path(), &["commit-tree", tree.trim(), "-m", &n.to_string()], "").1;
    let commits = (0..COMMITS).map(|n| commit(n).trim().parse().unwrap()).collect();
    (folder, commits)
}

fn refs_of(folder: &Path) -> Names {
    let text = git(folder, &["for-each-ref", "--format=%(refname) %(objectname)"], "").1;
    let pair = |line: &str| line.split_once(' ').map(|(name, oid)| (name.to_owned(), oid.parse().unwrap()));
    text.lines().filter_map(pair).collect()
}

fn pushed(position: u64, refs: Vec<RefUpdate>) -> Event {
    let data = GitPushed {
        created: position == 1,
        refs,
        pack: None,
        deploy: "main".to_owned(),
        commit: None,
        descriptors: Default::default(),
        reason: None,
        allow_destroy: Vec::new(),
    };
    let draft = Draft {
        id: Uuid::from_u128(position.into()),
        scope: Scope::Fleet("acme/shop".parse().unwrap()),
        subject: "refs/heads/main".to_owned(),
        time: "2030-01-02T03:04:05Z".parse().unwrap(),
        actor: "ann".to_owned(),
        cause: None,
        data: Data::GitPushed(data),
    };
    Event { position, draft }
}

/// What a pusher who sees `refs` sends for these wishes.
fn updates(refs: &Names, commits: &[Oid], wishes: &[(usize, Option<usize>)]) -> Vec<RefUpdate> {
    let wishes: BTreeMap<&str, Option<&Oid>> =
        wishes.iter().map(|(name, commit)| (NAMES[*name], commit.map(|it| &commits[it]))).collect();
    let update = |(name, new): (&str, Option<&Oid>)| RefUpdate {
        name: name.to_owned(),
        old: refs.get(name).cloned(),
        new: new.cloned(),
    };
    wishes.into_iter().map(update).filter(|it| it.old != it.new).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_time: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_fold_of_a_history_has_the_refs_that_git_has(
        history in vec(vec((0..NAMES.len(), weighted(0.7, 0..COMMITS)), 1..4), 1..PUSHES)
    ) {
        let (folder, commits) = model();
        let (mut state, mut fleet) = (State::default(), Fleet::new("acme/shop".parse().unwrap()));
        let mut position = 0;
        for wishes in history {
            let updates = updates(&state.refs, &commits, &wishes);
            if updates.is_empty() {
                continue;
            }
            prop_assert!(state.moved(&updates).is_none());
            let refused = state.conflict(&updates).is_some();
            let lines = crate::transaction::lines(&updates);
            let (done, _) = git(folder.path(), &["update-ref", "--stdin"], &format!("start\n{lines}prepare\ncommit\n"));
            // Refused before git is asked, or done by git: an event may not promise what git then does not do.
            prop_assert_eq!(done, !refused, "{:?} beside {:?}", updates, state.refs);
            if !done {
                continue;
            }
            position += 1;
            let event = pushed(position, updates);
            prop_assert!(state.take(&event));
            fleet.apply(&event);
            // Once more changes nothing.
            prop_assert!(!state.take(&event));
            fleet.apply(&event);
            let refs = refs_of(folder.path());
            prop_assert_eq!(&state.refs, &refs);
            prop_assert_eq!(&fleet.refs, &refs);
        }
    }
}
