//! What is too much: refused by the limit's name, with nothing left behind and the service serving on.

use std::process::Stdio;
use std::time::Duration;

use git::Limits;
use schemas::event::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::{ask, connect};
use crate::platform::{Platform, eventually, processes_in};
use crate::raw::{self, Raw, blob, delta, pack, zeros};
use crate::workdir::{DB, Workdir, fsck};

/// A platform with these limits, with a fleet of one commit on `main`, and its first pusher.
async fn shop(limits: Limits) -> (Platform, Workdir) {
    let mut platform = Platform::new().await;
    platform.limits = limits;
    platform.start().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    (platform, ann)
}

/// One `git.refused` with this code; no ref moved, no object, process or folder is left, and pushes go on.
async fn left_one(platform: &Platform, ann: &Workdir, before: &str, code: &str) {
    eventually("the refusal", || async {
        let refused = platform.refused("acme/shop").await;
        let seen: Vec<_> = refused.iter().map(|it| (it.refusal, it.codes.join(" "))).collect();
        if seen == [(Refusal::NotAllowed, code.to_owned())] { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    nothing_left(platform).await;
    assert_eq!(ann.remote_refs().await, before);
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    bob.commit(&[("note", "still here")]).await;
    bob.push(&["no-wait"], &["main"]).await.good();
    fsck(&platform.folder().join("acme/shop.git")).await;
}

/// No child, and no object that is on its way in.
pub async fn nothing_left(platform: &Platform) {
    let folder = platform.folder().canonicalize().unwrap();
    eventually("the end of every child and of its objects", || async {
        let children = processes_in(&folder);
        let objects = std::fs::read_dir(folder.join("acme/shop.git/objects")).into_iter().flatten();
        let mut left: Vec<String> = objects.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        left.retain(|name| name != "info" && name != "pack");
        if children.is_empty() && left.is_empty() { Ok(()) } else { Err(format!("{children:?}, {left:?}")) }
    })
    .await;
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = Vec::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    while noise.len() < bytes {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        noise.extend_from_slice(&seed.to_le_bytes());
    }
    noise
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_that_is_too_large_is_refused_while_its_client_still_sends() {
    let (platform, ann) = shop(Limits { pack_bytes: 100 << 10, ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    std::fs::write(ann.path.join("noise"), noise(8 << 20)).unwrap();
    ann.commit(&[]).await;
    ann.push(&[], &["main"])
        .await
        .bad()
        .tells("remote: error: refused: the pack has over 100KiB; `git_pack_bytes` allows 100KiB: push older commits first")
        .tells("or let the operator raise `git_pack_bytes`")
        .tells("remote: nothing changed")
        .tells("[remote rejected] main -> main (over `git_pack_bytes`)");
    left_one(&platform, &ann, &before, "pack-bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_too_large_is_refused() {
    let (platform, ann) = shop(Limits { blob_bytes: 1 << 20, ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    std::fs::write(ann.path.join("zeros"), vec![0; 3 << 20]).unwrap();
    ann.commit(&[]).await;
    let said = ann.push(&[], &["main"]).await.bad();
    said.tells("a file has 3145728 bytes; `git_blob_bytes` allows 1MiB").tells("(over `git_blob_bytes`)");
    left_one(&platform, &ann, &before, "blob-bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_objects_are_refused() {
    let (platform, ann) = shop(Limits { pack_objects: 10, ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    for n in 0..12 {
        std::fs::write(ann.path.join(format!("f{n}")), n.to_string()).unwrap();
    }
    ann.commit(&[]).await;
    ann.push(&[], &["main"]).await.bad().tells("the pack has 14 objects; `git_pack_objects` allows 10");
    left_one(&platform, &ann, &before, "pack-objects").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_of_zlib_streams_is_refused_by_what_it_unpacks_to() {
    let (platform, ann) = shop(Limits { unpacked_bytes: 40 << 20, ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    let bombs: Vec<_> = (0..8).map(|n| blob(&zeros(10 << 20, n))).collect();
    let pack = pack(&bombs);
    assert!(pack.len() < 100 << 10, "{}", pack.len());
    let answer = Raw::new("refs/heads/bomb").pack(&pack).push(&platform).await;
    raw::tells(&answer, "the pack unpacks to over 40MiB; `git_unpacked_bytes` allows 40MiB");
    raw::tells(&answer, "ng refs/heads/bomb over `git_unpacked_bytes`");
    left_one(&platform, &ann, &before, "unpacked-bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_of_differences_is_refused_before_one_is_worked_out() {
    let (platform, ann) = shop(Limits::default()).await;
    let before = ann.remote_refs().await;
    // A mebibyte, then a difference that says it a thousand times, then one that says that a thousand times.
    let base = blob(&zeros(1 << 20, 7));
    let bomb = pack(&[base, delta(1 << 20, 1 << 30), delta(1 << 30, 1 << 40)]);
    assert!(bomb.len() < 40 << 10, "{}", bomb.len());
    let answer = Raw::new("refs/heads/bomb").pack(&bomb).push(&platform).await;
    raw::tells(&answer, "an object that is sent as a difference has 1073741824 bytes; `git_held_bytes` allows 64MiB");
    left_one(&platform, &ann, &before, "held-bytes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_refs_at_once_are_refused_one_and_all() {
    let (platform, ann) = shop(Limits { refs: 20, ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    for n in 0..30 {
        ann.run(&["branch", &format!("b{n}")]).await.good();
    }
    ann.push(&[], &["refs/heads/b*:refs/heads/b*"])
        .await
        .bad()
        .tells("this push moves 30 refs; `git_refs` allows 20: push them in parts")
        .tells("[remote rejected] b29 -> b29 (too many refs)");
    left_one(&platform, &ann, &before, "too-many-refs").await;
}

/// By hand: the real client takes minutes over so many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_refs_are_refused_and_a_few_of_them_remembered() {
    let (platform, ann) = shop(Limits::default()).await;
    let before = ann.remote_refs().await;
    let head = ann.head().await;
    let push =
        (1..10_000).fold(Raw::to(b"refs/heads/b0", &head), |push, n| push.and(&format!("refs/heads/b{n}"), &head));
    let answer = push.push(&platform).await;
    raw::tells(&answer, "this push moves 10000 refs; `git_refs` allows 1000: push them in parts");
    raw::tells(&answer, "ng refs/heads/b9999 too many refs");
    assert_eq!(platform.refused("acme/shop").await[0].refs.len(), 100);
    left_one(&platform, &ann, &before, "too-many-refs").await;
    // More than is read is told as well.
    let before = ann.remote_refs().await;
    let push = (0..20_000).fold(push, |push, n| push.and(&format!("refs/heads/c{n}"), &head));
    raw::tells(&push.push(&platform).await, "the push names more refs and options than fit into 2097152 bytes");
    assert_eq!(ann.remote_refs().await, before);
    nothing_left(&platform).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_that_no_environment_holds_are_refused() {
    let (platform, ann) = shop(Limits::default()).await;
    let before = ann.remote_refs().await;
    let long = format!("reason={}", "x".repeat(5_000));
    ann.push(&[&long], &["main:x"]).await.bad();
    let many = vec!["no-wait"; 33];
    ann.push(&many, &["main:x"]).await.bad();
    assert_eq!(ann.remote_refs().await, before);
    nothing_left(&platform).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_or_a_tree_that_is_too_large_is_refused() {
    let (platform, ann) = shop(Limits { path_bytes: 40, tree_files: 20, ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    let head = ann.head().await;
    let deep = format!("docs/{}/x", "y".repeat(40));
    ann.commit(&[(&deep, "x")]).await;
    ann.push(&["plan"], &["main"])
        .await
        .bad()
        .tells("`git_path_bytes` allows 40")
        .tells(&format!("a path of 45 bytes: `docs/{}", "y".repeat(20)));
    ann.run(&["reset", "--quiet", "--hard", &head]).await.good();
    for n in 0..25 {
        ann.commit(&[(&format!("a/f{n}"), "x")]).await;
    }
    ann.push(&[], &["main"]).await.bad().tells("`git_tree_files` allows 20").tells("over 20 files");
    left_one(&platform, &ann, &before, "tree-files").await;
}

/// Twelve folders that each hold the next one ten times: ten billion files in a push of a kilobyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_holds_itself_many_times_is_counted_not_walked() {
    let (platform, ann) = shop(Limits::default()).await;
    let before = ann.remote_refs().await;
    let make = async |lines: String| {
        let mut child = ann.command(&["mktree"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    std::fs::write(ann.path.join("x"), "x").unwrap();
    let file = ann.run(&["hash-object", "-w", "x"]).await.good().stdout.trim().to_owned();
    let mut tree = make((0..10).map(|n| format!("100644 blob {file}\tf{n}\n")).collect()).await;
    for _ in 0..11 {
        tree = make((0..10).map(|n| format!("040000 tree {tree}\td{n}\n")).collect()).await;
    }
    let commit = ann.run(&["commit-tree", "-m", "a bomb", "-p", "HEAD", &tree]).await.good().stdout;
    let begun = tokio::time::Instant::now();
    ann.push(&[], &[&format!("{}:refs/heads/bomb", commit.trim())])
        .await
        .bad()
        .tells("over 100000 files; `git_tree_files` allows 100000");
    assert!(begun.elapsed() < Duration::from_secs(20));
    left_one(&platform, &ann, &before, "tree-files").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_drips_is_dropped_and_told() {
    let (platform, ann) = shop(Limits { slow: Duration::from_secs(1), ..Limits::default() }).await;
    let before = ann.remote_refs().await;
    let mut stream = connect(&platform).await;
    let body = Raw::new("refs/heads/slow").body();
    stream.write_all(format!("{}content-length: 1000000\r\n\r\n", raw::HEAD).as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.write_all(b"PACK\0\0\0\x02\0\0\0\x01\xbf\xff\x01\x78\x9c").await.unwrap();
    let (mut read, mut write) = stream.into_split();
    // Never silent, and far below 1 KiB/s: blocks of a zlib stream that hold nothing.
    let dripping = async {
        while write.write_all(&[0, 0, 0, 0xff, 0xff]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = Vec::new();
    let told = async {
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&answer).contains("ng refs/heads/slow") {
            let seen = read.read(&mut part).await.unwrap();
            assert!(seen > 0, "it ended without a word: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..seen]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! { () = told => {}, () = dripping => panic!("cut without a word") }
    })
    .await
    .unwrap();
    drop((read, write));
    raw::tells(&String::from_utf8_lossy(&answer), "less than 1 KiB/s came for 1 s, longer than `git_slow` allows");
    left_one(&platform, &ann, &before, "slow").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_waits_for_its_turn_is_told_so_until_its_patience_ends() {
    let limits = Limits { pushes: 1, turn: Duration::from_millis(1_500), ..Limits::default() };
    let (platform, ann) = shop(limits).await;
    let before = ann.remote_refs().await;
    let other = crate::http::half_a_push(&platform, "other").await;
    ann.commit(&[("README", "x")]).await;
    let waiting = ann.command(&["push", "-o", "no-wait", "origin", "main"]).output().await.unwrap();
    let said = String::from_utf8(waiting.stderr).unwrap();
    assert!(!waiting.status.success(), "{said}");
    for words in [
        "remote: waiting for a turn: 1 pushes are under way, no more at once (`git_pushes`)",
        "remote: too many pushes at once: 1 are under way",
        "within 1.5 s (`git_turn`)",
        "[remote rejected] main -> main (too many pushes at once, try again)",
    ] {
        assert!(said.contains(words), "expected {words:?}:\n{said}");
    }
    assert_eq!(ann.remote_refs().await, before);
    assert!(platform.refused("acme/shop").await.is_empty(), "it may just be tried again");

    // Whoever is told to wait goes on as soon as there is room.
    let mut child = ann.command(&["push", "-o", "no-wait", "origin", "main"]).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let (mut said, mut part) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&said).contains("remote: waiting for") {
        let seen = stderr.read(&mut part).await.unwrap();
        assert!(seen > 0, "{}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&part[..seen]);
    }
    drop(other);
    stderr.read_to_end(&mut said).await.unwrap();
    assert!(child.wait().await.unwrap().success(), "{}", String::from_utf8_lossy(&said));
    assert!(
        ask(&platform, "GET /git/acme/shop.git/info/refs?service=git-upload-pack HTTP/1.1", b"").await.contains("200")
    );
}

/// `VmHWM` of a process, in KiB: the most that it ever had in memory.
fn peak(process: &std::path::Path) -> u64 {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Neither we nor a child of ours holds what a large push brings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_push_streams_through_whatever_its_size() {
    const MIB: usize = 80;
    let (platform, ann) = shop(Limits::default()).await;
    let mut file = std::fs::File::create(ann.path.join("noise")).unwrap();
    for part in 0..MIB {
        let mut bytes = noise(1 << 20);
        bytes[..8].copy_from_slice(&part.to_le_bytes());
        let key = (part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        bytes.chunks_exact_mut(8).for_each(|word| word.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key));
        std::io::Write::write_all(&mut file, &bytes).unwrap();
    }
    ann.run(&["-c", "core.bigFileThreshold=1m", "add", "--all"]).await.good();
    ann.run(&["commit", "--quiet", "-m", "much"]).await.good();
    let ours = std::path::Path::new("/proc/self");
    let before = peak(ours);
    let mut child =
        ann.command(&["-c", "core.bigFileThreshold=1m", "push", "-o", "no-wait", "origin", "main"]).spawn().unwrap();
    let folder = platform.folder().canonicalize().unwrap();
    let mut largest = 0;
    let status = loop {
        let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let inside =
            processes.filter(|it| std::fs::read_link(it.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder)));
        largest = largest.max(inside.map(|it| peak(&it)).sum());
        match tokio::time::timeout(Duration::from_millis(20), child.wait()).await {
            Ok(status) => break status.unwrap(),
            Err(_) => continue,
        }
    };
    assert!(status.success());
    let grown = peak(ours) - before;
    println!("{MIB} MiB pushed: we grew by {} MiB, our children have {} MiB", grown >> 10, largest >> 10);
    assert!(platform.pushed("acme/shop").await[1].pack.as_ref().unwrap().bytes > (MIB as u64) << 20);
    assert!(grown < 64 << 10, "grown by {grown} KiB");
    assert!(largest < 128 << 10, "children with {largest} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_or_too_long_options_are_told_in_the_terminal() {
    let (platform, ann) = shop(Limits::default()).await;
    let before = ann.remote_refs().await;
    ann.commit(&[("note", "x")]).await;
    ann.push(&[&format!("reason={}", "x".repeat(5_000))], &["main"])
        .await
        .bad()
        .tells("remote: error: refused: the option `reason` has 5007 bytes; 4096 is the most of one")
        .tells("remote: nothing changed")
        .tells("[remote rejected] main -> main (a push option is too long)");
    left_one(&platform, &ann, &before, "push-option").await;
    let many: Vec<String> = (0..33).map(|n| format!("allow-destroy=v{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bob = Workdir::clone_of(&platform.url("acme/shop")).await;
    bob.commit(&[("note", "y")]).await;
    bob.push(&many, &["main"])
        .await
        .bad()
        .tells("remote: error: refused: the push has over 32 options, which is the most of `-o`")
        .tells("[remote rejected] main -> main (too many push options)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_refs_than_fit_are_told_in_gits_own_way() {
    let (platform, ann) = shop(Limits::default()).await;
    let before = ann.remote_refs().await;
    let tip = ann.rev("HEAD").await;
    let mut many = Raw::to(b"refs/heads/x", &tip);
    for n in 0..12_000 {
        many = many.and(&format!("refs/heads/{}{n}", "x".repeat(100)), &tip);
    }
    let answer = many.push(&platform).await;
    raw::tells(&answer, "HTTP/1.1 200");
    raw::tells(
        &answer,
        "the push names more refs and options than fit into 2097152 bytes, which is the most: push in parts",
    );
    raw::tells(&answer, "ng refs/heads/x too many refs and options");
    left_one(&platform, &ann, &before, "too-many-refs").await;
}
