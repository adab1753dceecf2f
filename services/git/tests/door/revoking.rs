//! What let somebody in ends while they are at it: what they read breaks off, what they push is refused.

use std::time::Duration;

use schemas::event::Refusal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::http::{connect, half_a_push};
use crate::platform::{Platform, eventually, processes_in};
use crate::workdir::{DB, Workdir};

/// "Everywhere within a second", and the time that a busy machine takes to tell us.
const SOON: Duration = Duration::from_secs(2);

/// More than all buffers between the service and its client hold, in bytes.
const LARGE: usize = 48 << 20;

async fn shop(platform: &Platform) -> Workdir {
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    ann
}

async fn no_child_is_left(platform: &Platform) {
    let folder = platform.folder().canonicalize().unwrap();
    eventually("the end of every child", || {
        let left = processes_in(&folder);
        async move { if left.is_empty() { Ok(()) } else { Err(left.join(", ")) } }
    })
    .await;
}

/// Bytes that no compression makes fewer.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(LARGE);
    while bytes.len() < LARGE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_breaks_off() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    ann.run(&["config", "core.compression", "0"]).await.good();
    std::fs::write(ann.path.join("large"), noise()).unwrap();
    let commit = ann.commit(&[]).await;
    ann.push(&["no-wait"], &["main"]).await.good();

    let mut stream = connect(&platform).await;
    let body = format!("0032want {commit}\n00000009done\n");
    let head = format!(
        "POST /git/acme/shop.git/git-upload-pack HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\
         content-type: application/x-git-upload-pack-request\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut piece = vec![0; 1 << 20];
    let mut seen = 0;
    while seen < 1 << 20 {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "it ended after {seen} bytes: {}", String::from_utf8_lossy(&piece));
        seen += read;
    }
    platform.over.cancel();
    no_child_is_left(&platform).await;
    // What the network holds already still comes, and then no end as of something whole.
    let rest = async {
        let mut rest = Vec::new();
        loop {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return rest,
                Ok(read) => rest.extend_from_slice(&piece[..read]),
            }
        }
    };
    let rest = timeout(SOON, rest).await.expect("the connection stays open");
    assert!(seen + rest.len() < LARGE, "all of it came");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it ends as if that were all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_breaks_off() {
    let platform = Platform::started().await;
    shop(&platform).await;
    let mut stream = half_a_push(&platform, "x").await;
    platform.over.cancel();
    let mut answer = Vec::new();
    // Whether it breaks or ends, it is over.
    let ended = timeout(SOON, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open");
    no_child_is_left(&platform).await;
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
}

/// Asked again right before the append: whatever a push waits for may take long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_is_refused_when_its_event_would_be_appended() {
    let platform = Platform::started().await;
    let ann = shop(&platform).await;
    let before = format!("{} refs/heads/main\n", ann.head().await);
    ann.commit(&[("containers/db.json", &DB.replace("60", "61"))]).await;
    platform.registry_open.send_replace(false);
    let asked = *platform.registry_asked.borrow();
    let folder = platform.folder().canonicalize().unwrap();
    let meanwhile = async {
        platform.registry_asked.subscribe().wait_for(|it| *it > asked).await.unwrap();
        // What locks the refs is there, and is held up.
        let locks = eventually("the child that locks", || {
            let found = pids_in(&folder, "update-ref");
            async move { found.first().copied().ok_or_else(|| "none".to_owned()) }
        })
        .await;
        signal(locks, "STOP").await;
        platform.registry_open.send_replace(true);
        eventually("the second hook", || {
            let found = pids_in(&folder, "proc-receive");
            async move { if found.is_empty() { Err("none".to_owned()) } else { Ok(()) } }
        })
        .await;
        platform.over.cancel();
        signal(locks, "CONT").await;
    };
    let (said, ()) = tokio::join!(ann.push(&["no-wait"], &["main"]), meanwhile);
    said.bad().tells("your token or role does not hold any more").tells("nothing changed");
    assert_eq!(platform.pushed("acme/shop").await.len(), 1);
    let refused = platform.refused("acme/shop").await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (refused[0].refusal, refused[0].codes.as_slice()),
        (Refusal::NotAllowed, ["role".to_owned()].as_slice())
    );
    no_child_is_left(&platform).await;
    // Nobody is let in to look; the disk shows it.
    let repository = platform.folder().join("acme/shop.git");
    let refs = ann.run(&["--git-dir", repository.to_str().unwrap(), "show-ref"]).await.good().stdout;
    assert_eq!(refs, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_see_no_more_is_not_shown_the_rollout() {
    let mut platform = Platform::new().await;
    platform.limits.silence = Duration::from_secs(300);
    platform.start().await;
    let ann = shop(&platform).await;
    ann.commit(&[("containers/db.json", &DB.replace("60", "61"))]).await;
    let meanwhile = async {
        eventually("the push", || async {
            let seen = platform.pushed("acme/shop").await.len();
            if seen == 2 { Ok(()) } else { Err(format!("{seen} pushes")) }
        })
        .await;
        platform.over.cancel();
    };
    let push = timeout(Duration::from_secs(20), ann.push(&[], &["main"]));
    let (said, ()) = tokio::join!(push, meanwhile);
    said.expect("it goes on waiting").good().tells("accepted at position").tells("does not hold any more");
}

/// Processes that work in `folder` and have this in their command line.
fn pids_in(folder: &std::path::Path, words: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let inside = all.filter(|it| std::fs::read_link(it.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)));
    let named = inside.filter(|it| std::fs::read_to_string(it.join("cmdline")).is_ok_and(|line| line.contains(words)));
    named.filter_map(|it| it.file_name()?.to_str()?.parse().ok()).collect()
}

async fn signal(pid: u32, name: &str) {
    let ended = tokio::process::Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().await;
    assert!(ended.unwrap().success(), "kill -{name} {pid}");
}
