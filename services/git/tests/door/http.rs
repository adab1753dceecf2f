//! The protocol below `git`: statuses, headers, bodies that end early.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::platform::{Platform, eventually, processes_in};
use crate::workdir::{DB, Workdir};

/// Sends one request on a connection of its own, and reads the whole answer.
pub async fn ask(platform: &Platform, head: &str, body: &[u8]) -> String {
    let mut stream = connect(platform).await;
    let head = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub async fn connect(platform: &Platform) -> TcpStream {
    let url = platform.url("x/y");
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Begins to push a branch to `acme/shop`, and stops in the middle, once Git is at work on it.
pub async fn half_a_push(platform: &Platform, branch: &str) -> TcpStream {
    let mut stream = connect(platform).await;
    let head = "POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\
                content-type: application/x-git-receive-pack-request\r\n\r\n";
    let command = format!("{} {} refs/heads/{branch}\0report-status side-band-64k", "0".repeat(40), "a".repeat(40));
    let command = format!("{:04x}{command}0000PACK\0\0\0\u{2}\0\0\0\u{9}", command.len() + 4);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(command.as_bytes()).await.unwrap();
    let folder = platform.folder().canonicalize().unwrap();
    eventually("a child", || async { if processes_in(&folder).is_empty() { Err("none".to_owned()) } else { Ok(()) } })
        .await;
    stream
}

#[track_caller]
fn says(answer: &str, status: u16, words: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "expected {status}:\n{answer}");
    assert!(answer.contains(words), "expected {words:?}:\n{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_git_request_is_told_what_would_be() {
    let platform = Platform::started().await;
    let refs = |path: &str| format!("GET /git/{path} HTTP/1.1");
    says(&ask(&platform, &refs("acme/shop.git/info/refs"), b"").await, 403, "smart HTTP");
    says(&ask(&platform, &refs("acme/shop.git/info/refs?service=git-x"), b"").await, 403, "unknown service");
    for path in ["Acme/shop.git", "acme/..", "acme/.git", "%2e%2e/shop.git", ".hooks/x.git", "a%2fb/c.git"] {
        let head = refs(&format!("{path}/info/refs?service=git-upload-pack"));
        says(&ask(&platform, &head, b"").await, 404, "");
    }
    says(&ask(&platform, &refs("acme/shop.git/objects/info/packs"), b"").await, 404, "");
    let unknown = ask(&platform, &refs("acme/shop.git/info/refs?service=git-upload-pack"), b"").await;
    says(&unknown, 404, "there is no fleet `acme/shop`");
    assert!(unknown.contains("content-type: text/plain"), "{unknown}");

    let post = |kind: &str| format!("POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\ncontent-type: {kind}");
    let kind = "application/x-git-receive-pack-request";
    says(&ask(&platform, &post("text/plain"), b"0000").await, 415, kind);
    let packed = format!("{}\r\ncontent-encoding: br", post(kind));
    says(&ask(&platform, &packed, b"0000").await, 415, "expected \"gzip\"");
    // The client's probe: no commands at all.
    says(&ask(&platform, &post(kind), b"0000").await, 200, "application/x-git-receive-pack-result");
    assert!(!platform.folder().join("acme/shop.git").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_that_is_not_there_is_advertised_as_empty_to_a_pusher() {
    let platform = Platform::started().await;
    let head = "GET /git/acme/shop/info/refs?service=git-receive-pack HTTP/1.1";
    let answer = ask(&platform, head, b"").await;
    says(&answer, 200, "001f# service=git-receive-pack\n0000");
    says(&answer, 200, "cache-control: no-cache, max-age=0, must-revalidate");
    says(&answer, 200, "push-options");
    says(&answer, 200, &"0".repeat(40));
    assert!(!platform.folder().join("acme").join("shop.git").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_2_is_spoken_to_readers() {
    let platform = Platform::started().await;
    let ann = Workdir::new(&platform.url("acme/shop")).await;
    ann.commit(&[("containers/db.json", DB)]).await;
    ann.push(&["create", "no-wait"], &["main"]).await.good();
    let head = "GET /git/acme/shop.git/info/refs?service=git-upload-pack HTTP/1.1";
    let two = ask(&platform, &format!("{head}\r\ngit-protocol: version=2"), b"").await;
    says(&two, 200, "version 2");
    assert!(!two.contains("# service="), "{two}");
    says(&ask(&platform, head, b"").await, 200, "# service=git-upload-pack");
    says(&ask(&platform, &format!("{head}\r\ngit-protocol: $(x)"), b"").await, 200, "# service=git-upload-pack");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pusher_who_hangs_up_in_the_middle_leaves_nothing() {
    let platform = Platform::started().await;
    let stream = half_a_push(&platform, "main").await;
    let folder = platform.folder().canonicalize().unwrap();
    drop(stream);
    eventually("the end of the child and of its folder", || async {
        let left = (processes_in(&folder), folder.join("acme/shop.git").exists());
        if left == (Vec::new(), false) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    assert_eq!(platform.bus.head().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_nothing_is_given_up() {
    let mut platform = Platform::new().await;
    platform.limits.slow = Duration::from_millis(200);
    platform.start().await;
    let mut stream = connect(&platform).await;
    let head = "POST /git/acme/shop.git/git-receive-pack HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\
                content-type: application/x-git-receive-pack-request\r\n\r\n00";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_does_nothing_on_its_own() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_fleetlog-git-hook")).output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("does nothing on its own"));
}
