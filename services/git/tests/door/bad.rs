//! Bad input, as somebody sends it by mistake or on purpose: each is refused with its place and a remedy, the service
//! serves on, and nothing stays behind.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use git::Limits;
use tokio::io::AsyncWriteExt;

use crate::limits::nothing_left;
use crate::platform::Platform;
use crate::raw::{self, Raw, blob, entry, pack};
use crate::workdir::{DB, Workdir, fsck};

async fn shop() -> (Platform, Workdir) {
    let mut platform = Platform::new().await;
    platform.limits = Limits::default();
    platform.start().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    (platform, ann)
}

/// Nothing has moved, nothing is left, and the next push is taken.
async fn serves_on(platform: &Platform, ann: &Workdir, before: &str) {
    nothing_left(platform).await;
    assert_eq!(ann.remote_refs().await, before);
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    bob.commit(&[("note", "still here")]).await;
    bob.push(&["no-wait"], &["main"]).await.good();
    fsck(&platform.folder().join("acme/shop.git")).await;
}

/// What `git pack-objects` makes of some objects of a clone.
async fn packed(user: &Workdir, arguments: &[&str], input: &str) -> Vec<u8> {
    let mut child = user.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A tree of one entry, written without any check.
async fn tree_of(user: &Workdir, mode: &str, name: &[u8], oid: &str) -> String {
    let raw: Vec<u8> = (0..20).map(|n| u8::from_str_radix(&oid[2 * n..2 * n + 2], 16).unwrap()).collect();
    let bytes = [mode.as_bytes(), b" ", name, b"\0", &raw].concat();
    std::fs::write(user.path.join(".git/entry"), bytes).unwrap();
    let hash = ["hash-object", "-t", "tree", "-w", "--literally", ".git/entry"];
    user.run(&hash).await.good().stdout.trim().to_owned()
}

async fn commit_of(user: &Workdir, tree: &str) -> String {
    user.run(&["commit-tree", "-m", "by hand", "-p", "HEAD", tree]).await.good().stdout.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_packs_are_told_what_is_wrong_with_them() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let tip = ann.commit(&[("README", "hello")]).await;
    let whole = packed(&ann, &["pack-objects", "--stdout", "--revs", "-q"], &format!("{tip}\n^origin/main\n")).await;
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let mut torn = whole.clone();
    torn[20] ^= 0x55;
    let cases: [(&[u8], &str); 6] = [
        (b"", "Git does not take what was sent"),
        (b"this is no pack, and never was", "the pack is damaged after 0 bytes: it does not begin like a pack"),
        (&whole[..whole.len() - 7], "it ends early"),
        (&whole[..whole.len() / 2], "it ends early"),
        (&flipped, "Git does not take what was sent, for the reason above: `git fsck`"),
        (&torn, "the pack is damaged after "),
    ];
    for (bytes, words) in cases {
        let answer = Raw::to(b"refs/heads/x", &tip).pack(bytes).push(&platform).await;
        raw::tells(&answer, words);
        raw::tells(&answer, "nothing changed");
        raw::tells(&answer, "ng refs/heads/x ");
        let refused = platform.refused("acme/shop").await;
        assert_eq!(refused.last().unwrap().codes, ["unpack"]);
    }
    assert_eq!(platform.refused("acme/shop").await.len(), 6, "one for each");
    // The same pack, whole, is taken.
    let answer = Raw::to(b"refs/heads/x", &tip).pack(&whole).push(&platform).await;
    raw::tells(&answer, "ok refs/heads/x");
    ann.push(&[], &[":x"]).await.good();
    serves_on(&platform, &ann, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_that_lacks_objects_is_refused() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let tip = ann.commit(&[("README", "hello")]).await;
    // The commit without its tree.
    let lonely = packed(&ann, &["pack-objects", "--stdout", "-q"], &format!("{tip}\n")).await;
    let answer = Raw::to(b"refs/heads/x", &tip).pack(&lonely).push(&platform).await;
    raw::tells(&answer, "did not receive expected object");
    raw::tells(&answer, "ng refs/heads/x ");
    raw::tells(&answer, "nothing changed");
    // A difference to what nobody has.
    let orphan = pack(&[blob(b"x"), entry(7, &[9; 20], &[1, 1, 0x90, 1])]);
    let answer = Raw::to(b"refs/heads/x", &tip).pack(&orphan).push(&platform).await;
    raw::tells(&answer, "ng refs/heads/x ");
    raw::tells(&answer, "nothing changed");
    serves_on(&platform, &ann, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_refs_that_nobody_should_have_are_refused() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let tip = ann.head().await;
    let nothing = pack(&[]);
    let names: [&[u8]; 12] = [
        b"refs/heads/a\x01b",
        b"refs/heads/a\x7fb",
        b"refs/heads/\xff\xfe",
        b"refs/heads/a\nb",
        b"refs/heads/../../../../etc/passwd",
        b"refs/heads/.hidden",
        b"refs/heads/a.lock",
        b"../outside",
        b"HEAD",
        b"refs/heads/a b",
        b"refs/notes/x",
        b"--upload-pack=touch /tmp/x",
    ];
    for name in names {
        let answer = Raw::to(name, &tip).pack(&nothing).push(&platform).await;
        assert!(answer.contains("ng ") && !answer.contains("\u{1}ok "), "{}:\n{answer}", name.escape_ascii());
        assert_eq!(ann.remote_refs().await, before, "{}", name.escape_ascii());
    }
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
    serves_on(&platform, &ann, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_no_descriptors_are_told_with_their_places() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let head = ann.head().await;
    let long = format!(r#"{{ "image": "demo/tool:1", "replicas": {} }}"#, "9".repeat(30));
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("containers/api.json", [b"\xef\xbb\xbf", DB.as_bytes()].concat(), "containers/api.json:1:1:"),
        ("containers/api.json", long.into_bytes(), "containers/api.json:1:"),
        ("containers/api.json", b"{ \"image\": \"\xff\" }".to_vec(), "containers/api.json:1:"),
        ("containers/Api.json", DB.as_bytes().to_vec(), "containers/Api.json:1:1:"),
        ("variables/app.json", b"{ \"n\": 18446744073709551616 }".to_vec(), "variables/app.json:1:"),
    ];
    for (path, bytes, words) in cases {
        std::fs::create_dir_all(ann.path.join(path).parent().unwrap()).unwrap();
        std::fs::write(ann.path.join(path), bytes).unwrap();
        ann.commit(&[]).await;
        ann.push(&[], &["main"]).await.bad().tells(words).tells("refused, nothing changed");
        ann.run(&["reset", "--quiet", "--hard", &head]).await.good();
    }
    // Both at once: where case does not count they are one file.
    ann.commit(&[("containers/Api.json", DB), ("containers/api.json", DB)]).await;
    ann.push(&[], &["main"]).await.bad().tells("containers/Api.json:1:1:").hides("containers/api.json:1:1:");
    ann.run(&["reset", "--quiet", "--hard", &head]).await.good();
    serves_on(&platform, &ann, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_descriptor_of_200_mib_is_refused_without_being_read() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let head = ann.head().await;
    let file = std::fs::File::create(ann.path.join("containers/api.json")).unwrap();
    file.set_len(200 << 20).unwrap();
    ann.run(&["add", "--all"]).await.good();
    ann.run(&["commit", "--quiet", "-m", "much"]).await.good();
    let said = ann.push(&[], &["main"]).await.bad();
    said.tells("containers/api.json:1:1:").tells("209715200").tells("refused, nothing changed");
    ann.run(&["reset", "--quiet", "--hard", &head]).await.good();
    serves_on(&platform, &ann, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_submodules_and_strange_file_names_are_refused_where_a_descriptor_should_be() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let head = ann.head().await;
    let file = ann.rev("HEAD:containers/db.json").await;
    let mut refuse = Vec::new();
    for (mode, name, oid, words) in [
        ("160000", &b"api.json"[..], head.as_str(), "submodule"),
        ("120000", b"api.json", file.as_str(), "symbolic link"),
        ("100644", b"\xff\xfe.json", file.as_str(), "containers/"),
        ("100644", b"-rf.json", file.as_str(), "containers/-rf.json:1:1:"),
        ("100644", b"a\x01\x1b[2J.json", file.as_str(), "containers/"),
    ] {
        let folder = tree_of(&ann, mode, name, oid).await;
        let root = tree_of(&ann, "40000", b"containers", &folder).await;
        refuse.push((commit_of(&ann, &root).await, words));
    }
    for (commit, words) in &refuse {
        let said = ann.push(&[], &[&format!("{commit}:refs/heads/main")]).await.bad().tells(words);
        said.tells("nothing changed").hides("\u{1b}[2J");
    }
    // A name that leaves the folder Git itself refuses, wherever it stands.
    for name in [&b".."[..], b".git", b"a/b"] {
        let folder = tree_of(&ann, "100644", name, &file).await;
        let root = tree_of(&ann, "40000", b"docs", &folder).await;
        let commit = commit_of(&ann, &root).await;
        let said = ann.push(&[], &[&format!("{commit}:refs/heads/x")]).await.bad();
        said.tells("nothing changed");
    }
    // Elsewhere they are carried: they are nobody's descriptors.
    std::os::unix::fs::symlink("/etc/passwd", ann.path.join("link")).unwrap();
    std::fs::write(ann.path.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    ann.commit(&[]).await;
    ann.push(&["no-wait"], &["main:other"]).await.good().hides("root:");
    ann.push(&[], &[":other"]).await.good();
    serves_on(&platform, &ann, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ref_that_is_named_twice_or_at_great_length_is_answered_in_short() {
    let (platform, ann) = shop().await;
    let before = ann.remote_refs().await;
    let tip = ann.rev("HEAD").await;
    let answer = Raw::to(b"refs/heads/x", &tip).and("refs/heads/x", &tip).push(&platform).await;
    raw::tells(&answer, "\"refs/heads/x\" is named twice in this push: expected each ref once");
    raw::tells(&answer, "ng refs/heads/x named twice");
    let long = format!("refs/heads/{}", "x".repeat(5_000));
    let answer = Raw::to(long.as_bytes(), &tip).pack(&pack(&[])).push(&platform).await;
    raw::tells(&answer, "\"… has 5011 bytes, at most 200 fit");
    let said = answer.lines().find(|line| line.contains("has 5011 bytes")).unwrap();
    assert!(said.len() < 300, "{said}");
    serves_on(&platform, &ann, &before).await;
}
