//! `kill -9` at each step of a push at which it means something else; then a start: the refs have moved exactly if the
//! event is in the log, whatever the pusher was told, and nothing stands in the way of the next push.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken expectation is a failed test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use git::FaultPoint;
use serde_json::Value;
use support::{Folder, Platform, err, git, git_ok, wait_for};

/// One test a point, so that they run beside each other.
macro_rules! killed {
    ($($name:ident: $point:ident, $logged:literal;)*) => {
        $(#[test]
        fn $name() {
            killed_at(FaultPoint::$point, $logged);
        })*

        #[test]
        fn every_point_is_tried() {
            assert_eq!([$(FaultPoint::$point),*], FaultPoint::ALL);
        }
    };
}

killed! {
    with_the_pack_stored: AfterStore, false;
    with_the_objects_out_of_quarantine: AfterQuarantine, false;
    with_the_refs_locked: AfterPack, false;
    with_the_event_appended: AfterAppend, true;
    with_the_refs_moved: AfterCommit, true;
    with_the_pack_marked: AfterMarker, true;
    with_nothing_left_but_to_tell: AfterHead, true;
}

/// A fleet's work tree, and the platform's folder.
struct Shop {
    folder: Folder,
    tree: PathBuf,
}

impl Shop {
    fn new() -> Self {
        let folder = Folder::new();
        let tree = folder.path().join("tree");
        git_ok(folder.path(), &["init", "--quiet", "-b", "main", "tree"]);
        Self { folder, tree }
    }

    fn repository(&self) -> PathBuf {
        self.folder.data().join("git/acme/shop.git")
    }

    fn commit(&self, text: &str) -> String {
        fs::create_dir_all(self.tree.join("containers")).unwrap();
        fs::write(self.tree.join("containers/db.json"), "{ \"image\": \"demo/tool:1\" }\n").unwrap();
        fs::write(self.tree.join("notes.txt"), text).unwrap();
        git_ok(&self.tree, &["add", "--all"]);
        git_ok(&self.tree, &["commit", "--quiet", "--message", text]);
        git_ok(&self.tree, &["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn push(&self, remote: &str, refs: &[&str]) -> (bool, String) {
        let mut words = vec!["push", "-o", "create", "-o", "no-wait", remote];
        words.extend(refs);
        let output = git(&self.tree, &words);
        (output.status.success(), err(&output))
    }

    /// What git has on the disk.
    fn refs(&self) -> BTreeMap<String, String> {
        let repository = self.repository();
        if !repository.exists() {
            return BTreeMap::new();
        }
        let text = git_ok(&repository, &["for-each-ref", "--format=%(refname) %(objectname)"]);
        text.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, oid)| (name.into(), oid.into())).collect()
    }
}

/// Every accepted push.
fn pushed(platform: &Platform) -> Vec<Value> {
    let page = platform.get("/v1/events?type=git.pushed&limit=1000").json();
    page["events"].as_array().unwrap().iter().map(|it| it["data"].clone()).collect()
}

/// The refs that the log knows.
fn logged(platform: &Platform) -> BTreeMap<String, String> {
    let mut refs = BTreeMap::new();
    for update in pushed(platform).iter().flat_map(|it| it["refs"].as_array().unwrap().clone()) {
        let name = update["name"].as_str().unwrap().to_owned();
        match update["new"].as_str() {
            Some(new) => drop(refs.insert(name, new.to_owned())),
            None => drop(refs.remove(&name)),
        }
    }
    refs
}

/// Files that a killed push leaves, and packs that no marker vouches for.
fn left_overs(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".lock") || name.contains("incoming") || name.starts_with("tmp_") {
            found.push(path.display().to_string());
        }
        if let Some(stem) = name.strip_suffix(".pack") {
            let markers = folder.join("../../fleetlog/packs");
            let marked = fs::read_dir(&markers).into_iter().flatten().flatten();
            if !marked.map(|it| it.file_name().into_string().unwrap()).any(|it| it.ends_with(&format!(".{stem}"))) {
                found.push(path.display().to_string());
            }
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(left_overs(&path));
        }
    }
    found
}

/// Kills the platform while a push waits at `point`; says whether the pusher was told that it was accepted, and more.
fn kill_at(shop: &Shop, point: FaultPoint, refs: &[&str]) -> (bool, String) {
    let mut command = shop.folder.up();
    command.args(["--fault-point", point.as_str()]);
    let platform = shop.folder.spawn(command).ready();
    let words = format!("fault point {} reached", point.as_str());
    let before = platform.log().matches(&words).count();
    std::thread::scope(|scope| {
        let remote = platform.remote("acme/shop");
        let push = scope.spawn(move || shop.push(&remote, refs));
        wait_for("the fault point", || {
            assert!(!push.is_finished(), "the push ended before it came there:\n{}", platform.log());
            (platform.log().matches(&words).count() > before).then_some(())
        });
        support::signal(platform.pid(), "KILL");
        push.join().unwrap()
    })
}

fn killed_at(point: FaultPoint, in_log: bool) {
    let shop = Shop::new();
    git_ok(&shop.tree, &["config", "push.followTags", "false"]);
    // The push that makes the fleet, then one of several refs: moved, made, a tag, deleted; then one without a pack.
    let rounds: [&[&str]; 3] = [&["main", "main:refs/heads/old"], &["main", "v1", "main:next", ":old"], &[":next"]];
    for (round, refs) in rounds.into_iter().enumerate() {
        if round < 2 {
            shop.commit(&format!("round {round}"));
            git_ok(&shop.tree, &["tag", "--force", "-a", "-m", "a tag", "v1"]);
        }
        let (before, disk) = {
            let platform = shop.folder.start();
            let before = pushed(&platform).len();
            platform.stop();
            (before, shop.refs())
        };
        let (accepted, said) = kill_at(&shop, point, refs);

        let platform = shop.folder.start();
        let events = pushed(&platform);
        assert_eq!(events.len(), before + usize::from(in_log), "{said}");
        assert!(!accepted || in_log, "told accepted, and not in the log: {said}");
        assert!(!said.contains("[remote rejected]") || !in_log, "told refused, and in the log: {said}");
        assert_eq!(shop.refs(), logged(&platform), "round {round}: {said}");
        assert_eq!(shop.refs() != disk, in_log, "the refs move exactly with the event");
        assert_eq!(left_overs(&shop.folder.data().join("git")), Vec::<String>::new());
        if shop.repository().exists() {
            git_ok(&shop.repository(), &["fsck", "--full", "--strict"]);
            assert_eq!(fs::read_to_string(shop.repository().join("HEAD")).unwrap(), "ref: refs/heads/main\n");
        }
        // What did not come to be comes to be now; what did, is there.
        let (accepted, said) = match in_log {
            false => shop.push(&platform.remote("acme/shop"), refs),
            true => {
                shop.commit(&format!("round {round}, and on"));
                shop.push(&platform.remote("acme/shop"), &["main"])
            }
        };
        assert!(accepted, "the next push works: {said}");
        assert_eq!(shop.refs(), logged(&platform));
        assert_eq!(pushed(&platform).len(), before + 1 + usize::from(in_log));
        git_ok(&shop.repository(), &["fsck", "--full", "--strict"]);
        assert_eq!(platform.stop().0.code(), Some(0));
    }
}
